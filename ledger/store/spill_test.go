package store

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	mathrand "math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"concordat/ledger"
	"concordat/ledger/kv"
)

func txid(seqno uint64) ledger.TxID { return ledger.TxID{View: 2, Seqno: seqno} }

// memHost is a disk that a test can play with.
type memHost struct {
	mu        sync.Mutex
	files     map[string][]byte
	writeErr  error
	readErr   error
	createErr error
}

func newMemHost() *memHost { return &memHost{files: map[string][]byte{}} }

func (h *memHost) create(name string) (hostFile, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.createErr != nil {
		return nil, h.createErr
	}
	h.files[name] = nil
	return &memFile{h, name}, nil
}

func (h *memHost) open(name string) (hostFile, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, ok := h.files[name]; !ok {
		return nil, fs.ErrNotExist
	}
	return &memFile{h, name}, nil
}

func (h *memHost) remove(name string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.files, name)
	return nil
}

type memFile struct {
	h    *memHost
	name string
}

func (f *memFile) ReadAt(p []byte, off int64) (int, error) {
	f.h.mu.Lock()
	defer f.h.mu.Unlock()
	if f.h.readErr != nil {
		return 0, f.h.readErr
	}
	return bytes.NewReader(f.h.files[f.name]).ReadAt(p, off)
}

func (f *memFile) WriteAt(p []byte, off int64) (int, error) {
	f.h.mu.Lock()
	defer f.h.mu.Unlock()
	if f.h.writeErr != nil {
		return 0, f.h.writeErr
	}
	data := f.h.files[f.name]
	if end := off + int64(len(p)); int64(len(data)) < end {
		data = append(data, make([]byte, end-int64(len(data)))...)
	}
	copy(data[off:], p)
	f.h.files[f.name] = data
	return len(p), nil
}

func (f *memFile) Close() error { return nil }

// spill is a file system over a memHost that notes what the store would be told.
type spill struct {
	*spillFS
	host *memHost
	told error
}

func newSpill() *spill {
	s := &spill{host: newMemHost()}
	s.spillFS = newSpillFS(s.host, rand.Reader, func(err error) { s.told = err })
	return s
}

func (s *spill) file(t *testing.T, name string, content []byte) {
	t.Helper()
	w, err := s.Create(name, "test")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(bytes.Clone(content)); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(w.Sync(), w.Close()); err != nil {
		t.Fatal(err)
	}
}

func (s *spill) read(name string) ([]byte, error) {
	f, err := s.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(f)
}

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b)
	return b
}

// Sizes around the block are where an off-by-one would hide.
func TestSpillFileSizes(t *testing.T) {
	for _, n := range []int{0, 1, BlockSize - 1, BlockSize, BlockSize + 1, 3 * BlockSize, 3*BlockSize + 5} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			s := newSpill()
			content := random(n)
			s.file(t, "000001.sst", content)
			if got, err := s.read("000001.sst"); err != nil || !bytes.Equal(got, content) {
				t.Fatalf("read: %d bytes, %v", len(got), err)
			}
			if st, err := s.Stat("000001.sst"); err != nil || st.Size() != int64(n) {
				t.Errorf("stat: %v, %v", st, err)
			}
			blocks := (n + BlockSize - 1) / BlockSize
			if got := len(s.host.files["000001.sst"]); got != n+blocks*tagSize {
				t.Errorf("on disk: %d bytes for %d in %d blocks", got, n, blocks)
			}
			f, err := s.Open("000001.sst")
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			rng := mathrand.New(mathrand.NewPCG(uint64(n), 1))
			for range 100 {
				off, size := rng.IntN(n+2), rng.IntN(2*BlockSize)
				p := make([]byte, size)
				got, err := f.ReadAt(p, int64(off))
				want := content[min(off, n):min(off+size, n)]
				if !bytes.Equal(p[:got], want) || (err == io.EOF) != (got < size) {
					t.Fatalf("ReadAt %d+%d: %d bytes, %v", off, size, got, err)
				}
			}
		})
	}
}

const (
	tamperBlocks = 4
	tamperSize   = tamperBlocks*BlockSize - 100
)

// tampering is a way of changing a sealed file, given another one, and the first
// block that must not open then.
type tampering struct {
	name   string
	block  uint64
	change func(data, other []byte) []byte
}

