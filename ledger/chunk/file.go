package chunk

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"concordat/ledger"
)

// Info describes one chunk file. First and Last are what it really holds; a file
// without a whole entry has Last = First-1.
type Info struct {
	Name      Name
	Path      string
	First     ledger.Seqno
	Last      ledger.Seqno
	Committed bool
	Complete  bool  // has a positions table
	Size      int64 // of the file, when it was looked at
	// Torn names the first byte that belongs to no whole entry; nil if there is
	// none. Only files that are not committed can have one.
	Torn *Error

	positions []uint32 // of a file not committed, plus the end of the last entry
}

// Entries is the number of whole entries.
func (i *Info) Entries() uint64 { return i.Last + 1 - i.First }

// table is the positions table of a complete file. Entries are looked up one at
// a time, so that a random read costs the same however large the file is.
type table struct {
	file   File
	path   string
	size   int64
	offset int64
	count  uint64
}

// openTable reads and checks the header of a file. The offset is 0 when the file
// has no table.
func openTable(f File, path string) (t table, err error) {
	t = table{file: f, path: path}
	if t.size, err = f.Size(); err != nil {
		return t, &Error{File: path, Offset: -1, Err: err}
	}
	if t.size < headerSize {
		return t, nil
	}
	var b [headerSize]byte
	if err := readFull(f, path, b[:], 0); err != nil {
		return t, err
	}
	offset := binary.LittleEndian.Uint64(b[:])
	switch {
	case offset == 0:
		return t, nil
	case offset < headerSize || offset > uint64(t.size) || t.size > maxFileSize:
		return t, corrupt(path, 0, "positions table at %d in a file of %d bytes", offset, t.size)
	case (t.size-int64(offset))%positionSize != 0 || int64(offset) == t.size:
		return t, corrupt(path, int64(offset), "positions table of %d bytes", t.size-int64(offset))
	}
	t.offset = int64(offset)
	t.count = uint64(t.size-t.offset) / positionSize
	return t, nil
}

// bounds returns where entry i lies. Both ends come from the file and are
// checked only against the file: header and seqno are checked after reading.
func (t *table) bounds(i uint64) (start, end int64, err error) {
	var b [2 * positionSize]byte
	buf, at := b[:], t.offset+int64(i)*positionSize
	if i+1 == t.count {
		buf = b[:positionSize]
	}
	if err := readFull(t.file, t.path, buf, at); err != nil {
		return 0, 0, err
	}
	start, end = int64(binary.LittleEndian.Uint32(b[:])), t.offset
	if i+1 < t.count {
		end = int64(binary.LittleEndian.Uint32(b[positionSize:]))
	}
	if start < headerSize || end > t.offset || end-start < ledger.HeaderSize || i == 0 && start != headerSize {
		return 0, 0, corrupt(t.path, at, "entry from %d to %d", start, end)
	}
	return start, end, nil
}

