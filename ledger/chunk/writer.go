package chunk

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"sync"

	"concordat/ledger"
)

// Options of a Writer.
type Options struct {
	// FS is the file system; nil means OS.
	FS FS
	// First is the seqno of the first entry to be appended; 0 means 1. A node
	// that starts from a snapshot at S begins with S+1.
	First ledger.Seqno
	// NoSync leaves out every fsync: files then survive the death of the
	// process, not of the machine.
	NoSync bool
	// Recovery marks every file with .recovery until EndRecovery.
	Recovery bool
	// Archives are read-only directories in which ReadEntry looks for committed
	// entries that are not in the writer's own.
	Archives []string
}

// Writer owns the chunk files of one directory.
//
// Append, Commit, Truncate, EndRecovery and Close belong to one goroutine.
// ReadEntry may be called from any; so may Sync, of which one runs at a time.
//
// The first disk error stops the writer for good: what is on the disk is then
// unknown, and acknowledging anything more would be a guess.
type Writer struct {
	fs     FS
	dir    string
	noSync bool
	syncMu sync.Mutex // held by the running Sync

	// Of the owning goroutine.
	next      ledger.Seqno // seqno of the next entry
	committed ledger.Seqno
	maxFile   int64    // maxFileSize, smaller in tests
	pieces    []piece  // scratch of Append
	starts    []uint32 // likewise

	// mu guards what readers and Sync look at. It is never held across a disk
	// operation.
	mu struct {
		sync.RWMutex
		open     []*openChunk // not yet completed, ascending and contiguous
		done     shelf        // completed
		dirDirty bool         // names changed since the last SyncDir
		recovery bool
		failed   error
	}
	archive *Dir
}

// openChunk is a chunk file without a positions table.
type openChunk struct {
	name      Name
	file      File
	positions []uint32
	end       int64 // file offset behind the last entry
	flagged   bool  // the last entry carries FlagChunkAfter
	followed  bool  // a later chunk exists
	dirty     bool  // written since the last sync
	gone      bool  // removed or completed; file is closed
}

func (c *openChunk) last() ledger.Seqno { return c.name.First + uint64(len(c.positions)) - 1 }

// ended reports that no entry will be added.
func (c *openChunk) ended() bool { return c.flagged || c.followed }

// Open starts a ledger in an empty or missing directory. It refuses any other:
// two ledgers must never mix, and a process never continues its own old files.
func Open(dir string, o Options) (*Writer, error) {
	w, err := newWriter(dir, o)
	if err != nil {
		return nil, err
	}
	names, err := w.fs.List(dir)
	if errors.Is(err, fs.ErrNotExist) {
		err = w.makeDir()
	}
	if err != nil {
		return nil, fmt.Errorf("ledger directory: %w", err)
	}
	if len(names) > 0 {
		return nil, &Error{File: filepath.Join(dir, names[0]), Offset: -1, Err: ErrNotEmpty}
	}
	return w, nil
}

// makeDir makes the directory and its name durable.
func (w *Writer) makeDir() error {
	if err := w.fs.MkdirAll(w.dir); err != nil || w.noSync {
		return err
	}
	return w.fs.SyncDir(filepath.Dir(w.dir))
}

func newWriter(dir string, o Options) (*Writer, error) {
	w := &Writer{fs: o.FS, dir: dir, noSync: o.NoSync, next: max(o.First, 1), maxFile: maxFileSize}
	if w.fs == nil {
		w.fs = OS
	}
	w.committed = w.next - 1
	w.mu.recovery = o.Recovery
	w.mu.done.src = w.fs
	var err error
	w.archive, err = DirOptions{FS: w.fs, CommittedOnly: true}.Open(o.Archives...)
	return w, err
}

// Next is the seqno of the next entry to append.
func (w *Writer) Next() ledger.Seqno { return w.next }

// fail records the error that stops the writer.
func (w *Writer) fail(name string, offset int64, what string, err error) error {
	e := &Error{File: filepath.Join(w.dir, name), Offset: offset, Err: fmt.Errorf("%s: %w", what, err)}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.mu.failed == nil {
		w.mu.failed = e
	}
	return e
}

// usable returns an error once the writer has failed.
func (w *Writer) usable() error {
	w.mu.RLock()
	defer w.mu.RUnlock()
	if w.mu.failed != nil {
		return fmt.Errorf("%w: %w", ErrFailed, w.mu.failed)
	}
	return nil
}

