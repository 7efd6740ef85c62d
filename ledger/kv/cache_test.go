package kv

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"
)

// A cache may forget, but what it answers must be the newest.
func TestCacheAgainstMap(t *testing.T) {
	for _, budget := range []int{MinCacheBytes, 1 << 20} {
		var c cache
		c.init(budget)
		rng := rand.New(rand.NewPCG(3, uint64(budget)))
		want := map[string]*version{}
		hits := 0
		for i := range 200_000 {
			name, key := fmt.Sprintf("map%d", rng.IntN(3)), fmt.Appendf(nil, "key %d", rng.IntN(3000))
			h := keyHash(mapSalt(name), key)
			if rng.IntN(4) == 0 {
				h &= 7<<59 | 3 // many of one hash
			}
			id := fmt.Sprint(h, name, string(key))
			switch rng.IntN(5) {
			case 0, 1:
				v := &version{seqno: uint64(i), value: bytes.Repeat([]byte{byte(i)}, rng.IntN(300))}
				v.remove = rng.IntN(5) == 0
				c.update(h, name, key, v)
				want[id] = v
			case 2:
				if v := want[id]; v != nil && !v.remove {
					c.fill(h, name, key, v.value, v.seqno)
				}
			default:
				value, seqno, ok := c.get(h, name, key, []byte("x"), true)
				if !ok {
					continue
				}
				hits++
				v := want[id]
				if v == nil || v.remove || seqno != v.seqno || string(value) != "x"+string(v.value) {
					t.Fatalf("step %d: %s %s: got version %d, %d bytes, which is not the newest", i, name, key, seqno, len(value)-1)
				}
			}
		}
		_, _, size := c.stats()
		if hits < 1000 || size > uint64(budget) {
			t.Errorf("budget %d: %d hits, %d bytes", budget, hits, size)
		}
	}
}

func TestCacheLimits(t *testing.T) {
	var c cache
	c.init(64 << 20)
	key := []byte("key")
	fits := MaxCachedEntry - entryHeader - len("m") - len(key)
	for _, n := range []int{0, fits, fits + 1} {
		h := keyHash(uint64(n), key)
		c.update(h, "m", key, &version{seqno: 1, value: []byte("small")})
		c.update(h, "m", key, &version{seqno: 2, value: make([]byte, n)})
		value, seqno, ok := c.get(h, "m", key, nil, true)
		if want := n <= fits; ok != want || want && (seqno != 2 || len(value) != n) {
			t.Errorf("value of %d bytes: version %d, %d bytes, %v", n, seqno, len(value), ok)
		}
	}
}

// The newest entries survive, whatever the sizes of the ring and of its padding.
func TestCacheKeepsTheNewest(t *testing.T) {
	s := cacheShard{limit: 8 << 10}
	for i := range 10_000 {
		key := fmt.Append(nil, i)
		s.put(uint64(i)+1, "m", key, make([]byte, i*37%500), uint64(i))
		for back := range min(i, 8) {
			if _, _, ok := s.find(uint64(i-back)+1, "m", fmt.Append(nil, i-back)); !ok {
				t.Fatalf("after %d, %d is gone", i, i-back)
			}
		}
	}
	if len(s.slab) != s.limit {
		t.Errorf("the ring has %d bytes, want %d", len(s.slab), s.limit)
	}
}
