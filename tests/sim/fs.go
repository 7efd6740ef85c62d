package sim

import (
	"errors"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"

	"concordat/ledger/chunk"
)

// errDisk is what an operation on a failing disk returns.
var errDisk = errors.New("simulated disk error")

// memFS is a file system in memory. Names and contents survive a loss of power
// only once they are synced; what was not may survive in part.
type memFS struct {
	names, durable map[string]*inode
	unsynced       []func(map[string]*inode) // changes of names since the last SyncDir
	// failIn counts operations until one fails; below zero none does.
	failIn int
	ops    int
}

type inode struct{ data, durable []byte }

func newFS() *memFS {
	return &memFS{names: map[string]*inode{}, durable: map[string]*inode{}, failIn: -1}
}

func (m *memFS) op() error {
	m.ops++
	if m.failIn > 0 {
		m.failIn--
	}
	if m.failIn == 0 {
		return errDisk
	}
	return nil
}

func (m *memFS) change(f func(map[string]*inode)) {
	f(m.names)
	m.unsynced = append(m.unsynced, f)
}

// loss is the file system after a loss of power: durable names and the first few
// other changes of names; of each file what was synced, and of the rest anything.
func (m *memFS) loss(rng *rand.Rand) *memFS {
	names := maps.Clone(m.durable)
	for _, f := range m.unsynced[:rng.IntN(len(m.unsynced)+1)] {
		f(names)
	}
	after := newFS()
	for _, name := range slices.Sorted(maps.Keys(names)) {
		n := names[name]
		data := n.durable
		switch {
		case rng.IntN(3) == 0 || len(n.data) <= len(n.durable):
		case string(n.data[:len(n.durable)]) == string(n.durable):
			data = n.data[:len(n.durable)+rng.IntN(len(n.data)-len(n.durable)+1)]
		case rng.IntN(2) == 0:
			data = n.data
		}
		after.names[name] = &inode{data: slices.Clone(data), durable: slices.Clone(data)}
	}
	after.durable = maps.Clone(after.names)
	return after
}

// kill is the file system after the death of the process alone: nothing written
// is lost.
func (m *memFS) kill() *memFS {
	after := newFS()
	for name, n := range m.names {
		after.names[name] = &inode{data: slices.Clone(n.data), durable: slices.Clone(n.data)}
	}
	after.durable = maps.Clone(after.names)
	return after
}

func (m *memFS) Open(name string) (chunk.File, error) {
	n, ok := m.names[name]
	if !ok {
		return nil, fs.ErrNotExist
	}
	return &memFile{fs: m, n: n}, nil
}

func (m *memFS) OpenWrite(name string) (chunk.File, error) { return m.Open(name) }
func (m *memFS) MkdirAll(string) error                     { return nil }

func (m *memFS) List(dir string) (names []string, err error) {
	for _, name := range slices.Sorted(maps.Keys(m.names)) {
		if base, ok := strings.CutPrefix(name, dir+"/"); ok {
			names = append(names, base)
		}
	}
	return names, nil
}

func (m *memFS) Create(name string) (chunk.File, error) {
	if err := m.op(); err != nil {
		return nil, err
	}
	if _, ok := m.names[name]; ok {
		return nil, fs.ErrExist
	}
	n := &inode{}
	m.change(func(names map[string]*inode) { names[name] = n })
	return &memFile{fs: m, n: n}, nil
}

func (m *memFS) Rename(from, to string) error {
	if err := m.op(); err != nil {
		return err
	}
	n := m.names[from]
	m.change(func(names map[string]*inode) { delete(names, from); names[to] = n })
	return nil
}

func (m *memFS) Remove(name string) error {
	if err := m.op(); err != nil {
		return err
	}
	m.change(func(names map[string]*inode) { delete(names, name) })
	return nil
}

func (m *memFS) SyncDir(string) error {
	if err := m.op(); err != nil {
		return err
	}
	m.durable, m.unsynced = maps.Clone(m.names), nil
	return nil
}

type memFile struct {
	fs *memFS
	n  *inode
}

func (f *memFile) Size() (int64, error) { return int64(len(f.n.data)), nil }
func (f *memFile) Close() error         { return nil }

func (f *memFile) ReadAt(b []byte, off int64) (int, error) {
	if off >= int64(len(f.n.data)) {
		return 0, io.EOF
	}
	n := copy(b, f.n.data[off:])
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

func (f *memFile) WriteAt(b []byte, off int64) (int, error) {
	keep := len(b)
	err := f.fs.op()
	if err != nil {
		keep /= 2 // a short write
	}
	if end := off + int64(keep); end > int64(len(f.n.data)) {
		f.n.data = append(f.n.data, make([]byte, end-int64(len(f.n.data)))...)
	}
	copy(f.n.data[off:], b[:keep])
	return keep, err
}

func (f *memFile) Truncate(size int64) error {
	if err := f.fs.op(); err != nil {
		return err
	}
	f.n.data = slices.Clone(f.n.data[:size])
	return nil
}

func (f *memFile) Sync() error {
	if err := f.fs.op(); err != nil {
		return err
	}
	f.n.durable = slices.Clone(f.n.data)
	return nil
}
