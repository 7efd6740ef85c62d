package frontend

import (
	"context"

	"concordat/ledger"
	"concordat/ledger/kv"
)

// SubmitOptions travel with a transaction to the sequencer.
type SubmitOptions struct {
	Claims        ledger.Digest
	ForceChunk    bool
	ForceSnapshot bool
}

// Ledger is what the pipeline needs of consensus. Implementations are safe for concurrent use.
type Ledger interface {
	// Begin opens a transaction on the newest applied state.
	Begin() *kv.Tx
	// BeginWithRoot also returns the Merkle root over exactly that state.
	BeginWithRoot(ctx context.Context) (*kv.Tx, ledger.Digest, error)
	// Submit sequences a transaction that wrote something. It releases tx whatever it returns.
	Submit(tx *kv.Tx, o SubmitOptions) (ledger.TxID, error)
	// TxStatus is "Unknown", "Pending", "Committed" or "Invalid".
	TxStatus(id ledger.TxID) string
	// Committed is the newest committed transaction.
	Committed() ledger.TxID
	// Last is the newest applied transaction.
	Last() ledger.TxID
	// View is the current view, 0 while there is none.
	View() ledger.View
	// ViewHistory lists the first seqno of each view, from view 1.
	ViewHistory() []ledger.Seqno
	// WaitCommitted returns nil once id is committed, an error when ctx ends or the transaction became invalid.
	WaitCommitted(ctx context.Context, id ledger.TxID) error
	// CanReplicate reports whether this node is the primary and able to sequence.
	CanReplicate() bool
}

// Topology finds other nodes for redirections. A lone node answers false for every backup.
type Topology interface {
	// Primary is the published address of that interface of the primary.
	Primary(iface string) (address string, ok bool)
	// Backup is that of a randomly chosen other node.
	Backup(iface string) (address string, ok bool)
}
