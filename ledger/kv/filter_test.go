package kv

import (
	"fmt"
	"testing"

	"concordat/ledger"
)

func TestFilter(t *testing.T) {
	var f filter
	f.init()
	hash := func(i int) uint64 { return keyHash(0, fmt.Append(nil, i)) }
	if !f.lacks(hash(1)) {
		t.Error("an empty filter has a key")
	}
	const n = 300_000
	for i := range n {
		f.add(hash(i))
		if f.lacks(hash(i)) {
			t.Fatalf("key %d is not in at once", i)
		}
	}
	wrong := 0
	for i := range n {
		if f.lacks(hash(i)) {
			t.Fatalf("key %d got lost", i)
		}
		if !f.lacks(hash(n + i)) {
			wrong++
		}
	}
	if wrong > n/100 {
		t.Errorf("%d of %d other keys look present", wrong, n)
	}
	if per := float64(f.bytes()) / n; per > 12 {
		t.Errorf("%.1f bytes a key", per)
	}
}

// Keys that come and go must not make the filter grow without end, and making it
// again must not lose the ones that stay.
func TestFilterIsMadeAgain(t *testing.T) {
	d := newDriver(t)
	const worth, keys = 20_000, 1000
	d.filter.worth = worth
	d.put("m", "stays", "v")
	round := 0
	churn := func() {
		for _, remove := range []bool{false, true} {
			w := ledger.MapWrites{Name: "m"}
			for i := range keys {
				key := fmt.Appendf(nil, "%09d", round*keys+i)
				if remove {
					w.Removes = append(w.Removes, key)
				} else {
					w.Writes = append(w.Writes, ledger.Write{Key: key})
				}
			}
			d.Apply(ledger.TxID{View: 2, Seqno: d.Head().Seqno + 1}, ledger.WriteSet{w})
			d.settle()
		}
		round++
	}
	for before := uint64(0); d.filter.added >= before; {
		before = d.filter.added
		if churn(); round > 2*worth/keys {
			t.Fatalf("%d keys came and went, the filter holds %d", round*keys, d.filter.added)
		}
	}
	if round*keys < worth {
		t.Errorf("made again after %d keys", round*keys)
	}
	d.cache = cache{} // so that the filter is asked
	d.cache.init(MinCacheBytes)
	tx := d.Begin()
	defer tx.Release()
	if got := get(tx, "m", "stays"); got != "v" || tx.Map("m").Size() != 1 {
		t.Errorf("the key that stays reads %q, size %d", got, tx.Map("m").Size())
	}
	if st := d.Stats(); st.Keys != 1 || st.FilterBytes > 1<<20 {
		t.Errorf("afterwards: %+v", st)
	}
}
