// Package merkle is CCF's Merkle tree over the ledger: leaf n belongs to the
// entry with seqno n, leaf 0 is 32 zero bytes, inner nodes are SHA-256 of left
// and right without a prefix, and an odd last node moves up unchanged (the shape
// of RFC 6962).
//
// Three views of one tree live here. A Frontier is the right edge only: what a
// writer keeps, 64 digests at most, copied to undo. A Table is a stretch of
// leaves with the subtrees to their left, as each signature entry stores it in
// public:ccf.internal.tree: what receipts are made from. A path of Steps is what
// a receipt carries.
//
// The package is pure and knows nothing about files or keys.
package merkle

import (
	"crypto/sha256"
	"math/bits"

	"concordat/ledger"
)

// node is the digest of an inner node.
func node(left, right *ledger.Digest) ledger.Digest {
	var b [2 * sha256.Size]byte
	copy(b[:], left[:])
	copy(b[sha256.Size:], right[:])
	return sha256.Sum256(b[:])
}

// Frontier is the right edge of a tree: enough to append leaves and to compute
// the root. It is a value: a copy is an independent tree, keeping the copy made
// before appending is the whole of undoing, and == compares trees. The zero
// value is the tree with no leaves; a ledger starts with New.
type Frontier struct {
	size uint64
	// peaks[i] is the root of a complete subtree of 1<<i leaves when bit i of
	// size is set, and zeros otherwise. Larger subtrees lie further left.
	peaks [64]ledger.Digest
}

// New is the tree of an empty ledger: it holds leaf 0, which is all zeros.
func New() Frontier {
	var f Frontier
	f.Append(ledger.Digest{})
	return f
}

// Size is the number of leaves, leaf 0 included: after New and n appends, n+1.
func (f *Frontier) Size() uint64 { return f.size }

// Append adds the next leaf.
func (f *Frontier) Append(leaf ledger.Digest) {
	level := 0
	for f.size>>level&1 == 1 {
		leaf = node(&f.peaks[level], &leaf)
		f.peaks[level] = ledger.Digest{} // so that == compares trees
		level++
	}
	f.peaks[level] = leaf
	f.size++
}

// Root is the root over all leaves; of an empty tree, zeros.
func (f *Frontier) Root() ledger.Digest {
	if f.size == 0 {
		return ledger.Digest{}
	}
	level := bits.TrailingZeros64(f.size)
	root := f.peaks[level]
	for level++; f.size>>level != 0; level++ {
		if f.size>>level&1 == 1 {
			root = node(&f.peaks[level], &root)
		}
	}
	return root
}

// Step is one element of a path from a leaf to the root. Left says that the
// sibling stands on the left.
type Step struct {
	Left bool
	Hash ledger.Digest
}

// Fold computes the root that leaf and path lead to.
func Fold(leaf ledger.Digest, path []Step) ledger.Digest {
	for i := range path {
		if path[i].Left {
			leaf = node(&path[i].Hash, &leaf)
		} else {
			leaf = node(&leaf, &path[i].Hash)
		}
	}
	return leaf
}
