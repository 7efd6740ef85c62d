package kv

import (
	"bytes"
	"sync/atomic"

	"concordat/ledger"
)

// version is one write or remove that the base may not have yet. Everything but
// dead and older is immutable.
type version struct {
	value  []byte
	seqno  ledger.Seqno
	epoch  uint32 // the store's epoch (number of rollbacks, from 1) when it was applied
	remove bool
	// dead is the epoch that began with the rollback of this version, 0 while it
	// stands. Transactions begun in an earlier epoch go on seeing it.
	dead  atomic.Uint32
	entry *entry
	older atomic.Pointer[version]
}

func (v *version) visible(snapshot ledger.Seqno, epoch uint32) bool {
	if v.seqno > snapshot || v.epoch > epoch {
		return false
	}
	dead := v.dead.Load()
	return dead == 0 || dead > epoch
}

// entry is a key of a map with at least one version in the overlay.
type entry struct {
	cell   cell // its place in the table until the table grows
	key    []byte
	m      *mapState
	newest atomic.Pointer[version]

	// List of the map's entries. Readers follow next; prev belongs to the writer.
	next atomic.Pointer[entry]
	prev *entry
	gone bool // out of the table and the list; owner: the writer

	flush entryFlush // scratch of the flusher
}

// at is the newest version visible to a snapshot, or nil.
func (e *entry) at(snapshot ledger.Seqno, epoch uint32) *version {
	for v := e.newest.Load(); v != nil; v = v.older.Load() {
		if v.visible(snapshot, epoch) {
			return v
		}
	}
	return nil
}

// standing is the seqno of the newest version that was not rolled back, or 0.
func (e *entry) standing() ledger.Seqno {
	for v := e.newest.Load(); v != nil; v = v.older.Load() {
		if v.dead.Load() == 0 {
			return v.seqno
		}
	}
	return 0
}

// push makes v the newest version.
func (e *entry) push(v *version) {
	v.entry = e
	v.older.Store(e.newest.Load())
	e.newest.Store(v)
}

// cut drops the newest standing version at or below seqno and all older ones,
// and reports whether none is left.
func (e *entry) cut(seqno ledger.Seqno) (empty bool) {
	var newer *version
	for v := e.newest.Load(); v != nil; v = v.older.Load() {
		if v.seqno <= seqno && v.dead.Load() == 0 {
			if newer == nil {
				e.newest.Store(nil)
				return true
			}
			newer.older.Store(nil)
			return false
		}
		newer = v
	}
	return newer == nil
}

// unlink takes v out of the chain, if it still is in it, and reports whether
// none is left.
func (e *entry) unlink(v *version) (empty bool) {
	if e.newest.Load() == v {
		e.newest.Store(v.older.Load())
		return v.older.Load() == nil
	}
	for newer := e.newest.Load(); newer != nil; newer = newer.older.Load() {
		if newer.older.Load() == v {
			newer.older.Store(v.older.Load())
			break
		}
	}
	return e.newest.Load() == nil
}

// mapState is what the store knows of a map that was ever written.
type mapState struct {
	name  string
	salt  uint64
	first atomic.Pointer[entry] // entries in the overlay, in no order

	// modified is the newest standing seqno that names the map. Only the writer
	// stores it; transactions read it to know whether what they cached still holds.
	modified atomic.Uint64

	flush mapFlush // state of the flusher
}

func (m *mapState) link(e *entry) {
	head := m.first.Load()
	e.next.Store(head)
	if head != nil {
		head.prev = e
	}
	m.first.Store(e)
}

// unlink leaves e.next alone, for readers that stand on e.
func (m *mapState) unlink(e *entry) {
	next := e.next.Load()
	if e.prev == nil {
		m.first.Store(next)
	} else {
		e.prev.next.Store(next)
	}
	if next != nil {
		next.prev = e.prev
	}
}

// cell is a link of a bucket's list. Its entry never changes.
type cell struct {
	hash uint64
	e    *entry
	next atomic.Pointer[cell]
}

type bucket = atomic.Pointer[cell]

// table finds entries by hash. Readers take no lock: they may walk cells that
// were just removed, which still lead to the rest of their list. One goroutine at
// a time writes.
type table struct {
	buckets atomic.Pointer[[]bucket] // a power of two
	count   int                      // owner: the writer
}

// minBuckets is the initial size of a table.
const minBuckets = 256

func (t *table) init() {
	b := make([]bucket, minBuckets)
	t.buckets.Store(&b)
}

func (t *table) list(hash uint64) *bucket {
	b := *t.buckets.Load()
	return &b[hash&uint64(len(b)-1)]
}

// find is the entry of a key, or nil.
func (t *table) find(hash uint64, mapName string, key []byte) *entry {
	for c := t.list(hash).Load(); c != nil; c = c.next.Load() {
		if c.hash == hash && c.e.m.name == mapName && bytes.Equal(c.e.key, key) {
			return c.e
		}
	}
	return nil
}

// standing is the newest standing seqno of any key with this hash, or 0.
func (t *table) standing(hash uint64) (newest ledger.Seqno) {
	for c := t.list(hash).Load(); c != nil; c = c.next.Load() {
		if c.hash == hash {
			newest = max(newest, c.e.standing())
		}
	}
	return newest
}

// insert adds an entry with a version already in it.
func (t *table) insert(hash uint64, e *entry) {
	if t.count >= len(*t.buckets.Load()) {
		t.grow()
	}
	t.count++
	e.cell.hash, e.cell.e = hash, e
	b := t.list(hash)
	e.cell.next.Store(b.Load())
	b.Store(&e.cell)
}

// remove takes an entry out.
func (t *table) remove(e *entry) {
	at := t.list(e.cell.hash)
	for c := at.Load(); c != nil; c = at.Load() {
		if c.e == e {
			at.Store(c.next.Load())
			t.count--
			return
		}
		at = &c.next
	}
	check(false, "removed entry is in the table")
}

// grow publishes a table of twice the size. Its cells are new: readers may still
// be following the old ones.
func (t *table) grow() {
	old := *t.buckets.Load()
	bigger := make([]bucket, 2*len(old))
	cells := make([]cell, 0, t.count)
	for i := range old {
		for c := old[i].Load(); c != nil; c = c.next.Load() {
			cells = append(cells, cell{hash: c.hash, e: c.e})
			n := &cells[len(cells)-1]
			at := &bigger[c.hash&uint64(len(bigger)-1)]
			n.next.Store(at.Load())
			at.Store(n)
		}
	}
	t.buckets.Store(&bigger)
}
