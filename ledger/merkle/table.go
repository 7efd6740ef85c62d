package merkle

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/bits"

	"concordat/ledger"
)

const (
	digestSize  = len(ledger.Digest{})
	tableHeader = 16 // leaf count and index of the first leaf, big-endian
)

// Errors of tables. ErrTable is the class of all bytes ParseTable refuses.
var (
	ErrTable  = errors.New("malformed Merkle tree table")
	ErrNoLeaf = errors.New("the Merkle tree table does not hold this leaf")
)

// MarshalTable writes the bytes of public:ccf.internal.tree: the leaves from
// `from` on, and the peaks of the tree over the leaves before it. peaks must
// cover exactly the leaves 0..from-1; anything else is a mistake in the caller
// and panics, since the table would be signed and never verify.
func MarshalTable(from uint64, peaks Frontier, leaves []ledger.Digest) []byte {
	if peaks.size != from && from != 0 {
		panic(fmt.Sprintf("merkle: table from leaf %d with peaks over %d leaves", from, peaks.size))
	}
	b := make([]byte, 0, tableHeader+digestSize*(len(leaves)+bits.OnesCount64(from)))
	b = binary.BigEndian.AppendUint64(b, uint64(len(leaves)))
	b = binary.BigEndian.AppendUint64(b, from)
	for i := range leaves {
		b = append(b, leaves[i][:]...)
	}
	for level := 0; from>>level != 0; level++ {
		if from>>level&1 == 1 {
			b = append(b, peaks.peaks[level][:]...)
		}
	}
	return b
}

// Table is a stretch of leaves From..To with the peaks left of it. It is
// immutable and may be used from any goroutine.
type Table struct {
	From, To uint64
	peaks    Frontier // over leaves 0..From-1
	levels   []level  // levels[0] are the leaves, the last one is the root alone
}

// level is one row of nodes; the first has index base within the whole row.
type level struct {
	base  uint64
	nodes []ledger.Digest
}

// NewTable builds a table in memory: what ParseTable would return for the bytes
// of MarshalTable(peaks.Size(), peaks, leaves).
func NewTable(peaks Frontier, leaves []ledger.Digest) (*Table, error) {
	if len(leaves) == 0 || peaks.size > math.MaxUint64-uint64(len(leaves)) {
		return nil, fmt.Errorf("%w: no leaves, or too many", ErrTable)
	}
	t := &Table{From: peaks.size, To: peaks.size + uint64(len(leaves)) - 1, peaks: peaks}
	t.build(leaves)
	return t, nil
}

// ParseTable reads the bytes of public:ccf.internal.tree.
func ParseTable(b []byte) (*Table, error) {
	if len(b) < tableHeader {
		return nil, fmt.Errorf("%w: %d bytes", ErrTable, len(b))
	}
	count, from := binary.BigEndian.Uint64(b), binary.BigEndian.Uint64(b[8:])
	digests := uint64(len(b)-tableHeader) / uint64(digestSize)
	extras := uint64(bits.OnesCount64(from))
	switch {
	case (len(b)-tableHeader)%digestSize != 0:
		return nil, fmt.Errorf("%w: not a whole number of digests", ErrTable)
	case count == 0 || count > digests || digests-count != extras:
		return nil, fmt.Errorf("%w: %d leaves from %d need other than %d digests", ErrTable, count, from, digests)
	}
	leaves := make([]ledger.Digest, count)
	b = b[tableHeader:]
	for i := range leaves {
		b = b[copy(leaves[i][:], b):]
	}
	peaks := Frontier{size: from}
	for level := 0; level < 64; level++ {
		if from>>level&1 == 1 {
			b = b[copy(peaks.peaks[level][:], b):]
		}
	}
	return NewTable(peaks, leaves)
}

// build computes every row above the leaves.
func (t *Table) build(leaves []ledger.Digest) {
	row := level{base: t.From, nodes: leaves}
	for height := 0; ; height++ {
		if row.base&1 == 1 { // its left sibling is a peak
			nodes := make([]ledger.Digest, 0, len(row.nodes)+1)
			nodes = append(nodes, t.peaks.peaks[height])
			row = level{base: row.base - 1, nodes: append(nodes, row.nodes...)}
		}
		t.levels = append(t.levels, row)
		if row.base == 0 && len(row.nodes) == 1 {
			return
		}
		row = level{base: row.base / 2, nodes: pairUp(row.nodes)}
	}
}

func pairUp(row []ledger.Digest) []ledger.Digest {
	up := make([]ledger.Digest, 0, (len(row)+1)/2)
	for i := 0; i+1 < len(row); i += 2 {
		up = append(up, node(&row[i], &row[i+1]))
	}
	if len(row)%2 == 1 {
		up = append(up, row[len(row)-1])
	}
	return up
}

// Root is the root over leaves 0..To.
func (t *Table) Root() ledger.Digest { return t.levels[len(t.levels)-1].nodes[0] }

// Leaf returns leaf i; ok is false outside From..To.
func (t *Table) Leaf(i uint64) (leaf ledger.Digest, ok bool) {
	if i < t.From || i > t.To {
		return ledger.Digest{}, false
	}
	return t.levels[0].nodes[i-t.levels[0].base], true
}

// Path is the way from leaf i to the root over leaves 0..To.
func (t *Table) Path(i uint64) ([]Step, error) {
	if i < t.From || i > t.To {
		return nil, fmt.Errorf("%w: leaf %d outside %d-%d", ErrNoLeaf, i, t.From, t.To)
	}
	path := make([]Step, 0, len(t.levels))
	for _, row := range t.levels[:len(t.levels)-1] {
		if sibling := i ^ 1; sibling-row.base < uint64(len(row.nodes)) {
			path = append(path, Step{Left: sibling < i, Hash: row.nodes[sibling-row.base]})
		}
		i /= 2
	}
	return path, nil
}

// Peaks is the tree over the leaves before From.
func (t *Table) Peaks() Frontier { return t.peaks }

// Frontier is the tree over leaves 0..To, ready to append the next leaf: how a
// node that starts from a snapshot or a ledger gets its tree.
func (t *Table) Frontier() Frontier {
	f := t.peaks
	row := t.levels[0]
	for _, leaf := range row.nodes[t.From-row.base:] {
		f.Append(leaf)
	}
	return f
}
