package appapi

import (
	"context"
	"encoding/base64"
	"fmt"

	"concordat/js-apps/api"
	"concordat/ledger/merkle"
	"concordat/node/frontend"
	"concordat/node/historical"
)

// handleHistorical runs a handler on the state of a past transaction, named by a
// request header (ccf-js-api 2.4 with corrections).
func (a *App) handleHistorical(c *frontend.Context) error {
	text, _ := c.Req.Lookup(historical.TxIDHeader)
	t, err := historical.Query(c, a.cfg.Historical, text)
	if err != nil || t == nil {
		return err
	}
	state, err := stateOf(t)
	if err != nil {
		return err
	}
	defer state.Tx.Release()
	return a.call(c, &api.Host{Tx: c.Tx(), Access: api.AppRO, HistoricalState: state})
}

// stateOf is a transaction in the shape scripts see.
func stateOf(t *historical.Transaction) (*api.State, error) {
	r := &api.Receipt{
		SignatureB64: base64.StdEncoding.EncodeToString(t.Cover.Node.Signature), CertPEM: t.Cover.Node.Cert,
		NodeID: t.Cover.Node.NodeID, IsSignature: t.IsSig,
	}
	if err := prove(r, t); err != nil {
		return nil, err
	}
	tx, err := past(t.ID, t.Writes)
	if err != nil {
		return nil, err
	}
	return &api.State{ID: t.ID, Receipt: r, Tx: tx}, nil
}

// prove fills in what leads from the transaction to the signed root.
func prove(r *api.Receipt, t *historical.Transaction) error {
	if t.IsSig {
		r.Root = t.Cover.Tree.Root()
		return nil
	}
	path, err := t.Cover.Tree.Path(t.ID.Seqno)
	if err != nil {
		return fmt.Errorf("proof of %s: %w", t.ID, err)
	}
	r.WriteSetDigest = t.Entry.WriteSetDigest()
	r.CommitEvidence = t.Evidence()
	r.ClaimsDigest = t.Entry.Public.Claims
	r.Proof = proof(path)
	return nil
}

func proof(path []merkle.Step) []api.ProofStep {
	steps := make([]api.ProofStep, len(path))
	for i, s := range path {
		steps[i] = api.ProofStep{Left: s.Left, Hash: s.Hash}
	}
	return steps
}

// rangeView is ccf.historical for one call.
type rangeView struct {
	cache *historical.Cache
	c     *frontend.Context
}

// StateRange implements api.HistoricalView.
func (v rangeView) StateRange(_ context.Context, r api.RangeRequest) ([]*api.State, error) {
	txs, err := v.cache.Range(r.Handle, r.First, r.Last, r.Expiry)
	if err != nil || txs == nil {
		return nil, err
	}
	states := make([]*api.State, len(txs))
	for i, t := range txs {
		if states[i], err = stateOf(t); err != nil {
			return nil, err
		}
	}
	return states, nil
}

// Drop implements api.HistoricalView.
func (v rangeView) Drop(number uint64) bool { return v.cache.Drop(number) }
