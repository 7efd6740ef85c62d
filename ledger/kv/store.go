package kv

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"concordat/ledger"
)

// Options are the sizes of a Store; the zero value takes the defaults.
type Options struct {
	// CacheBytes bounds the cache of committed values.
	CacheBytes int
	// OnFatal is told, once and from any goroutine, that the base failed. The node
	// must stop; until it does, the store sequences nothing more.
	OnFatal func(error)
}

// Hook sees what one transaction does to one map.
type Hook func(id ledger.TxID, w ledger.MapWrites)

// Store is the layered state: overlay, cache, base.
type Store struct {
	base   Base
	opts   Options
	cache  cache
	filter filter // of the base's keys
	pins   pins
	cores  sync.Pool // of *core

	nextShard atomic.Uint32

	// head is the newest applied transaction. Written by the sequencing goroutine.
	head atomic.Pointer[headState]
	// rollbacks is the number of rollbacks begun; an epoch is one more than those done.
	rollbacks atomic.Uint32
	// committed is the seqno up to which nothing rolls back. Same writer.
	committed atomic.Uint64
	// flushed is the seqno the base has reached. Written by the flusher.
	flushed atomic.Uint64

	// Hooks are registered before the store is used and constant afterwards.
	applyHooks, commitHooks map[string][]Hook
	rollbackHooks           []func(ledger.Seqno)

	table table // read without a lock, written under mu

	mu struct {
		sync.Mutex
		records []*record // applied and not in the base, by seqno
		floor   ledger.TxID
		dead    []*record // rolled back, while older transactions may see them
	}
	registry struct {
		sync.RWMutex
		maps map[string]*mapState // never shrinks
	}
	overlayBytes atomic.Int64

	flusher flusher
	failure struct {
		once sync.Once
		err  atomic.Pointer[error]
	}
}

// headState is a transaction id and the epoch it belongs to.
type headState struct {
	id    ledger.TxID
	epoch uint32
}

// record is one applied write set, kept until the base has it. The inline arrays
// make the common transaction, one write to one map, a single allocation.
type record struct {
	head     headState
	ws       ledger.WriteSet
	versions []version // in the order of ws: per map, writes then removes
	maps     []touched
	bytes    int64
	died     uint32 // the epoch that began with its rollback, or 0

	oneVersion [1]version
	oneMap     [1]touched
}

// touched is a map of a write set, and how to undo the mention.
type touched struct {
	m        *mapState
	modified ledger.Seqno // before this write set
}

// versionOverhead is a fair guess of the memory of a version beside its bytes.
const versionOverhead = 256

// New returns a store over base, which must be empty. Nothing is flushed until
// Start, or Flush, is called.
func New(base Base, opts Options) *Store {
	s := &Store{base: base, opts: opts, applyHooks: map[string][]Hook{}, commitHooks: map[string][]Hook{}}
	if opts.CacheBytes == 0 {
		opts.CacheBytes = DefaultCacheBytes
	}
	s.cache.init(max(opts.CacheBytes, MinCacheBytes))
	s.filter.init()
	s.table.init()
	s.registry.maps = map[string]*mapState{}
	s.head.Store(&headState{epoch: 1})
	s.cores.New = func() any {
		n := s.nextShard.Add(1)
		return &core{s: s, shard: &s.pins.shards[n%pinShards]}
	}
	s.flusher.init()
	return s
}

// OnApply registers a hook that Apply calls, after the transaction is visible.
func (s *Store) OnApply(mapName string, f func(id ledger.TxID, w ledger.MapWrites)) {
	s.applyHooks[mapName] = append(s.applyHooks[mapName], f)
}

// OnCommit registers a hook that Commit calls, in seqno order.
func (s *Store) OnCommit(mapName string, f func(id ledger.TxID, w ledger.MapWrites)) {
	s.commitHooks[mapName] = append(s.commitHooks[mapName], f)
}

// OnRollback registers a function that Rollback calls with the new last seqno.
func (s *Store) OnRollback(f func(to ledger.Seqno)) {
	s.rollbackHooks = append(s.rollbackHooks, f)
}

func runHooks(hooks map[string][]Hook, id ledger.TxID, ws ledger.WriteSet) {
	if len(hooks) == 0 {
		return
	}
	for _, w := range ws {
		for _, f := range hooks[w.Name] {
			f(id, w)
		}
	}
}

// Head is the newest applied transaction.
func (s *Store) Head() ledger.TxID { return s.head.Load().id }

// Committed is the seqno of the last Commit.
func (s *Store) Committed() ledger.Seqno { return s.committed.Load() }

// Err is the failure that stopped the store, or nil.
func (s *Store) Err() error {
	if err := s.failure.err.Load(); err != nil {
		return *err
	}
	return nil
}

// fail stops the store and returns what stopped it.
func (s *Store) fail(err error) error {
	s.failure.once.Do(func() {
		err = fmt.Errorf("kv: the base store failed, the node must stop: %w", err)
		s.failure.err.Store(&err)
		if s.opts.OnFatal != nil {
			s.opts.OnFatal(err)
		}
	})
	return s.Err()
}

// mapState is the state of a map, nil if no write set named it yet.
func (s *Store) mapState(name string) *mapState {
	s.registry.RLock()
	m := s.registry.maps[name]
	s.registry.RUnlock()
	return m
}

func (s *Store) ensureMap(name string) *mapState {
	if m := s.mapState(name); m != nil {
		return m
	}
	s.registry.Lock()
	defer s.registry.Unlock()
	m := &mapState{name: name, salt: mapSalt(name)}
	s.registry.maps[name] = m
	return m
}

