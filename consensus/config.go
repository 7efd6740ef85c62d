package consensus

import (
	"errors"
	"log/slog"
	"time"

	"concordat/consensus/core"
	"concordat/ledger"
	"concordat/ledger/chunk"
	"concordat/ledger/kv"
	"concordat/ledger/secret"
)

// SyncMode says when an entry may be acknowledged, and so become Committed.
type SyncMode = core.SyncMode

// The sync modes of ledger.sync.
const (
	// SyncCommit acknowledges after fdatasync: what is Committed survives the loss of power of every node.
	SyncCommit = core.SyncCommit
	// SyncAsync acknowledges after write; the disk is at most SyncLag or SyncLagBytes behind.
	SyncAsync = core.SyncAsync
	// SyncNone acknowledges after write and never syncs: CCF's level.
	SyncNone = core.SyncNone
)

// Errors of Submit and of the waiting calls: the caller's to handle.
var (
	// ErrConflict: another transaction wrote what this one read. Execute it again.
	ErrConflict = errors.New("the transaction conflicts with one sequenced after its snapshot")
	// ErrNotPrimary: this node does not lead, so it sequences nothing.
	ErrNotPrimary = errors.New("this node is not the primary")
	// ErrTooManyPending: too much waits for commit. Try again later.
	ErrTooManyPending = errors.New("too many transactions wait for commit")
	// ErrNoWrites: a transaction without writes has no place in the ledger.
	ErrNoWrites = errors.New("the transaction wrote nothing")
	// ErrTooLarge: the transaction fits into no segment.
	ErrTooLarge = errors.New("the transaction is too large")
	// ErrInvalid: the transaction was rolled back and will never be committed.
	ErrInvalid = errors.New("the transaction was rolled back")
	// ErrStopped: the replica was stopped, or stopped itself after a fatal error.
	ErrStopped = errors.New("the replica has stopped")
)

// NodeSignature is the first signature over a root, made with the node's key.
type NodeSignature = core.NodeSignature

// Signer signs Merkle roots. The two methods run at the same time, each on a
// goroutine of its own, one root after another. An error stops the node: a
// primary that cannot sign can commit nothing.
type Signer interface {
	// SignNode signs the root itself, as a digest, with the node's key.
	SignNode(root ledger.Digest) (NodeSignature, error)
	// SignService returns the whole COSE_Sign1 message over the root, made with the
	// service's key; id is the signature transaction's own.
	SignService(root ledger.Digest, id ledger.TxID) ([]byte, error)
}

// Origin says where the ledger goes on. The zero value is a new service.
type Origin = core.Origin

// Config is what a Replica is made of. Dir, Store, Secrets and Signer are
// required; zero values elsewhere take the defaults of this package.
type Config struct {
	// ID is the Raft identity: the first eight bytes of the node id. 0 becomes 1.
	ID uint64
	// Dir is the ledger directory; it must be empty or missing unless Ledger is set.
	Dir string
	// Archives are read-only ledger directories.
	Archives []string
	// Ledger is an open writer to take over instead of opening Dir: a recovery's.
	Ledger *chunk.Writer
	// FS replaces the file system in tests.
	FS chunk.FS
	// Origin is where the ledger goes on; zero for a new service.
	Origin Origin

	Store   *kv.Store
	Secrets *secret.Chain
	Signer  Signer

	// ChunkSize is ledger.chunk_size in bytes.
	ChunkSize uint64
	// Sync is ledger.sync.
	Sync SyncMode
	// SigTxCount and SigDelay are ledger_signatures.tx_count and delay: upper bounds.
	SigTxCount int
	SigDelay   time.Duration
	// SigRate and SigBurst are the token bucket of adaptive signing: signatures a
	// second in the long run, and how many may come at once. A negative rate turns
	// the bucket off.
	SigRate  float64
	SigBurst int
	// SnapshotTxCount is snapshots.tx_count: 0 means no scheduled snapshots.
	SnapshotTxCount uint64
	// MaxUncommittedTx is consensus.max_uncommitted_tx_count: 0 means no bound but
	// MaxUncommittedBytes.
	MaxUncommittedTx    int
	MaxUncommittedBytes int64
	// TailBytes is how much of the committed ledger stays in memory.
	TailBytes int
	// Tick is Raft's tick; ElectionTick and HeartbeatTick count in it.
	Tick                        time.Duration
	ElectionTick, HeartbeatTick int

	// Now is a monotonic clock, counted from anywhere; nil is the system's.
	Now func() time.Duration
	// Log gets one line an election, a rollback and a failure; nil discards them.
	Log *slog.Logger
	// OnFatal is told once, from any goroutine, why the replica stopped itself. The
	// process must exit: its disk or its state cannot be trusted any more.
	OnFatal func(error)
	// OnSnapshotDue is told, in order, each committed signature at which a snapshot is due.
	OnSnapshotDue func(ledger.TxID)
}

// SubmitOptions go with one transaction.
type SubmitOptions struct {
	// Claims is the application's claims digest; zero for none.
	Claims ledger.Digest
	// ForceChunk ends the ledger chunk at the next signature.
	ForceChunk bool
	// ForceSnapshot does that and makes a snapshot due there.
	ForceSnapshot bool
	// StartsChunk puts the entry at the start of a new chunk file: the first entry
	// of a recovered service.
	StartsChunk bool
}

// Limits of the shell; those of the core are in package core.
const (
	// MaxTxBytes bounds one entry. It is far above what a request body may bring.
	MaxTxBytes = 256 << 20
	// SyncLag and SyncLagBytes bound what a loss of power can take in mode SyncAsync.
	SyncLag      = 50 * time.Millisecond
	SyncLagBytes = 4 << 20
	// DefaultTick with the core's ElectionTick makes an election take a second or two.
	DefaultTick = 100 * time.Millisecond
)

func (c Config) withDefaults() Config {
	if c.ID == 0 {
		c.ID = 1
	}
	if c.Tick == 0 {
		c.Tick = DefaultTick
	}
	if c.Now == nil {
		start := time.Now()
		c.Now = func() time.Duration { return time.Since(start) }
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

func (r *Replica) coreConfig() core.Config {
	c := r.cfg
	return core.Config{
		ID: c.ID, Origin: c.Origin, State: c.Store, Secrets: chain{c.Secrets}, Old: r.readSegment,
		ChunkSize: c.ChunkSize, SnapshotTxCount: c.SnapshotTxCount, SigTxCount: c.SigTxCount, SigDelay: c.SigDelay,
		SigRate: c.SigRate, SigBurst: c.SigBurst, TailBytes: c.TailBytes,
		MaxUncommittedTx: c.MaxUncommittedTx, MaxUncommittedBytes: c.MaxUncommittedBytes,
		ElectionTick: c.ElectionTick, HeartbeatTick: c.HeartbeatTick,
	}
}

// readSegment reads entries back for raft. It runs under the lock, only for a
// follower that is far behind.
func (r *Replica) readSegment(first ledger.Seqno, count int) ([]byte, error) {
	var b []byte
	for s := first; s < first+uint64(count); s++ {
		raw, err := r.disk.Ledger.ReadEntry(s)
		if err != nil {
			return nil, err
		}
		b = append(b, raw...)
	}
	return b, nil
}
