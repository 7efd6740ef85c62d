package ledger

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
)

// EntryType is the first byte of an entry's public domain.
type EntryType uint8

// The entry types of CCF. This code writes only the last one; the others are
// read from ledgers of older versions, and Snapshot from snapshot files.
const (
	TypeWriteSet                            EntryType = 0
	TypeSnapshot                            EntryType = 1
	TypeWriteSetWithClaims                  EntryType = 2
	TypeWriteSetWithCommitEvidence          EntryType = 3
	TypeWriteSetWithCommitEvidenceAndClaims EntryType = 4

	maxEntryType = TypeWriteSetWithCommitEvidenceAndClaims
)

// HasClaims reports whether the public domain carries a claims digest.
func (t EntryType) HasClaims() bool {
	return t == TypeWriteSetWithClaims || t == TypeWriteSetWithCommitEvidenceAndClaims
}

// HasEvidence reports whether the public domain carries the digest of a commit
// evidence.
func (t EntryType) HasEvidence() bool {
	return t == TypeWriteSetWithCommitEvidence || t == TypeWriteSetWithCommitEvidenceAndClaims
}

// Flags is the second byte of an entry: orders to whoever keeps the chunk files.
type Flags uint8

// The flags of an entry. They are covered by the write-set digest.
const (
	FlagChunkAfter  Flags = 1 << 0 // end the chunk after this (signature) entry
	FlagChunkBefore Flags = 1 << 1 // end the chunk before this entry (recovery)

	allFlags = FlagChunkAfter | FlagChunkBefore
)

// Sizes and limits of the entry layout.
const (
	HeaderSize = 8  // version, flags, 48-bit size
	TagSize    = 16 // AES-GCM tag
	IVSize     = 12 // seqno u64, view u32

	entryVersion = 1
	frameSize    = HeaderSize + TagSize + IVSize + 8 // up to the public domain
	fixedPublic  = 1 + 8 + 8                         // type, seqno, max conflict version

	// MaxView is the largest view an entry can carry: 31 bits of the IV.
	MaxView View = 0x7fffffff
	// MaxEntrySize bounds a whole entry, header included. Chunk files address
	// entries with 32 bits, so no larger entry can be stored.
	MaxEntrySize = 1<<32 - 1

	snapshotBit = 1 << 31 // of the view word in the IV
)

// ErrMalformed is the class of everything ParseEntry, ParseHeader and ParseMaps
// refuse; the error itself is a *ParseError.
var ErrMalformed = errors.New("malformed ledger entry")

// ParseError says what is wrong with an entry and where: Offset counts from the
// first byte given to the parser.
type ParseError struct {
	Offset int
	Reason string
}

func (e *ParseError) Error() string {
	return fmt.Sprintf("%v: %s at byte %d", ErrMalformed, e.Reason, e.Offset)
}

func (e *ParseError) Unwrap() error { return ErrMalformed }

func malformed(offset int, reason string) error {
	return &ParseError{Offset: offset, Reason: reason}
}

// Header is the fixed start of an entry. Size is the number of bytes after it.
type Header struct {
	Version uint8
	Flags   Flags
	Size    uint64
}

// Total is the size of the whole entry, header included.
func (h Header) Total() uint64 { return HeaderSize + h.Size }

// ParseHeader reads and checks the header at the start of b, so that a reader
// of a file knows how much to read next.
func ParseHeader(b []byte) (Header, error) {
	if len(b) < HeaderSize {
		return Header{}, malformed(len(b), "header cut short")
	}
	word := binary.LittleEndian.Uint64(b)
	h := Header{Version: uint8(word), Flags: Flags(word >> 8), Size: word >> 16}
	switch {
	case h.Version != entryVersion:
		return h, malformed(0, "unknown version")
	case h.Flags&^allFlags != 0:
		return h, malformed(1, "unknown flags")
	case h.Size < frameSize-HeaderSize+fixedPublic:
		return h, malformed(2, "size too small for an entry")
	case h.Total() > MaxEntrySize:
		return h, malformed(2, "size above the limit of a chunk file")
	}
	return h, nil
}

