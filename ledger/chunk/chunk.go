// Package chunk keeps the ledger in CCF's chunk files.
//
// A chunk file holds consecutive entries behind an 8-byte header. While entries
// are added the header is zero; when its last entry is committed the file gets a
// table of entry positions, the header points to the table, and the name changes
// from ledger_F to ledger_F-L.committed. Such a file never changes again and is
// the same, byte for byte, on every node.
//
// A Writer owns one directory while a node runs: it appends whole segments,
// rolls uncommitted entries back, and completes chunks as commit advances. It
// never un-completes a file, because a chunk is completed only at commit. A Dir
// reads directories offline. Rotation is the rule by which a primary ends chunks.
//
// The disk is not trusted: everything read is bounds-checked, and whether the
// bytes are the right ones is for the caller to find out from tags and digests.
// The package starts no goroutine.
package chunk

import (
	"errors"
	"fmt"
	"math"

	"concordat/ledger"
)

// Layout of a chunk file.
const (
	headerSize   = 8 // u64, offset of the positions table, 0 while there is none
	positionSize = 4 // u32, absolute file offset of an entry
	// maxFileSize bounds a chunk file: positions have 32 bits.
	maxFileSize = math.MaxUint32
)

// Classes of errors; errors.Is finds them inside an *Error.
var (
	// ErrNotFound: no file here holds the seqno.
	ErrNotFound = errors.New("no such entry in the ledger files")
	// ErrTorn: the bytes after the last whole entry are not an entry. Expected
	// at the end of a file that was being written when its node died.
	ErrTorn = errors.New("torn tail")
	// ErrCorrupt: a file contradicts itself or its name.
	ErrCorrupt = errors.New("corrupt ledger file")
	// ErrGap: the next file does not start where the one before ended.
	ErrGap = errors.New("ledger files are not contiguous")
	// ErrNotEmpty: a fresh ledger was to be started among existing files.
	ErrNotEmpty = errors.New("the ledger directory is not empty: a new service must not write into an old ledger; choose another directory or recover the old one")
	// ErrFailed: the writer met a disk error before and does nothing any more.
	ErrFailed = errors.New("the ledger writer has stopped after a disk error")
	// ErrOrder: the caller broke the order of seqnos. Nothing was written.
	ErrOrder = errors.New("ledger entries out of order")
	// ErrCommitted: a rollback would undo what is committed.
	ErrCommitted = errors.New("rollback of committed ledger entries")
	// ErrFull: the chunk would pass 4 GiB. Nothing was written.
	ErrFull = errors.New("ledger chunk would exceed 4 GiB")
)

// Error is a problem with one ledger file. Offset is where in the file; it is -1
// when the file as a whole is meant.
type Error struct {
	File   string
	Offset int64
	Err    error
}

func (e *Error) Error() string {
	if e.Offset < 0 {
		return fmt.Sprintf("%s: %v", e.File, e.Err)
	}
	return fmt.Sprintf("%s: byte %d: %v", e.File, e.Offset, e.Err)
}

func (e *Error) Unwrap() error { return e.Err }

func corrupt(file string, offset int64, format string, args ...any) *Error {
	return &Error{File: file, Offset: offset, Err: fmt.Errorf("%w: %s", ErrCorrupt, fmt.Sprintf(format, args...))}
}

// Rotation decides which signature entries end a chunk. It is a value: copy it
// to be able to undo. Every node computes the same from the same entries.
type Rotation struct {
	// ChunkSize is the number of bytes after which a chunk should end.
	ChunkSize uint64
	since     uint64
}

// Due reports whether the signature about to be made must carry FlagChunkAfter
// because of size: the entries since the last flagged one, without this
// signature, have reached ChunkSize. A forced chunk or a snapshot is for the
// caller to add.
func (r *Rotation) Due() bool { return r.since >= r.ChunkSize }

// Add counts an entry of total bytes, header included. Only FlagChunkAfter
// starts the count again: a recovery's FlagChunkBefore ends a file but, in CCF,
// not the count.
func (r *Rotation) Add(flags ledger.Flags, total uint64) {
	r.since += total
	if flags&ledger.FlagChunkAfter != 0 {
		r.since = 0
	}
}