func tamperings() []tampering {
	const last = tamperSize + tamperBlocks*tagSize
	type change = func(data, other []byte) []byte
	flip := func(at int) change {
		return func(data, _ []byte) []byte { data[at] ^= 0x40; return data }
	}
	swap := func(i, j int) change {
		return func(data, _ []byte) []byte {
			a := bytes.Clone(data[i*sealedBlock : (i+1)*sealedBlock])
			copy(data[i*sealedBlock:], data[j*sealedBlock:(j+1)*sealedBlock])
			copy(data[j*sealedBlock:], a)
			return data
		}
	}
	return []tampering{
		{"first byte", 0, flip(0)},
		{"middle of a block", 1, flip(sealedBlock + BlockSize/2)},
		{"last byte of a block's text", 1, flip(2*sealedBlock - tagSize - 1)},
		{"first byte of a tag", 2, flip(3*sealedBlock - tagSize)},
		{"last byte of a tag", 2, flip(3*sealedBlock - 1)},
		{"last block", 3, flip(3 * sealedBlock)},
		{"last byte", 3, flip(last - 1)},
		{"two blocks swapped", 1, swap(1, 2)},
		{"block of another file", 1, func(data, other []byte) []byte {
			copy(data[sealedBlock:2*sealedBlock], other[sealedBlock:])
			return data
		}},
		{"whole other file", 0, func(_, other []byte) []byte { return bytes.Clone(other) }},
		{"last byte cut", 3, func(data, _ []byte) []byte { return data[:last-1] }},
		{"last block cut", 3, func(data, _ []byte) []byte { return data[:3*sealedBlock] }},
		{"cut inside a block", 1, func(data, _ []byte) []byte { return data[:sealedBlock+9] }},
		{"emptied", 0, func(_, _ []byte) []byte { return nil }},
	}
}

// Every way of changing a file must be told, with the block's number, and must
// leave the store told as well.
func TestTampering(t *testing.T) {
	content := random(tamperSize)
	for _, c := range tamperings() {
		t.Run(c.name, func(t *testing.T) {
			s := newSpill()
			s.file(t, "000007.sst", content)
			s.file(t, "000008.sst", content)
			s.host.files["000007.sst"] = c.change(s.host.files["000007.sst"], s.host.files["000008.sst"])
			got, err := s.read("000007.sst")
			var tampered *TamperError
			if !errors.As(err, &tampered) || tampered.File != "000007.sst" || tampered.Block != c.block || tampered.Blocks != tamperBlocks {
				t.Fatalf("read: %v; want block %d of %d", err, c.block, tamperBlocks)
			}
			if !errors.As(s.told, &tampered) {
				t.Errorf("the store was told %v", s.told)
			}
			if len(got) > int(c.block)*BlockSize || !bytes.Equal(got, content[:len(got)]) {
				t.Errorf("%d bytes came out of or past the bad block", len(got))
			}
			if got, err := s.read("000008.sst"); err != nil || !bytes.Equal(got, content) {
				t.Errorf("the other file: %v", err)
			}
		})
	}
	t.Run("bytes appended are not seen", func(t *testing.T) {
		s := newSpill()
		s.file(t, "000007.sst", content)
		s.host.files["000007.sst"] = append(s.host.files["000007.sst"], random(sealedBlock)...)
		if got, err := s.read("000007.sst"); err != nil || !bytes.Equal(got, content) {
			t.Errorf("read: %d bytes, %v", len(got), err)
		}
	})
	t.Run("removed", func(t *testing.T) {
		s := newSpill()
		s.file(t, "000007.sst", content)
		delete(s.host.files, "000007.sst")
		if _, err := s.read("000007.sst"); err == nil || s.told == nil {
			t.Errorf("read: %v, told %v", err, s.told)
		}
	})
}

// A file that was read before is not trusted the next time.
func TestTamperingAfterARead(t *testing.T) {
	s := newSpill()
	s.file(t, "000007.sst", random(3*BlockSize))
	if _, err := s.read("000007.sst"); err != nil {
		t.Fatal(err)
	}
	s.host.files["000007.sst"][0] ^= 1
	if _, err := s.read("000007.sst"); err == nil {
		t.Error("goes unnoticed")
	}
}

