package core

import (
	"bytes"
	"syscall"
	"testing"
	"time"

	"concordat/ledger"
	"concordat/ledger/kv"
)

// noState is a store that costs nothing, so that what is left is consensus.
type noState struct{}

func (noState) Conflicts(*kv.Tx) bool              { return false }
func (noState) Apply(ledger.TxID, ledger.WriteSet) {}
func (noState) Fill(ledger.TxID, ledger.WriteSet)  {}
func (noState) Rollback(ledger.Seqno)              {}
func (noState) Commit(ledger.Seqno)                {}

func cpu() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkTransaction is a private write of 256 bytes from sequencing to commit,
// without store, disk and ECDSA: "sequence" is what happens under the lock before
// sealing, "seal" on the submitter's goroutine, "rest" is folding, the signature
// transaction, raft and commit, divided among the transactions of a segment.
func BenchmarkTransaction(b *testing.B) {
	s := newStage(b, func(c *Config) {
		c.State, c.SigRate, c.Trace, c.TailBytes = noState{}, -1, nil, 1<<20
		c.Old = func(ledger.Seqno, int) ([]byte, error) { return nil, nil }
	})
	s.elect()
	ws := ledger.WriteSet{{Name: "records", Writes: []ledger.Write{{Key: make([]byte, 8), Value: bytes.Repeat([]byte{1}, 256)}}}}
	r := Request{Writes: ws, Size: ledger.EntrySize(ws)}
	const batch = 500
	slots := make([]*Slot, 0, batch)
	var sequence, seal, rest time.Duration
	b.ReportAllocs()
	b.ResetTimer()
	for done := 0; done < b.N; done += batch {
		from := cpu()
		for range batch {
			slot, err := s.core.Sequence(&r)
			if err != nil {
				b.Fatal(err)
			}
			slots = append(slots, slot)
		}
		sequenced := cpu()
		for _, slot := range slots {
			if err := slot.Seal(); err != nil {
				b.Fatal(err)
			}
		}
		slots = slots[:0]
		sealed := cpu()
		s.core.Fold()
		s.settle()
		sequence, seal, rest = sequence+sequenced-from, seal+sealed-sequenced, rest+cpu()-sealed
	}
	for name, d := range map[string]time.Duration{"sequence": sequence, "seal": seal, "rest": rest} {
		b.ReportMetric(float64(d)/float64(b.N), name+"-cpu-ns/op")
	}
}
