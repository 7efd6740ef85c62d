package consensus_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"concordat/consensus"
	"concordat/ledger"
)

// BenchmarkSubmit is the whole of a private write of 256 bytes but its execution:
// 64 goroutines on all processors, back to back. "cpu-ns/op" is what to compare:
// it includes the kernel, signing, the disk and the garbage collector.
func BenchmarkSubmit(b *testing.B) {
	n := start(b, func(c *consensus.Config) {
		c.MaxUncommittedBytes = 8 << 20
		c.Sync = consensus.SyncNone
	})
	b.ReportAllocs()
	before := cpu()
	submitters(b, n, 64, func(tx ledger.TxID) {})
	b.ReportMetric(float64(cpu()-before)/float64(b.N), "cpu-ns/op")
}

func submitters(b *testing.B, n *node, goroutines int, each func(ledger.TxID)) {
	value := bytes.Repeat([]byte{1}, 256)
	var next atomic.Int64
	var wg sync.WaitGroup
	b.ResetTimer()
	for range goroutines {
		wg.Go(func() {
			var key [8]byte
			for {
				i := next.Add(1)
				if i > int64(b.N) {
					return
				}
				binary.LittleEndian.PutUint64(key[:], uint64(i)%100_000)
				id := n.write(b, key[:], value)
				each(id)
			}
		})
	}
	wg.Wait()
	b.StopTimer()
}

// write is put for benchmarks: it steps back when too much is pending.
func (n *node) write(b *testing.B, key, value []byte) ledger.TxID {
	for {
		tx := n.Begin()
		tx.Map("records").Put(key, value)
		id, err := n.Submit(tx, consensus.SubmitOptions{})
		if err == nil {
			return id
		}
		if !errors.Is(err, consensus.ErrTooManyPending) {
			b.Error(err)
			return id
		}
		runtime.Gosched()
	}
}

func cpu() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkCommitSaturated is the latency of a commit while requests that nobody
// waits for keep every processor busy: each submission comes with 20 µs of other
// work, as of a request's TLS and HTTP, and the run queues are never empty.
func BenchmarkCommitSaturated(b *testing.B) {
	n := start(b, nil)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			key, value := make([]byte, 8), make([]byte, 256)
			for {
				select {
				case <-stop:
					return
				default:
				}
				for from := time.Now(); time.Since(from) < 20*time.Microsecond; {
				}
				n.write(b, key, value)
				runtime.Gosched() // a request ends, the next one comes from the network
			}
		})
	}
	var all []time.Duration
	b.ResetTimer()
	for b.Loop() {
		id := n.write(b, []byte("timed"), []byte("value"))
		from := time.Now()
		if err := n.WaitCommitted(context.Background(), id); err != nil {
			b.Fatal(err)
		}
		all = append(all, time.Since(from))
	}
	close(stop)
	wg.Wait()
	slices.Sort(all)
	b.ReportMetric(float64(all[len(all)/2])/1e6, "p50-ms")
	b.ReportMetric(float64(all[len(all)*99/100])/1e6, "p99-ms")
}

// BenchmarkCommit is the latency of a commit as a client sees it, for closed loops
// of different widths, with fdatasync.
func BenchmarkCommit(b *testing.B) {
	for _, bench := range []struct {
		name       string
		goroutines int
		rate       float64
	}{{"1", 1, 0}, {"1-nobucket", 1, -1}, {"64", 64, 0}, {"64-nobucket", 64, -1}, {"1000", 1000, 0}} {
		b.Run(bench.name, func(b *testing.B) {
			n := start(b, func(c *consensus.Config) { c.SigRate = bench.rate })
			var mu sync.Mutex
			var all []time.Duration
			submitters(b, n, bench.goroutines, func(id ledger.TxID) {
				from := time.Now()
				if err := n.WaitCommitted(context.Background(), id); err != nil {
					b.Error(err)
				}
				d := time.Since(from)
				mu.Lock()
				all = append(all, d)
				mu.Unlock()
			})
			slices.Sort(all)
			b.ReportMetric(float64(all[len(all)/2])/1e6, "p50-ms")
			b.ReportMetric(float64(all[len(all)*99/100])/1e6, "p99-ms")
		})
	}
}
