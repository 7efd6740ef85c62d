package store

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// host is the untrusted disk: as little of it as the spill needs, so that a test
// can play a hostile or a broken one.
type host interface {
	create(name string) (hostFile, error)
	open(name string) (hostFile, error)
	remove(name string) error
}

type hostFile interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
}

// dirHost is a directory.
type dirHost struct {
	dir  string
	lock io.Closer
}

// spillName is what Pebble calls its tables.
var spillName = regexp.MustCompile(`^[0-9]{6,}\.sst$`)

// lockName keeps two processes from using one directory by mistake.
const lockName = "LOCK"

// openDir takes over a directory and empties it.
func openDir(dir string) (*dirHost, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if e.Name() != lockName && (!spillName.MatchString(e.Name()) || !e.Type().IsRegular()) {
			return nil, fmt.Errorf("%s holds %q, which is no spill file: choose an empty directory, which is emptied at each start", dir, e.Name())
		}
	}
	lock, err := vfs.Default.Lock(filepath.Join(dir, lockName))
	if err != nil {
		return nil, fmt.Errorf("%s is in use by another node: %w", dir, err)
	}
	h := &dirHost{dir: dir, lock: lock}
	for _, e := range entries {
		if e.Name() == lockName {
			continue
		}
		if err := h.remove(e.Name()); err != nil {
			return nil, errors.Join(err, h.close())
		}
	}
	return h, nil
}

func (h *dirHost) create(name string) (hostFile, error) {
	return os.OpenFile(filepath.Join(h.dir, name), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
}

func (h *dirHost) open(name string) (hostFile, error) { return os.Open(filepath.Join(h.dir, name)) }
func (h *dirHost) remove(name string) error           { return os.Remove(filepath.Join(h.dir, name)) }
func (h *dirHost) close() error                       { return h.lock.Close() }
