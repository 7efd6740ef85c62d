package kv

import (
	"encoding/binary"
	"sync"

	"concordat/ledger"
)

// cache keeps entries of the base in a few large byte slices that the garbage
// collector need not look into. Each shard is a ring of entries, oldest evicted
// first, and an index from hash to offset; a hit compares the whole key.
//
// It never serves what the base no longer has. The flusher writes the base,
// updates the cache, and only then trims the overlay: while a cached value may be
// old, every reader still finds the newer one in the overlay. A reader that fills
// is an active transaction which found nothing in the overlay, so the base keeps
// what it read until it is released.
type cache struct{ shards [cacheShards]cacheShard }

const (
	cacheShards = 32
	// firstSlab is the initial size of a shard's ring.
	firstSlab = 4 << 10
	// entryHeader is hash u64 | version u64 | size u32 | name u32 | key u32 | value u32.
	entryHeader = 32
	// entryAlign makes offsets divisible, so that an index slot is 32 bits.
	entryAlign = 8
)

type cacheShard struct {
	mu         sync.Mutex
	slots      []uint32 // offset/entryAlign + 1, 0 is empty; linear probing by hash
	live       int
	slab       []byte
	head, tail uint64 // positions ever written and evicted; modulo len(slab) is the offset
	limit      int

	hits, misses uint64
}

func (c *cache) init(budget int) {
	for i := range c.shards {
		s := &c.shards[i]
		// A quarter goes to the index and slack.
		s.limit = max(budget/cacheShards*3/4/entryAlign*entryAlign, firstSlab)
	}
}

func (c *cache) shard(hash uint64) *cacheShard { return &c.shards[hash>>59] }

// get appends a copy of the value to buf, if it is wanted.
func (c *cache) get(hash uint64, name string, key, buf []byte, want bool) ([]byte, ledger.Seqno, bool) {
	s := c.shard(hash)
	s.mu.Lock()
	defer s.mu.Unlock()
	_, off, ok := s.find(hash, name, key)
	if !ok {
		s.misses++
		return nil, 0, false
	}
	s.hits++
	e := s.slab[off:]
	if want {
		from := entryHeader + len(name) + len(key)
		buf = append(buf, e[from:from+entryValueLen(e)]...)
	}
	return buf, entryVersion(e), true
}

// fill keeps what a reader found in the base. Of two readers one is enough.
func (c *cache) fill(hash uint64, name string, key, value []byte, version ledger.Seqno) {
	s := c.shard(hash)
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, off, ok := s.find(hash, name, key); ok {
		check(entryVersion(s.slab[off:]) == version, "the base holds still while a transaction reads it")
		return
	}
	s.put(hash, name, key, value, version)
}

// update follows a write of the base.
func (c *cache) update(hash uint64, name string, key []byte, v *version) {
	s := c.shard(hash)
	s.mu.Lock()
	defer s.mu.Unlock()
	if v.remove {
		s.drop(hash, name, key)
		return
	}
	s.put(hash, name, key, v.value, v.seqno)
}

func entryHash(e []byte) uint64    { return binary.LittleEndian.Uint64(e) }
func entryVersion(e []byte) uint64 { return binary.LittleEndian.Uint64(e[8:]) }
func entrySize(e []byte) int       { return int(binary.LittleEndian.Uint32(e[16:])) }
func entryNameLen(e []byte) int    { return int(binary.LittleEndian.Uint32(e[20:])) }
func entryKeyLen(e []byte) int     { return int(binary.LittleEndian.Uint32(e[24:])) }
func entryValueLen(e []byte) int   { return int(binary.LittleEndian.Uint32(e[28:])) }
func entryMatches(e []byte, hash uint64, name string, key []byte) bool {
	return entryHash(e) == hash && entryNameLen(e) == len(name) && entryKeyLen(e) == len(key) &&
		string(e[entryHeader:entryHeader+len(name)]) == name &&
		string(e[entryHeader+len(name):entryHeader+len(name)+len(key)]) == string(key)
}

// find is the slot and the offset of a key.
func (s *cacheShard) find(hash uint64, name string, key []byte) (slot, off int, ok bool) {
	if len(s.slots) == 0 {
		return 0, 0, false
	}
	mask := len(s.slots) - 1
	for i := int(hash) & mask; s.slots[i] != 0; i = (i + 1) & mask {
		off := int(s.slots[i]-1) * entryAlign
		if entryMatches(s.slab[off:], hash, name, key) {
			return i, off, true
		}
	}
	return 0, 0, false
}

