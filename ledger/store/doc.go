// Package store keeps the committed state of ledger/kv in Pebble: ordered, larger
// than memory if need be, and cheap for the garbage collector. It is the only
// package that imports Pebble.
//
// There is no durability here, on purpose. The ledger is the only durable truth;
// this is rebuilt from it, so the write-ahead log is off, nothing is synced, and a
// directory left by an earlier process is emptied, never read.
//
// Trust: tables (*.sst) lie on a disk whose owner is not trusted ("spill"). Each
// is written as AES-256-GCM blocks under a key of its own that exists only in this
// process's memory; the nonce is the block's number and each block is written
// once. Everything that says which tables make up the state, and how long they
// are, stays in memory. The disk's owner sees sizes and times of access, and can
// destroy; a changed, swapped, replayed or shortened block does not open, and the
// store then refuses to work (TamperError).
//
// Goroutines: Pebble's own (table flush, compaction, file clean-up), started by
// Open, stopped by Close.
package store

// Limits and sizes, in bytes unless said otherwise.
const (
	// BlockSize is the plaintext of a spill block: the unit of encryption and of reads from disk.
	BlockSize = 16 << 10
	// MaxFileBlocks bounds a spill file: the block number is the nonce, and one key is to seal no more than 2^32 blocks.
	MaxFileBlocks = 1 << 32
	// DefaultCacheBytes is Pebble's cache of plaintext blocks when Options names none.
	DefaultCacheBytes = 64 << 20
	// DefaultMemTableBytes is the size of a memtable when Options names none; up to four exist.
	DefaultMemTableBytes = 16 << 20
	// maxOpenFiles bounds the open tables.
	maxOpenFiles = 512
	// bloomBits per key make one of a hundred lookups of a missing key read a table in vain.
	bloomBits = 10
)
