// Package snapshot reads, checks and writes snapshot files: the whole state of
// a service at one signature transaction, so that a node need not replay the
// ledger before it.
//
// A file is one sealed entry followed by a JSON receipt. The entry's digest is
// the claims digest of a later transaction, the evidence, and the receipt is of
// that transaction; so the signature of the service covers the snapshot.
//
// The package is pure: it works on bytes.
package snapshot

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"concordat/ledger"
	"concordat/ledger/receipt"
	"concordat/ledger/secret"
)

// EvidenceTable is where the evidence of a snapshot is written.
const EvidenceTable = "public:ccf.internal.snapshot_evidence"

// Limits of what is read.
const (
	// MaxViews bounds the view history.
	MaxViews = 1 << 20
	// MaxMaps bounds the maps of a snapshot.
	MaxMaps = 1 << 20
)

var (
	// ErrMalformed is returned for bytes that are not a snapshot.
	ErrMalformed = errors.New("malformed snapshot")
	// ErrInvalid is returned for a snapshot whose receipt does not prove it.
	ErrInvalid = errors.New("the snapshot is not valid")
)

// Name is what the name of a snapshot file says.
type Name struct {
	Seqno     ledger.Seqno // of the state, always a signature transaction
	Evidence  ledger.Seqno // of the evidence transaction
	Committed bool         // the file is complete and carries a receipt
}

const committedSuffix = ".committed"

// ParseName reads snapshot_<seqno>_<evidence>[.committed].
func ParseName(s string) (Name, bool) {
	base, committed := strings.CutSuffix(s, committedSuffix)
	rest, ok := strings.CutPrefix(base, "snapshot_")
	first, second, both := strings.Cut(rest, "_")
	n := Name{Committed: committed}
	n.Seqno, n.Evidence = number(first), number(second)
	return n, ok && both && n.Seqno > 0 && n.Evidence > n.Seqno
}

func number(s string) ledger.Seqno {
	if s == "" || s[0] < '1' || s[0] > '9' {
		return 0
	}
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// String is the file name.
func (n Name) String() string {
	s := fmt.Sprintf("snapshot_%d_%d", n.Seqno, n.Evidence)
	if n.Committed {
		s += committedSuffix
	}
	return s
}

// Map is the content of one map at the snapshot.
type Map struct {
	Name string
	// Version is the seqno of the last change. It stays 0 for a map that was only
	// ever asked to remove keys it did not have.
	Version ledger.Seqno
	Items   []Item // in the order of the file
}

// Item is one key. Version is the seqno of its last write.
type Item struct {
	Key, Value []byte
	Version    ledger.Seqno
}

// State is what a snapshot holds.
type State struct {
	Seqno ledger.Seqno
	// Leaf is the Merkle leaf of the transaction at Seqno itself, which the tree
	// stored in that transaction does not contain yet.
	Leaf ledger.Digest
	// Views[i] is the first seqno of view i+1.
	Views []ledger.Seqno
	Maps  []Map // of one domain, ascending by name
}

// Snapshot is a parsed snapshot file. It aliases the bytes it was read from.
type Snapshot struct {
	State               // with the public maps
	Entry []byte        // the sealed entry alone
	Proof []byte        // the JSON receipt, empty in a file still being written
	entry *ledger.Entry // parsed frame
	of    ledger.Digest // digest of the entry
}

// Parse reads a snapshot file. Private maps stay sealed; see Private.
func Parse(b []byte) (*Snapshot, error) {
	h, err := ledger.ParseHeader(b)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if h.Total() > uint64(len(b)) {
		return nil, fmt.Errorf("%w: it needs %d bytes and has %d", ErrMalformed, h.Total(), len(b))
	}
	e, err := ledger.ParseEntry(b[:h.Total():h.Total()])
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if !e.IsSnapshot || e.View != 0 || h.Flags != 0 {
		return nil, fmt.Errorf("%w: not a snapshot entry", ErrMalformed)
	}
	s := &Snapshot{Entry: e.Raw, Proof: b[h.Total():], entry: e, of: e.WriteSetDigest()}
	s.State, err = parsePublic(e.PublicRaw)
	return s, err
}

// Digest is the digest that the evidence transaction claims.
func (s *Snapshot) Digest() ledger.Digest { return s.of }

// Private opens the private maps with the ledger secret valid at the snapshot.
// The tag it checks covers the public maps too.
func (s *Snapshot) Private(key *secret.Secret) ([]Map, error) {
	plain, err := key.OpenBytes(s.entry)
	if err != nil {
		return nil, fmt.Errorf("snapshot at %d: %w", s.Seqno, err)
	}
	return parseMaps(plain)
}

// Verify checks that the receipt proves the snapshot and leads to the service.
// name, unless zero, must be the name of the file.
func (s *Snapshot) Verify(serviceCertPEM []byte, name Name, o receipt.Options) (*receipt.Verdict, error) {
	if len(bytes.TrimSpace(s.Proof)) == 0 {
		return nil, fmt.Errorf("%w: it has no receipt", ErrInvalid)
	}
	r, err := receipt.Parse(s.Proof)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	if r.Components == nil || r.Components.Claims == nil || *r.Components.Claims != s.of {
		return nil, fmt.Errorf("%w: its receipt is not about a snapshot with digest %s", ErrInvalid, s.of.Hex())
	}
	v, err := receipt.Verify(s.Proof, serviceCertPEM, o)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	if v.Form != receipt.FormJSON || v.Claims != s.of {
		return nil, fmt.Errorf("%w: its receipt is not about it", ErrInvalid)
	}
	if v.TxID.Seqno <= s.Seqno {
		return nil, fmt.Errorf("%w: its evidence %v is not after it", ErrInvalid, v.TxID)
	}
	if name != (Name{}) && (name.Seqno != s.Seqno || name.Evidence != v.TxID.Seqno) {
		return nil, fmt.Errorf("%w: its name says %d and %d, it is of %d and proven at %d", ErrInvalid, name.Seqno, name.Evidence, s.Seqno, v.TxID.Seqno)
	}
	return v, nil
}

// parsePublic reads the public domain: type, seqno, a zero, the leaf, the view
// history, the maps.
func parsePublic(b []byte) (State, error) {
	r := &reader{b: b, off: 1}
	s := State{Seqno: r.u64()}
	if r.u64() != 0 {
		r.fail("max conflict version is not zero")
	}
	if leaf := r.sized(); len(leaf) == len(s.Leaf) {
		copy(s.Leaf[:], leaf)
	} else {
		r.fail("leaf is not a digest")
	}
	views := r.sized()
	if len(views)%8 != 0 || len(views)/8 > MaxViews {
		r.fail("view history is not a list of seqnos")
	}
	if r.err != nil {
		return s, r.err
	}
	s.Views = make([]ledger.Seqno, len(views)/8)
	for i := range s.Views {
		s.Views[i] = binary.LittleEndian.Uint64(views[8*i:])
	}
	var err error
	s.Maps, err = parseMaps(b[r.off:])
	return s, err
}
