package kv

import (
	"fmt"
	"slices"
	"testing"

	"concordat/ledger"
)

// driver drives a store as the consensus core would.
type driver struct {
	*Store
	t    testing.TB
	view ledger.View
}

func newDriver(t testing.TB) *driver {
	s := New(NewMemBase(), Options{})
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return &driver{Store: s, t: t, view: 2}
}

// write sequences one transaction made by f.
func (d *driver) write(f func(*Tx)) ledger.TxID {
	d.t.Helper()
	tx := d.Begin()
	defer tx.Release()
	f(tx)
	if d.Conflicts(tx) {
		d.t.Fatal("a transaction without rivals conflicts")
	}
	return d.sequence(tx)
}

func (d *driver) sequence(tx *Tx) ledger.TxID {
	id := ledger.TxID{View: d.view, Seqno: d.Head().Seqno + 1}
	d.Apply(id, tx.WriteSet())
	return id
}

func (d *driver) put(name, key, value string) ledger.TxID {
	d.t.Helper()
	return d.write(func(tx *Tx) { tx.Map(name).Put([]byte(key), []byte(value)) })
}

func (d *driver) remove(name, key string) ledger.TxID {
	d.t.Helper()
	return d.write(func(tx *Tx) { tx.Map(name).Delete([]byte(key)) })
}

// settle commits and flushes everything.
func (d *driver) settle() {
	d.t.Helper()
	d.Commit(d.Head().Seqno)
	if err := d.Flush(); err != nil {
		d.t.Fatalf("flush: %v", err)
	}
}

func get(tx *Tx, name, key string) string {
	v, ok := tx.Map(name).Get([]byte(key))
	if !ok {
		return "-"
	}
	return string(v)
}

func dump(tx *Tx, name string) string {
	var b []byte
	tx.Map(name).ForEach(func(k, v []byte) bool {
		b = fmt.Appendf(b, "%s=%s ", k, v)
		return true
	})
	return string(b)
}

func TestReadsSeeTheSnapshotAndOwnWrites(t *testing.T) {
	d := newDriver(t)
	d.put("m", "a", "1")
	d.put("m", "b", "2")
	tx := d.Begin()
	defer tx.Release()
	d.put("m", "a", "later")
	d.remove("m", "b")
	if got := get(tx, "m", "a") + get(tx, "m", "b") + get(tx, "m", "c"); got != "12-" {
		t.Errorf("snapshot reads: got %q", got)
	}
	m := tx.Map("m")
	m.Put([]byte("a"), []byte("own"))
	m.Put([]byte("c"), []byte("new"))
	m.Delete([]byte("b"))
	if got := get(tx, "m", "a") + get(tx, "m", "b") + get(tx, "m", "c"); got != "own-new" {
		t.Errorf("own writes: got %q", got)
	}
	if v, ok := m.Version([]byte("a")); !ok || v != 1 {
		t.Errorf("version of an overwritten key: got %d, %v; want that of the previous write, 1", v, ok)
	}
	if v, ok := m.Version([]byte("b")); !ok || v != 2 {
		t.Errorf("version of a key deleted here: got %d, %v; want 2", v, ok)
	}
	if _, ok := m.Version([]byte("c")); ok {
		t.Error("a key only written here has no previous version")
	}
	if m.Size() != 2 {
		t.Errorf("size: got %d, want 2", m.Size())
	}
}

// Every read must be the same wherever the layers are cut.
func TestLayersAgree(t *testing.T) {
	for _, flush := range []bool{false, true} {
		t.Run(fmt.Sprintf("flush=%v", flush), func(t *testing.T) {
			d := newDriver(t)
			step := func() {
				if flush {
					d.settle()
				}
			}
			d.put("m", "b", "2")
			step()
			d.put("m", "d", "4")
			step()
			d.put("m", "a", "1")
			d.remove("m", "d")
			step()
			d.put("m", "c", "3")
			d.put("n", "x", "other map")
			tx := d.Begin()
			defer tx.Release()
			if got := dump(tx, "m"); got != "a=1 b=2 c=3 " {
				t.Errorf("iteration: got %q", got)
			}
			if n := tx.Map("m").Size(); n != 3 {
				t.Errorf("size: got %d, want 3", n)
			}
			if _, ok := tx.Map("m").Version([]byte("d")); ok {
				t.Error("a deleted key has no version")
			}
			if v, ok := tx.Map("m").Version([]byte("a")); !ok || v != 3 {
				t.Errorf("version: got %d, %v; want 3", v, ok)
			}
		})
	}
}

