package store

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"concordat/ledger/kv"
)

func open(t testing.TB, o Options) *Base {
	t.Helper()
	b, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	return b
}

// both runs a test in memory and on spill files.
func both(t *testing.T, f func(t *testing.T, o Options)) {
	t.Run("memory", func(t *testing.T) { f(t, Options{}) })
	t.Run("spill", func(t *testing.T) { f(t, Options{Dir: t.TempDir()}) })
}

func put(key, value string, version uint64) kv.Row {
	return kv.Row{Key: []byte(key), Value: []byte(value), Version: version}
}

func write(t testing.TB, b *Base, batch ...kv.MapBatch) {
	t.Helper()
	if err := b.Write(batch); err != nil {
		t.Fatal(err)
	}
}

func scan(t testing.TB, v kv.View, name string) string {
	t.Helper()
	var s strings.Builder
	if err := v.Scan(name, func(r kv.Row) bool {
		fmt.Fprintf(&s, "%q=%q@%d ", r.Key, r.Value, r.Version)
		return true
	}); err != nil {
		t.Fatal(err)
	}
	return s.String()
}

func TestBase(t *testing.T) {
	both(t, func(t *testing.T, o Options) {
		b := open(t, o)
		write(t, b,
			kv.MapBatch{Name: "m", Row: kv.MapRow{Version: 2, Count: 2}, Puts: []kv.Row{put("b", "2", 2), put("a", "", 1)}},
			kv.MapBatch{Name: "m\x00", Row: kv.MapRow{Version: 1, Count: 1}, Puts: []kv.Row{put("\x00", "zero", 1)}},
			kv.MapBatch{Name: "", Row: kv.MapRow{Version: 1, Count: 1}, Puts: []kv.Row{put("", "empty", 1)}})
		v, err := b.View()
		if err != nil {
			t.Fatal(err)
		}
		defer v.Close()
		write(t, b, kv.MapBatch{Name: "m", Row: kv.MapRow{Version: 3, Count: 1}, Puts: []kv.Row{put("a", "new", 3)}, Deletes: [][]byte{[]byte("b")}})
		if got := scan(t, v, "m"); got != `"a"=""@1 "b"="2"@2 ` {
			t.Errorf("view of m: %s", got)
		}
		if got := scan(t, v, "m\x00") + scan(t, v, ""); got != `"\x00"="zero"@1 ""="empty"@1 ` {
			t.Errorf("view of odd maps: %s", got)
		}
		var names []string
		if err := v.Maps(func(name string, row kv.MapRow) bool {
			names = append(names, fmt.Sprintf("%q %v", name, row))
			return true
		}); err != nil || !slices.Equal(names, []string{`"" {1 1}`, `"m" {2 2}`, `"m\x00" {1 1}`}) {
			t.Errorf("maps: %v, %v", names, err)
		}
		if row, ok, err := v.Map("nobody"); ok || err != nil {
			t.Errorf("row of a map that does not exist: %v, %v, %v", row, ok, err)
		}
		value, version, ok, err := b.Get([]byte("kept "), "m", []byte("a"))
		if string(value) != "kept new" || version != 3 || !ok || err != nil {
			t.Errorf("get: %q, %d, %v, %v", value, version, ok, err)
		}
		if _, _, ok, err := b.Get(nil, "m", []byte("b")); ok || err != nil {
			t.Errorf("get of a deleted key: %v, %v", ok, err)
		}
		if _, version, ok, err := v.Get(nil, "m", []byte("b")); version != 2 || !ok || err != nil {
			t.Errorf("get in an older view: %d, %v, %v", version, ok, err)
		}
		n := 0
		if err := v.Scan("m", func(kv.Row) bool { n++; return false }); err != nil || n != 1 {
			t.Errorf("a scan that is stopped: %d rows, %v", n, err)
		}
	})
}

func TestClosedBase(t *testing.T) {
	b := open(t, Options{})
	if err := errors.Join(b.Close(), b.Close()); err != nil {
		t.Errorf("close twice: %v", err)
	}
	if _, _, _, err := b.Get(nil, "m", nil); !errors.Is(err, ErrClosed) {
		t.Errorf("get: %v", err)
	}
	if _, err := b.View(); !errors.Is(err, ErrClosed) {
		t.Errorf("view: %v", err)
	}
	if err := b.Write(nil); !errors.Is(err, ErrClosed) {
		t.Errorf("write: %v", err)
	}
}

