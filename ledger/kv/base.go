package kv

import (
	"bytes"
	"slices"
	"sort"
	"sync"

	"concordat/ledger"
)

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

// MemBase is a Base in plain memory: no goroutines, no files, deterministic. It
// serves simulations, replay tools and tests; nodes use ledger/store, whose cost
// does not depend on the garbage collector.
type MemBase struct {
	mu   sync.RWMutex // guards maps; rows and lists are immutable once published
	maps map[string]*memMap
}

// memMap is immutable when shared with a view: Write replaces what it changes.
type memMap struct {
	row    MapRow
	byKey  map[string]Row
	sorted []Row // nil when it has to be made again
}

// NewMemBase returns an empty base in memory.
func NewMemBase() *MemBase { return &MemBase{maps: map[string]*memMap{}} }

// Get implements Base.
func (b *MemBase) Get(dst []byte, mapName string, key []byte) ([]byte, ledger.Seqno, bool, error) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	m := b.maps[mapName]
	if m == nil {
		return dst, 0, false, nil
	}
	row, ok := m.byKey[string(key)]
	return append(dst, row.Value...), row.Version, ok, nil
}

// Write implements Base.
func (b *MemBase) Write(batch Batch) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, mb := range batch {
		m := b.maps[mb.Name]
		if m == nil {
			m = &memMap{byKey: map[string]Row{}}
			b.maps[mb.Name] = m
		}
		m.apply(mb)
	}
	return nil
}

func (m *memMap) apply(mb MapBatch) {
	m.row = mb.Row
	m.sorted = nil
	for _, p := range mb.Puts {
		m.byKey[string(p.Key)] = Row{bytes.Clone(p.Key), bytes.Clone(p.Value), p.Version}
	}
	for _, k := range mb.Deletes {
		delete(m.byKey, string(k))
	}
}

// list is the map's rows in byte order of key. The caller holds mu for writing.
func (m *memMap) list() []Row {
	if m.sorted == nil {
		m.sorted = make([]Row, 0, len(m.byKey))
		for _, r := range m.byKey {
			m.sorted = append(m.sorted, r)
		}
		slices.SortFunc(m.sorted, func(x, y Row) int { return bytes.Compare(x.Key, y.Key) })
	}
	return m.sorted
}

// Close implements Base.
func (b *MemBase) Close() error { return nil }

// View implements Base. It costs as much as the maps changed since the last one.
func (b *MemBase) View() (View, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	v := &memView{maps: make(map[string]memViewMap, len(b.maps))}
	for name, m := range b.maps {
		v.maps[name] = memViewMap{m.row, m.list()}
	}
	return v, nil
}

type memViewMap struct {
	row  MapRow
	rows []Row
}

type memView struct{ maps map[string]memViewMap }

func (v *memView) Get(dst []byte, mapName string, key []byte) ([]byte, ledger.Seqno, bool, error) {
	rows := v.maps[mapName].rows
	i := sort.Search(len(rows), func(i int) bool { return bytes.Compare(rows[i].Key, key) >= 0 })
	if i == len(rows) || !bytes.Equal(rows[i].Key, key) {
		return dst, 0, false, nil
	}
	return append(dst, rows[i].Value...), rows[i].Version, true, nil
}

func (v *memView) Map(name string) (MapRow, bool, error) {
	m, ok := v.maps[name]
	return m.row, ok, nil
}

func (v *memView) Maps(f func(string, MapRow) bool) error {
	names := make([]string, 0, len(v.maps))
	for name := range v.maps {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if !f(name, v.maps[name].row) {
			break
		}
	}
	return nil
}

func (v *memView) Scan(mapName string, f func(Row) bool) error {
	for _, r := range v.maps[mapName].rows {
		if !f(r) {
			break
		}
	}
	return nil
}

func (v *memView) Close() error { return nil }
