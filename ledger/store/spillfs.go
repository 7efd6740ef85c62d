package store

import (
	"crypto/aes"
	"crypto/cipher"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// spillFS is the file system Pebble sees: tables go to the host, sealed; all else
// is in memory.
type spillFS struct {
	vfs.FS // in memory: MANIFEST, CURRENT, OPTIONS, LOCK, markers, and directories
	host   host
	rand   io.Reader
	failed func(error) // told of every error of the host

	mu    sync.Mutex // guards files
	files map[string]*spillFile
}

// spillFile is a table: what the host must not decide.
type spillFile struct {
	name string
	aead cipher.AEAD // under this file's own random key, which is kept nowhere else

	// Written by the writer, constant once closed.
	size   int64
	closed bool // guarded by spillFS.mu
}

func newSpillFS(h host, rand io.Reader, failed func(error)) *spillFS {
	return &spillFS{FS: vfs.NewMem(), host: h, rand: rand, failed: failed, files: map[string]*spillFile{}}
}

func isSpill(name string) bool { return strings.HasSuffix(name, ".sst") }

// errNotWritten guards the write-once rule on which detection of replay rests.
var errNotWritten = errors.New("spill files are written once, in order, before they are read")

// Create implements vfs.FS.
func (s *spillFS) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	if !isSpill(name) {
		return s.FS.Create(name, category)
	}
	base := s.PathBase(name)
	f, err := s.newFile(base)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.files[base] != nil {
		return nil, fmt.Errorf("create %s: %w", base, errNotWritten)
	}
	h, err := s.host.create(base)
	if err != nil {
		return nil, s.hostError("create", base, err)
	}
	s.files[base] = f
	return &spillWriter{fs: s, f: f, h: h, buf: make([]byte, 0, sealedBlock)}, nil
}

func (s *spillFS) newFile(name string) (*spillFile, error) {
	var key [32]byte
	if _, err := io.ReadFull(s.rand, key[:]); err != nil {
		return nil, fmt.Errorf("key of spill file %s: %w", name, err)
	}
	block, err := aes.NewCipher(key[:])
	clear(key[:])
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCM(block)
	return &spillFile{name: name, aead: aead}, err
}

// hostError tells the store, and describes the error.
func (s *spillFS) hostError(what, name string, err error) error {
	err = fmt.Errorf("%s spill file %s: %w", what, name, err)
	s.failed(err)
	return err
}

// file is a finished table.
func (s *spillFS) file(name string) (*spillFile, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.files[s.PathBase(name)]
	if f == nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	if !f.closed {
		return nil, fmt.Errorf("open %s: %w", f.name, errNotWritten)
	}
	return f, nil
}

// Open implements vfs.FS.
func (s *spillFS) Open(name string, opts ...vfs.OpenOption) (vfs.File, error) {
	if !isSpill(name) {
		return s.FS.Open(name, opts...)
	}
	f, err := s.file(name)
	if err != nil {
		return nil, err
	}
	h, err := s.host.open(f.name)
	if err != nil {
		return nil, s.hostError("open", f.name, err)
	}
	return &spillReader{fs: s, f: f, h: h}, nil
}

// Remove implements vfs.FS. The key goes with the file.
func (s *spillFS) Remove(name string) error {
	if !isSpill(name) {
		return s.FS.Remove(name)
	}
	f, err := s.file(name)
	if err != nil {
		return err
	}
	s.mu.Lock()
	delete(s.files, f.name)
	s.mu.Unlock()
	// The disk's owner may have removed it already: nothing is lost.
	if err := s.host.remove(f.name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove spill file %s: %w", f.name, err)
	}
	return nil
}

// Stat implements vfs.FS.
func (s *spillFS) Stat(name string) (vfs.FileInfo, error) {
	if !isSpill(name) {
		return s.FS.Stat(name)
	}
	f, err := s.file(name)
	if err != nil {
		return nil, err
	}
	return spillInfo{f}, nil
}

// List implements vfs.FS.
func (s *spillFS) List(dir string) ([]string, error) {
	names, err := s.FS.List(dir)
	if err != nil || s.PathBase(dir) != rootDir {
		return names, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for name := range s.files {
		names = append(names, name)
	}
	return names, nil
}

// What Pebble never does to tables it wrote itself, and what would break the
// write-once rule, is refused.

// Link implements vfs.FS.
func (s *spillFS) Link(oldname, newname string) error {
	if isSpill(oldname) || isSpill(newname) {
		return fmt.Errorf("link %s: %w", oldname, errNotWritten)
	}
	return s.FS.Link(oldname, newname)
}

// Rename implements vfs.FS.
func (s *spillFS) Rename(oldname, newname string) error {
	if isSpill(oldname) || isSpill(newname) {
		return fmt.Errorf("rename %s: %w", oldname, errNotWritten)
	}
	return s.FS.Rename(oldname, newname)
}

// ReuseForWrite implements vfs.FS.
func (s *spillFS) ReuseForWrite(oldname, newname string, category vfs.DiskWriteCategory) (vfs.File, error) {
	if isSpill(oldname) || isSpill(newname) {
		return nil, fmt.Errorf("reuse %s: %w", oldname, errNotWritten)
	}
	return s.FS.ReuseForWrite(oldname, newname, category)
}

// OpenReadWrite implements vfs.FS.
func (s *spillFS) OpenReadWrite(name string, category vfs.DiskWriteCategory, opts ...vfs.OpenOption) (vfs.File, error) {
	if isSpill(name) {
		return nil, fmt.Errorf("open %s for writing: %w", name, errNotWritten)
	}
	return s.FS.OpenReadWrite(name, category, opts...)
}

// Unwrap implements vfs.FS: nothing may get at the parts.
func (s *spillFS) Unwrap() vfs.FS { return nil }

// usage is the number of tables and their bytes on disk.
func (s *spillFS) usage() (files int, bytes int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.files {
		if f.closed {
			bytes += f.size + int64(f.blocks())*tagSize
		}
	}
	return len(s.files), bytes
}

// spillInfo says what memory knows.
type spillInfo struct{ f *spillFile }

func (i spillInfo) Name() string         { return i.f.name }
func (i spillInfo) Size() int64          { return i.f.size }
func (spillInfo) Mode() os.FileMode      { return 0o600 }
func (spillInfo) ModTime() time.Time     { return time.Time{} }
func (spillInfo) IsDir() bool            { return false }
func (spillInfo) Sys() any               { return nil }
func (spillInfo) DeviceID() vfs.DeviceID { return vfs.DeviceID{} }
