package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"
)

const (
	tagSize     = 16
	sealedBlock = BlockSize + tagSize
)

// TamperError says that a block on the untrusted disk is not what this process
// wrote there. Whether malice or a fault did it cannot be told.
type TamperError struct {
	File   string
	Block  uint64
	Blocks uint64 // of the file
	Cause  error
}

// Error implements error.
func (e *TamperError) Error() string {
	return fmt.Sprintf("spill file %s: block %d of %d is not what was written (%v)", e.File, e.Block, e.Blocks, e.Cause)
}

// Unwrap implements errors.
func (e *TamperError) Unwrap() error { return e.Cause }

// blocks is the number of blocks of a finished file.
func (f *spillFile) blocks() uint64 { return uint64(f.size+BlockSize-1) / BlockSize }

// nonce is the block's number: unique under the file's key, since a block is
// written once.
func nonce(block uint64) (n [12]byte) {
	binary.BigEndian.PutUint64(n[4:], block)
	return n
}

// noFile is what a table has no use for.
type noFile struct{}

func (noFile) ReadAt([]byte, int64) (int, error)  { return 0, errNotWritten }
func (noFile) Read([]byte) (int, error)           { return 0, errNotWritten }
func (noFile) Write([]byte) (int, error)          { return 0, errNotWritten }
func (noFile) WriteAt([]byte, int64) (int, error) { return 0, errNotWritten }
func (noFile) Preallocate(int64, int64) error     { return nil }
func (noFile) Sync() error                        { return nil }
func (noFile) SyncTo(int64) (bool, error)         { return false, nil }
func (noFile) SyncData() error                    { return nil }
func (noFile) Prefetch(int64, int64) error        { return nil }
func (noFile) Fd() uintptr                        { return vfs.InvalidFd }

// spillWriter writes a table, once, front to back. Nothing is synced: the file is
// of no use to anybody after this process.
type spillWriter struct {
	noFile
	fs    *spillFS
	f     *spillFile
	h     hostFile
	buf   []byte // plaintext of the current block, with room for its tag
	block uint64
	err   error // after it, nothing more is written
}

// Write implements io.Writer.
func (w *spillWriter) Write(p []byte) (n int, err error) {
	for len(p) > 0 && w.err == nil {
		part := min(len(p), BlockSize-len(w.buf))
		w.buf = append(w.buf, p[:part]...)
		p = p[part:]
		n += part
		if len(w.buf) == BlockSize {
			w.seal()
		}
	}
	w.f.size += int64(n)
	return n, w.err
}

// seal writes the current block.
func (w *spillWriter) seal() {
	if w.block == MaxFileBlocks {
		w.err = fmt.Errorf("spill file %s is longer than %d blocks", w.f.name, uint64(MaxFileBlocks))
		return
	}
	n := nonce(w.block)
	sealed := w.f.aead.Seal(w.buf[:0], n[:], w.buf, nil)
	if _, err := w.h.WriteAt(sealed, int64(w.block)*sealedBlock); err != nil {
		w.err = w.fs.hostError("write", w.f.name, err)
		return
	}
	w.block++
	w.buf = w.buf[:0]
}

// Stat implements vfs.File.
func (w *spillWriter) Stat() (vfs.FileInfo, error) { return spillInfo{w.f}, nil }

// Close writes the rest and makes the file readable.
func (w *spillWriter) Close() error {
	if w.err == nil && len(w.buf) > 0 {
		w.seal()
	}
	w.fs.mu.Lock()
	w.f.closed = true // Even after an error, so that it can be removed; what is missing does not open.
	w.fs.mu.Unlock()
	err := w.err
	w.err = errNotWritten
	return errors.Join(err, w.h.Close())
}

// sealedPool holds buffers for blocks on their way from disk.
var sealedPool = sync.Pool{New: func() any { return new([sealedBlock]byte) }}

// spillReader reads a finished table; ReadAt from any number of goroutines.
type spillReader struct {
	noFile
	fs  *spillFS
	f   *spillFile
	h   hostFile
	pos int64 // of Read

	// The block read last helps sequential readers, whose reads are smaller than a
	// block. Random readers that find it in use go without.
	last struct {
		sync.Mutex
		buf   *[sealedBlock]byte
		block uint64
		n     int
	}
}

// ReadAt implements io.ReaderAt.
func (r *spillReader) ReadAt(p []byte, off int64) (n int, err error) {
	if off < 0 {
		return 0, errors.New("read at a negative offset")
	}
	for n < len(p) {
		at := off + int64(n)
		if at >= r.f.size {
			return n, io.EOF
		}
		m, err := r.readBlock(p[n:], uint64(at/BlockSize), int(at%BlockSize))
		n += m
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

// readBlock copies from one block, starting at skip.
func (r *spillReader) readBlock(p []byte, block uint64, skip int) (int, error) {
	if !r.last.TryLock() {
		buf := sealedPool.Get().(*[sealedBlock]byte)
		defer sealedPool.Put(buf)
		plain, err := r.open(buf, block)
		if err != nil {
			return 0, err
		}
		return copy(p, plain[skip:]), nil
	}
	defer r.last.Unlock()
	l := &r.last
	if l.buf == nil || l.block != block {
		if l.buf == nil {
			l.buf = new([sealedBlock]byte)
		}
		l.n = 0
		plain, err := r.open(l.buf, block)
		if err != nil {
			l.buf = nil
			return 0, err
		}
		l.block, l.n = block, len(plain)
	}
	return copy(p, l.buf[skip:l.n]), nil
}

// open reads and decrypts a block in place. How long it is, memory knows.
func (r *spillReader) open(buf *[sealedBlock]byte, block uint64) ([]byte, error) {
	n := int(min(r.f.size-int64(block)*BlockSize, BlockSize)) + tagSize
	if got, err := r.h.ReadAt(buf[:n], int64(block)*sealedBlock); got < n {
		if !errors.Is(err, io.EOF) {
			return nil, r.fs.hostError("read", r.f.name, err)
		}
		return nil, r.tampered(block, errors.New("the file ends inside it"))
	}
	k := nonce(block)
	plain, err := r.f.aead.Open(buf[:0], k[:], buf[:n], nil)
	if err != nil {
		return nil, r.tampered(block, err)
	}
	return plain, nil
}

func (r *spillReader) tampered(block uint64, cause error) error {
	err := &TamperError{File: r.f.name, Block: block, Blocks: r.f.blocks(), Cause: cause}
	r.fs.failed(err)
	return err
}

// Read implements io.Reader.
func (r *spillReader) Read(p []byte) (int, error) {
	n, err := r.ReadAt(p[:min(int64(len(p)), max(r.f.size-r.pos, 0))], r.pos)
	r.pos += int64(n)
	if n == 0 && len(p) > 0 && err == nil {
		err = io.EOF
	}
	return n, err
}

// Stat implements vfs.File.
func (r *spillReader) Stat() (vfs.FileInfo, error) { return spillInfo{r.f}, nil }

// Close implements io.Closer.
func (r *spillReader) Close() error { return r.h.Close() }
