package chunk_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"testing"

	"concordat/ledger"
	"concordat/ledger/chunk"
)

const testDir = "ledger"

// makeEntry makes the bytes of an entry as far as chunk files look at them.
func makeEntry(rng *rand.Rand, seqno ledger.Seqno, flags ledger.Flags) []byte {
	b := make([]byte, 61+rng.IntN(200))
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	binary.LittleEndian.PutUint64(b, 1|uint64(flags)<<8|uint64(len(b)-8)<<16)
	binary.LittleEndian.PutUint64(b[24:], seqno)
	return b
}

func flagsOf(entry []byte) ledger.Flags { return ledger.Flags(entry[1]) }

// model is what a Writer should have: the entries, and the files that follow
// from them by the rules of the format.
type model struct {
	entries   [][]byte // entry i has seqno i+1
	committed int
	done      map[string]string // completed files, which never change
	doneTo    int
}

// files computes the directory from the entries.
func (m *model) files() map[string]string {
	files := maps.Clone(m.done)
	for at := m.doneTo; at < len(m.entries); {
		end, _ := m.chunkEnd(at)
		data, _ := m.chunk(at, end)
		files[fmt.Sprintf("ledger_%d", at+1)] = data
		at = end
	}
	return files
}

// chunk is the content of an open file and the table it would get.
func (m *model) chunk(at, end int) (data, table string) {
	b := make([]byte, 8)
	var positions []byte
	for _, e := range m.entries[at:end] {
		positions = binary.LittleEndian.AppendUint32(positions, uint32(len(b)))
		b = append(b, e...)
	}
	return string(b), string(positions)
}

// commit completes what can be.
func (m *model) commit(to int) {
	m.committed = to
	for m.doneTo < len(m.entries) {
		end, ended := m.chunkEnd(m.doneTo)
		if !ended || end > to {
			return
		}
		data, table := m.chunk(m.doneTo, end)
		header := binary.LittleEndian.AppendUint64(nil, uint64(len(data)))
		m.done[fmt.Sprintf("ledger_%d-%d.committed", m.doneTo+1, end)] = string(header) + data[8:] + table
		m.doneTo = end
	}
}

// chunkEnd finds where the chunk that starts at index `at` ends.
func (m *model) chunkEnd(at int) (end int, ended bool) {
	for i := at; i < len(m.entries); i++ {
		if i > at && flagsOf(m.entries[i])&ledger.FlagChunkBefore != 0 {
			return i, true
		}
		if flagsOf(m.entries[i])&ledger.FlagChunkAfter != 0 {
			return i + 1, true
		}
	}
	return len(m.entries), false
}

// driver runs random operations on a Writer and its model.
type driver struct {
	rng *rand.Rand
	fs  *memFS
	w   *chunk.Writer
	model
	durable int // entries that must survive a power cut
}

func newDriver(t testing.TB, seed uint64) *driver {
	t.Helper()
	d := &driver{rng: rand.New(rand.NewPCG(seed, 1)), fs: newMemFS()}
	d.done = map[string]string{}
	var err error
	if d.w, err = chunk.Open(testDir, chunk.Options{FS: d.fs}); err != nil {
		t.Fatal(err)
	}
	return d
}

// step does one random operation and says which.
func (d *driver) step() (string, error) {
	switch d.rng.IntN(10) {
	case 0, 1:
		return "commit", d.commitTo(d.committed + d.rng.IntN(len(d.entries)-d.committed+1))
	case 2:
		return "truncate", d.truncate(d.committed + d.rng.IntN(len(d.entries)-d.committed+1))
	case 3, 4:
		return "sync", d.sync()
	}
	return "append", d.append(1 + d.rng.IntN(5))
}

func (d *driver) append(n int) error {
	var segment []byte
	var entries [][]byte
	for i := range n {
		var flags ledger.Flags
		if d.rng.IntN(6) == 0 {
			flags |= ledger.FlagChunkAfter
		}
		if d.rng.IntN(12) == 0 {
			flags |= ledger.FlagChunkBefore
		}
		e := makeEntry(d.rng, ledger.Seqno(len(d.entries)+i+1), flags)
		entries = append(entries, e)
		segment = append(segment, e...)
	}
	err := d.w.Append(segment)
	if err == nil {
		d.entries = append(d.entries, entries...)
	}
	return err
}

func (d *driver) commitTo(to int) error {
	err := d.w.Commit(ledger.Seqno(to))
	if err == nil {
		d.model.commit(to)
	}
	return err
}