func TestForEachOrderAndMutation(t *testing.T) {
	d := newDriver(t)
	for _, k := range []string{"d", "b", "c", "a"} {
		d.put("m", k, k)
	}
	d.Commit(2)
	if err := d.Flush(); err != nil {
		t.Fatal(err)
	}
	tx := d.Begin()
	defer tx.Release()
	m := tx.Map("m")
	m.Put([]byte("b"), []byte("own"))
	m.Put([]byte("0"), []byte("own"))
	m.Delete([]byte("c"))
	var got []string
	m.ForEach(func(k, v []byte) bool {
		got = append(got, string(k)+"="+string(v))
		m.Put([]byte("z"), []byte("unseen"))
		m.Put(k, []byte("changed"))
		m.Delete([]byte("d"))
		m.Clear()
		return true
	})
	want := []string{"a=a", "d=d", "0=own", "b=own"}
	if !slices.Equal(got, want) {
		t.Errorf("entries: got %v, want %v", got, want)
	}
	if m.Size() != 0 || dump(tx, "m") != "" {
		t.Errorf("after clear: size %d, entries %q", m.Size(), dump(tx, "m"))
	}
	n := 0
	tx.Map("m").Put([]byte("1"), nil)
	tx.Map("m").Put([]byte("2"), nil)
	m.ForEach(func(_, _ []byte) bool { n++; return false })
	if n != 1 {
		t.Errorf("a callback that stops is called %d times", n)
	}
}

func TestWriteSetIsInLedgerOrder(t *testing.T) {
	d := newDriver(t)
	tx := d.Begin()
	defer tx.Release()
	if tx.Touched() || tx.Wrote() || tx.WriteSet() != nil {
		t.Error("a new transaction touched something")
	}
	for i := 20; i > 0; i-- {
		tx.Map("z").Put(fmt.Appendf(nil, "%02d", i), []byte("v"))
	}
	if !tx.Touched() || !tx.Wrote() {
		t.Error("a put is not noticed")
	}
	tx.Map("a").Delete([]byte("missing"))
	tx.Map("read").Get([]byte("k"))
	tx.Map("z").Delete([]byte("07"))
	key := []byte("mine")
	tx.Map("z").Put(key, key)
	copy(key, "xxxx")
	ws := tx.WriteSet()
	if len(ws) != 2 || ws[0].Name != "a" || ws[1].Name != "z" {
		t.Fatalf("maps: got %+v", ws)
	}
	if len(ws[0].Removes) != 1 || len(ws[0].Writes) != 0 {
		t.Errorf("the remove of a missing key is not in the write set: %+v", ws[0])
	}
	z := ws[1]
	if len(z.Writes) != 20 || len(z.Removes) != 1 || string(z.Removes[0]) != "07" {
		t.Fatalf("map z: %d writes, removes %q", len(z.Writes), z.Removes)
	}
	if !slices.IsSortedFunc(z.Writes, func(a, b ledger.Write) int { return compareStrings(string(a.Key), string(b.Key)) }) {
		t.Error("writes are not in byte order")
	}
	if last := z.Writes[19]; string(last.Key) != "mine" || string(last.Value) != "mine" {
		t.Errorf("put keeps the caller's slices: %q=%q", last.Key, last.Value)
	}
	tx.Map("b").Put([]byte("k"), nil)
	if len(tx.WriteSet()) != 3 {
		t.Error("a write after WriteSet is lost")
	}
}

func TestManyMapsInOneTransaction(t *testing.T) {
	d := newDriver(t)
	const n = 100
	for round := range 2 { // the second uses the memory of the first
		id := d.write(func(tx *Tx) {
			for i := range n {
				m := tx.Map(fmt.Sprintf("map%d", i))
				if m != tx.Map(fmt.Sprintf("map%d", i)) {
					t.Fatal("one name, two handles")
				}
				m.Put([]byte("k"), fmt.Appendf(nil, "%d/%d", round, i))
			}
		})
		tx := d.Begin()
		for i := range n {
			if got, want := get(tx, fmt.Sprintf("map%d", i), "k"), fmt.Sprintf("%d/%d", round, i); got != want {
				t.Errorf("at %v: got %q, want %q", id, got, want)
			}
		}
		tx.Release()
	}
}

