package core

import (
	"time"

	"concordat/ledger"
	"concordat/ledger/chunk"
	"concordat/ledger/kv"
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

// State is the node's state as the core drives it; *kv.Store is one.
type State interface {
	Conflicts(*kv.Tx) bool
	Apply(ledger.TxID, ledger.WriteSet)
	Fill(ledger.TxID, ledger.WriteSet)
	Rollback(to ledger.Seqno)
	Commit(to ledger.Seqno)
}

// Secret is one ledger secret.
type Secret interface {
	ledger.Sealer
	// Open checks the tag of an entry and returns the private part of its write set.
	Open(*ledger.Entry) (ledger.WriteSet, error)
}

// Secrets says which secret is valid at which seqno.
type Secrets interface {
	At(ledger.Seqno) (Secret, bool)
}

// OldSegments reads what has left memory, from the ledger files: the bytes of
// count entries from seqno first on. They are not authenticated.
type OldSegments func(first ledger.Seqno, count int) ([]byte, error)

// Limits with their reasons. All but the raft ones can be set in Config.
const (
	// SegmentTx and SegmentBytes close a segment whatever the signer does. Under
	// saturation signatures come late, and what fits in one segment is what a
	// signature lets through: with 2000 transactions and 1 MiB a pipelined load ran
	// into MaxUncommittedTx, with these it did not. 5000 is also CCF's tx_count.
	SegmentTx    = 5000
	SegmentBytes = 4 << 20
	// InFlight is W: segments signed but not committed, at which adaptive closing
	// pauses. Four keep a pipeline of signer, disk and network full.
	InFlight = 4
	// SigRate and SigBurst bound adaptive signatures: 50 a second add at most some
	// 8 GB a day to the ledger, and 20 at once serve anybody who works by hand.
	SigRate  = 50
	SigBurst = 20
	// SigTxCount and SigDelay are CCF's defaults of ledger_signatures.
	SigTxCount = 5000
	SigDelay   = time.Second
	// ChunkSize is CCF's default of ledger.chunk_size, "5MB".
	ChunkSize = 5 << 20
	// UncommittedBytes bounds what waits for commit.
	UncommittedBytes = 64 << 20
	// TailBytes is how much of the log stays in memory after commit, for readers of
	// recent entries and for followers a little behind.
	TailBytes = 32 << 20
	// KeptSegments is how many raft entries the log remembers at all.
	KeptSegments = 100_000
	// ElectionTick and HeartbeatTick count ticks.
	ElectionTick  = 10
	HeartbeatTick = 1

	firstView         = 2
	maxSizePerMsg     = 1 << 20
	maxCommittedReady = 16 << 20
	maxInflightMsgs   = 64
	maxInflightBytes  = 32 << 20
	maxRaftBytes      = 128 << 20
)

// Config is what a Core is made of. ID, State and Secrets are required; zero
// values elsewhere take the limits above.
type Config struct {
	ID      uint64   // of this node in raft
	Voters  []uint64 // of the group at Origin; nil means ID alone
	Origin  Origin
	State   State
	Secrets Secrets
	// Old reads segments that have left memory; nil if there are none to read.
	Old OldSegments

	ChunkSize uint64
	// SnapshotTxCount makes snapshots due; 0 for none but forced ones.
	SnapshotTxCount uint64

	SegmentTx    int
	SegmentBytes int
	SigTxCount   int
	SigDelay     time.Duration
	InFlight     int
	// SigRate below zero turns the bucket off.
	SigRate  float64
	SigBurst int

	// MaxUncommittedTx is 0 for no bound but the bytes.
	MaxUncommittedTx    int
	MaxUncommittedBytes int64
	// RaftBytes is raft's own bound on uncommitted bytes, above which it refuses
	// proposals. It is only a second line.
	RaftBytes    uint64
	TailBytes    int
	KeptSegments int

	ElectionTick, HeartbeatTick int

	// Trace is told each step of a segment's life; nil for none.
	Trace func(SegmentEvent)
}

func (c Config) withDefaults() Config {
	c.Origin.View = or(c.Origin.View, firstView)
	if len(c.Voters) == 0 {
		c.Voters = []uint64{c.ID}
	}
	c.ChunkSize = or(c.ChunkSize, ChunkSize)
	c.SigTxCount = or(c.SigTxCount, SigTxCount)
	c.SegmentTx = min(or(c.SegmentTx, SegmentTx), c.SigTxCount)
	c.SegmentBytes = or(c.SegmentBytes, SegmentBytes)
	c.SigDelay = or(c.SigDelay, SigDelay)
	c.InFlight = or(c.InFlight, InFlight)
	c.SigRate = or(c.SigRate, SigRate)
	c.SigBurst = or(c.SigBurst, SigBurst)
	c.MaxUncommittedBytes = or(c.MaxUncommittedBytes, UncommittedBytes)
	c.RaftBytes = or(c.RaftBytes, maxRaftBytes)
	c.TailBytes = or(c.TailBytes, TailBytes)
	c.KeptSegments = or(c.KeptSegments, KeptSegments)
	c.ElectionTick = or(c.ElectionTick, ElectionTick)
	c.HeartbeatTick = or(c.HeartbeatTick, HeartbeatTick)
	return c
}

func or[T comparable](v, otherwise T) T {
	var zero T
	if v == zero {
		return otherwise
	}
	return v
}
