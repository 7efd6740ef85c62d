package kv

import (
	"bytes"
	"slices"
	"unsafe"

	"concordat/ledger"
)

// Tx is one optimistic transaction, used by one goroutine at a time. It must be
// released. The handle itself is not reused, so that a late second Release is
// harmless; the working memory behind it is.
type Tx struct {
	c    *core // nil once released
	id   ledger.TxID
	err  error // of the core, once released
	done struct{ touched, wrote bool }
	maps [2]Map // the first handles, to save allocations
}

// core is the pooled working memory of a transaction.
type core struct {
	s     *Store
	id    ledger.TxID // the snapshot
	epoch uint32
	err   error

	// Owned by the shard.
	shard        *pinShard
	older, newer *core
	pin          ledger.Seqno // at most id.Seqno; lower if part of it was rolled back

	maps   []mapTx // one per opened map
	byName map[string]int
	reads  readSet
	arena  arena
	writes int             // local writes in all maps
	ws     ledger.WriteSet // built; nil after a further write
}

// mapTx is what a transaction did to one map.
type mapTx struct {
	name   string
	salt   uint64
	handle *Map
	whole  bool // read as a whole
	local  []localWrite
	index  map[string]int32 // into local, once it is long; keys are arena bytes
}

// localWrite is a write or remove of this transaction.
type localWrite struct {
	key, value []byte
	remove     bool
}

const (
	// linearWrites is the number of writes to a map up to which a scan beats an index.
	linearWrites = 8
	// linearMaps is the same for opened maps.
	linearMaps = 16
	// keptWrites is the longest list of writes a released transaction keeps.
	keptWrites = 1024
)

// Begin starts a transaction at the newest applied state.
func (s *Store) Begin() *Tx {
	c := s.cores.Get().(*core)
	c.shard.add(c)
	return &Tx{c: c, id: c.id}
}

// Release ends the transaction and drops what it did; more calls do nothing.
// Slices it returned stay valid.
func (t *Tx) Release() {
	c := t.c
	if c == nil {
		return
	}
	t.done.touched, t.done.wrote, t.err = len(c.maps) > 0, c.writes > 0, c.err
	t.c = nil
	s := c.s
	c.shard.remove(c)
	pin := c.pin
	c.reset()
	s.cores.Put(c)
	if pin < s.flusher.held.Load() {
		s.flusher.wake()
	}
}

func (c *core) reset() {
	for i := range c.maps {
		c.maps[i].reset()
	}
	if len(c.maps) > linearMaps {
		c.maps, c.byName = nil, nil
	}
	c.maps = c.maps[:0]
	c.reads.reset()
	c.arena = arena{}
	c.writes, c.ws, c.err = 0, nil, nil
}

func (m *mapTx) reset() {
	local := m.local
	if cap(local) > keptWrites {
		local = nil
	}
	clear(local)
	*m = mapTx{name: m.name, salt: m.salt, local: local[:0]}
}

// Snapshot is the seqno whose state t sees.
func (t *Tx) Snapshot() ledger.Seqno { return t.id.Seqno }

// SnapshotID is the transaction whose state t sees.
func (t *Tx) SnapshotID() ledger.TxID { return t.id }

// Touched reports whether a map was opened: CCF gives only such transactions an id.
func (t *Tx) Touched() bool {
	if t.c == nil {
		return t.done.touched
	}
	return len(t.c.maps) > 0
}

// Wrote reports whether the write set is not empty.
func (t *Tx) Wrote() bool {
	if t.c == nil {
		return t.done.wrote
	}
	return t.c.writes > 0
}

// Err is not nil when a read failed: nothing the transaction returned may then
// be trusted, or shown to a client. Such a transaction always conflicts.
func (t *Tx) Err() error {
	if t.c == nil {
		return t.err
	}
	return t.c.err
}

// Map opens a map; any name is legal. Opening a name again returns the same handle.
func (t *Tx) Map(name string) *Map {
	c := t.live()
	if i := c.find(name); i >= 0 {
		return c.maps[i].handle
	}
	i := len(c.maps)
	var m *Map
	if i < len(t.maps) {
		m = &t.maps[i]
	} else {
		m = new(Map)
	}
	m.t, m.i = t, i
	c.open(name, m)
	return m
}

// live is the core of a transaction that was not released.
func (t *Tx) live() *core {
	check(t.c != nil, "a released transaction is not used")
	return t.c
}

func (c *core) find(name string) int {
	if len(c.maps) > linearMaps {
		if i, ok := c.byName[name]; ok {
			return i
		}
		return -1
	}
	for i := range c.maps {
		if c.maps[i].name == name {
			return i
		}
	}
	return -1
}

