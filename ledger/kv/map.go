package kv

import "concordat/ledger"

// Map is a transaction's handle on one named map, of use until the transaction
// is released. Slices it returns are read-only and stay valid.
type Map struct {
	t *Tx
	i int // index in the core
}

func (m *Map) state() (*core, *mapTx) {
	c := m.t.live()
	return c, &c.maps[m.i]
}

// Name is the map's name.
func (m *Map) Name() string {
	_, mt := m.state()
	return mt.name
}

// Get returns the value of key; own writes are visible and are no dependency.
func (m *Map) Get(key []byte) (value []byte, ok bool) { return m.GetInto(nil, key) }

// GetInto is Get for callers that bring memory: a value that has to be copied
// out of the cache or the base is put into buf's memory when it fits. The value
// is then only good until buf is used again.
func (m *Map) GetInto(buf, key []byte) (value []byte, ok bool) {
	c, mt := m.state()
	if w := mt.own(key); w != nil {
		return w.value, !w.remove
	}
	h := keyHash(mt.salt, key)
	c.reads.add(h)
	value, _, ok = c.read(mt.name, h, key, buf[:0], true)
	return value, ok
}

// Has reports whether key has a value; the dependency is that of Get.
func (m *Map) Has(key []byte) bool {
	c, mt := m.state()
	if w := mt.own(key); w != nil {
		return !w.remove
	}
	h := keyHash(mt.salt, key)
	c.reads.add(h)
	_, _, ok := c.read(mt.name, h, key, nil, false)
	return ok
}

// Version is the seqno of the newest write of key at the snapshot, committed or
// not. Own writes are ignored; a missing or deleted key has none.
func (m *Map) Version(key []byte) (ledger.Seqno, bool) {
	c, mt := m.state()
	h := keyHash(mt.salt, key)
	c.reads.add(h)
	_, seqno, ok := c.read(mt.name, h, key, nil, false)
	return seqno, ok
}

// Modified is the newest transaction that named the map, 0 if none did. It lets
// callers keep what they compiled from a whole map: as long as it does not
// change, nor does the map. It is false when no number stands for what the
// transaction sees, because the map was named again after the snapshot or part of
// the snapshot may have been rolled back. Depends on the whole map.
func (m *Map) Modified() (ledger.Seqno, bool) {
	c, mt := m.state()
	mt.whole = true
	state := c.s.mapState(mt.name)
	modified := ledger.Seqno(0)
	if state != nil {
		modified = state.modified.Load()
	}
	// A rollback counts itself before it takes back what modified says.
	return modified, modified <= c.id.Seqno && c.s.rollbacks.Load()+1 == c.epoch
}

// Put sets key to value; both are copied.
func (m *Map) Put(key, value []byte) {
	c, mt := m.state()
	k, v := c.arena.pair(key, value)
	c.set(mt, k, v, false)
}

// Delete removes key. The remove is in the write set even if key has no value,
// as in CCF's ledgers; it is no dependency.
func (m *Map) Delete(key []byte) {
	c, mt := m.state()
	k, _ := c.arena.pair(key, nil)
	c.set(mt, k, nil, true)
}

// read finds a key at the snapshot: overlay, cache, base. After a failure it
// finds nothing and c.err is set.
func (c *core) read(name string, h uint64, key, buf []byte, want bool) ([]byte, ledger.Seqno, bool) {
	s := c.s
	if e := s.table.find(h, name, key); e != nil {
		if v := e.at(c.id.Seqno, c.epoch); v != nil {
			if v.remove {
				return nil, 0, false
			}
			return v.value, v.seqno, true
		}
	}
	value, seqno, ok := s.cache.get(h, name, key, buf, want)
	if ok {
		return value, seqno, true
	}
	if s.filter.lacks(h) {
		return nil, 0, false
	}
	value, seqno, ok, err := s.base.Get(buf, name, key)
	if err != nil {
		c.err = s.fail(err)
		return nil, 0, false
	}
	if !ok {
		return nil, 0, false
	}
	s.cache.fill(h, name, key, value, seqno)
	return value, seqno, true
}
