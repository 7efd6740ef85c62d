package kv

import "concordat/ledger"

// Modified is the newest transaction that named the map, 0 if none did. It lets
// callers keep what they compiled from a whole map: as long as it does not
// change, nor does the map. It is false when the map was named again after the
// snapshot, so that no number stands for what the transaction sees. Depends on
// the whole map.
func (m *Map) Modified() (ledger.Seqno, bool) {
	c, mt := m.state()
	mt.whole = true
	state := c.s.mapState(mt.name)
	if state == nil {
		return 0, true
	}
	modified := state.modified.Load()
	return modified, modified <= c.id.Seqno
}
