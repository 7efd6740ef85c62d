// Package core is the deterministic heart of consensus.
package core

import (
	"concordat/ledger"
	"concordat/ledger/chunk"
	"concordat/ledger/merkle"
)

// SyncMode says when an append is acknowledged.
type SyncMode uint8

// The sync modes of ledger.sync; the zero value is the default.
const (
	SyncCommit SyncMode = iota
	SyncAsync
	SyncNone
)

// NodeSignature is what the node's key adds to a signature transaction.
type NodeSignature struct {
	NodeID  string // hex SHA-256 of the public key
	CertPEM string // the service-endorsed certificate
	DER     []byte // ECDSA over the root as digest
}

// Origin says where the ledger goes on. The zero value is a new service: the first
// view is 2 and the first transaction submitted becomes 2.1, signed by 2.2.
type Origin struct {
	// View is the first view of this process; 0 means 2. After a recovery it is two
	// above the last one.
	View ledger.View
	// Last is the last entry already in the ledger: a signature. Zero for none.
	Last ledger.TxID
	// Peaks is the tree over the leaves before Last, LastLeaf the leaf of Last.
	Peaks    merkle.Frontier
	LastLeaf ledger.Digest
	// Views is the first seqno of each view up to Last's, from view 1.
	Views []ledger.Seqno
	// Rotation counts the bytes of the chunk being written; its ChunkSize is ignored.
	Rotation chunk.Rotation
	// LastSnapshot is the last scheduled snapshot.
	LastSnapshot ledger.Seqno
	// SignFirst makes the first segment a signature alone, as after any later
	// election; else it waits for a transaction: the create transaction.
	SignFirst bool
}
