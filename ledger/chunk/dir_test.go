package chunk_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"concordat/ledger"
	"concordat/ledger/chunk"
)

// build makes the content of a chunk file.
func build(first ledger.Seqno, n int, complete bool) []byte {
	rng := rand.New(rand.NewPCG(uint64(first), uint64(n)))
	b := make([]byte, 8)
	var table []byte
	for i := range n {
		table = binary.LittleEndian.AppendUint32(table, uint32(len(b)))
		b = append(b, makeEntry(rng, first+ledger.Seqno(i), 0)...)
	}
	if !complete {
		return b
	}
	binary.LittleEndian.PutUint64(b, uint64(len(b)))
	return append(b, table...)
}

func openMem(t testing.TB, o chunk.DirOptions, dirs map[string]map[string][]byte, paths ...string) *chunk.Dir {
	t.Helper()
	m := newMemFS()
	for dir, files := range dirs {
		for name, data := range files {
			m.put(dir+"/"+name, string(data))
		}
	}
	o.FS = m
	d, err := o.Open(paths...)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func walk(d *chunk.Dir) (seqnos []ledger.Seqno, err error) {
	err = d.Entries(func(seqno uint64, _ []byte) error {
		seqnos = append(seqnos, seqno)
		return nil
	})
	return seqnos, err
}

func names(infos []chunk.Info) (s []string) {
	for _, i := range infos {
		s = append(s, i.Path)
	}
	return s
}

func TestDirChoosesFiles(t *testing.T) {
	main := map[string][]byte{
		"ledger_1-3.committed":           build(1, 3, true),
		"ledger_4":                       build(4, 2, false), // the archive has more
		"ledger_8":                       build(8, 2, true),  // complete, not committed
		"ledger_10-11":                   build(10, 2, true),
		"ledger_12":                      {}, // made, nothing written yet
		"ledger_8.recovery":              build(8, 5, false),
		"ledger_10-13.committed.ignored": build(10, 4, true),
		"snapshot_3_5.committed":         []byte("no chunk"),
	}
	archive := map[string][]byte{
		"ledger_1-3.committed": build(1, 3, true),
		"ledger_4-7.committed": build(4, 4, true),
		"ledger_14":            build(14, 1, false), // not committed: does not count here
	}
	dirs := map[string]map[string][]byte{"main": main, "archive": archive}
	d := openMem(t, chunk.DirOptions{}, dirs, "main", "archive")
	if seqnos, err := walk(d); err != nil || len(seqnos) != 11 || seqnos[10] != 11 {
		t.Errorf("entries %v, %v", seqnos, err)
	}
	want := []string{"main/ledger_1-3.committed", "archive/ledger_4-7.committed", "main/ledger_8", "main/ledger_10-11", "main/ledger_12"}
	if got := names(d.Chunks()); !slices.Equal(got, want) {
		t.Errorf("files %q, want %q", got, want)
	}
	if got := names(d.Covered()); !slices.Equal(got, []string{"archive/ledger_1-3.committed", "main/ledger_4"}) {
		t.Errorf("covered %q", got)
	}
	chunks := d.Chunks()
	if !chunks[0].Complete || !chunks[0].Committed || !chunks[2].Complete || chunks[2].Committed || chunks[2].Entries() != 2 {
		t.Errorf("%+v", chunks)
	}
	committed := openMem(t, chunk.DirOptions{CommittedOnly: true}, dirs, "main", "archive")
	if committed.First() != 1 || committed.Last() != 7 {
		t.Errorf("committed only: %d-%d", committed.First(), committed.Last())
	}
	recovery := openMem(t, chunk.DirOptions{Recovery: true}, map[string]map[string][]byte{"main": {"ledger_8.recovery": main["ledger_8.recovery"]}}, "main")
	if recovery.First() != 8 || recovery.Last() != 12 {
		t.Errorf("recovery: %d-%d", recovery.First(), recovery.Last())
	}
	empty := openMem(t, chunk.DirOptions{}, nil)
	if empty.First() != 0 || empty.Last() != 0 || empty.Torn() != nil {
		t.Error("an empty view holds something")
	}
}

func TestDirReportsGapsAndOverlaps(t *testing.T) {
	d := openMem(t, chunk.DirOptions{}, map[string]map[string][]byte{"d": {
		"ledger_1-2.committed": build(1, 2, true),
		"ledger_4-5.committed": build(4, 2, true),
	}}, "d")
	seqnos, err := walk(d)
	var where *chunk.Error
	if !errors.Is(err, chunk.ErrGap) || !errors.As(err, &where) || where.File != "d/ledger_4-5.committed" || len(seqnos) != 2 {
		t.Errorf("gap: %v after %v", err, seqnos)
	}
	if _, err := d.ReadEntry(3); !errors.Is(err, chunk.ErrNotFound) {
		t.Errorf("entry in the gap: %v", err)
	}
	if raw, err := d.ReadEntry(4); err != nil || binary.LittleEndian.Uint64(raw[24:]) != 4 {
		t.Errorf("entry behind the gap: %v", err)
	}
	d = openMem(t, chunk.DirOptions{}, map[string]map[string][]byte{"d": {
		"ledger_1-4.committed": build(1, 4, true),
		"ledger_3-5.committed": build(3, 3, true),
	}}, "d")
	if bad := d.Damaged(); len(bad) != 1 || bad[0].File != "d/ledger_3-5.committed" || !errors.Is(bad[0], chunk.ErrCorrupt) {
		t.Errorf("overlap: %v", bad)
	}
}

func TestWalkFromTheMiddle(t *testing.T) {
	d := openMem(t, chunk.DirOptions{}, map[string]map[string][]byte{"d": {
		"ledger_1-3.committed": build(1, 3, true),
		"ledger_4":             build(4, 3, false),
	}}, "d")
	stop := errors.New("enough")
	var got []chunk.Item
	err := d.Walk(3, func(i chunk.Item) error {
		got = append(got, i)
		if i.Seqno == 5 {
			return stop
		}
		return nil
	})
	if !errors.Is(err, stop) || len(got) != 3 || got[0].Seqno != 3 || got[1].File != "d/ledger_4" || got[1].Offset != 8 {
		t.Errorf("%v %+v", err, got)
	}
}

// Every cut of a file that was being written: whole entries stay, the first byte
// that is too few is named.
func TestTornTails(t *testing.T) {
	whole := build(5, 3, false)
	ends := []int{8}
	for len(ends) < 4 {
		at := ends[len(ends)-1]
		ends = append(ends, at+8+int(binary.LittleEndian.Uint64(whole[at:])>>16))
	}
	for size := range whole {
		d := openMem(t, chunk.DirOptions{}, map[string]map[string][]byte{"d": {"ledger_5": whole[:size]}}, "d")
		n := 0
		for n < 3 && ends[n+1] <= size {
			n++
		}
		clean := size == 0 || size == ends[n]
		switch torn := d.Torn(); {
		case d.Last() != ledger.Seqno(4+n):
			t.Fatalf("cut at %d: last is %d", size, d.Last())
		case clean != (torn == nil):
			t.Fatalf("cut at %d: torn %v", size, torn)
		case torn != nil && size >= 8 && (torn.Offset != int64(ends[n]) || torn.File != "d/ledger_5" || !errors.Is(torn, chunk.ErrTorn)):
			t.Fatalf("cut at %d: %v, want byte %d", size, torn, ends[n])
		}
		if seqnos, err := walk(d); err != nil || len(seqnos) != n {
			t.Fatalf("cut at %d: %v %v", size, seqnos, err)
		}
	}
}

// A committed file must be right in every byte of its frame.
func TestDamagedCommittedFiles(t *testing.T) {
	good := build(1, 3, true)
	offset := int(binary.LittleEndian.Uint64(good))
	put := func(at int, v uint64) func(b []byte) []byte {
		return func(b []byte) []byte { binary.LittleEndian.PutUint64(b[at:], v); return b }
	}
	put32 := func(at int, v uint32) func(b []byte) []byte {
		return func(b []byte) []byte { binary.LittleEndian.PutUint32(b[at:], v); return b }
	}
	for name, damage := range map[string]func(b []byte) []byte{
		"no table":             put(0, 0),
		"table past the end":   put(0, uint64(len(good)+1)),
		"table at the end":     put(0, uint64(len(good))),
		"table in the header":  put(0, 4),
		"table huge":           put(0, math.MaxUint64),
		"table one entry more": put(0, uint64(offset-4)),
		"table not whole":      func(b []byte) []byte { return append(b, 0) },
		"table longer":         func(b []byte) []byte { return append(b, 0, 0, 0, 0) },
		"cut":                  func(b []byte) []byte { return b[:20] },
		"empty":                func(b []byte) []byte { return nil },
		"first position":       put32(offset, 9),
		"position backwards":   put32(offset+4, 8),
		"position in header":   put32(offset+4, 0),
		"position in table":    put32(offset+8, uint32(offset+4)),
		"position huge":        put32(offset+8, math.MaxUint32),
		"position off by one":  put32(offset+4, binary.LittleEndian.Uint32(good[offset+4:])+1),
		"entry size":           func(b []byte) []byte { b[8+2]++; return b },
		"entry version":        func(b []byte) []byte { b[8] = 0; return b },
		"entry seqno":          func(b []byte) []byte { b[8+24] = 2; return b },
	} {
		b := damage(slices.Clone(good))
		d := openMem(t, chunk.DirOptions{}, map[string]map[string][]byte{"d": {"ledger_1-3.committed": b}}, "d")
		_, err := walk(d)
		if len(d.Damaged()) > 0 {
			err = d.Damaged()[0]
		}
		var where *chunk.Error
		if !errors.As(err, &where) || where.File != "d/ledger_1-3.committed" || !strings.Contains(err.Error(), "ledger_1-3") {
			t.Errorf("%s: %v", name, err)
		}
		for seqno := range ledger.Seqno(5) {
			if raw, err := d.ReadEntry(seqno); err == nil && binary.LittleEndian.Uint64(raw[24:]) != seqno {
				t.Errorf("%s: another entry for %d", name, seqno)
			}
		}
	}
}

// Of files not committed the entries count, whatever header and table say.
func TestDamagedTablesOfUncommittedFiles(t *testing.T) {
	good := build(1, 3, true)
	for name, c := range map[string]struct {
		file   string
		damage func(b []byte) []byte
		last   ledger.Seqno
	}{
		"header zero":        {"ledger_1", func(b []byte) []byte { clear(b[:8]); return b }, 3},
		"header past end":    {"ledger_1", func(b []byte) []byte { b[7] = 1; return b }, 3},
		"table cut":          {"ledger_1", func(b []byte) []byte { return b[:len(b)-4] }, 3},
		"name says more":     {"ledger_1-4", func(b []byte) []byte { return b }, 3},
		"name says less":     {"ledger_1-2", func(b []byte) []byte { return b }, 3},
		"second entry wrong": {"ledger_1", func(b []byte) []byte { b[binary.LittleEndian.Uint32(b[len(b)-8:])] = 0; return b }, 1},
	} {
		d := openMem(t, chunk.DirOptions{}, map[string]map[string][]byte{"d": {c.file: c.damage(slices.Clone(good))}}, "d")
		if seqnos, err := walk(d); err != nil || ledger.Seqno(len(seqnos)) != c.last || d.Torn() == nil {
			t.Errorf("%s: %v %v, torn %v", name, seqnos, err, d.Torn())
		}
	}
}

func TestOpenDirThatIsMissing(t *testing.T) {
	if _, err := chunk.OpenDir(t.TempDir() + "/missing"); err == nil {
		t.Error("a missing directory is an empty ledger")
	}
}

func TestParseName(t *testing.T) {
	for s, want := range map[string]chunk.Name{
		"ledger_1":                                {First: 1},
		"ledger_1-2":                              {First: 1, Last: 2},
		"ledger_12-12.committed":                  {First: 12, Last: 12, Committed: true},
		"ledger_44.recovery":                      {First: 44, Recovery: true},
		"ledger_44-49.committed.recovery":         {First: 44, Last: 49, Committed: true, Recovery: true},
		"ledger_26-31.committed.recovery.ignored": {First: 26, Last: 31, Committed: true, Recovery: true, Ignored: true},
		"ledger_9.ignored":                        {First: 9, Ignored: true},
		"ledger_9223372036854775807":              {First: math.MaxInt64},
	} {
		if got, ok := chunk.ParseName(s); !ok || got != want || got.String() != s {
			t.Errorf("%s: %+v %v", s, got, ok)
		}
	}
	for _, s := range []string{"", "ledger", "ledger_", "ledger_0", "ledger_01", "ledger_-1", "ledger_+1", "ledger_1-", "ledger_2-1", "ledger_1-2-3", "ledger_1.committed",
		"ledger_1-2.recovery.committed", "ledger_1-2.committed.committed", "ledger_1.txt", "ledger_1 ", " ledger_1", "Ledger_1", "ledger_9223372036854775808", "ledger_1_000", "snapshot_1_2.committed"} {
		if got, ok := chunk.ParseName(s); ok {
			t.Errorf("%q was read as %+v", s, got)
		}
	}
}

func FuzzParseName(f *testing.F) {
	f.Add("ledger_26-31.committed.recovery.ignored")
	f.Add("ledger_1")
	f.Fuzz(func(t *testing.T, s string) {
		if n, ok := chunk.ParseName(s); ok && n.String() != s {
			t.Errorf("%q comes back as %q", s, n.String())
		}
	})
}

// Whatever a file holds: what is read of it makes up the file again.
func FuzzChunkFile(f *testing.F) {
	f.Add(build(1, 3, true), true)
	f.Add(build(1, 3, true), false)
	f.Add(build(1, 3, false), false)
	f.Add(build(1, 3, false)[:200], false)
	f.Fuzz(func(t *testing.T, data []byte, committed bool) {
		name := "ledger_1"
		if committed {
			name = "ledger_1-3.committed"
		}
		d := openMem(t, chunk.DirOptions{}, map[string]map[string][]byte{"d": {name: data}}, "d")
		rebuilt := make([]byte, 8)
		var table []byte
		err := d.Entries(func(seqno uint64, raw []byte) error {
			if again, err := d.ReadEntry(seqno); err != nil || string(again) != string(raw) {
				t.Errorf("entry %d by itself: %v", seqno, err)
			}
			table = binary.LittleEndian.AppendUint32(table, uint32(len(rebuilt)))
			rebuilt = append(rebuilt, raw...)
			return nil
		})
		if err != nil && !committed {
			t.Errorf("a file not committed is read up to its tear: %v", err)
		}
		if len(data) >= 8 && !bytes.HasPrefix(data[8:], rebuilt[8:]) {
			t.Errorf("entries\n got %x\nfrom %x", rebuilt, data)
		}
		if err != nil || !committed || len(d.Damaged()) > 0 {
			return
		}
		binary.LittleEndian.PutUint64(rebuilt, uint64(len(rebuilt)))
		if rebuilt = append(rebuilt, table...); !bytes.Equal(rebuilt, data) {
			t.Errorf("\n got %x\nfrom %x", rebuilt, data)
		}
	})
}
