package chunk_test

import (
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"concordat/ledger"
	"concordat/ledger/chunk"
)

func TestOpenRefusesADirectoryWithFiles(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "ledger")
	w, err := chunk.Open(dir, chunk.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "ledger_1"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := chunk.Open(dir, chunk.Options{}); !errors.Is(err, chunk.ErrNotEmpty) || !strings.Contains(err.Error(), "ledger_1") {
		t.Errorf("%v", err)
	}
}

// One segment is one write; its durability is one sync of the file, and of the
// directory when the file is new.
func TestSystemCallsOfAnAppend(t *testing.T) {
	d := newDriver(t, 1)
	rng := rand.New(rand.NewPCG(1, 1))
	segment := slices.Concat(makeEntry(rng, 1, 0), makeEntry(rng, 2, 0), makeEntry(rng, 3, 0))
	if err := errors.Join(d.w.Append(segment), d.w.Sync(), d.w.Sync()); err != nil {
		t.Fatal(err)
	}
	if want := []string{"create ledger_1", "write ledger_1", "sync ledger_1", "syncdir ledger"}; !slices.Equal(d.fs.ops, want) {
		t.Errorf("first segment: %q, want %q", d.fs.ops, want)
	}
	d.fs.ops = nil
	if err := errors.Join(d.w.Append(makeEntry(rng, 4, ledger.FlagChunkAfter)), d.w.Sync()); err != nil {
		t.Fatal(err)
	}
	if want := []string{"write ledger_1", "sync ledger_1"}; !slices.Equal(d.fs.ops, want) {
		t.Errorf("second segment: %q, want %q", d.fs.ops, want)
	}
	d.fs.ops = nil
	if err := d.w.Commit(4); err != nil {
		t.Fatal(err)
	}
	want := []string{"write ledger_1", "sync ledger_1", "write ledger_1", "sync ledger_1", "rename ledger_1", "syncdir ledger"}
	if !slices.Equal(d.fs.ops, want) {
		t.Errorf("completion: %q, want %q", d.fs.ops, want)
	}
}

