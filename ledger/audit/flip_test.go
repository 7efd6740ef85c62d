package audit

import (
	"encoding/binary"
	"math/rand"
	"os"
	"path/filepath"
	"testing"

	"concordat/ledger/fixture"
)

// flips is how many bytes the short run changes; FLIP=all changes every one.
const flips = 400

// flipper changes single bytes of a ledger directory of its own.
type flipper struct {
	t     *testing.T
	dir   string
	o     Options
	clean *Report
	files map[string][]byte
}

func newFlipper(t *testing.T, o Options, from string, names ...string) *flipper {
	t.Helper()
	f := &flipper{t: t, dir: compose(t, names, from), o: o, files: map[string][]byte{}}
	for _, name := range names {
		f.files[name] = fixture.File(t, filepath.Join(f.dir, name))
	}
	f.clean = audited(t, o, f.dir)
	if !f.clean.OK() {
		t.Fatalf("not clean to begin with:\n%s", f.clean.Summary())
	}
	return f
}

// flip changes one byte and audits. It reports whether the change was found.
func (f *flipper) flip(name string, offset int, mask byte) bool {
	f.t.Helper()
	handle, err := os.OpenFile(filepath.Join(f.dir, name), os.O_WRONLY, 0)
	if err != nil {
		f.t.Fatal(err)
	}
	defer handle.Close()
	b := f.files[name][offset]
	if _, err := handle.WriteAt([]byte{b ^ mask}, int64(offset)); err != nil {
		f.t.Fatal(err)
	}
	r := audited(f.t, f.o, f.dir)
	if _, err := handle.WriteAt([]byte{b}, int64(offset)); err != nil {
		f.t.Fatal(err)
	}
	return !r.OK() || r.Torn != nil && f.clean.Torn == nil
}

// excused reports whether the clean report says that the byte is not covered.
func (f *flipper) excused(name string, offset int) bool {
	for _, u := range f.clean.Uncovered {
		if u.File == name && int64(offset) >= u.Offset && int64(offset) < u.Offset+u.Length {
			return true
		}
	}
	return false
}

func (f *flipper) check(name string, offset int, mask byte) {
	f.t.Helper()
	if !f.flip(name, offset, mask) && !f.excused(name, offset) {
		f.t.Errorf("%s: a change of byte %d by %#02x goes unnoticed", name, offset, mask)
	}
}

func smallLedger(t *testing.T) (service string, names []string) {
	service = fixture.Dir(t, "ccf-services", "owner_p256")
	for _, path := range glob(t, service, "ledger", "*") {
		names = append(names, filepath.Base(path))
	}
	return service, names
}

// TestEveryFlippedByteIsFound changes bytes all over a ledger, one at a time,
// with nothing but the service certificate at hand.
func TestEveryFlippedByteIsFound(t *testing.T) {
	service, names := smallLedger(t)
	f := newFlipper(t, Options{ServiceCert: options(t, service).ServiceCert}, filepath.Join(service, "ledger"), names...)
	if os.Getenv("FLIP") == "all" {
		for _, name := range names {
			for i := range f.files[name] {
				f.check(name, i, 1<<(i%8))
			}
		}
		return
	}
	rng := rand.New(rand.NewSource(1))
	for range flips {
		name := names[rng.Intn(len(names))]
		f.check(name, rng.Intn(len(f.files[name])), 1<<rng.Intn(8))
	}
}

// TestFlippedFramesAreFound changes every byte that holds a ledger together:
// file headers, positions tables, entry headers, IVs and sizes.
func TestFlippedFramesAreFound(t *testing.T) {
	service, names := smallLedger(t)
	f := newFlipper(t, Options{ServiceCert: options(t, service).ServiceCert}, filepath.Join(service, "ledger"), names...)
	stride := 7
	if os.Getenv("FLIP") == "all" {
		stride = 1
	}
	n := 0
	for _, name := range names {
		for _, i := range frames(f.files[name]) {
			if n++; n%stride == 0 {
				f.check(name, i, 1<<(n%8))
			}
		}
	}
}

// frames lists the offsets of the bytes that are not content.
func frames(b []byte) []int {
	var out []int
	add := func(from, n int) {
		for i := range n {
			out = append(out, from+i)
		}
	}
	add(0, fileHeader)
	end := len(b)
	if table := int(binary.LittleEndian.Uint64(b)); table != 0 {
		add(table, len(b)-table)
		end = table
	}
	for at := fileHeader; at < end; {
		add(at, 8+16+12+8+1+8)
		at += 8 + int(binary.LittleEndian.Uint64(b[at:])>>16)
	}
	return out
}

// TestLastSignatureEntry changes the entry that no root covers yet. Without the
// secret three fields stay uncovered, and the report says so; with it, two bits.
func TestLastSignatureEntry(t *testing.T) {
	service, names := smallLedger(t)
	full := options(t, service)
	full.Snapshots = nil
	for name, o := range map[string]Options{"public": {ServiceCert: full.ServiceCert}, "with secrets": full} {
		f := newFlipper(t, o, filepath.Join(service, "ledger"), names...)
		last := f.clean.Uncovered[0]
		entry := int(last.Offset) - 1
		stride := 11
		if os.Getenv("FLIP") == "all" {
			stride = 1
		}
		found := 0
		for i := entry; i < len(f.files[last.File]); i++ {
			excused := f.excused(last.File, i)
			if !excused && i%stride != 0 {
				continue
			}
			noticed := f.flip(last.File, i, 1)
			switch {
			case noticed && excused:
				t.Errorf("%s: byte %d of the entry is said to be uncovered, yet its change was found", name, i-entry)
			case !noticed && !excused:
				t.Errorf("%s: a change of byte %d of the entry goes unnoticed", name, i-entry)
			}
			found++
		}
		if want := map[string]int{"public": 3, "with secrets": 1}[name]; len(f.clean.Uncovered) != want || found < 50 {
			t.Errorf("%s: %d fields uncovered, %d bytes changed", name, len(f.clean.Uncovered), found)
		}
	}
}
