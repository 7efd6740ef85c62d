package audit

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"

	"concordat/ledger"
)

// place is where an entry is.
type place struct {
	file   *file
	offset int64
}

// visitor looks at the entries in order.
type visitor interface {
	// begin is called before the entries of a file; expected is the seqno its
	// first entry must have.
	begin(f *file)
	// entry looks at one framed entry; false says that it cannot be read, and
	// that the rest of the file makes no sense without it. raw is reused.
	entry(raw []byte, at place) bool
	// end is called after the entries of a file.
	end(f *file, complete bool)
}

const (
	fileHeader = 8 // u64 offset of the positions table, 0 in an open file
	position   = 4 // u32, offset of an entry
	readBuffer = 1 << 20
)

// walker reads files entry by entry and checks what holds them together.
type walker struct {
	report   *Report
	progress func(Progress)
	total    int64
	read     int64
	said     int64
	seqno    ledger.Seqno
	silent   bool // the second time over the same files
}

func (w *walker) walk(files []file, v visitor) error {
	for i := range files {
		if err := w.file(&files[i], v, i == len(files)-1); err != nil {
			return err
		}
	}
	if w.progress != nil && len(files) > 0 {
		w.progress(Progress{Read: w.read, Total: w.total, Seqno: w.seqno})
	}
	return nil
}

func (w *walker) invalid(f *file, offset int64, format string, args ...any) {
	if !w.silent {
		w.report.add(Finding{Severity: Invalid, File: f.name, Offset: offset, Text: fmt.Sprintf(format, args...)})
	}
}

// chunk is one file while it is read.
type chunk struct {
	*file
	r         *bufio.Reader
	handle    *os.File
	end       int64         // where the entries end
	table     *bufio.Reader // nil when there is none
	positions int64         // in the table
	out       File
}

func (w *walker) file(f *file, v visitor, last bool) error {
	handle, err := os.Open(f.path)
	if errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("%w: %w", errGone, err)
	}
	if err != nil {
		return fmt.Errorf("reading a ledger file: %w", err)
	}
	defer handle.Close()
	c := &chunk{file: f, handle: handle, out: File{Path: f.path, First: f.first, Committed: f.committed}}
	v.begin(f)
	if err := w.openChunk(c, last); err != nil {
		return err
	}
	if err := w.entries(c, v, last); err != nil {
		return err
	}
	v.end(f, c.out.Complete)
	if !w.silent {
		w.report.Files = append(w.report.Files, c.out)
	}
	return nil
}

// openChunk reads the file header and finds the positions table.
func (w *walker) openChunk(c *chunk, last bool) error {
	var head [fileHeader]byte
	_, short := c.handle.ReadAt(head[:], 0)
	if short != nil && !errors.Is(short, io.EOF) {
		return fmt.Errorf("reading %s: %w", c.path, short)
	}
	info, err := c.handle.Stat() // after the header, so that the table it names is in the size
	if err != nil {
		return fmt.Errorf("reading %s: %w", c.path, err)
	}
	c.size = info.Size()
	c.end = c.size
	if short != nil {
		if c.committed || !last {
			w.invalid(c.file, 0, "the file ends within its first eight bytes")
		} else {
			w.tear(c, 0)
		}
		c.end = 0
		return nil
	}
	at := binary.LittleEndian.Uint64(head[:])
	switch {
	case at == 0 && (c.committed || c.last != 0):
		w.invalid(c.file, 0, "its name says it is complete, but it has no positions table")
	case at == 0:
	case at < fileHeader || at > uint64(c.size) || (uint64(c.size)-at)%position != 0:
		w.invalid(c.file, 0, "the header points to a positions table at %d, which cannot be in a file of %d bytes", at, c.size)
		w.findTable(c)
	default:
		c.out.Complete, c.end = true, int64(at)
		c.positions = (c.size - c.end) / position
		c.table = reader(c.handle, c.end, c.size, readBuffer/16)
	}
	c.r = reader(c.handle, fileHeader, max(c.end, fileHeader), readBuffer)
	return nil
}

// reader reads a stretch of a file, with a buffer no larger than that.
func reader(f io.ReaderAt, from, to, buffer int64) *bufio.Reader {
	return bufio.NewReaderSize(io.NewSectionReader(f, from, to-from), int(min(buffer, to-from)))
}

// findTable tells where the entries end in a file whose header is damaged, from
// the number of entries in its name. Without it the entries are read until they
// make no sense.
func (w *walker) findTable(c *chunk) {
	if c.last != 0 {
		if n := int64(c.last-c.first+1) * position; n > 0 && n < c.size-fileHeader {
			c.end = c.size - n
		}
	}
}

