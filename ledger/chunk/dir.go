package chunk

import (
	"cmp"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"concordat/ledger"
)

// shelf is a sorted, gap-tolerant list of chunk files.
type shelf struct {
	src   Source
	infos []Info // ascending, not overlapping
}

func (s *shelf) add(i Info) { s.infos = append(s.infos, i) }

func (s *shelf) find(seqno ledger.Seqno) (Info, bool) {
	at, ok := slices.BinarySearchFunc(s.infos, seqno, func(i Info, seqno ledger.Seqno) int {
		switch {
		case i.Last < seqno:
			return -1
		case i.First > seqno:
			return 1
		}
		return 0
	})
	if !ok {
		return Info{}, false
	}
	return s.infos[at], true
}

// DirOptions choose which files of a directory count.
type DirOptions struct {
	FS Source // nil means OS
	// CommittedOnly leaves out every file that is not committed.
	CommittedOnly bool
	// Recovery takes files of an unfinished recovery too.
	Recovery bool
}

// Dir is a read-only view of ledger directories. It is immutable and may be used
// from any goroutine; files that change underneath show as errors.
type Dir struct {
	shelf
	covered []Info
	damaged []*Error
}

// OpenDir reads directories with the usual rules: the first one is a node's main
// directory, the others are read-only archives in which only committed files
// count. Files marked .recovery or .ignored are left out.
func OpenDir(paths ...string) (*Dir, error) { return DirOptions{}.Open(paths...) }

// Open lists the files of directories and looks into those that are not
// committed. A file that cannot be used is no error here: Damaged names it.
func (o DirOptions) Open(paths ...string) (*Dir, error) {
	d := &Dir{}
	if d.src = o.FS; d.src == nil {
		d.src = OS
	}
	var found []Info
	for i, path := range paths {
		names, err := d.src.List(path)
		if err != nil {
			return nil, fmt.Errorf("list ledger directory: %w", err)
		}
		for _, s := range names {
			name, ok := ParseName(s)
			if !ok || !o.counts(name, i > 0) {
				continue
			}
			info, err := inspect(d.src, filepath.Join(path, s), name)
			if err != nil {
				d.damage(info, err)
				continue
			}
			found = append(found, info)
		}
	}
	d.arrange(found)
	return d, nil
}

func (o DirOptions) counts(n Name, readOnly bool) bool {
	return !n.Ignored && (!n.Recovery || o.Recovery) && (n.Committed || !readOnly && !o.CommittedOnly)
}

func (d *Dir) damage(info Info, err error) {
	var e *Error
	if !errors.As(err, &e) {
		e = &Error{File: info.Path, Offset: -1, Err: err}
	}
	d.damaged = append(d.damaged, e)
}

// arrange sorts the files and sets aside those that add nothing: copies in a
// second directory, and open files whose entries a committed one has.
func (d *Dir) arrange(found []Info) {
	slices.SortStableFunc(found, func(a, b Info) int {
		return cmp.Or(cmp.Compare(a.First, b.First), cmpBool(b.Committed, a.Committed), cmp.Compare(b.Last, a.Last))
	})
	for _, info := range found {
		last := d.Last()
		switch {
		case len(d.infos) == 0 || info.First > last:
			d.infos = append(d.infos, info)
		case info.Last <= last:
			d.covered = append(d.covered, info)
		default:
			d.damage(info, &Error{File: info.Path, Offset: -1, Err: fmt.Errorf(
				"%w: entries from %d on are also in %s", ErrCorrupt, info.First, d.infos[len(d.infos)-1].Path)})
		}
	}
}

func cmpBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}

// Chunks lists the files that make up the ledger, in order.
func (d *Dir) Chunks() []Info { return slices.Clone(d.infos) }

// Covered lists files whose entries other files hold too.
func (d *Dir) Covered() []Info { return slices.Clone(d.covered) }

// Damaged says which files could not be used and why. An empty list does not
// mean that all is well: tables and entries are checked when they are read.
func (d *Dir) Damaged() []*Error { return slices.Clone(d.damaged) }

// First is the lowest seqno present, 0 if there is none.
func (d *Dir) First() ledger.Seqno {
	if len(d.infos) == 0 {
		return 0
	}
	return d.infos[0].First
}

// Last is the highest seqno present, 0 if there is none.
func (d *Dir) Last() ledger.Seqno {
	if len(d.infos) == 0 {
		return 0
	}
	return d.infos[len(d.infos)-1].Last
}

// Torn returns the first torn tail, nil if there is none.
func (d *Dir) Torn() *Error {
	for i := range d.infos {
		if d.infos[i].Torn != nil {
			return d.infos[i].Torn
		}
	}
	return nil
}

// ReadEntry returns the bytes of one entry. They are not authenticated.
func (d *Dir) ReadEntry(seqno ledger.Seqno) ([]byte, error) {
	info, ok := d.find(seqno)
	if !ok {
		return nil, fmt.Errorf("%w: seqno %d", ErrNotFound, seqno)
	}
	return readFrom(d.src, info, seqno)
}

// Item is an entry and where it was found.
type Item struct {
	Seqno  ledger.Seqno
	Raw    []byte
	File   string
	Offset int64
}

// Entries calls f for every entry in order, see Walk.
func (d *Dir) Entries(f func(seqno ledger.Seqno, raw []byte) error) error {
	return d.Walk(1, func(i Item) error { return f(i.Seqno, i.Raw) })
}

// Walk calls f for every entry from seqno `from` on, in order. It stops at the
// first error, at the first gap between files and at the first damaged byte; a
// torn tail of the last file is not an error here, see Torn.
func (d *Dir) Walk(from ledger.Seqno, f func(Item) error) error {
	for i := range d.infos {
		info := d.infos[i]
		if i > 0 && info.First != d.infos[i-1].Last+1 {
			return &Error{File: info.Path, Offset: -1, Err: fmt.Errorf(
				"%w: it starts with %d but %s ends with %d", ErrGap, info.First, d.infos[i-1].Path, d.infos[i-1].Last)}
		}
		if info.Last < from {
			continue
		}
		if err := d.walkFile(info, max(from, info.First), f); err != nil {
			return err
		}
	}
	return nil
}

func (d *Dir) walkFile(info Info, from ledger.Seqno, f func(Item) error) error {
	file, err := d.src.Open(info.Path)
	if err != nil {
		return &Error{File: info.Path, Offset: -1, Err: err}
	}
	defer file.Close()
	c := newCursor(file, info)
	for seqno := from; seqno <= info.Last; seqno++ {
		raw, offset, err := c.read(seqno)
		if err != nil {
			return err
		}
		if err := f(Item{Seqno: seqno, Raw: raw, File: info.Path, Offset: offset}); err != nil {
			return err
		}
	}
	return nil
}
