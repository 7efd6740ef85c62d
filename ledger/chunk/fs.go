package chunk

import (
	"errors"
	"io"
	"os"
)

// Source is what reading needs of a file system.
type Source interface {
	Open(name string) (File, error)
	// List returns the names in a directory.
	List(dir string) ([]string, error)
}

// FS is what a Writer needs of a file system. OS is the real one; tests put
// others here that fail or lose unsynced writes.
type FS interface {
	Source
	MkdirAll(dir string) error
	// Create makes a new empty file and fails if the name is taken.
	Create(name string) (File, error)
	// OpenWrite opens an existing file for reading and writing.
	OpenWrite(name string) (File, error)
	Rename(from, to string) error
	Remove(name string) error
	// SyncDir makes created, renamed and removed names durable.
	SyncDir(dir string) error
}

// File is an open chunk file. Writing past the end leaves zeros between.
type File interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	Size() (int64, error)
	Truncate(size int64) error
	// Sync makes the content durable. An error is final: what is on the disk is
	// then unknown, and trying again proves nothing.
	Sync() error
}

// OS is the operating system's file system.
var OS FS = osFS{}

// Ledger files are readable by whoever may audit them, as CCF leaves them.
const (
	filePerm = 0o644
	dirPerm  = 0o755
)

type osFS struct{}

func (osFS) Open(name string) (File, error) { return wrap(os.Open(name)) }

func (osFS) Create(name string) (File, error) {
	return wrap(os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, filePerm))
}

func (osFS) OpenWrite(name string) (File, error) { return wrap(os.OpenFile(name, os.O_RDWR, 0)) }

func (osFS) MkdirAll(dir string) error    { return os.MkdirAll(dir, dirPerm) }
func (osFS) Rename(from, to string) error { return os.Rename(from, to) }
func (osFS) Remove(name string) error     { return os.Remove(name) }

func (osFS) List(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
	}
	return names, err
}

func (osFS) SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// osFile is an *os.File that syncs data only, where the system can.
type osFile struct{ *os.File }

func wrap(f *os.File, err error) (File, error) {
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

func (f osFile) Size() (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

func (f osFile) Sync() error { return syncData(f.File) }
