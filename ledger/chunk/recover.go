package chunk

import (
	"fmt"

	"concordat/ledger"
)

// Recover takes over the directory of a ledger that ended in a disaster, to go on
// with seqno last+1. `last` is the last signed entry, which the caller has
// verified: everything after it is removed for good, and what is kept becomes
// committed. Files left by an earlier attempt that did not open the service are
// set aside as .ignored. Nothing is changed when the directory does not hold
// every uncommitted entry up to `last`, or has committed ones after it.
//
// The files written from now on are marked .recovery, see EndRecovery.
func Recover(dir string, last ledger.Seqno, o Options) (*Writer, error) {
	o.First, o.Recovery = last+1, true
	w, err := newWriter(dir, o)
	if err != nil {
		return nil, err
	}
	d, err := DirOptions{FS: w.fs}.Open(dir)
	if err != nil {
		return nil, err
	}
	if err := w.adoptable(d, last); err != nil {
		return nil, err
	}
	if err := w.setAside(); err != nil {
		return nil, err
	}
	for i := len(d.infos) - 1; i >= 0 && err == nil; i-- { // newest first: no gap at any time
		err = w.removeAfter(&d.infos[i], last)
	}
	for i := range d.infos {
		if err == nil && d.infos[i].First <= last {
			err = w.adopt(&d.infos[i], last)
		}
	}
	if err == nil && len(w.mu.open) > 0 {
		w.committed = w.mu.open[0].name.First - 1
		err = w.Commit(last)
	}
	if err != nil {
		w.Close()
		return nil, err
	}
	return w, w.Sync()
}

// adoptable checks, before anything is touched, that the directory fits.
func (w *Writer) adoptable(d *Dir, last ledger.Seqno) error {
	for i := range d.infos {
		info := &d.infos[i]
		switch {
		case info.Committed && info.Last > last:
			return &Error{File: info.Path, Offset: -1, Err: fmt.Errorf("%w: recovery to %d", ErrCommitted, last)}
		case i > 0 && info.First <= last && info.First != d.infos[i-1].Last+1:
			return &Error{File: info.Path, Offset: -1, Err: ErrGap}
		}
	}
	if d.Last() < last && w.archive.Last() < last {
		return fmt.Errorf("%w: recovery to %d in %s", ErrNotFound, last, w.dir)
	}
	return nil
}

// setAside renames what an earlier recovery left.
func (w *Writer) setAside() error {
	names, err := w.fs.List(w.dir)
	if err != nil {
		return fmt.Errorf("list ledger directory: %w", err)
	}
	for _, s := range names {
		name, ok := ParseName(s)
		if !ok || !name.Recovery || name.Ignored {
			continue
		}
		aside := name
		aside.Ignored = true
		if err := w.rename(name, aside); err != nil {
			return err
		}
	}
	return nil
}

// removeAfter unlinks a file that holds nothing up to `last`.
func (w *Writer) removeAfter(info *Info, last ledger.Seqno) error {
	if info.First <= last && info.Last >= info.First {
		return nil
	}
	if err := w.fs.Remove(info.Path); err != nil {
		return w.fail(info.Name.String(), -1, "remove", err)
	}
	w.mu.dirDirty = true
	return nil
}

// adopt takes a file over: a committed one as it is, another one cut after
// `last` and open, so that committing completes it.
func (w *Writer) adopt(info *Info, last ledger.Seqno) error {
	if info.Committed {
		w.mu.done.add(*info)
		return nil
	}
	if info.Last < info.First {
		return nil // removed
	}
	file, err := w.fs.OpenWrite(info.Path)
	if err != nil {
		return w.fail(info.Name.String(), -1, "open", err)
	}
	keep := min(last, info.Last) - info.First + 1
	c := &openChunk{
		name: info.Name, file: file, followed: true, dirty: true,
		positions: info.positions[:keep:keep], end: int64(info.positions[keep]),
	}
	w.mu.open = append(w.mu.open, c)
	if err := file.Truncate(c.end); err != nil {
		return w.fail(info.Name.String(), c.end, "truncate", err)
	}
	return nil
}