func readFull(f File, path string, b []byte, offset int64) error {
	n, err := f.ReadAt(b, offset)
	if n == len(b) {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return &Error{File: path, Offset: offset + int64(n), Err: err}
}

// checkRead verifies that raw is one entry with the given seqno, as far as that
// can be seen without keys.
func checkRead(path string, offset int64, raw []byte, seqno ledger.Seqno) error {
	h, err := ledger.ParseHeader(raw)
	switch {
	case err != nil:
		return &Error{File: path, Offset: offset, Err: fmt.Errorf("%w: entry %d: %w", ErrCorrupt, seqno, err)}
	case h.Total() != uint64(len(raw)):
		return corrupt(path, offset, "entry %d has %d bytes but %d are set aside for it", seqno, h.Total(), len(raw))
	case entrySeqno(raw) != seqno:
		return corrupt(path, offset, "entry %d where %d was due", entrySeqno(raw), seqno)
	}
	return nil
}

// readFrom opens a file, reads one entry and closes it again.
func readFrom(src Source, info Info, seqno ledger.Seqno) ([]byte, error) {
	f, err := src.Open(info.Path)
	if err != nil {
		return nil, &Error{File: info.Path, Offset: -1, Err: err}
	}
	defer f.Close()
	raw, _, err := newCursor(f, info).read(seqno)
	return raw, err
}

// cursor reads entries of one open file.
type cursor struct {
	info  Info
	file  File
	table table
	err   error
}

func newCursor(f File, info Info) *cursor {
	c := &cursor{info: info, file: f}
	if info.positions != nil {
		return c
	}
	c.table, c.err = openTable(f, info.Path)
	switch {
	case c.err != nil:
	case c.table.count != info.Entries():
		c.err = corrupt(info.Path, c.table.offset, "%d positions for entries %d-%d", c.table.count, info.First, info.Last)
	}
	return c
}

// read returns one entry and its file offset.
func (c *cursor) read(seqno ledger.Seqno) (raw []byte, offset int64, err error) {
	if c.err != nil {
		return nil, 0, c.err
	}
	i := seqno - c.info.First
	var end int64
	if c.info.positions != nil {
		offset, end = int64(c.info.positions[i]), int64(c.info.positions[i+1])
	} else if offset, end, err = c.table.bounds(i); err != nil {
		return nil, 0, err
	}
	raw = make([]byte, end-offset)
	if err := readFull(c.file, c.info.Path, raw, offset); err != nil {
		return nil, 0, err
	}
	return raw, offset, checkRead(c.info.Path, offset, raw, seqno)
}

// inspect looks at a file. A committed one must have its table; of others only
// the entries count, and a table is a hint where they end.
func inspect(src Source, path string, name Name) (Info, error) {
	info := Info{Name: name, Path: path, First: name.First, Last: name.Last, Committed: name.Committed}
	f, err := src.Open(path)
	if err != nil {
		return info, &Error{File: path, Offset: -1, Err: err}
	}
	defer f.Close()
	t, err := openTable(f, path)
	info.Size = t.size
	if !name.Committed {
		info.walk(t, err)
		return info, nil
	}
	info.Complete = err == nil && t.count == info.Entries()
	if err == nil && !info.Complete {
		err = corrupt(path, t.offset, "%d positions for entries %d-%d", t.count, info.First, info.Last)
	}
	return info, err
}

// walk finds the entries of a file by their headers, up to the table or to the
// first byte that does not fit. tableErr is what openTable thought of the table.
func (i *Info) walk(t table, tableErr error) {
	at, end, seqno := int64(headerSize), t.size, i.First
	if t.offset != 0 {
		end = t.offset
	}
	i.positions = []uint32{headerSize}
	for at < end {
		total, err := wholeEntry(t.file, i.Path, at, end, seqno)
		if err != nil {
			i.tear(at, err)
			break
		}
		at += total
		seqno++
		i.positions = append(i.positions, uint32(at))
	}
	i.Last = seqno - 1
	switch {
	case t.size > 0 && t.size < headerSize:
		i.tear(0, errors.New("header cut short"))
	case tableErr != nil:
		i.tear(0, tableErr)
	case t.offset != 0 && t.count != i.Entries():
		i.tear(t.offset, fmt.Errorf("%d positions for %d entries", t.count, i.Entries()))
	case i.Name.Last != 0 && i.Name.Last != i.Last:
		i.tear(at, fmt.Errorf("%w: the name says the last entry is %d", ErrCorrupt, i.Name.Last))
	}
	i.Complete = t.offset != 0 && i.Torn == nil
}

// tear notes the first damage found.
func (i *Info) tear(at int64, err error) {
	if i.Torn == nil {
		i.Torn = &Error{File: i.Path, Offset: at, Err: fmt.Errorf("%w: %w", ErrTorn, err)}
	}
}

// wholeEntry checks that an entry with the given seqno lies at offset `at` and
// returns its size.
func wholeEntry(f File, path string, at, size int64, seqno ledger.Seqno) (int64, error) {
	var b [ledger.HeaderSize + ledger.TagSize + ledger.IVSize]byte
	if size-at < int64(len(b)) {
		return 0, errors.New("entry cut short")
	}
	if err := readFull(f, path, b[:], at); err != nil {
		return 0, err
	}
	h, err := ledger.ParseHeader(b[:])
	switch {
	case err != nil:
		return 0, err
	case h.Total() > uint64(size-at) || at+int64(h.Total()) > maxFileSize:
		return 0, errors.New("entry cut short")
	case entrySeqno(b[:]) != seqno:
		return 0, fmt.Errorf("entry %d where %d was due", entrySeqno(b[:]), seqno)
	}
	return int64(h.Total()), nil
}