func TestSpillDirectory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "spill")
	b := open(t, Options{Dir: dir})
	write(t, b, kv.MapBatch{Name: "m", Puts: []kv.Row{put("k", "v", 1)}})
	if err := b.db.Flush(); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(Options{Dir: dir}); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("a directory in use: %v", err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	left, _ := filepath.Glob(filepath.Join(dir, "*.sst"))
	if len(left) == 0 {
		t.Fatal("nothing was spilled")
	}
	b = open(t, Options{Dir: dir})
	if again, _ := filepath.Glob(filepath.Join(dir, "*.sst")); len(again) != 0 {
		t.Errorf("left from before: %v", again)
	}
	if _, _, ok, _ := b.Get(nil, "m", []byte("k")); ok {
		t.Error("state of an earlier process is visible")
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"accounts.xlsx", "x.sst", "000001.sst.bak"} {
		other := t.TempDir()
		precious := filepath.Join(other, name)
		if err := os.WriteFile(precious, []byte("precious"), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(Options{Dir: other}); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("a directory with %s: %v", name, err)
		}
		if _, err := os.Stat(precious); err != nil {
			t.Errorf("%s is gone: %v", name, err)
		}
	}
}

// What is on disk tells neither keys nor values nor map names.
func TestSpillIsSealed(t *testing.T) {
	dir := t.TempDir()
	b := open(t, Options{Dir: dir})
	var rows []kv.Row
	for i := range 2000 {
		rows = append(rows, put(fmt.Sprintf("visible key %d", i), "visible value", 1))
	}
	write(t, b, kv.MapBatch{Name: "visible map", Puts: rows})
	if err := b.db.Flush(); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var files int
	var size int64
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(data, []byte("visible")) || bytes.Contains(data, []byte("rocksdb")) {
			t.Errorf("%s can be read", e.Name())
		}
		switch {
		case spillName.MatchString(e.Name()):
			files++
			size += int64(len(data))
		case e.Name() != lockName:
			t.Errorf("unexpected file %s", e.Name())
		}
	}
	if st := b.Stats(); st.SpillFiles != files || st.SpillBytes != size || files == 0 {
		t.Errorf("stats: %+v; on disk %d files, %d bytes", st, files, size)
	}
}

// A store under load over spill files: the compactions read and write them too.
func TestSpillUnderLoad(t *testing.T) {
	b := open(t, Options{Dir: t.TempDir(), MemTableBytes: 64 << 10, CacheBytes: 64 << 10})
	rng := rand.New(rand.NewPCG(1, 2))
	want := map[string]string{}
	for i := range 200 {
		batch := kv.MapBatch{Name: "m"}
		seen := map[string]bool{}
		for range 50 {
			k := fmt.Sprintf("key%d", rng.IntN(3000))
			if seen[k] {
				continue
			}
			seen[k] = true
			if rng.IntN(4) == 0 {
				batch.Deletes = append(batch.Deletes, []byte(k))
				delete(want, k)
				continue
			}
			v := fmt.Sprintf("%d:%s", i, strings.Repeat("x", rng.IntN(200)))
			batch.Puts = append(batch.Puts, put(k, v, uint64(i)))
			want[k] = v
		}
		write(t, b, batch)
	}
	if err := b.db.Flush(); err != nil {
		t.Fatal(err)
	}
	for i := range 3000 {
		k := fmt.Sprintf("key%d", i)
		v, _, ok, err := b.Get(nil, "m", []byte(k))
		if w, has := want[k]; err != nil || ok != has || string(v) != w {
			t.Fatalf("%s: got %q, %v, %v; want %q, %v", k, v, ok, err, w, has)
		}
	}
	if st := b.Stats(); st.SpillFiles == 0 {
		t.Error("nothing was spilled")
	}
}

func FuzzEntryKey(f *testing.F) {
	for _, name := range []string{"", "m", "\x00", "public:ccf.gov.nodes.info", "a\x00\xffb", "\x00\x01"} {
		for _, key := range []string{"", "k", "\x00\x01", "\xff"} {
			f.Add(name, []byte(key), appendEntryKey(nil, name, []byte(key)))
		}
	}
	f.Fuzz(func(t *testing.T, name string, key, other []byte) {
		b := appendEntryKey(nil, name, key)
		n, k, err := parseEntryKey(b)
		if err != nil || n != name || !bytes.Equal(k, key) {
			t.Fatalf("%q, %q: read back as %q, %q, %v", name, key, n, k, err)
		}
		if bytes.Compare(b, appendName(nil, name, endOfName)) < 0 || bytes.Compare(b, appendName(nil, name, pastName)) >= 0 {
			t.Fatalf("%q, %q lies outside its map's range", name, key)
		}
		n2, k2, err := parseEntryKey(other)
		if err != nil {
			return
		}
		if again := appendEntryKey(nil, n2, k2); !bytes.Equal(again, other) {
			t.Fatalf("%x reads as %q, %q, which is written %x", other, n2, k2, again)
		}
		want := strings.Compare(name, n2)
		if want == 0 {
			want = bytes.Compare(key, k2)
		}
		if got := bytes.Compare(b, other); got != want {
			t.Fatalf("order of (%q, %q) and (%q, %q): got %d, want %d", name, key, n2, k2, got, want)
		}
	})
}