func TestReleasedTransaction(t *testing.T) {
	d := newDriver(t)
	d.put("m", "k", "value")
	d.settle()
	tx := d.Begin()
	m := tx.Map("m")
	v, _ := m.Get([]byte("k"))
	m.Put([]byte("k"), []byte("x"))
	tx.Release()
	other := d.Begin()
	defer other.Release()
	tx.Release() // must not release other
	if st := d.Stats(); st.ActiveTransactions != 1 {
		t.Errorf("active transactions: got %d, want 1", st.ActiveTransactions)
	}
	if !tx.Touched() || !tx.Wrote() || tx.Snapshot() != 1 || tx.Err() != nil {
		t.Error("a released transaction forgot what it was")
	}
	if !d.Conflicts(tx) {
		t.Error("a released transaction may be sequenced")
	}
	get(other, "m", "k")
	if string(v) != "value" {
		t.Errorf("a returned slice changed to %q", v)
	}
	defer func() {
		if recover() == nil {
			t.Error("reading in a released transaction goes unnoticed")
		}
	}()
	m.Get([]byte("k"))
}

func TestModified(t *testing.T) {
	d := newDriver(t)
	want := func(tx *Tx, seqno ledger.Seqno, known bool) {
		t.Helper()
		if got, ok := tx.Map("m").Modified(); ok != known || known && got != seqno {
			t.Errorf("at %v: got %d, %v; want %d, %v", tx.SnapshotID(), got, ok, seqno, known)
		}
	}
	before := d.Begin()
	defer before.Release()
	want(before, 0, true)
	d.put("m", "k", "1")
	d.put("other", "k", "2")
	want(before, 0, false)
	d.settle()
	at2 := d.Begin()
	defer at2.Release()
	want(at2, 1, true)
	d.put("m", "k", "3")
	at3 := d.Begin()
	defer at3.Release()
	want(at2, 0, false)
	want(at3, 3, true)
	d.Rollback(2)
	// at3 still sees the value that was rolled back, and must not pass it off as 1's.
	if got := get(at3, "m", "k"); got != "3" {
		t.Errorf("snapshot after rollback: got %q, want 3", got)
	}
	want(at3, 0, false)
	again := d.Begin()
	defer again.Release()
	want(again, 1, true)
	if d.put("m", "k", "own"); !d.Conflicts(again) {
		t.Error("Modified is no dependency")
	}
}

func TestHooks(t *testing.T) {
	d := newDriver(t)
	var log []string
	hook := func(kind string) Hook {
		return func(id ledger.TxID, w ledger.MapWrites) {
			log = append(log, fmt.Sprintf("%s %v %s +%d -%d", kind, id, w.Name, len(w.Writes), len(w.Removes)))
		}
	}
	for _, name := range []string{"a", "b"} {
		d.OnApply(name, hook("apply1"))
		d.OnApply(name, hook("apply2"))
		d.OnCommit(name, hook("commit"))
	}
	d.OnRollback(func(to ledger.Seqno) { log = append(log, fmt.Sprint("rollback ", to)) })
	d.write(func(tx *Tx) {
		tx.Map("b").Put([]byte("k"), nil)
		tx.Map("a").Delete([]byte("k"))
		tx.Map("c").Put([]byte("k"), nil)
	})
	d.put("a", "k", "2")
	d.put("a", "k", "3")
	d.Rollback(2)
	d.Commit(2)
	want := []string{
		"apply1 2.1 a +0 -1", "apply2 2.1 a +0 -1", "apply1 2.1 b +1 -0", "apply2 2.1 b +1 -0",
		"apply1 2.2 a +1 -0", "apply2 2.2 a +1 -0", "apply1 2.3 a +1 -0", "apply2 2.3 a +1 -0",
		"rollback 2", "commit 2.1 a +0 -1", "commit 2.1 b +1 -0", "commit 2.2 a +1 -0",
	}
	if !slices.Equal(log, want) {
		t.Errorf("hooks: got\n%q\nwant\n%q", log, want)
	}
}

