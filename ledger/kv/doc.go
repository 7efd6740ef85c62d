// Package kv is the node's state: named maps of bytes, read and written by
// snapshot-isolated optimistic transactions.
//
// Three layers hold the state: an overlay of write sets that are not yet in the
// base (chains of versions, newest first), a pointer-free cache of base values,
// and the Base, which only ever receives committed writes. Two rules make it
// simple: the base never holds a version newer than any active snapshot, and the
// overlay holds every version that the base does not. A read is therefore the
// newest overlay version at or below the snapshot, else the cache, else the base.
//
// Callers: any number of goroutines run transactions; exactly one at a time (the
// holder of the consensus lock) calls Conflicts, Apply, Rollback and Commit.
//
// Goroutines: one, the flusher ("kv-flusher" in profiles), started by
// Store.Start, stopped by Store.Close. It owns the base's write side.
//
// Trust: everything here lives in the node's own memory. The Base may keep its
// bytes with somebody who is not trusted; a read that cannot be authenticated is
// an error, after which the whole Store refuses to work (Store.Err).
package kv

// Limits, in bytes unless said otherwise.
const (
	// DefaultCacheBytes bounds the cache of committed values when Options names none. It grows as it is needed.
	DefaultCacheBytes = 256 << 20
	// MinCacheBytes is the least the cache may be given; below it is raised.
	MinCacheBytes = 256 << 10
	// MaxCachedEntry is the largest entry (map name, key and value) the cache keeps: larger ones would push
	// out too much else, and the base serves them at memory speed per byte anyway.
	MaxCachedEntry = 64 << 10
	// FlushBatchBytes closes a batch to the base; one larger write set goes alone.
	FlushBatchBytes = 4 << 20
	// FlushBatchSets is the number of write sets that closes a batch.
	FlushBatchSets = 4096
)

// check stops the node when an invariant of this package is broken: continuing
// would answer from a state that no ledger explains.
func check(ok bool, what string) {
	if !ok {
		panic("kv: broken invariant: " + what)
	}
}