// Conflicts reports whether t may not be sequenced now: something it read was
// written after its snapshot, or its snapshot was rolled back, or the store
// failed. The caller holds the consensus lock.
func (s *Store) Conflicts(t *Tx) bool {
	c := t.c
	if c == nil || c.err != nil || s.failure.err.Load() != nil {
		return true
	}
	for i := range c.maps {
		if m := &c.maps[i]; m.whole && s.modifiedAfter(m.name, c) {
			return true
		}
	}
	if len(c.reads.list) == 0 {
		return false
	}
	if c.rolledBack() {
		return true
	}
	for _, h := range c.reads.list {
		if s.table.standing(h) > c.id.Seqno {
			return true
		}
	}
	return false
}

func (s *Store) modifiedAfter(name string, c *core) bool {
	if c.rolledBack() {
		return true
	}
	m := s.mapState(name)
	return m != nil && m.modified.Load() > c.id.Seqno
}

// rolledBack reports whether part of what c sees was rolled back. Only Rollback
// lowers a pin, so the caller, who excludes Rollback, needs no shard lock.
func (c *core) rolledBack() bool { return c.pin < c.id.Seqno }

// Apply adds a sequenced write set to the overlay and makes it the head. The
// seqno must be the next one; the view never goes back. The caller holds the
// consensus lock.
func (s *Store) Apply(id ledger.TxID, ws ledger.WriteSet) {
	h := s.head.Load()
	check(id.Seqno == h.id.Seqno+1 && id.View >= h.id.View, "applied transactions are consecutive")
	r := newRecord(headState{id: id, epoch: h.epoch}, ws)
	s.mu.Lock()
	next := r.versions
	for i, w := range ws {
		m := s.ensureMap(w.Name)
		r.maps[i] = touched{m: m, modified: m.modified.Load()}
		m.modified.Store(id.Seqno)
		next = s.applyMap(r, m, w, next)
	}
	s.mu.records = append(s.mu.records, r)
	s.mu.Unlock()
	s.overlayBytes.Add(r.bytes)
	s.head.Store(&r.head)
	runHooks(s.applyHooks, id, ws)
}

func newRecord(h headState, ws ledger.WriteSet) *record {
	r := &record{head: h, ws: ws, bytes: versionOverhead}
	n := 0
	for _, w := range ws {
		n += len(w.Writes) + len(w.Removes)
	}
	r.versions, r.maps = r.oneVersion[:], r.oneMap[:]
	if n != 1 {
		r.versions = make([]version, n)
	}
	if len(ws) != 1 {
		r.maps = make([]touched, len(ws))
	}
	return r
}

// applyMap fills versions from the front and returns the rest.
func (s *Store) applyMap(r *record, m *mapState, w ledger.MapWrites, versions []version) []version {
	for i := range w.Writes {
		v := &versions[i]
		v.value = w.Writes[i].Value
		s.push(r, m, w.Writes[i].Key, v)
	}
	versions = versions[len(w.Writes):]
	for i, key := range w.Removes {
		versions[i].remove = true
		s.push(r, m, key, &versions[i])
	}
	return versions[len(w.Removes):]
}

func (s *Store) push(r *record, m *mapState, key []byte, v *version) {
	v.seqno, v.epoch = r.head.id.Seqno, r.head.epoch
	r.bytes += int64(len(key) + len(v.value) + versionOverhead)
	h := keyHash(m.salt, key)
	if e := s.table.find(h, m.name, key); e != nil {
		e.push(v)
		return
	}
	e := &entry{key: key, m: m}
	e.push(v)
	m.link(e)
	s.table.insert(h, e)
}

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

// Commit says that everything up to and with to is final, and lets the flusher
// move it to the base. The caller holds the consensus lock.
func (s *Store) Commit(to ledger.Seqno) {
	from := s.committed.Load()
	check(to >= from && to <= s.Head().Seqno, "commit moves forward within what was applied")
	if to == from {
		return
	}
	var records []*record
	if len(s.commitHooks) != 0 {
		s.mu.Lock()
		first := s.mu.records[0].head.id.Seqno
		records = slices.Clone(s.mu.records[from+1-first : to+1-first]) // the flusher clears its own
		s.mu.Unlock()
	}
	s.committed.Store(to)
	for _, r := range records {
		runHooks(s.commitHooks, r.head.id, r.ws)
	}
	s.flusher.wake()
}

// Rollback forgets everything after to, which is not before the last commit.
// Active transactions keep their picture; those that saw something rolled back
// conflict when they come to be sequenced. The caller holds the consensus lock.
func (s *Store) Rollback(to ledger.Seqno) {
	h := s.head.Load()
	check(to >= s.committed.Load() && to <= h.id.Seqno, "rollback stays within the uncommitted")
	if to == h.id.Seqno {
		return
	}
	epoch := h.epoch + 1
	s.rollbacks.Add(1) // before anything changes: see Modified
	s.mu.Lock()
	keep := len(s.mu.records) - int(h.id.Seqno-to)
	last := headState{id: s.mu.floor, epoch: epoch}
	if keep > 0 {
		last.id = s.mu.records[keep-1].head.id
	}
	gone := s.mu.records[keep:]
	for i := len(gone) - 1; i >= 0; i-- {
		gone[i].rollback(epoch)
	}
	s.mu.dead = append(s.mu.dead, gone...)
	s.mu.records = append([]*record(nil), s.mu.records[:keep]...)
	s.mu.Unlock()
	s.head.Store(&last)
	s.pins.clamp(to)
	for _, f := range s.rollbackHooks {
		f(to)
	}
	s.flusher.wake()
}

func (r *record) rollback(epoch uint32) {
	r.died = epoch
	for i := range r.versions {
		r.versions[i].dead.Store(epoch)
	}
	for _, t := range r.maps {
		t.m.modified.Store(t.modified)
	}
}