func TestMapVersionsForSnapshots(t *testing.T) {
	for _, flush := range []bool{false, true} {
		d := newDriver(t)
		step := func(ledger.TxID) {
			if flush {
				d.settle()
			}
		}
		step(d.remove("never", "k"))                                            // 1: a miss creates the map, version 0
		step(d.put("m", "k", "v"))                                              // 2
		step(d.remove("m", "other"))                                            // 3: a miss
		step(d.put("gone", "k", "v"))                                           // 4
		step(d.remove("gone", "k"))                                             // 5: a hit
		step(d.remove("gone", "k"))                                             // 6: a miss
		step(d.write(func(tx *Tx) { tx.Map("two").Put([]byte("k"), nil) }))     // 7
		step(d.write(func(tx *Tx) { tx.Map("two").Clear() }))                   // 8: a hit
		step(d.write(func(tx *Tx) { tx.Map("two").Put([]byte("other"), nil) })) // 9
		tx := d.Begin()
		step(d.put("m", "k", "later"))
		got := fmt.Sprint(tx.Maps())
		if want := "[{gone 5} {m 2} {never 0} {two 9}]"; got != want {
			t.Errorf("flush=%v: map versions: got %s, want %s", flush, got, want)
		}
		tx.Release()
	}
}

func TestLoadFromSnapshot(t *testing.T) {
	d := newDriver(t)
	parts := []MapBatch{
		{Name: "empty", Row: MapRow{Version: 4}},
		{Name: "m", Row: MapRow{Version: 9}, Puts: []Row{{Key: []byte("a"), Value: []byte("1"), Version: 3}}},
		{Name: "m", Row: MapRow{Version: 9}, Puts: []Row{{Key: []byte("b"), Value: []byte("2"), Version: 9}}},
	}
	err := d.Load(ledger.TxID{View: 3, Seqno: 10}, func() (MapBatch, bool, error) {
		if len(parts) == 0 {
			return MapBatch{}, false, nil
		}
		p := parts[0]
		parts = parts[1:]
		return p, true, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	d.view = 3
	if id := d.put("m", "c", "3"); id.String() != "3.11" {
		t.Errorf("first transaction after the snapshot: got %v", id)
	}
	d.Rollback(10)
	if d.Head() != (ledger.TxID{View: 3, Seqno: 10}) {
		t.Errorf("head after rollback to the snapshot: got %v", d.Head())
	}
	tx := d.Begin()
	defer tx.Release()
	if got := dump(tx, "m"); got != "a=1 b=2 " || tx.Map("m").Size() != 2 {
		t.Errorf("loaded map: got %q, size %d", got, tx.Map("m").Size())
	}
	if got := fmt.Sprint(tx.Maps()); got != "[{empty 4} {m 9}]" {
		t.Errorf("loaded maps: got %s", got)
	}
	if v, _ := tx.Map("m").Version([]byte("a")); v != 3 {
		t.Errorf("loaded version: got %d, want 3", v)
	}
}

func TestBrokenCallsStop(t *testing.T) {
	calls := map[string]func(*driver){
		"apply skips a seqno":      func(d *driver) { d.Apply(ledger.TxID{View: 2, Seqno: 4}, nil) },
		"apply repeats a seqno":    func(d *driver) { d.Apply(ledger.TxID{View: 2, Seqno: 2}, nil) },
		"apply goes back in view":  func(d *driver) { d.Apply(ledger.TxID{View: 1, Seqno: 3}, nil) },
		"commit of the future":     func(d *driver) { d.Commit(3) },
		"commit goes back":         func(d *driver) { d.Commit(0) },
		"rollback of the commit":   func(d *driver) { d.Rollback(0) },
		"rollback to the future":   func(d *driver) { d.Rollback(3) },
		"load into a used store":   func(d *driver) { _ = d.Load(ledger.TxID{View: 2, Seqno: 9}, nil) },
		"map of an ended transact": func(d *driver) { tx := d.Begin(); tx.Release(); tx.Map("m") },
	}
	for name, call := range calls {
		t.Run(name, func(t *testing.T) {
			d := newDriver(t)
			d.put("m", "k", "1")
			d.Commit(1)
			d.put("m", "k", "2")
			defer func() {
				if recover() == nil {
					t.Error("goes unnoticed")
				}
			}()
			call(d)
		})
	}
}