func TestSpillFilesAreWrittenOnce(t *testing.T) {
	s := newSpill()
	s.file(t, "000001.sst", random(10))
	w, err := s.Create("000002.sst", "test")
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	r, err := s.Open("000001.sst")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	_, again := s.Create("000001.sst", "test")
	_, unfinished := s.Open("000002.sst")
	_, readWrite := s.OpenReadWrite("000001.sst", "test")
	_, reuse := s.ReuseForWrite("000001.sst", "000003.sst", "test")
	_, writeAt := r.Write([]byte("x"))
	_, writerAt := w.WriteAt([]byte("x"), 0)
	for what, err := range map[string]error{
		"create again": again, "open unfinished": unfinished, "open for writing": readWrite, "reuse": reuse,
		"link": s.Link("000001.sst", "000004.sst"), "rename": s.Rename("000001.sst", "000004.sst"),
		"write to a reader": writeAt, "write out of order": writerAt,
	} {
		if !errors.Is(err, errNotWritten) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := s.Stat("000009.sst"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("stat of nothing: %v", err)
	}
	if err := s.Remove("000001.sst"); err != nil {
		t.Error(err)
	}
	if _, err := s.Open("000001.sst"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("open of a removed file: %v", err)
	}
}

// Two files, and the same name used twice, must never share a key.
func TestSpillKeysDiffer(t *testing.T) {
	s := newSpill()
	seen := map[string]bool{}
	for range 8 {
		s.file(t, "000001.sst", make([]byte, 64))
		seen[string(s.host.files["000001.sst"])] = true
		if err := s.Remove("000001.sst"); err != nil {
			t.Fatal(err)
		}
	}
	if len(seen) != 8 {
		t.Errorf("8 files of equal content have %d sealed forms", len(seen))
	}
}

func TestBrokenDisk(t *testing.T) {
	full := errors.New("no space left on device")
	s := newSpill()
	s.host.writeErr = full
	w, err := s.Create("000001.sst", "test")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(make([]byte, BlockSize)); !errors.Is(err, full) || !errors.Is(s.told, full) {
		t.Errorf("write: %v, told %v", err, s.told)
	}
	s.host.writeErr = nil
	if _, err := w.Write(make([]byte, BlockSize)); !errors.Is(err, full) {
		t.Errorf("write after an error: %v", err)
	}
	if err := w.Close(); !errors.Is(err, full) {
		t.Errorf("close: %v", err)
	}
	s = newSpill()
	s.file(t, "000001.sst", random(10))
	s.host.readErr = errors.New("input/output error")
	if _, err := s.read("000001.sst"); !errors.Is(err, s.host.readErr) || s.told == nil {
		t.Errorf("read: %v, told %v", err, s.told)
	}
	s.host.createErr = full
	if _, err := s.Create("000002.sst", "test"); !errors.Is(err, full) {
		t.Errorf("create: %v", err)
	}
	s.rand = bytes.NewReader(make([]byte, 31))
	if _, err := s.Create("000003.sst", "test"); err == nil {
		t.Error("a short key is accepted")
	}
}

func TestListHoldsBothKinds(t *testing.T) {
	s := newSpill()
	if err := s.MkdirAll(rootDir, 0o700); err != nil {
		t.Fatal(err)
	}
	s.file(t, s.PathJoin(rootDir, "000001.sst"), nil)
	f, err := s.Create(s.PathJoin(rootDir, "MANIFEST-000001"), vfs.WriteCategoryUnspecified)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if _, ok := s.host.files["MANIFEST-000001"]; ok {
		t.Error("the manifest is on disk")
	}
	if names, err := s.List(rootDir); err != nil || len(names) != 2 {
		t.Errorf("list: %v, %v", names, err)
	}
}

// A store whose files were tampered with stops, whatever it is used for next.
func TestTamperedStoreStops(t *testing.T) {
	dir := t.TempDir()
	b := open(t, Options{Dir: dir, CacheBytes: 1})
	var rows []kv.Row
	for i := range 5000 {
		rows = append(rows, put(fmt.Sprintf("key %06d", i), "some value or other", 1))
	}
	s := kv.New(b, kv.Options{})
	first := true
	err := s.Load(txid(1), func() (kv.MapBatch, bool, error) {
		defer func() { first = false }()
		return kv.MapBatch{Name: "m", Puts: rows}, first, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.db.Flush(); err != nil {
		t.Fatal(err)
	}
	files, _ := filepath.Glob(filepath.Join(dir, "*.sst"))
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		data[sealedBlock+5] ^= 1
		if err := os.WriteFile(name, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	tx := s.Begin()
	defer tx.Release()
	n := 0
	tx.Map("m").ForEach(func(_, _ []byte) bool { n++; return true })
	var tampered *TamperError
	if !errors.As(tx.Err(), &tampered) || tampered.Block != 1 {
		t.Fatalf("iteration saw %d of %d entries, error %v", n, len(rows), tx.Err())
	}
	if _, _, _, err := b.Get(nil, "m", []byte("key 000000")); !errors.As(err, &tampered) {
		t.Errorf("a read elsewhere: %v", err)
	}
	if err := b.Write(nil); !errors.As(err, &tampered) {
		t.Errorf("a write: %v", err)
	}
	if !s.Conflicts(tx) || s.Err() == nil {
		t.Error("the store goes on")
	}
}

// Errors that only a background flush or compaction meets stop the store too.
func TestBackgroundErrorStops(t *testing.T) {
	host := newMemHost()
	b := &Base{release: func() error { return nil }}
	b.keys.New = func() any { return new([]byte) }
	b.spill = newSpillFS(host, rand.Reader, b.fail)
	host.writeErr = errors.New("no space left on device")
	if err := b.start(Options{}, b.spill); err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	write(t, b, kv.MapBatch{Name: "m", Puts: []kv.Row{put("k", "v", 1)}})
	if _, err := b.db.AsyncFlush(); err != nil {
		t.Fatal(err)
	}
	for b.failed() == nil { // ends with the test's time-out if nothing is told
		if err := b.Write(nil); err != nil && !errors.Is(err, host.writeErr) {
			t.Fatal(err)
		}
	}
	host.mu.Lock()
	host.writeErr = nil // lets Pebble finish
	host.mu.Unlock()
}