// entries reads entry after entry. A broken one ends the file, since nothing
// says where the next one begins.
func (w *walker) entries(c *chunk, v visitor, last bool) error {
	offset := int64(fileHeader)
	var buf []byte
	for offset < c.end {
		raw, err := w.next(c, offset, &buf, last)
		if err != nil {
			return err
		}
		if raw == nil || !v.entry(raw, place{c.file, offset}) {
			return nil
		}
		w.checkPosition(c, offset)
		c.out.Entries++
		offset += int64(len(raw))
		w.advance(int64(len(raw)), c.first+c.out.Entries-1)
	}
	return w.checkEnd(c, offset)
}

// next returns the framed entry at offset, or nil when there is none.
func (w *walker) next(c *chunk, offset int64, buf *[]byte, last bool) ([]byte, error) {
	head, err := c.r.Peek(ledger.HeaderSize)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("reading %s: %w", c.path, err)
	}
	if len(head) < ledger.HeaderSize {
		return nil, w.cut(c, offset, last)
	}
	h, err := ledger.ParseHeader(head)
	if err != nil {
		w.invalid(c.file, offset, "entry %d: %v", c.first+c.out.Entries, err)
		return nil, nil
	}
	if h.Total() > uint64(c.end-offset) {
		return nil, w.cut(c, offset, last)
	}
	if uint64(cap(*buf)) < h.Total() {
		*buf = make([]byte, h.Total())
	}
	raw := (*buf)[:h.Total()]
	if _, err := io.ReadFull(c.r, raw); err != nil {
		return nil, fmt.Errorf("reading %s: %w", c.path, err)
	}
	return raw, nil
}

// cut handles an entry that goes beyond the end of its file. At the end of an
// open chunk that is what a crash leaves behind; anywhere else, and when the
// next entry can be seen in what follows, it is damage.
func (w *walker) cut(c *chunk, offset int64, last bool) error {
	if c.out.Complete || c.committed || !last {
		w.invalid(c.file, offset, "entry %d goes beyond the end of the entries at byte %d", c.first+c.out.Entries, c.end)
		return nil
	}
	follows, err := w.successor(c, offset)
	if err != nil {
		return err
	}
	if follows >= 0 {
		w.invalid(c.file, offset, "entry %d claims to go beyond the end of the file, yet the next one begins at byte %d", c.first+c.out.Entries, follows)
		return nil
	}
	w.tear(c, offset)
	return nil
}

func (w *walker) tear(c *chunk, offset int64) {
	c.out.Torn = c.end - offset
	if !w.silent {
		w.report.Torn = &Torn{File: c.name, Offset: offset, Bytes: c.end - offset}
	}
}

// successor looks for the next entry behind a supposedly torn one, by the two
// places that hold its seqno. It returns -1 when there is none.
func (w *walker) successor(c *chunk, offset int64) (int64, error) {
	const inIV, inPublic = ledger.HeaderSize + ledger.TagSize, ledger.HeaderSize + ledger.TagSize + ledger.IVSize + 8 + 1
	b := make([]byte, min(c.end-offset, readBuffer*16))
	if _, err := c.handle.ReadAt(b, offset); err != nil {
		return -1, fmt.Errorf("reading %s: %w", c.path, err)
	}
	seqno := binary.LittleEndian.AppendUint64(nil, c.first+c.out.Entries+1)
	for from := inIV; from < len(b); {
		i := bytes.Index(b[from:], seqno)
		if i < 0 {
			break
		}
		start := from + i - inIV
		if start > 0 && start+inPublic+8 <= len(b) && bytes.Equal(b[start+inPublic:start+inPublic+8], seqno) {
			return offset + int64(start), nil
		}
		from += i + 1
	}
	return -1, nil
}

// checkPosition compares one line of the positions table with an entry.
func (w *walker) checkPosition(c *chunk, offset int64) {
	if c.table == nil || int64(c.out.Entries) >= c.positions {
		return
	}
	var b [position]byte
	if _, err := io.ReadFull(c.table, b[:]); err != nil {
		return // the table was found to be this long
	}
	if got := binary.LittleEndian.Uint32(b[:]); int64(got) != offset {
		at := c.end + position*int64(c.out.Entries)
		w.invalid(c.file, at, "the positions table puts entry %d at byte %d, it is at %d", c.first+c.out.Entries, got, offset)
	}
}

// checkEnd compares the table and the name with what the file holds.
func (w *walker) checkEnd(c *chunk, offset int64) error {
	if c.table != nil && int64(c.out.Entries) != c.positions {
		w.invalid(c.file, c.end, "the positions table has %d lines for %d entries", c.positions, c.out.Entries)
	}
	if c.out.Complete && c.out.Entries == 0 {
		w.invalid(c.file, 0, "a complete file without entries")
	}
	if c.last != 0 && c.out.Last() != c.last {
		w.invalid(c.file, offset, "its name ends at %d, its entries at %d", c.last, c.out.Last())
	}
	return nil
}

func (w *walker) advance(n int64, seqno ledger.Seqno) {
	w.read += n
	w.seqno = seqno
	if w.progress != nil && w.read-w.said >= progressEvery {
		w.said = w.read
		w.progress(Progress{Read: w.read, Total: w.total, Seqno: seqno})
	}
}
