package kv_test

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"syscall"
	"testing"

	"concordat/ledger"
	"concordat/ledger/kv"
	"concordat/ledger/store"
)

// benchStore holds n keys of 16 bytes with values of 256, in Pebble.
func benchStore(b *testing.B, n int, o store.Options) *kv.Store {
	b.Helper()
	base, err := store.Open(o)
	if err != nil {
		b.Fatal(err)
	}
	s := kv.New(base, kv.Options{})
	b.Cleanup(func() {
		if err := s.Close(); err != nil {
			b.Error(err)
		}
	})
	done := 0
	err = s.Load(ledger.TxID{View: 2, Seqno: 1}, func() (kv.MapBatch, bool, error) {
		part := kv.MapBatch{Name: "m", Row: kv.MapRow{Version: 1}}
		for ; done < n && len(part.Puts) < 4096; done++ {
			part.Puts = append(part.Puts, kv.Row{Key: benchKey(nil, done), Value: make([]byte, 256), Version: 1})
		}
		return part, len(part.Puts) > 0, nil
	})
	if err == nil {
		err = base.Compact(b.Context())
	}
	if err != nil {
		b.Fatal(err)
	}
	return s
}

// cpu reports the processor time of the whole process per operation, background
// work included. Unlike time on the clock it means something on a busy machine.
func cpu(b *testing.B) {
	used := func() int64 {
		var u syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
			b.Fatal(err)
		}
		return u.Utime.Nano() + u.Stime.Nano()
	}
	b.ReportAllocs()
	before := used()
	b.Cleanup(func() { b.ReportMetric(float64(used()-before)/float64(b.N), "cpu-ns/op") })
}

// benchKey scatters, so that neighbours in time are not neighbours in order.
func benchKey(dst []byte, i int) []byte {
	dst = binary.BigEndian.AppendUint64(dst, uint64(i)*0x9e3779b97f4a7c15)
	return binary.BigEndian.AppendUint64(dst, uint64(i))
}

func BenchmarkBeginRelease(b *testing.B) {
	s := benchStore(b, 0, store.Options{})
	cpu(b)
	for b.Loop() {
		s.Begin().Release()
	}
}

func BenchmarkBeginPutWriteSet(b *testing.B) {
	s := benchStore(b, 0, store.Options{})
	key, value := make([]byte, 16), make([]byte, 256)
	cpu(b)
	for b.Loop() {
		tx := s.Begin()
		tx.Map("m").Put(key, value)
		tx.WriteSet()
		tx.Release()
	}
}

// A point read that the overlay does not know and the cache does.
func BenchmarkGetCached(b *testing.B) {
	s := benchStore(b, 10_000, store.Options{})
	tx := s.Begin()
	defer tx.Release()
	m, buf := tx.Map("m"), make([]byte, 0, 512)
	keys := make([][]byte, 10_000)
	for i := range keys {
		keys[i] = benchKey(nil, i)
		m.Get(keys[i])
	}
	b.Run("copy", func(b *testing.B) {
		cpu(b)
		for i := 0; b.Loop(); i++ {
			if _, ok := m.Get(keys[i%len(keys)]); !ok {
				b.Fatal("missing")
			}
		}
	})
	b.Run("into", func(b *testing.B) {
		cpu(b)
		for i := 0; b.Loop(); i++ {
			if _, ok := m.GetInto(buf, keys[i%len(keys)]); !ok {
				b.Fatal("missing")
			}
		}
	})
	b.Run("has", func(b *testing.B) {
		cpu(b)
		for i := 0; b.Loop(); i++ {
			if !m.Has(keys[i%len(keys)]) {
				b.Fatal("missing")
			}
		}
	})
}

// A point read of something that is not committed yet.
func BenchmarkGetOverlay(b *testing.B) {
	s := benchStore(b, 0, store.Options{})
	for i := range 10_000 {
		tx := s.Begin()
		tx.Map("m").Put(benchKey(nil, i), make([]byte, 256))
		s.Apply(ledger.TxID{View: 2, Seqno: s.Head().Seqno + 1}, tx.WriteSet())
		tx.Release()
	}
	tx := s.Begin()
	defer tx.Release()
	m := tx.Map("m")
	var key []byte
	cpu(b)
	for i := 0; b.Loop(); i++ {
		key = benchKey(key[:0], i%10_000)
		if _, ok := m.Get(key); !ok {
			b.Fatal("missing")
		}
	}
}