// nameOf is the present name of a chunk's file, which EndRecovery changes.
func (w *Writer) nameOf(c *openChunk) string {
	w.mu.RLock()
	defer w.mu.RUnlock()
	return c.name.String()
}

// current is the newest open chunk, or nil.
func (w *Writer) current() *openChunk {
	if n := len(w.mu.open); n > 0 {
		return w.mu.open[n-1]
	}
	return nil
}

// piece is the part of a segment that goes into one chunk.
type piece struct {
	from, to int  // bytes of the segment
	entries  int  // their number
	fresh    bool // starts a new chunk
	flagged  bool // its last entry carries FlagChunkAfter
}

// Append writes a segment: entries back to back, the first one with seqno Next.
// It makes one write a file, which is one write in all unless a flag inside the
// segment ends a chunk. The segment is checked before anything is written.
func (w *Writer) Append(segment []byte) error {
	if err := w.usable(); err != nil {
		return err
	}
	if err := w.plan(segment); err != nil {
		return err
	}
	starts := w.starts
	for _, p := range w.pieces {
		if err := w.write(p, segment[p.from:p.to], starts[:p.entries]); err != nil {
			return err
		}
		starts = starts[p.entries:]
	}
	w.next += uint64(len(w.starts))
	return nil
}

// plan cuts a segment into w.pieces and notes where its entries begin, counted
// from the start of their piece, in w.starts.
func (w *Writer) plan(segment []byte) error {
	w.pieces, w.starts = w.pieces[:0], w.starts[:0]
	cur := w.current()
	ended := cur == nil || cur.ended()
	var room int64 // left in the file of the last piece, its table counted in
	for at := 0; at < len(segment); {
		h, err := w.check(segment[at:], w.next+uint64(len(w.starts)))
		if err != nil {
			return err
		}
		if ended || h.Flags&ledger.FlagChunkBefore != 0 {
			w.pieces = append(w.pieces, piece{from: at, fresh: true})
			room = w.maxFile - headerSize
		} else if len(w.pieces) == 0 {
			w.pieces = append(w.pieces, piece{})
			room = w.maxFile - cur.end - int64(len(cur.positions))*positionSize
		}
		if room -= int64(h.Total()) + positionSize; room < 0 {
			return ErrFull
		}
		p := &w.pieces[len(w.pieces)-1]
		w.starts = append(w.starts, uint32(at-p.from))
		at += int(h.Total())
		p.to, p.entries = at, p.entries+1
		p.flagged = h.Flags&ledger.FlagChunkAfter != 0
		ended = p.flagged
	}
	return nil
}

// check verifies that b starts with a whole entry with the given seqno.
func (w *Writer) check(b []byte, seqno ledger.Seqno) (ledger.Header, error) {
	h, err := ledger.ParseHeader(b)
	if err != nil {
		return h, fmt.Errorf("%w: entry %d: %w", ErrOrder, seqno, err)
	}
	if h.Total() > uint64(len(b)) {
		return h, fmt.Errorf("%w: entry %d is cut short", ErrOrder, seqno)
	}
	if got := entrySeqno(b); got != seqno {
		return h, fmt.Errorf("%w: entry %d where %d was due", ErrOrder, got, seqno)
	}
	return h, nil
}

// entrySeqno reads the seqno from the IV of an entry with a valid header.
func entrySeqno(b []byte) ledger.Seqno {
	return binary.LittleEndian.Uint64(b[ledger.HeaderSize+ledger.TagSize:])
}