// Public is the plaintext part of an entry. For a snapshot only Type and Seqno
// are filled in: the rest of its layout is another one.
type Public struct {
	Type                 EntryType
	Seqno                Seqno
	Claims               Digest
	CommitEvidenceDigest Digest
	MaxConflict          uint64 // 0 in all but the oldest ledgers; ignored by readers
	Writes               WriteSet
}

// Entry is one parsed entry. Its slices alias Raw.
type Entry struct {
	Raw        []byte
	Header     Header
	Tag, IV    []byte
	View       View
	Seqno      Seqno
	IsSnapshot bool
	PublicRaw  []byte // the AAD of the tag
	Public     Public
	Sealed     []byte // ciphertext of the private domain, may be empty
}

// ID is the entry's own transaction id.
func (e *Entry) ID() TxID { return TxID{View: e.View, Seqno: e.Seqno} }

// ParseEntry reads exactly one entry and its public domain. Nothing is copied:
// the result aliases raw, which must not change while it is in use. What it
// accepts, AppendPublic and AppendMaps write again byte for byte. The tag is not
// checked here; that takes the ledger secret.
func ParseEntry(raw []byte) (*Entry, error) {
	h, err := ParseHeader(raw)
	if err != nil {
		return nil, err
	}
	if h.Total() != uint64(len(raw)) {
		return nil, malformed(2, "size differs from the bytes given")
	}
	e := &Entry{Raw: raw, Header: h, Tag: raw[8:24:24], IV: raw[24:36:36]}
	word := binary.LittleEndian.Uint32(e.IV[8:])
	e.Seqno = binary.LittleEndian.Uint64(e.IV)
	e.View, e.IsSnapshot = View(word&^snapshotBit), word&snapshotBit != 0
	size := binary.LittleEndian.Uint64(raw[36:])
	if size < fixedPublic || size > uint64(len(raw)-frameSize) {
		return nil, malformed(36, "public domain larger than the entry, or too small")
	}
	end := frameSize + int(size)
	e.PublicRaw, e.Sealed = raw[frameSize:end:end], raw[end:]
	if err := e.parsePublic(); err != nil {
		return nil, err
	}
	return e, nil
}

func (e *Entry) parsePublic() error {
	p := &e.Public
	p.Type = EntryType(e.PublicRaw[0])
	p.Seqno = binary.LittleEndian.Uint64(e.PublicRaw[1:])
	switch {
	case p.Type > maxEntryType:
		return malformed(frameSize, "unknown entry type")
	case e.IsSnapshot != (p.Type == TypeSnapshot):
		return malformed(24, "entry type and IV disagree about being a snapshot")
	case p.Seqno != e.Seqno:
		return malformed(frameSize+1, "seqno differs from the one in the IV")
	case p.Seqno == 0:
		return malformed(frameSize+1, "seqno is zero")
	case e.IsSnapshot:
		return nil
	}
	r := reader{b: e.PublicRaw, off: 9, base: frameSize}
	if p.Type.HasClaims() {
		r.digest(&p.Claims)
	}
	if p.Type.HasEvidence() {
		r.digest(&p.CommitEvidenceDigest)
	}
	p.MaxConflict = r.u64()
	p.Writes = r.maps(true)
	return r.err
}

// WriteSetDigest is the digest of the whole stored entry: flags and tag are
// therefore under the Merkle root too.
func (e *Entry) WriteSetDigest() Digest { return sha256.Sum256(e.Raw) }

// Leaf is the entry's Merkle leaf, which depends on what its type carries. A
// snapshot is no leaf; for it the result is the digest a snapshot's evidence names.
func (e *Entry) Leaf() Digest {
	wsd := e.WriteSetDigest()
	var b [3 * sha256.Size]byte
	buf := append(b[:0], wsd[:]...)
	if e.Public.Type.HasEvidence() {
		buf = append(buf, e.Public.CommitEvidenceDigest[:]...)
	}
	if e.Public.Type.HasClaims() {
		buf = append(buf, e.Public.Claims[:]...)
	}
	if len(buf) == sha256.Size {
		return wsd
	}
	return sha256.Sum256(buf)
}
