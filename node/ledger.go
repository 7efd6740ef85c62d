package node

import (
	"errors"
	"fmt"

	"concordat/consensus"
	"concordat/ledger"
	"concordat/ledger/kv"
	"concordat/ledger/secret"
	"concordat/ledger/store"
	"concordat/node/config"
	"concordat/node/frontend"
)

// ledgerView is consensus as the frontends see it.
type ledgerView struct{ *consensus.Replica }

// errorsOf maps consensus's errors to those the pipeline knows.
var errorsOf = []struct{ from, to error }{
	{consensus.ErrConflict, frontend.ErrConflict},
	{consensus.ErrNotPrimary, frontend.ErrNotPrimary},
	{consensus.ErrStopped, frontend.ErrNotPrimary},
	{consensus.ErrTooManyPending, frontend.ErrTooManyPending},
}

// Submit implements frontend.Ledger.
func (l ledgerView) Submit(tx *kv.Tx, o frontend.SubmitOptions) (ledger.TxID, error) {
	id, err := l.Replica.Submit(tx, consensus.SubmitOptions{Claims: o.Claims, ForceChunk: o.ForceChunk, ForceSnapshot: o.ForceSnapshot})
	for _, e := range errorsOf {
		if errors.Is(err, e.from) {
			return id, e.to
		}
	}
	return id, err
}

// appView is consensus as scripts see it (ccf.consensus).
type appView struct{ *consensus.Replica }

// LastCommitted implements api.ConsensusView.
func (a appView) LastCommitted() ledger.TxID { return a.Committed() }

// errStatus is what scripts are told about ids that cannot exist.
var errStatus = errors.New("InternalError")

// Status implements api.ConsensusView.
func (a appView) Status(id ledger.TxID) (string, error) {
	if id.Seqno == 0 {
		return "", errStatus
	}
	return a.TxStatus(id), nil
}

// openState makes the key-value store over its sealed files.
func openState(o *Options, fatal func(error)) (*kv.Store, error) {
	base, err := store.Open(store.Options{Dir: o.path(o.Config.Ledger.State)})
	if err != nil {
		return nil, fmt.Errorf("ledger.state_directory: %w", err)
	}
	return kv.New(base, kv.Options{OnFatal: fatal}), nil
}

var syncModes = map[string]consensus.SyncMode{
	"commit": consensus.SyncCommit, "async": consensus.SyncAsync, "none": consensus.SyncNone,
}

// replicaConfig translates the configuration file.
func (n *Node) replicaConfig(c *config.Node, secrets *secret.Chain) consensus.Config {
	return consensus.Config{
		ID: raftID(n.id.node.ID()), Dir: n.opts.path(c.Ledger.Directory), Store: n.state, Secrets: secrets, Signer: n.signer,
		ChunkSize: c.Ledger.ChunkSize.Bytes, Sync: syncModes[c.Ledger.Sync],
		SigTxCount: int(min(c.LedgerSignatures.TxCount, maxSigTxCount)), SigDelay: c.LedgerSignatures.Delay.Duration,
		SigRate: float64(c.LedgerSignatures.Rate), SigBurst: int(min(c.LedgerSignatures.Burst, maxSigTxCount)),
		MaxUncommittedTx: int(min(c.Consensus.MaxUncommitted, maxSigTxCount)),
		Log:              n.opts.Log, OnFatal: n.fatal,
	}
}

// maxSigTxCount keeps counts of the file within an int on every platform.
const maxSigTxCount = 1 << 30