// write puts one piece into its file.
func (w *Writer) write(p piece, b []byte, starts []uint32) error {
	c := w.current()
	if p.fresh {
		var err error
		if c, err = w.create(); err != nil {
			return err
		}
	}
	n, err := c.file.WriteAt(b, c.end)
	if err == nil && n < len(b) {
		err = io.ErrShortWrite
	}
	if err != nil {
		return w.fail(w.nameOf(c), c.end+int64(n), "append", err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, start := range starts {
		c.positions = append(c.positions, uint32(c.end)+start)
	}
	c.end += int64(len(b))
	c.flagged, c.dirty = p.flagged, true
	return nil
}

// create starts a new chunk behind what has been written so far. The header
// stays a hole of zeros until the chunk is completed.
func (w *Writer) create() (*openChunk, error) {
	first := w.next
	if c := w.current(); c != nil {
		first = c.last() + 1
	}
	w.mu.RLock()
	c := &openChunk{name: Name{First: first, Recovery: w.mu.recovery}, end: headerSize}
	w.mu.RUnlock()
	file, err := w.fs.Create(filepath.Join(w.dir, c.name.String()))
	if err != nil {
		return nil, w.fail(c.name.String(), -1, "create", err)
	}
	c.file = file
	w.mu.Lock()
	defer w.mu.Unlock()
	if prev := w.current(); prev != nil {
		prev.followed = true
	}
	w.mu.open = append(w.mu.open, c)
	w.mu.dirDirty = true
	return c, nil
}

// Sync makes everything appended before the call durable. With NoSync it does
// nothing.
func (w *Writer) Sync() error {
	w.syncMu.Lock()
	defer w.syncMu.Unlock()
	if err := w.usable(); err != nil || w.noSync {
		return err
	}
	dirty, dirDirty := w.takeDirty()
	for _, c := range dirty {
		if err := c.file.Sync(); err != nil && !w.isGone(c, err) {
			return w.fail(w.nameOf(c), -1, "fsync", err)
		}
	}
	if !dirDirty {
		return nil
	}
	if err := w.fs.SyncDir(w.dir); err != nil {
		return w.fail("", -1, "fsync directory", err)
	}
	return nil
}

func (w *Writer) takeDirty() (dirty []*openChunk, dirDirty bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.mu.open {
		if c.dirty {
			c.dirty = false
			dirty = append(dirty, c)
		}
	}
	dirDirty, w.mu.dirDirty = w.mu.dirDirty, false
	return dirty, dirDirty
}

// isGone reports that err only says that c was closed meanwhile: completed,
// which synced it, or removed.
func (w *Writer) isGone(c *openChunk, err error) bool {
	w.mu.RLock()
	defer w.mu.RUnlock()
	return c.gone && errors.Is(err, fs.ErrClosed)
}

// Truncate rolls back every entry after `to`. It unlinks later files, newest
// first, and cuts the one that holds `to`. Each is made durable before going on:
// otherwise a power cut could bring back rolled-back entries beside new ones with
// the same seqnos in another file.
func (w *Writer) Truncate(to ledger.Seqno) error {
	switch err := w.usable(); {
	case err != nil:
		return err
	case to < w.committed:
		return fmt.Errorf("%w: to %d, committed %d", ErrCommitted, to, w.committed)
	case to >= w.next:
		return fmt.Errorf("%w: rollback to %d, last is %d", ErrOrder, to, w.next-1)
	}
	dropped := false
	for c := w.current(); c != nil && c.name.First > to; c = w.current() {
		if err := w.drop(c); err != nil {
			return err
		}
		dropped = true
	}
	if dropped && !w.noSync {
		if err := w.fs.SyncDir(w.dir); err != nil {
			return w.fail("", -1, "fsync directory", err)
		}
	}
	w.next = to + 1
	if c := w.current(); c != nil && c.last() > to {
		return w.cut(c, to)
	}
	return nil
}

// drop removes the newest open chunk and its file.
func (w *Writer) drop(c *openChunk) error {
	w.mu.Lock()
	w.mu.open = w.mu.open[:len(w.mu.open)-1]
	if prev := w.current(); prev != nil {
		prev.followed = false
	}
	c.gone = true
	w.mu.Unlock()
	if err := w.fs.Remove(filepath.Join(w.dir, c.name.String())); err != nil {
		return w.fail(c.name.String(), -1, "remove", err)
	}
	if err := c.file.Close(); err != nil {
		return w.fail(c.name.String(), -1, "close", err)
	}
	return nil
}

// cut keeps the entries of c up to `to`.
func (w *Writer) cut(c *openChunk, to ledger.Seqno) error {
	keep := int(to - c.name.First + 1)
	w.mu.Lock()
	c.end = int64(c.positions[keep])
	c.positions = slices.Clip(c.positions[:keep])
	c.flagged, c.dirty = false, true
	w.mu.Unlock()
	err := c.file.Truncate(c.end)
	if err == nil && !w.noSync {
		err = c.file.Sync()
	}
	if err != nil {
		return w.fail(c.name.String(), c.end, "truncate", err)
	}
	return nil
}

// Close closes the open files without completing or syncing them.
func (w *Writer) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	var errs []error
	for _, c := range w.mu.open {
		if !c.gone {
			c.gone = true
			errs = append(errs, c.file.Close())
		}
	}
	if w.mu.failed == nil {
		w.mu.failed = fs.ErrClosed
	}
	return errors.Join(errs...)
}