func (d *driver) truncate(to int) error {
	if to == len(d.entries) {
		return nil
	}
	d.durable = min(d.durable, to)
	err := d.w.Truncate(ledger.Seqno(to))
	if err == nil {
		d.entries = d.entries[:to:to]
	}
	return err
}

func (d *driver) sync() error {
	err := d.w.Sync()
	if err == nil {
		d.durable = len(d.entries)
	}
	return err
}

// Whatever is appended, committed and rolled back, the directory holds exactly
// the files that the format asks for, and every entry can be read back.
func TestWriterAgreesWithTheModel(t *testing.T) {
	for seed := range uint64(40) {
		d := newDriver(t, seed)
		for n := range 150 {
			what, err := d.step()
			if err != nil {
				t.Fatalf("seed %d step %d: %s: %v", seed, n, what, err)
			}
			d.compare(t, fmt.Sprintf("seed %d step %d: %s", seed, n, what))
		}
		d.readAll(t)
	}
}

func (d *driver) compare(t *testing.T, when string) {
	t.Helper()
	want, got := d.files(), d.fs.content(testDir)
	for name := range want {
		if got[name] != want[name] {
			t.Fatalf("%s: %s has %d bytes, want %d, or others", when, name, len(got[name]), len(want[name]))
		}
	}
	if len(got) != len(want) {
		t.Fatalf("%s: %d files, want %d:\n%s", when, len(got), len(want), d.fs)
	}
	if d.w.Next() != ledger.Seqno(len(d.entries)+1) {
		t.Fatalf("%s: next is %d after %d entries", when, d.w.Next(), len(d.entries))
	}
}

// readAll reads every entry from the writer and from the directory.
func (d *driver) readAll(t *testing.T) {
	t.Helper()
	dir, err := chunk.DirOptions{FS: d.fs}.Open(testDir)
	if err != nil || len(dir.Damaged()) > 0 || dir.Torn() != nil {
		t.Fatalf("reading back: %v %v %v", err, dir.Damaged(), dir.Torn())
	}
	for i, want := range d.entries {
		for name, read := range map[string]func(ledger.Seqno) ([]byte, error){"writer": d.w.ReadEntry, "directory": dir.ReadEntry} {
			if got, err := read(ledger.Seqno(i + 1)); err != nil || string(got) != string(want) {
				t.Fatalf("entry %d from the %s: %v", i+1, name, err)
			}
		}
	}
	if _, err := d.w.ReadEntry(ledger.Seqno(len(d.entries) + 1)); !errors.Is(err, chunk.ErrNotFound) {
		t.Errorf("an entry that was never written: %v", err)
	}
}

// After a power cut at any moment, everything that had been synced is there, and
// no file claims more than it has.
func TestPowerCutKeepsWhatWasSynced(t *testing.T) {
	for seed := range uint64(150) {
		d := newDriver(t, seed)
		for n := range 60 {
			if what, err := d.step(); err != nil {
				t.Fatalf("seed %d: %s: %v", seed, what, err)
			}
			checkCrash(t, d, fmt.Sprintf("seed %d step %d", seed, n))
		}
	}
}

func checkCrash(t *testing.T, d *driver, when string) {
	t.Helper()
	after := d.fs.crash(d.rng)
	dir, err := chunk.DirOptions{FS: after}.Open(testDir)
	if err != nil || len(dir.Damaged()) > 0 {
		t.Fatalf("%s: after a power cut: %v %v", when, err, dir.Damaged())
	}
	for i := range d.durable {
		got, err := dir.ReadEntry(ledger.Seqno(i + 1))
		if err != nil || string(got) != string(d.entries[i]) {
			t.Fatalf("%s: entry %d of %d synced ones: %v\n%s", when, i+1, d.durable, err, after)
		}
	}
}

// A power cut in the middle of an operation, too: every disk operation of the
// scenario is once the last one that happened.
func TestPowerCutInsideAnOperation(t *testing.T) {
	for seed := range uint64(12) {
		for stop := 1; ; stop++ {
			d := newDriver(t, seed)
			count, died := 0, false
			d.fs.fail = func(string, string) (error, int) {
				if count++; count < stop {
					return nil, -1
				}
				died = true
				return errPowerCut, -1
			}
			for n := 0; n < 40 && !died; n++ {
				if what, err := d.step(); err != nil && !errors.Is(err, errPowerCut) {
					t.Fatalf("seed %d: %s: %v", seed, what, err)
				}
			}
			if !died {
				break
			}
			checkCrash(t, d, fmt.Sprintf("seed %d disk operation %d", seed, stop))
		}
	}
}

var errPowerCut = errors.New("power cut")
