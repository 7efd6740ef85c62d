package kv

import "hash/maphash"

// linearReads is the number of reads up to which a scan beats a table.
const linearReads = 16

// keptReads is the largest table that a released transaction keeps for the next.
const keptReads = 4096

// readSet is a set of hashes of keys read. Hashes suffice: two keys with one
// 64-bit hash under a per-process seed could only cause a needless retry.
type readSet struct {
	list  []uint64 // in order of first read
	table []uint64 // open addressing, 0 is empty; all zero while not in use
	inUse bool     // table holds the list
}

func (r *readSet) add(hash uint64) {
	if !r.inUse {
		for _, h := range r.list {
			if h == hash {
				return
			}
		}
		if len(r.list) < linearReads {
			r.list = append(r.list, hash)
			return
		}
	}
	if !r.inUse || 2*len(r.list) >= len(r.table) {
		r.rehash()
	}
	if insertHash(r.table, hash) {
		r.list = append(r.list, hash)
	}
}

func (r *readSet) rehash() {
	size := 4 * linearReads
	for size < 4*len(r.list) {
		size *= 2
	}
	if r.inUse || len(r.table) < size {
		r.table = make([]uint64, size)
	}
	r.inUse = true
	for _, h := range r.list {
		insertHash(r.table, h)
	}
}

func insertHash(table []uint64, hash uint64) bool {
	mask := uint64(len(table) - 1)
	for i := hash & mask; ; i = (i + 1) & mask {
		switch table[i] {
		case 0:
			table[i] = hash
			return true
		case hash:
			return false
		}
	}
}

func (r *readSet) reset() {
	if len(r.list) > keptReads {
		*r = readSet{}
		return
	}
	if r.inUse {
		clear(r.table)
		r.inUse = false
	}
	r.list = r.list[:0]
}

// seed keys all hashes of the process, so that nobody outside can choose keys
// that collide.
var seed = maphash.MakeSeed()

// mapSalt is the part of a key's hash that its map contributes.
func mapSalt(name string) uint64 { return maphash.String(seed, name) }

// keyHash is never 0.
func keyHash(salt uint64, key []byte) uint64 {
	h := maphash.Bytes(seed, key) ^ (salt<<17 | salt>>47)
	if h == 0 {
		return 1
	}
	return h
}
