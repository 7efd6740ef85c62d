package ledger

import "strings"

// Write is one key and its new value.
type Write struct {
	Key   []byte
	Value []byte
}

// MapWrites is what one transaction does to one map. Writes and Removes are in
// ascending byte order of key, and no key is in both.
type MapWrites struct {
	Name    string
	Writes  []Write
	Removes [][]byte
}

// WriteSet is what one transaction does: one element a touched map, in ascending
// byte order of name. It is immutable once built and may be shared freely.
type WriteSet []MapWrites

// SingleKey is the key of maps with one row: eight zero bytes.
const SingleKey = "\x00\x00\x00\x00\x00\x00\x00\x00"

// Map returns what ws does to one map.
func (ws WriteSet) Map(name string) (m MapWrites, ok bool) {
	for i := range ws {
		if ws[i].Name == name {
			return ws[i], true
		}
	}
	return MapWrites{}, false
}

// Single returns what ws writes to a map with one row.
func (ws WriteSet) Single(name string) (value []byte, ok bool) {
	m, _ := ws.Map(name)
	for _, w := range m.Writes {
		if string(w.Key) == SingleKey {
			return w.Value, true
		}
	}
	return nil, false
}

// publicPrefix marks maps whose content is written to the ledger in the clear.
const publicPrefix = "public:"

// IsPublic reports whether the map's content goes to the public domain.
func IsPublic(mapName string) bool { return strings.HasPrefix(mapName, publicPrefix) }
