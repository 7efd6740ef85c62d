package kv

import "testing"

// What one transaction reads, another writes after its snapshot: does it
// conflict? Every row is tried with the rival in the overlay, and flushed as far
// as it can be.
func TestConflicts(t *testing.T) {
	put := func(name, key string) func(*driver) { return func(d *driver) { d.put(name, key, "rival") } }
	del := func(name, key string) func(*driver) { return func(d *driver) { d.remove(name, key) } }
	cases := []struct {
		name  string
		use   func(*Tx)
		rival func(*driver)
		want  bool
	}{
		{"nothing", func(*Tx) {}, put("m", "k"), false},
		{"open a map", func(tx *Tx) { tx.Map("m") }, put("m", "k"), false},
		{"get, same key written", func(tx *Tx) { get(tx, "m", "k") }, put("m", "k"), true},
		{"get, same key removed", func(tx *Tx) { get(tx, "m", "k") }, del("m", "k"), true},
		{"get, other key", func(tx *Tx) { get(tx, "m", "k") }, put("m", "k2"), false},
		{"get, same key of other map", func(tx *Tx) { get(tx, "m", "k") }, put("n", "k"), false},
		{"get of a missing key, then written", func(tx *Tx) { get(tx, "m", "none") }, put("m", "none"), true},
		{"get in a map that appears", func(tx *Tx) { get(tx, "new", "k") }, put("new", "k"), true},
		{"has", func(tx *Tx) { tx.Map("m").Has([]byte("k")) }, put("m", "k"), true},
		{"version", func(tx *Tx) { tx.Map("m").Version([]byte("k")) }, put("m", "k"), true},
		{"version after own write", func(tx *Tx) {
			tx.Map("m").Put([]byte("k"), nil)
			tx.Map("m").Version([]byte("k"))
		}, put("m", "k"), true},
		{"blind put", func(tx *Tx) { tx.Map("m").Put([]byte("k"), nil) }, put("m", "k"), false},
		{"blind delete", func(tx *Tx) { tx.Map("m").Delete([]byte("k")) }, put("m", "k"), false},
		{"get of own write", func(tx *Tx) {
			tx.Map("m").Put([]byte("k"), nil)
			get(tx, "m", "k")
			tx.Map("m").Has([]byte("k"))
		}, put("m", "k"), false},
		{"get before own write", func(tx *Tx) {
			get(tx, "m", "k")
			tx.Map("m").Put([]byte("k"), nil)
		}, put("m", "k"), true},
		{"size", func(tx *Tx) { tx.Map("m").Size() }, put("m", "k"), true},
		{"size, other map", func(tx *Tx) { tx.Map("m").Size() }, put("n", "k"), false},
		{"size of a map that appears", func(tx *Tx) { tx.Map("new").Size() }, put("new", "k"), true},
		{"iteration, new key", func(tx *Tx) { dump(tx, "m") }, put("m", "fresh"), true},
		{"iteration, key removed", func(tx *Tx) { dump(tx, "m") }, del("m", "k"), true},
		{"iteration that stops at once", func(tx *Tx) {
			tx.Map("m").ForEach(func(_, _ []byte) bool { return false })
		}, put("m", "zzz"), true},
		{"clear", func(tx *Tx) { tx.Map("m").Clear() }, put("m", "fresh"), true},
		{"modified", func(tx *Tx) { tx.Map("m").Modified() }, put("m", "fresh"), true},
		{"for a snapshot", func(tx *Tx) {
			tx.Maps()
			tx.Map("m").ForEachVersion(func(Row) bool { return true })
		}, put("m", "k"), false},
		{"get, snapshot rolled back", func(tx *Tx) { get(tx, "m", "other") }, func(d *driver) { d.Rollback(2) }, true},
		{"size, snapshot rolled back", func(tx *Tx) { tx.Map("other").Size() }, func(d *driver) { d.Rollback(2) }, true},
		{"blind put, snapshot rolled back", func(tx *Tx) {
			tx.Map("m").Put([]byte("k"), nil)
		}, func(d *driver) { d.Rollback(2) }, false},
		{"get, rival rolled back", func(tx *Tx) { get(tx, "m", "k") }, func(d *driver) {
			d.put("m", "k", "rival")
			d.Rollback(3)
		}, false},
		{"size, rival rolled back", func(tx *Tx) { tx.Map("m").Size() }, func(d *driver) {
			d.put("m", "k", "rival")
			d.Rollback(3)
		}, false},
		{"get, rival replaced by another after a rollback", func(tx *Tx) { get(tx, "m", "k") }, func(d *driver) {
			d.put("m", "other", "rival")
			d.Rollback(3)
			d.put("m", "k", "rival")
		}, true},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			for _, settle := range []bool{false, true} {
				d := newDriver(t)
				d.put("m", "k", "1")
				d.put("m", "k2", "2")
				d.put("n", "k", "3")
				tx := d.Begin()
				c.use(tx)
				c.rival(d)
				if settle {
					d.settle()
				}
				if got := d.Conflicts(tx); got != c.want {
					t.Errorf("settled %v: got %v, want %v", settle, got, c.want)
				}
				tx.Release()
			}
		})
	}
}

// Sets of reads from a few to very many.
func TestConflictsOfManyReads(t *testing.T) {
	for _, n := range []int{1, linearReads, linearReads + 1, 2*linearReads + 1, keptReads + 1} {
		d := newDriver(t)
		for round := range 2 { // the second in the memory of the first
			tx := d.Begin()
			for range 2 {
				for i := range n {
					tx.Map("m").Has([]byte{byte(i), byte(i >> 8)})
				}
			}
			if len(tx.c.reads.list) != n {
				t.Errorf("%d keys read, %d remembered", n, len(tx.c.reads.list))
			}
			d.put("m", "other", "v")
			if d.Conflicts(tx) {
				t.Errorf("%d reads, round %d: conflict with another key", n, round)
			}
			last := []byte{byte(n - 1), byte((n - 1) >> 8)}
			d.write(func(w *Tx) { w.Map("m").Put(last, nil) })
			if !d.Conflicts(tx) {
				t.Errorf("%d reads, round %d: the last one is forgotten", n, round)
			}
			tx.Release()
		}
	}
}

func TestReadSetIsUsedAgain(t *testing.T) {
	var r readSet
	for _, n := range []int{40, 40, 5, 300, 41, keptReads + 1, 40} {
		for range 2 {
			for i := range n {
				r.add(uint64(i) + 1)
			}
		}
		if len(r.list) != n {
			t.Errorf("%d reads, %d remembered", n, len(r.list))
		}
		r.reset()
	}
}
