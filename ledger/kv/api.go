// Package kv is the node's state: named maps of bytes, read and written by
// snapshot-isolated optimistic transactions. See DESIGN.md.
package kv

import "concordat/ledger"

// Options are the sizes of a Store; the zero value takes the defaults.
type Options struct {
	// CacheBytes bounds the cache of committed values.
	CacheBytes int
	// OnFatal is told, once, that the base failed and the node must stop.
	OnFatal func(error)
}

// Store is the layered state: overlay, cache, base.
type Store struct{}

// New returns a store over base, which must be empty.
func New(base Base, opts Options) *Store { return nil }

// Base is the committed state under a Store.
type Base interface{ Close() error }

// NewMemBase returns a Base held in memory, for simulations and tests.
func NewMemBase() Base { return nil }

// Tx is one optimistic transaction, used by one goroutine at a time.
type Tx struct{}

// Map is a transaction's handle on one named map.
type Map struct{}

// Begin starts a transaction at the newest applied state.
func (s *Store) Begin() *Tx { return nil }

// Start starts the flusher goroutine; Close ends it.
func (s *Store) Start() {}

// Close stops the flusher and closes the base.
func (s *Store) Close() error { return nil }

// Err is the failure of the base that stopped the store, or nil.
func (s *Store) Err() error { return nil }

// Head is the newest applied transaction.
func (s *Store) Head() ledger.TxID { return ledger.TxID{} }

// Flush moves what may be moved to the base, now.
func (s *Store) Flush() error { return nil }

// Conflicts reports whether anything t read was written after its snapshot.
func (s *Store) Conflicts(t *Tx) bool { return false }

// Apply adds a sequenced write set; id.Seqno is exactly the next one.
func (s *Store) Apply(id ledger.TxID, ws ledger.WriteSet) {}

// Rollback forgets everything after to.
func (s *Store) Rollback(to ledger.Seqno) {}

// Commit says that everything up to and with to is final.
func (s *Store) Commit(to ledger.Seqno) {}

// OnApply registers a hook, called in Apply. Not concurrent with Apply.
func (s *Store) OnApply(mapName string, f func(id ledger.TxID, w ledger.MapWrites)) {}

// OnCommit registers a hook, called in Commit in seqno order.
func (s *Store) OnCommit(mapName string, f func(id ledger.TxID, w ledger.MapWrites)) {}

// OnRollback registers a function told the new last seqno, called in Rollback.
func (s *Store) OnRollback(f func(to ledger.Seqno)) {}

// Snapshot is the seqno whose state t sees.
func (t *Tx) Snapshot() ledger.Seqno { return 0 }

// SnapshotID is Snapshot with its view.
func (t *Tx) SnapshotID() ledger.TxID { return ledger.TxID{} }

// Map opens a map by name; any name is legal.
func (t *Tx) Map(name string) *Map { return nil }

// Touched reports whether a map was opened (only such a transaction has an id).
func (t *Tx) Touched() bool { return false }

// Wrote reports whether the write set is not empty.
func (t *Tx) Wrote() bool { return false }

// WriteSet is what the transaction does, in ledger order.
func (t *Tx) WriteSet() ledger.WriteSet { return nil }

// Err is not nil when a read failed: nothing read may then be trusted.
func (t *Tx) Err() error { return nil }

// Release ends the transaction; more calls do nothing.
func (t *Tx) Release() {}

// Name is the map's name.
func (m *Map) Name() string { return "" }

// Get returns the value of key.
func (m *Map) Get(key []byte) ([]byte, bool) { return nil, false }

// Has reports whether key has a value.
func (m *Map) Has(key []byte) bool { return false }

// Version is the seqno of the previous write of key (own writes ignored).
func (m *Map) Version(key []byte) (ledger.Seqno, bool) { return 0, false }

// Put sets key to value; both are copied.
func (m *Map) Put(key, value []byte) {}

// Delete removes key; the remove is in the write set even if key has no value.
func (m *Map) Delete(key []byte) {}

// Clear deletes every visible key.
func (m *Map) Clear() {}

// Size is the number of visible keys.
func (m *Map) Size() int { return 0 }

// ForEach visits the entries as they are when it is called, until f is false.
func (m *Map) ForEach(f func(key, value []byte) bool) {}
