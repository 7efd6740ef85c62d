package chunk_test

import (
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"concordat/ledger/chunk"
)

// memFS is a file system in memory that can fail and can lose power. Names and
// contents are durable only after a sync.
type memFS struct {
	mu      sync.Mutex
	names   map[string]*inode
	durable map[string]*inode // names after the last SyncDir
	journal []func(names map[string]*inode)
	// fail is asked before every changing operation, if set. A result with
	// short >= 0 lets a write put down that many bytes first.
	fail func(op, name string) (err error, short int)
	ops  []string // what was done, for tests that count system calls
}

type inode struct {
	data    []byte
	durable []byte
}

func newMemFS() *memFS {
	return &memFS{names: map[string]*inode{}, durable: map[string]*inode{}}
}

// do notes an operation and asks for a failure; the lock must be held.
func (m *memFS) do(op, name string) (error, int) {
	m.ops = append(m.ops, op+" "+filepath.Base(name))
	if m.fail == nil {
		return nil, -1
	}
	return m.fail(op, filepath.Base(name))
}

// change applies a change of names and remembers it for a crash.
func (m *memFS) change(f func(names map[string]*inode)) {
	f(m.names)
	m.journal = append(m.journal, f)
}

func (m *memFS) Open(name string) (chunk.File, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	node, ok := m.names[name]
	if !ok {
		return nil, fs.ErrNotExist
	}
	return &memFile{fs: m, name: name, node: node}, nil
}

func (m *memFS) OpenWrite(name string) (chunk.File, error) { return m.Open(name) }

func (m *memFS) List(dir string) (names []string, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(m.names)) {
		if base, ok := strings.CutPrefix(name, dir+"/"); ok {
			names = append(names, base)
		}
	}
	return names, nil
}

func (m *memFS) MkdirAll(string) error { return nil }

func (m *memFS) Create(name string) (chunk.File, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err, _ := m.do("create", name); err != nil {
		return nil, err
	}
	if _, ok := m.names[name]; ok {
		return nil, fs.ErrExist
	}
	node := &inode{}
	m.change(func(names map[string]*inode) { names[name] = node })
	return &memFile{fs: m, name: name, node: node}, nil
}

func (m *memFS) Rename(from, to string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err, _ := m.do("rename", from); err != nil {
		return err
	}
	node, ok := m.names[from]
	if !ok {
		return fs.ErrNotExist
	}
	m.change(func(names map[string]*inode) { delete(names, from); names[to] = node })
	return nil
}

func (m *memFS) Remove(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err, _ := m.do("remove", name); err != nil {
		return err
	}
	if _, ok := m.names[name]; !ok {
		return fs.ErrNotExist
	}
	m.change(func(names map[string]*inode) { delete(names, name) })
	return nil
}

func (m *memFS) SyncDir(dir string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err, _ := m.do("syncdir", dir); err != nil {
		return err
	}
	m.durable, m.journal = maps.Clone(m.names), nil
	return nil
}

// crash is the file system after a power cut: durable names plus the first few
// unsynced changes of them, and of each file either what was synced or any
// mixture with what was not.
func (m *memFS) crash(rng *rand.Rand) *memFS {
	m.mu.Lock()
	defer m.mu.Unlock()
	names := maps.Clone(m.durable)
	for _, change := range m.journal[:rng.IntN(len(m.journal)+1)] {
		change(names)
	}
	after := newMemFS()
	for _, name := range slices.Sorted(maps.Keys(names)) {
		after.names[name] = &inode{data: names[name].survivor(rng)}
	}
	return after
}

// survivor mixes durable and unsynced content block by block.
func (n *inode) survivor(rng *rand.Rand) []byte {
	switch rng.IntN(3) {
	case 0:
		return slices.Clone(n.durable)
	case 1:
		return slices.Clone(n.data)
	}
	const block = 64
	size := min(len(n.durable), len(n.data))
	size += rng.IntN(max(len(n.durable), len(n.data)) - size + 1)
	mixed := make([]byte, size)
	for at := 0; at < size; at += block {
		end := min(at+block, size)
		if old, cur := at < len(n.durable), at < len(n.data); old && (!cur || rng.IntN(2) == 0) {
			copy(mixed[at:end], n.durable[at:])
		} else if cur {
			copy(mixed[at:end], n.data[at:])
		}
	}
	return mixed
}

type memFile struct {
	fs     *memFS
	name   string
	node   *inode
	closed bool
}

func (f *memFile) ReadAt(b []byte, off int64) (int, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	switch {
	case f.closed:
		return 0, fs.ErrClosed
	case off >= int64(len(f.node.data)):
		return 0, io.EOF
	}
	n := copy(b, f.node.data[off:])
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

func (f *memFile) WriteAt(b []byte, off int64) (int, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if f.closed {
		return 0, fs.ErrClosed
	}
	err, short := f.fs.do("write", f.name)
	if short >= 0 && short < len(b) {
		b = b[:short]
	} else if err != nil {
		b = nil
	}
	if grow := int(off) + len(b) - len(f.node.data); grow > 0 && len(b) > 0 {
		f.node.data = append(f.node.data, make([]byte, grow)...)
	}
	if len(b) > 0 {
		copy(f.node.data[off:], b)
	}
	return len(b), err
}

func (f *memFile) Truncate(size int64) error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err, _ := f.fs.do("truncate", f.name); err != nil {
		return err
	}
	if grow := int(size) - len(f.node.data); grow > 0 {
		f.node.data = append(f.node.data, make([]byte, grow)...)
	}
	f.node.data = slices.Clone(f.node.data[:size])
	return nil
}

func (f *memFile) Sync() error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if f.closed {
		return fs.ErrClosed
	}
	if err, _ := f.fs.do("sync", f.name); err != nil {
		return err
	}
	f.node.durable = slices.Clone(f.node.data)
	return nil
}

func (f *memFile) Size() (int64, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	return int64(len(f.node.data)), nil
}

func (f *memFile) Close() error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if f.closed {
		return fs.ErrClosed
	}
	f.closed = true
	return nil
}

// content returns the files of a directory.
func (m *memFS) content(dir string) map[string]string {
	m.mu.Lock()
	defer m.mu.Unlock()
	files := map[string]string{}
	for name, node := range m.names {
		if base, ok := strings.CutPrefix(name, dir+"/"); ok {
			files[base] = string(node.data)
		}
	}
	return files
}

// put makes a file that is durable already.
func (m *memFS) put(name, data string) {
	node := &inode{data: []byte(data), durable: []byte(data)}
	m.names[name], m.durable[name] = node, node
}

func (m *memFS) String() string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(m.names)) {
		fmt.Fprintf(&b, "%s %d\n", name, len(m.names[name].data))
	}
	return b.String()
}