func TestMalformedRows(t *testing.T) {
	if _, _, err := splitValue(make([]byte, 7)); err == nil {
		t.Error("an entry without a version")
	}
	for _, n := range []int{0, 15, 17} {
		if _, err := parseMapRow(make([]byte, n)); err == nil {
			t.Errorf("a map row of %d bytes", n)
		}
	}
	for _, bad := range []string{"", "m", "r", "rname", "rname\x00", "rname\x00\x02", "xname\x00\x01"} {
		if _, _, err := parseEntryKey([]byte(bad)); err == nil {
			t.Errorf("%q is a key", bad)
		}
	}
}

// Pebble and plain memory must be the same base to a store: random batches, and
// views taken and kept between them.
func TestBaseEqualsMemBase(t *testing.T) {
	both(t, func(t *testing.T, o Options) {
		o.MemTableBytes = 32 << 10
		for seed := range uint64(5) {
			rng := rand.New(rand.NewPCG(seed, 4))
			ours, plain := open(t, o), kv.NewMemBase()
			names := []string{"", "m", "m\x00", "m\x00\x01", "\xff"}
			key := func() []byte { return bytes.Repeat([]byte{byte(rng.IntN(3))}, rng.IntN(6)) }
			views := [][2]kv.View{}
			for i := range 300 {
				batch := kv.Batch{}
				for _, name := range names {
					if rng.IntN(2) == 0 {
						continue
					}
					mb := kv.MapBatch{Name: name, Row: kv.MapRow{Version: uint64(i), Count: rng.Uint64()}}
					seen := map[string]bool{}
					for range rng.IntN(8) {
						k := key()
						if seen[string(k)] {
							continue
						}
						seen[string(k)] = true
						if rng.IntN(3) == 0 {
							mb.Deletes = append(mb.Deletes, k)
						} else {
							mb.Puts = append(mb.Puts, kv.Row{Key: k, Value: bytes.Repeat(k, rng.IntN(200)), Version: uint64(i)})
						}
					}
					batch = append(batch, mb)
				}
				if err := errors.Join(ours.Write(batch), plain.Write(batch)); err != nil {
					t.Fatal(err)
				}
				if rng.IntN(10) == 0 {
					a, err := ours.View()
					b, err2 := plain.View()
					if err := errors.Join(err, err2); err != nil {
						t.Fatal(err)
					}
					views = append(views, [2]kv.View{a, b})
				}
				name, k := names[rng.IntN(len(names))], key()
				v1, s1, ok1, err1 := ours.Get(nil, name, k)
				v2, s2, ok2, _ := plain.Get(nil, name, k)
				if !bytes.Equal(v1, v2) || s1 != s2 || ok1 != ok2 || err1 != nil {
					t.Fatalf("seed %d, step %d: get %q %q: %q %d %v %v; want %q %d %v", seed, i, name, k, v1, s1, ok1, err1, v2, s2, ok2)
				}
			}
			for i, v := range views {
				sameView(t, fmt.Sprintf("seed %d, view %d", seed, i), v, names)
			}
			if err := ours.Close(); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func sameView(t *testing.T, what string, v [2]kv.View, names []string) {
	t.Helper()
	var maps [2]string
	for i := range v {
		if err := v[i].Maps(func(name string, row kv.MapRow) bool {
			maps[i] += fmt.Sprintf("%q %v ", name, row)
			return true
		}); err != nil {
			t.Fatal(err)
		}
	}
	if maps[0] != maps[1] {
		t.Fatalf("%s: maps %s; want %s", what, maps[0], maps[1])
	}
	for _, name := range names {
		if got, want := scan(t, v[0], name), scan(t, v[1], name); got != want {
			t.Fatalf("%s: map %q: %s; want %s", what, name, got, want)
		}
	}
	for _, view := range v {
		if err := view.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
