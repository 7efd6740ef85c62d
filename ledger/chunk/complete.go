package chunk

import (
	"encoding/binary"
	"fmt"
	"io"
	"path/filepath"

	"concordat/ledger"
)

// Commit notes that entries up to seqno are committed and completes every ended
// chunk that lies wholly below.
func (w *Writer) Commit(seqno ledger.Seqno) error {
	switch err := w.usable(); {
	case err != nil:
		return err
	case seqno >= w.next:
		return fmt.Errorf("%w: commit of %d, last is %d", ErrOrder, seqno, w.next-1)
	case seqno < w.committed:
		return nil
	}
	w.committed = seqno
	for len(w.mu.open) > 0 {
		c := w.mu.open[0]
		if !c.ended() || c.last() > seqno {
			return nil
		}
		if err := w.complete(c); err != nil {
			return err
		}
	}
	return nil
}

// complete gives the oldest open chunk its table and its final name. Table and
// entries are durable before the header points to them, and the whole file is
// before the name says it is committed, so that no crash leaves a file that
// claims more than it has.
func (w *Writer) complete(c *openChunk) error {
	table := make([]byte, 0, len(c.positions)*positionSize)
	for _, pos := range c.positions {
		table = binary.LittleEndian.AppendUint32(table, pos)
	}
	if err := w.writeSynced(c, table, c.end); err != nil {
		return err
	}
	header := binary.LittleEndian.AppendUint64(nil, uint64(c.end))
	if err := w.writeSynced(c, header, 0); err != nil {
		return err
	}
	final := c.name
	final.Last, final.Committed = c.last(), true
	if err := w.rename(c.name, final); err != nil {
		return err
	}
	w.mu.Lock()
	w.mu.open = w.mu.open[1:]
	w.mu.done.add(Info{
		Name: final, Path: filepath.Join(w.dir, final.String()), First: final.First, Last: final.Last,
		Committed: true, Complete: true, Size: c.end + int64(len(table)),
	})
	c.gone = true
	w.mu.Unlock()
	if err := c.file.Close(); err != nil {
		return w.fail(final.String(), -1, "close", err)
	}
	return nil
}

func (w *Writer) writeSynced(c *openChunk, b []byte, offset int64) error {
	n, err := c.file.WriteAt(b, offset)
	if err == nil && n < len(b) {
		err = io.ErrShortWrite
	}
	if err == nil && !w.noSync {
		err = c.file.Sync()
	}
	if err != nil {
		return w.fail(w.nameOf(c), offset, "complete", err)
	}
	return nil
}

// rename changes the name of a file, durably.
func (w *Writer) rename(from, to Name) error {
	err := w.fs.Rename(filepath.Join(w.dir, from.String()), filepath.Join(w.dir, to.String()))
	if err == nil && !w.noSync {
		err = w.fs.SyncDir(w.dir)
	}
	if err != nil {
		return w.fail(from.String(), -1, "rename to "+to.String(), err)
	}
	return nil
}

// ReadEntry returns the bytes of one entry, committed or not. The disk is not
// trusted and a rollback may run at the same time: the caller must check the
// tag or the digest of what it gets.
func (w *Writer) ReadEntry(seqno ledger.Seqno) ([]byte, error) {
	for {
		at, ok := w.locate(seqno)
		if !ok {
			return w.readDone(seqno)
		}
		raw := make([]byte, at.size)
		_, err := at.chunk.file.ReadAt(raw, at.offset)
		if err != nil && w.isGone(at.chunk, err) {
			continue // completed or rolled back meanwhile: look again
		}
		if err != nil {
			return nil, &Error{File: at.path, Offset: at.offset, Err: err}
		}
		return raw, checkRead(at.path, at.offset, raw, seqno)
	}
}

// place is where an entry of an open chunk lies.
type place struct {
	chunk  *openChunk
	path   string
	offset int64
	size   int64
}

func (w *Writer) locate(seqno ledger.Seqno) (at place, ok bool) {
	w.mu.RLock()
	defer w.mu.RUnlock()
	for _, c := range w.mu.open {
		if seqno < c.name.First || len(c.positions) == 0 || seqno > c.last() {
			continue
		}
		i := int(seqno - c.name.First)
		start, end := int64(c.positions[i]), c.end
		if i+1 < len(c.positions) {
			end = int64(c.positions[i+1])
		}
		return place{chunk: c, path: filepath.Join(w.dir, c.name.String()), offset: start, size: end - start}, true
	}
	return place{}, false
}

func (w *Writer) readDone(seqno ledger.Seqno) ([]byte, error) {
	w.mu.RLock()
	info, ok := w.mu.done.find(seqno)
	w.mu.RUnlock()
	if !ok {
		return w.archive.ReadEntry(seqno)
	}
	return readFrom(w.fs, info, seqno)
}

// EndRecovery takes the .recovery mark off every file, oldest first: the service
// is open again, and the files are part of its ledger for good.
func (w *Writer) EndRecovery() error {
	if err := w.usable(); err != nil {
		return err
	}
	w.mu.Lock()
	w.mu.recovery = false
	done, open := w.mu.done.infos, w.mu.open
	w.mu.Unlock()
	for i := range done {
		if err := w.unmark(&done[i].Name, &done[i].Path); err != nil {
			return err
		}
	}
	for _, c := range open {
		var path string
		if err := w.unmark(&c.name, &path); err != nil {
			return err
		}
	}
	return nil
}

// unmark renames one file; the new name shows to readers once it is true.
func (w *Writer) unmark(name *Name, path *string) error {
	plain := *name
	if plain.Recovery = false; plain == *name {
		return nil
	}
	if err := w.rename(*name, plain); err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	*name, *path = plain, filepath.Join(w.dir, plain.String())
	return nil
}
