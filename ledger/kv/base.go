package kv

import "concordat/ledger"

// Row is one committed entry of a map.
type Row struct {
	Key     []byte
	Value   []byte
	Version ledger.Seqno // of the write that set Value
}

// MapRow is what the base remembers of a map as a whole.
type MapRow struct {
	// Version is the seqno of the last write, or remove of a key that existed. A
	// map that has only seen removes of missing keys exists with version 0; this
	// is the map_version of CCF snapshots.
	Version ledger.Seqno
	// Count is the number of keys.
	Count uint64
}

// MapBatch is what a Batch does to one map. Keys are distinct, in no order.
type MapBatch struct {
	Name    string
	Row     MapRow
	Puts    []Row
	Deletes [][]byte
}

// Batch is a set of changes that becomes visible to readers of the base at once.
type Batch []MapBatch

// Base is the committed state under a Store. Get and View may be called from any
// goroutine; Write from one at a time. Errors of the base are final: the Store
// that meets one stops.
type Base interface {
	// Get appends the value of key to dst. Found is false for a missing key.
	Get(dst []byte, mapName string, key []byte) (value []byte, version ledger.Seqno, found bool, err error)
	// View is a consistent picture of the base; it must be closed.
	View() (View, error)
	// Write applies the batch. The batch's slices are not kept.
	Write(b Batch) error
	Close() error
}

// View is a consistent picture of a Base, used by one goroutine.
type View interface {
	// Get is Base.Get in this picture.
	Get(dst []byte, mapName string, key []byte) (value []byte, version ledger.Seqno, found bool, err error)
	// Map is the row of a map; ok is false when no batch named it yet.
	Map(name string) (row MapRow, ok bool, err error)
	// Maps visits all maps in byte order of name, until f is false.
	Maps(f func(name string, row MapRow) bool) error
	// Scan visits the entries of a map in byte order of key, until f is false. The
	// row's slices are only valid during the call.
	Scan(mapName string, f func(Row) bool) error
	Close() error
}