// sequencer is one executor and the consensus core in one.
type sequencer struct {
	s      *kv.Store
	commit uint64 // every so many
}

func (q sequencer) run(b *testing.B, f func(*kv.Tx)) {
	tx := q.s.Begin()
	f(tx)
	if q.s.Conflicts(tx) {
		b.Fatal("a lone executor conflicts")
	}
	id := ledger.TxID{View: 2, Seqno: q.s.Head().Seqno + 1}
	q.s.Apply(id, tx.WriteSet())
	tx.Release()
	if id.Seqno%q.commit == 0 {
		q.s.Commit(id.Seqno)
	}
}

// workingSet is the number of keys in use in the benchmarks with many.
const workingSet = 10_000

// A whole write: begin, read the key, overwrite it, validate, apply, commit each
// hundredth, with the flusher at work beside. With a working set that is small
// against the keys, cost must not grow with the keys; when every key is as likely
// ("cold"), what the caches do not hold has to be read from a table.
func BenchmarkReadModifyWrite(b *testing.B) {
	for _, n := range []int{10_000, 100_000, 1_000_000} {
		for _, cold := range []bool{false, true} {
			b.Run(fmt.Sprintf("keys=%d/cold=%v", n, cold), func(b *testing.B) {
				s := benchStore(b, n, store.Options{Dir: b.TempDir()})
				s.Start()
				rng := rand.New(rand.NewPCG(1, 1))
				value := make([]byte, 256)
				var key []byte
				q := sequencer{s, 100}
				step := n / workingSet
				if cold {
					step = 1
				}
				write := func(i int) {
					q.run(b, func(tx *kv.Tx) {
						key = benchKey(key[:0], i)
						m := tx.Map("m")
						m.Get(key)
						m.Put(key, value)
					})
				}
				for i := 0; i < n && !cold; i += step {
					write(i)
				}
				cpu(b)
				for b.Loop() {
					write(rng.IntN(n/step) * step)
				}
				b.StopTimer()
				s.Commit(s.Head().Seqno)
				if err := s.Flush(); err != nil {
					b.Fatal(err)
				}
			})
		}
	}
}

// A write of a fresh key, flush included in the time.
func BenchmarkInsert(b *testing.B) {
	s := benchStore(b, 0, store.Options{})
	value := make([]byte, 256)
	var key []byte
	q := sequencer{s, 100}
	cpu(b)
	for i := 0; b.Loop(); i++ {
		q.run(b, func(tx *kv.Tx) {
			key = benchKey(key[:0], i)
			tx.Map("m").Put(key, value)
		})
		if i%1000 == 999 {
			if err := s.Flush(); err != nil {
				b.Fatal(err)
			}
		}
	}
}

func BenchmarkGetBase(b *testing.B) {
	for _, n := range []int{10_000, 100_000, 1_000_000} {
		for _, disk := range []bool{false, true} {
			b.Run(fmt.Sprintf("keys=%d/spill=%v", n, disk), func(b *testing.B) {
				o := store.Options{}
				if disk {
					o.Dir = b.TempDir()
				}
				s := benchStore(b, n, o)
				rng := rand.New(rand.NewPCG(1, 1))
				tx := s.Begin()
				defer tx.Release()
				m := tx.Map("m")
				var key []byte
				cpu(b)
				for b.Loop() {
					key = benchKey(key[:0], rng.IntN(n))
					if _, ok := m.Get(key); !ok {
						b.Fatal("missing")
					}
				}
			})
		}
	}
}

func BenchmarkSize(b *testing.B) {
	for _, n := range []int{1_000, 1_000_000} {
		b.Run(fmt.Sprintf("keys=%d", n), func(b *testing.B) {
			s := benchStore(b, n, store.Options{})
			tx := s.Begin()
			defer tx.Release()
			cpu(b)
			for b.Loop() {
				if tx.Map("m").Size() != n {
					b.Fatal("wrong size")
				}
			}
		})
	}
}

func BenchmarkForEach1000(b *testing.B) {
	s := benchStore(b, 1000, store.Options{})
	tx := s.Begin()
	defer tx.Release()
	cpu(b)
	for b.Loop() {
		n := 0
		tx.Map("m").ForEach(func(_, _ []byte) bool { n++; return true })
		if n != 1000 {
			b.Fatal("wrong count")
		}
	}
}
