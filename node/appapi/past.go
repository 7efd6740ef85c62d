package appapi

import (
	"concordat/ledger"
	"concordat/ledger/kv"
)

// past is a read-only view of what one transaction wrote: historical handlers see
// that transaction's writes and nothing else, as in CCF. It is a store of its own,
// without goroutines and without a cache worth mentioning.
func past(id ledger.TxID, ws ledger.WriteSet) (*kv.Tx, error) {
	s := kv.New(kv.NewMemBase(), kv.Options{CacheBytes: kv.MinCacheBytes})
	before := ledger.TxID{View: id.View, Seqno: id.Seqno - 1}
	if err := s.Load(before, func() (kv.MapBatch, bool, error) { return kv.MapBatch{}, false, nil }); err != nil {
		return nil, err
	}
	s.Apply(id, ws)
	return s.Begin(), nil
}