// put replaces or adds an entry.
func (s *cacheShard) put(hash uint64, name string, key, value []byte, version ledger.Seqno) {
	s.drop(hash, name, key)
	n := entryHeader + len(name) + len(key) + len(value)
	if n > MaxCachedEntry || n > s.limit/2 {
		return
	}
	n = (n + entryAlign - 1) / entryAlign * entryAlign
	off := s.reserve(n)
	e := s.slab[off : off+n]
	binary.LittleEndian.PutUint64(e, hash)
	binary.LittleEndian.PutUint64(e[8:], version)
	binary.LittleEndian.PutUint32(e[16:], uint32(n))
	binary.LittleEndian.PutUint32(e[20:], uint32(len(name)))
	binary.LittleEndian.PutUint32(e[24:], uint32(len(key)))
	binary.LittleEndian.PutUint32(e[28:], uint32(len(value)))
	copy(e[entryHeader:], name)
	copy(e[entryHeader+len(name):], key)
	copy(e[entryHeader+len(name)+len(key):], value)
	s.live++
	if 2*s.live > len(s.slots) {
		s.reindex()
	}
	s.index(hash, off)
}

// drop forgets a key; its bytes stay in the ring until their turn comes.
func (s *cacheShard) drop(hash uint64, name string, key []byte) {
	if slot, _, ok := s.find(hash, name, key); ok {
		s.unindex(slot)
	}
}

// reserve makes n contiguous bytes at the head of the ring.
func (s *cacheShard) reserve(n int) int {
	for s.grow(n) {
	}
	size := uint64(len(s.slab))
	if rest := size - s.head%size; rest < uint64(n) {
		s.makeRoom(rest)
		// Skipped to the start. Where no header fits, none is needed: see evict.
		if rest >= entryHeader {
			pad := s.slab[s.head%size:]
			clear(pad[:entryHeader])
			binary.LittleEndian.PutUint32(pad[16:], uint32(rest))
		}
		s.head += rest
	}
	s.makeRoom(uint64(n))
	off := s.head % size
	s.head += uint64(n)
	return int(off)
}

func (s *cacheShard) makeRoom(n uint64) {
	for s.head+n-s.tail > uint64(len(s.slab)) {
		s.evict()
	}
}

// evict drops the oldest entry of the ring, or the padding at its end.
func (s *cacheShard) evict() {
	size := uint64(len(s.slab))
	off := s.tail % size
	if rest := size - off; rest < entryHeader {
		s.tail += rest
		return
	}
	e := s.slab[off:]
	if slot, ok := s.slotOf(entryHash(e), int(off)); ok {
		s.unindex(slot)
	}
	s.tail += uint64(entrySize(e))
}

// slotOf is the slot that points to an offset; there is none for dead entries.
func (s *cacheShard) slotOf(hash uint64, off int) (int, bool) {
	if len(s.slots) == 0 {
		return 0, false
	}
	mask := len(s.slots) - 1
	want := uint32(off/entryAlign) + 1
	for i := int(hash) & mask; s.slots[i] != 0; i = (i + 1) & mask {
		if s.slots[i] == want {
			return i, true
		}
	}
	return 0, false
}

func (s *cacheShard) index(hash uint64, off int) {
	mask := len(s.slots) - 1
	i := int(hash) & mask
	for s.slots[i] != 0 {
		i = (i + 1) & mask
	}
	s.slots[i] = uint32(off/entryAlign) + 1
}

// unindex empties a slot and moves later ones of its run up.
func (s *cacheShard) unindex(slot int) {
	mask := len(s.slots) - 1
	s.live--
	for i := (slot + 1) & mask; s.slots[i] != 0; i = (i + 1) & mask {
		home := int(entryHash(s.slab[int(s.slots[i]-1)*entryAlign:])) & mask
		if (i-home)&mask >= (i-slot)&mask {
			s.slots[slot] = s.slots[i]
			slot = i
		}
	}
	s.slots[slot] = 0
}

// reindex doubles the index.
func (s *cacheShard) reindex() {
	old := s.slots
	s.slots = make([]uint32, max(2*len(old), 64))
	for _, v := range old {
		if v != 0 {
			off := int(v-1) * entryAlign
			s.index(entryHash(s.slab[off:]), off)
		}
	}
}

// grow doubles a ring that is full and not yet at its limit. The ring has never
// wrapped then, so offsets stay.
func (s *cacheShard) grow(n int) bool {
	if len(s.slab) >= s.limit || s.head+uint64(n) <= uint64(len(s.slab)) {
		return false
	}
	bigger := make([]byte, min(max(2*len(s.slab), firstSlab), s.limit))
	copy(bigger, s.slab)
	s.slab = bigger
	return true
}

// stats are the hits and misses so far, and the bytes held.
func (c *cache) stats() (hits, misses, bytes uint64) {
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		hits, misses = hits+s.hits, misses+s.misses
		bytes += uint64(len(s.slab) + 4*len(s.slots))
		s.mu.Unlock()
	}
	return hits, misses, bytes
}
