// Package consensus is the replicated log of the node: it sequences transactions,
// signs them in segments, makes them durable, and says what is committed.
//
// Replica is the shell around the deterministic core of package core: it owns the
// lock under which the core runs, and carries out what the core asks for. Callers
// sequence on their own goroutines, under the lock, and serialise, encrypt and
// hash what they submitted outside of it.
//
// Goroutines, all started by Start and ended by Stop or by a fatal error:
//
//   - "consensus-clock" owns the ticker and the timer of adaptive signing.
//   - "consensus-signer" takes one root at a time, signs it with the node's key
//     and seals the signature transaction. It owns the SignJob meanwhile.
//   - "consensus-cosigner" makes the service's signature over the same root, at
//     the same time.
//   - "consensus-append" owns the ledger files: writes, syncs, rolls back and
//     completes them. It acknowledges appends, and so it is the one that, on a
//     lone node, finds a segment committed and wakes those who wait.
//   - "consensus-notify" calls the functions registered with OnCommit and
//     Config.OnSnapshotDue, so that a slow one delays no commit.
//
// Trust: the ledger directory is not trusted. What is read back from it is only
// passed on, to those who verify it.
package consensus