func (c *core) open(name string, handle *Map) {
	i := len(c.maps)
	c.maps = slices.Grow(c.maps, 1)[:i+1]
	m := &c.maps[i]
	if m.name != name || m.salt == 0 { // else left by an earlier transaction of the same shape
		m.name, m.salt = name, mapSalt(name)
	}
	m.handle = handle
	if i < linearMaps {
		return
	}
	if c.byName == nil {
		c.byName = make(map[string]int, 2*linearMaps)
		for j := range c.maps {
			c.byName[c.maps[j].name] = j
		}
	}
	c.byName[name] = i
}

// own is the transaction's write of a key, or nil.
func (m *mapTx) own(key []byte) *localWrite {
	if m.index != nil {
		if i, ok := m.index[string(key)]; ok {
			return &m.local[i]
		}
		return nil
	}
	for i := range m.local {
		if bytes.Equal(m.local[i].key, key) {
			return &m.local[i]
		}
	}
	return nil
}

// set records a write; value is already the transaction's own.
func (c *core) set(m *mapTx, key, value []byte, remove bool) {
	c.ws = nil
	if w := m.own(key); w != nil {
		w.value, w.remove = value, remove
		return
	}
	c.writes++
	m.local = append(m.local, localWrite{key: key, value: value, remove: remove})
	if m.index == nil && len(m.local) <= linearWrites {
		return
	}
	if m.index == nil {
		m.index = make(map[string]int32, 4*linearWrites)
		for i := range m.local {
			m.index[view(m.local[i].key)] = int32(i)
		}
	}
	m.index[view(key)] = int32(len(m.local) - 1)
}

// view is b as a string; b never changes afterwards.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// WriteSet is what the transaction does, in ledger order. It stays valid after
// Release and is never changed.
func (t *Tx) WriteSet() ledger.WriteSet {
	c := t.live()
	if c.writes == 0 {
		return nil
	}
	if c.ws == nil {
		c.ws = c.build()
	}
	return c.ws
}

// singleWrite is the write set of the most common transaction in one allocation.
type singleWrite struct {
	maps  [1]ledger.MapWrites
	write [1]ledger.Write
}

func (c *core) build() ledger.WriteSet {
	if c.writes == 1 {
		for i := range c.maps {
			if m := &c.maps[i]; len(m.local) == 1 && !m.local[0].remove {
				one := &singleWrite{write: [1]ledger.Write{{Key: m.local[0].key, Value: m.local[0].value}}}
				one.maps[0] = ledger.MapWrites{Name: m.name, Writes: one.write[:]}
				return one.maps[:]
			}
		}
	}
	ws := make(ledger.WriteSet, 0, len(c.maps))
	for i := range c.maps {
		if m := &c.maps[i]; len(m.local) > 0 {
			ws = append(ws, m.build())
		}
	}
	slices.SortFunc(ws, func(a, b ledger.MapWrites) int { return compareStrings(a.Name, b.Name) })
	return ws
}

func (m *mapTx) build() ledger.MapWrites {
	sorted := m.sorted()
	removes := 0
	for i := range sorted {
		if sorted[i].remove {
			removes++
		}
	}
	w := ledger.MapWrites{Name: m.name}
	if n := len(sorted) - removes; n > 0 {
		w.Writes = make([]ledger.Write, 0, n)
	}
	if removes > 0 {
		w.Removes = make([][]byte, 0, removes)
	}
	for _, l := range sorted {
		if l.remove {
			w.Removes = append(w.Removes, l.key)
		} else {
			w.Writes = append(w.Writes, ledger.Write{Key: l.key, Value: l.value})
		}
	}
	return w
}

// sorted is a copy of the local writes in byte order of key.
func (m *mapTx) sorted() []localWrite {
	sorted := slices.Clone(m.local)
	slices.SortFunc(sorted, func(a, b localWrite) int { return bytes.Compare(a.key, b.key) })
	return sorted
}

func compareStrings(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// arena hands out memory for the keys and values of one transaction. It is never
// reused: the write set, and slices given to callers, live in it.
type arena struct {
	free []byte
	next int // size of the next chunk
}

// maxArenaChunk is the largest chunk, so that one kept slice pins little else.
const maxArenaChunk = 16 << 10

// pair copies a key and a value.
func (a *arena) pair(key, value []byte) (k, v []byte) {
	n := len(key) + len(value)
	if n > len(a.free) {
		a.free = make([]byte, max(n, a.next))
		a.next = min(2*max(n, a.next), maxArenaChunk)
	}
	b := a.free[:n:n]
	a.free = a.free[n:]
	copy(b, key)
	copy(b[len(key):], value)
	return b[:len(key):len(key)], b[len(key):]
}
