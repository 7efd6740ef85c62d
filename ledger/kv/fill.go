package kv

import "concordat/ledger"

// Fill gives a transaction that was applied without changes its write set. A
// signature takes its place in the ledger before its content is known, so that
// others can go on behind it; it is filled in once it is signed, always before
// its commit. Until then a snapshot at or after id sees the maps of ws as if it
// had not happened; nobody but signatures writes to them. The caller holds the
// consensus lock.
func (s *Store) Fill(id ledger.TxID, ws ledger.WriteSet) {
	check(id.Seqno > s.committed.Load() && id.Seqno <= s.Head().Seqno, "only an uncommitted transaction is filled")
	s.mu.Lock()
	at := id.Seqno - s.mu.records[0].head.id.Seqno
	empty := s.mu.records[at]
	check(empty.head.id == id && len(empty.ws) == 0, "a transaction is filled once")
	r := newRecord(empty.head, ws)
	next := r.versions
	for i, w := range ws {
		m := s.ensureMap(w.Name)
		check(m.modified.Load() < id.Seqno, "the maps of a filled transaction have no newer writer")
		r.maps[i] = touched{m: m, modified: m.modified.Load()}
		m.modified.Store(id.Seqno)
		next = s.applyMap(r, m, w, next)
	}
	s.mu.records[at] = r
	s.mu.Unlock()
	s.overlayBytes.Add(r.bytes - empty.bytes)
	runHooks(s.applyHooks, id, ws)
}
