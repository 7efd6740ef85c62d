package tables

import (
	"encoding/json"
	"fmt"
	"sort"

	"concordat/ledger/jsondoc"
	"concordat/ledger/kv"
)

// RowError is a row that is not what its table holds. It means that somebody
// wrote nonsense through governance, so it is reported, never a crash.
type RowError struct {
	Table, Key string
	Err        error
}

func (e *RowError) Error() string {
	return fmt.Sprintf("row %q of %s: %v", e.Key, e.Table, e.Err)
}

func (e *RowError) Unwrap() error { return e.Err }

// Rows is a table of JSON rows of type V under text keys.
type Rows[V any] struct{ Name string }

// Get reads one row.
func (t Rows[V]) Get(tx *kv.Tx, key string) (v V, ok bool, err error) {
	b, ok := tx.Map(t.Name).Get([]byte(key))
	if !ok {
		return v, false, nil
	}
	return v, true, t.decode(key, b, &v)
}

func (t Rows[V]) decode(key string, b []byte, v *V) error {
	if err := jsondoc.Unmarshal(b, v); err != nil {
		return &RowError{Table: t.Name, Key: key, Err: err}
	}
	return nil
}

// Put writes one row.
func (t Rows[V]) Put(tx *kv.Tx, key string, v V) error {
	b, err := jsondoc.Marshal(v)
	if err != nil {
		return &RowError{Table: t.Name, Key: key, Err: err}
	}
	tx.Map(t.Name).Put([]byte(key), b)
	return nil
}

// Delete removes one row.
func (t Rows[V]) Delete(tx *kv.Tx, key string) { tx.Map(t.Name).Delete([]byte(key)) }

// Each visits the rows in byte order of key, until f is false or a row cannot be read.
func (t Rows[V]) Each(tx *kv.Tx, f func(key string, v V) bool) error {
	var err error
	Bytes(t).Each(tx, func(key string, b []byte) bool {
		var v V
		if err = t.decode(key, b, &v); err != nil {
			return false
		}
		return f(key, v)
	})
	return err
}

// Cell is a single-value table of a JSON row of type V.
type Cell[V any] struct{ Name string }

// Get reads the row.
func (t Cell[V]) Get(tx *kv.Tx) (V, bool, error) {
	return Rows[V](t).Get(tx, string(Z8))
}

// Put writes the row.
func (t Cell[V]) Put(tx *kv.Tx, v V) error { return Rows[V](t).Put(tx, string(Z8), v) }

// Bytes is a table of raw rows under text keys: certificates, sources, sets.
type Bytes struct{ Name string }

// Get reads one row.
func (t Bytes) Get(tx *kv.Tx, key string) ([]byte, bool) {
	return tx.Map(t.Name).Get([]byte(key))
}

// Has reports whether there is such a row.
func (t Bytes) Has(tx *kv.Tx, key string) bool { return tx.Map(t.Name).Has([]byte(key)) }

// Put writes one row.
func (t Bytes) Put(tx *kv.Tx, key string, value []byte) {
	tx.Map(t.Name).Put([]byte(key), value)
}

// Delete removes one row.
func (t Bytes) Delete(tx *kv.Tx, key string) { tx.Map(t.Name).Delete([]byte(key)) }

// Each visits the rows in byte order of key, until f is false. Rows may be
// written and deleted meanwhile; the visit is of the rows there were.
func (t Bytes) Each(tx *kv.Tx, f func(key string, value []byte) bool) {
	type row struct {
		key   string
		value []byte
	}
	var rows []row
	tx.Map(t.Name).ForEach(func(k, v []byte) bool {
		rows = append(rows, row{string(k), v})
		return true
	})
	sort.Slice(rows, func(i, j int) bool { return rows[i].key < rows[j].key })
	for _, r := range rows {
		if !f(r.key, r.value) {
			return
		}
	}
}

// Keys are the keys of a table in byte order.
func (t Bytes) Keys(tx *kv.Tx) []string {
	keys := []string{}
	t.Each(tx, func(key string, _ []byte) bool {
		keys = append(keys, key)
		return true
	})
	return keys
}

// PEM reads a certificate or key stored as text. Releases of the 1.x era ended
// such rows with a NUL byte, which is dropped.
func (t Bytes) PEM(tx *kv.Tx, key string) (string, bool) {
	b, ok := t.Get(tx, key)
	if n := len(b); n > 0 && b[n-1] == 0 {
		b = b[:n-1]
	}
	return string(b), ok
}

// verify interfaces that the row types rely on.
var _ json.Marshaler = jsondoc.Opaque(nil)