func TestNoSyncNeverSyncs(t *testing.T) {
	d := newDriver(t, 3)
	var err error
	if d.w, err = chunk.Open("elsewhere", chunk.Options{FS: d.fs, NoSync: true}); err != nil {
		t.Fatal(err)
	}
	d.fs.fail = func(op, _ string) (error, int) {
		if strings.HasPrefix(op, "sync") {
			t.Errorf("%s although no sync was asked for", op)
		}
		return nil, -1
	}
	for range 100 {
		if what, err := d.step(); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
}

func TestWriterRefusesWhatIsOutOfOrder(t *testing.T) {
	d := newDriver(t, 1)
	rng := d.rng
	whole := makeEntry(rng, 1, 0)
	for name, segment := range map[string][]byte{
		"wrong first seqno": makeEntry(rng, 2, 0),
		"gap inside":        slices.Concat(whole, makeEntry(rng, 3, 0)),
		"cut short":         slices.Concat(whole, makeEntry(rng, 2, 0)[:60]),
		"header cut short":  slices.Concat(whole, []byte{1, 0}),
		"not an entry":      slices.Concat(whole, make([]byte, 100)),
	} {
		if err := d.w.Append(segment); !errors.Is(err, chunk.ErrOrder) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if len(d.fs.content(testDir)) != 0 {
		t.Error("something was written")
	}
	if err := errors.Join(d.w.Append(whole), d.w.Append(nil), d.w.Append(makeEntry(rng, 2, 0)), d.w.Commit(1)); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ got, want error }{
		"commit of the future":  {d.w.Commit(3), chunk.ErrOrder},
		"rollback to later":     {d.w.Truncate(3), chunk.ErrOrder},
		"rollback of committed": {d.w.Truncate(0), chunk.ErrCommitted},
		"commit going back":     {d.w.Commit(0), nil},
		"rollback to last":      {d.w.Truncate(1), nil},
	} {
		if !errors.Is(c.got, c.want) {
			t.Errorf("%s: %v, want %v", name, c.got, c.want)
		}
	}
}

// A file stays below the limit with its table; the entry that would pass it is
// refused before anything is written, and one less fits.
func TestWriterRefusesAFullFile(t *testing.T) {
	for _, fits := range []bool{true, false} {
		d := newDriver(t, 1)
		a, b := makeEntry(d.rng, 1, 0), makeEntry(d.rng, 2, ledger.FlagChunkAfter)
		limit := int64(8 + len(a) + len(b) + 2*4)
		if !fits {
			limit--
		}
		d.w.SetMaxFile(limit)
		if err := d.w.Append(a); err != nil {
			t.Fatal(err)
		}
		if err := d.w.Append(b); fits != (err == nil) || !fits && !errors.Is(err, chunk.ErrFull) {
			t.Errorf("fits %v: %v", fits, err)
		}
		if err := d.w.Commit(d.w.Next() - 1); err != nil {
			t.Error(err)
		}
		c := makeEntry(d.rng, 3, 0)
		if err := d.w.Append(c); fits && err != nil {
			t.Errorf("a new file has room again: %v", err)
		}
	}
}

func TestWriterStartsAfterASnapshot(t *testing.T) {
	d := newDriver(t, 1)
	w, err := chunk.Open("joined", chunk.Options{FS: d.fs, First: 43})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(w.Append(makeEntry(d.rng, 43, ledger.FlagChunkAfter)), w.Commit(43)); err != nil {
		t.Fatal(err)
	}
	if files := d.fs.content("joined"); files["ledger_43-43.committed"] == "" || len(files) != 1 {
		t.Errorf("files:\n%s", d.fs)
	}
	if _, err := w.ReadEntry(42); !errors.Is(err, chunk.ErrNotFound) {
		t.Errorf("an entry before the snapshot: %v", err)
	}
}

func TestWriterReadsArchives(t *testing.T) {
	d := newDriver(t, 1)
	first := makeEntry(d.rng, 1, ledger.FlagChunkAfter)
	if err := errors.Join(d.w.Append(first), d.w.Commit(1)); err != nil {
		t.Fatal(err)
	}
	w, err := chunk.Open("joined", chunk.Options{FS: d.fs, First: 2, Archives: []string{testDir}})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := w.ReadEntry(1); err != nil || string(got) != string(first) {
		t.Errorf("%v", err)
	}
}

func TestClosedWriterDoesNothing(t *testing.T) {
	d := newDriver(t, 1)
	if err := errors.Join(d.append(2), d.w.Close()); err != nil {
		t.Fatal(err)
	}
	if err := d.w.Append(makeEntry(d.rng, 3, 0)); !errors.Is(err, chunk.ErrFailed) {
		t.Errorf("append after close: %v", err)
	}
}

// The disk may change what it was given; a read notices as far as that shows.
func TestReadEntryChecksWhatItReads(t *testing.T) {
	d := newDriver(t, 1)
	if err := d.append(1); err != nil {
		t.Fatal(err)
	}
	node := d.fs.names[testDir+"/ledger_1"]
	for name, damage := range map[string]func(b []byte){
		"size":    func(b []byte) { b[8+2]++ },
		"version": func(b []byte) { b[8] = 9 },
		"seqno":   func(b []byte) { b[8+24]++ },
	} {
		good := slices.Clone(node.data)
		damage(node.data)
		_, err := d.w.ReadEntry(1)
		var where *chunk.Error
		if !errors.Is(err, chunk.ErrCorrupt) || !errors.As(err, &where) || where.Offset != 8 {
			t.Errorf("%s: %v", name, err)
		}
		node.data = good
	}
	node.data = node.data[:20]
	if _, err := d.w.ReadEntry(1); err == nil {
		t.Error("read past the end of a file that was cut")
	}
}

func TestRotation(t *testing.T) {
	r := chunk.Rotation{ChunkSize: 100}
	if r.Due() {
		t.Error("due at the start")
	}
	r.Add(0, 99)
	if r.Due() {
		t.Error("due below the size")
	}
	before := r
	r.Add(0, 1)
	if !r.Due() || before.Due() {
		t.Error("not due at the size, or the copy has changed")
	}
	r.Add(ledger.FlagChunkBefore, 5)
	if !r.Due() {
		t.Error("FlagChunkBefore started the count again")
	}
	r.Add(ledger.FlagChunkAfter, 1000)
	if r.Due() {
		t.Error("the flagged entry itself was counted")
	}
}

func BenchmarkAppend(b *testing.B) {
	w, err := chunk.Open(filepath.Join(b.TempDir(), "ledger"), chunk.Options{NoSync: true})
	if err != nil {
		b.Fatal(err)
	}
	defer w.Close()
	rng := rand.New(rand.NewPCG(1, 1))
	var segment []byte
	const perSegment = 50
	b.ReportAllocs()
	for n := ledger.Seqno(1); b.Loop(); n += perSegment {
		b.StopTimer()
		segment = segment[:0]
		for i := range ledger.Seqno(perSegment) {
			segment = append(segment, makeEntry(rng, n+i, 0)...)
		}
		b.SetBytes(int64(len(segment)))
		b.StartTimer()
		if err := w.Append(segment); err != nil {
			b.Fatal(err)
		}
	}
}
