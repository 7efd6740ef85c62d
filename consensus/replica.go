// Package consensus is the replicated log of the node: it sequences transactions,
// signs them in segments, makes them durable, and says what is committed.
//
// Replica is the shell around the deterministic core of package core.
package consensus

import (
	"context"

	"concordat/ledger"
	"concordat/ledger/kv"
)

// Replica is one node's consensus. Its methods are safe for concurrent use.
type Replica struct{}

// Start opens the ledger and starts the replica's goroutines. A lone node is
// primary when Start returns.
func Start(cfg Config) (*Replica, error) { panic("not written yet") }

// Stop ends the replica after what was sequenced is signed and durable, or when
// ctx ends.
func (r *Replica) Stop(ctx context.Context) error { panic("not written yet") }

// Begin opens a transaction on the newest applied state.
func (r *Replica) Begin() *kv.Tx { panic("not written yet") }

// BeginWithRoot also returns the Merkle root over exactly the ledger that the
// transaction sees. It may wait for a signature under way.
func (r *Replica) BeginWithRoot(ctx context.Context) (*kv.Tx, ledger.Digest, error) {
	panic("not written yet")
}

// Submit sequences a transaction and releases it, whatever it returns. When it
// returns an id, the transaction is Pending; WaitCommitted waits for the rest.
func (r *Replica) Submit(tx *kv.Tx, o SubmitOptions) (ledger.TxID, error) { panic("not written yet") }

// TxStatus is "Unknown", "Pending", "Committed" or "Invalid", by CCF's rules.
func (r *Replica) TxStatus(id ledger.TxID) string { panic("not written yet") }

// Committed is the last committed transaction; zero when there is none.
func (r *Replica) Committed() ledger.TxID { panic("not written yet") }

// Last is the last sequenced transaction.
func (r *Replica) Last() ledger.TxID { panic("not written yet") }

// View is the current view, 0 while there is no primary.
func (r *Replica) View() ledger.View { panic("not written yet") }

// ViewAt is the view of a sequenced seqno.
func (r *Replica) ViewAt(s ledger.Seqno) (ledger.View, bool) { panic("not written yet") }

// ViewHistory is the first seqno of each view, from view 1.
func (r *Replica) ViewHistory() []ledger.Seqno { panic("not written yet") }

// CanReplicate reports whether this node is primary and takes transactions.
func (r *Replica) CanReplicate() bool { panic("not written yet") }

// Role is "Leader", "Follower", "Candidate" or "PreCandidate".
func (r *Replica) Role() string { panic("not written yet") }

// WaitCommitted returns nil once id is committed, ErrInvalid once it never will be.
func (r *Replica) WaitCommitted(ctx context.Context, id ledger.TxID) error { panic("not written yet") }

// OnCommit registers f to be told each advance of the commit, in order; advances
// that come while f runs are told as one. Register before the first Submit.
func (r *Replica) OnCommit(f func(to ledger.TxID)) { panic("not written yet") }

// ReadEntry returns the bytes of a sequenced and signed entry, from memory or from
// the ledger files. Bytes from files are not authenticated.
func (r *Replica) ReadEntry(s ledger.Seqno) ([]byte, error) { panic("not written yet") }

// Wait blocks until the replica has stopped, and says why: nil after Stop.
func (r *Replica) Wait() error { panic("not written yet") }

// Done is closed once the replica takes nothing more.
func (r *Replica) Done() <-chan struct{} { panic("not written yet") }
