package kv

import (
	"errors"
	"testing"

	"concordat/ledger"
)

// failingBase fails every read or write once broken.
type failingBase struct {
	*MemBase
	broken bool
}

var errBroken = errors.New("block 7 of 000012.sst was tampered with")

func (b *failingBase) Get(dst []byte, name string, key []byte) ([]byte, ledger.Seqno, bool, error) {
	if b.broken {
		return nil, 0, false, errBroken
	}
	return b.MemBase.Get(dst, name, key)
}

func (b *failingBase) View() (View, error) {
	if b.broken {
		return nil, errBroken
	}
	return b.MemBase.View()
}

func (b *failingBase) Write(batch Batch) error {
	if b.broken {
		return errBroken
	}
	return b.MemBase.Write(batch)
}

func TestFailingBaseStopsTheStore(t *testing.T) {
	uses := map[string]func(*Tx){
		"get":     func(tx *Tx) { tx.Map("m").Get([]byte("k")) },
		"has":     func(tx *Tx) { tx.Map("m").Has([]byte("k")) },
		"version": func(tx *Tx) { tx.Map("m").Version([]byte("k")) },
		"size":    func(tx *Tx) { tx.Map("m").Size() },
		"each":    func(tx *Tx) { tx.Map("m").ForEach(func(_, _ []byte) bool { return true }) },
		"clear":   func(tx *Tx) { tx.Map("m").Clear() },
		"maps":    func(tx *Tx) { tx.Maps() },
	}
	for name, use := range uses {
		t.Run(name, func(t *testing.T) {
			base := &failingBase{MemBase: NewMemBase()}
			var told []error
			d := &driver{Store: New(base, Options{OnFatal: func(err error) { told = append(told, err) }}), t: t, view: 2}
			d.put("m", "k", "v")
			d.settle()
			base.broken = true
			d.cache = cache{} // so that the base is asked
			d.cache.init(MinCacheBytes)
			tx := d.Begin()
			defer tx.Release()
			innocent := d.Begin()
			defer innocent.Release()
			use(tx)
			if !errors.Is(tx.Err(), errBroken) || !errors.Is(d.Err(), errBroken) {
				t.Errorf("errors: transaction %v, store %v", tx.Err(), d.Err())
			}
			if !d.Conflicts(tx) || !d.Conflicts(innocent) {
				t.Error("a failed store goes on sequencing")
			}
			use(innocent)
			if len(told) != 1 {
				t.Errorf("OnFatal was told %d times", len(told))
			}
			if err := d.Flush(); !errors.Is(err, errBroken) {
				t.Errorf("flush of a failed store: %v", err)
			}
		})
	}
	t.Run("flush", func(t *testing.T) {
		base := &failingBase{MemBase: NewMemBase(), broken: true}
		d := &driver{Store: New(base, Options{}), t: t, view: 2}
		d.put("m", "k", "v")
		d.Commit(1)
		if err := d.Flush(); !errors.Is(err, errBroken) {
			t.Errorf("flush: %v", err)
		}
	})
}

// signalBase tells of each batch.
type signalBase struct {
	*MemBase
	written chan int
}

func (b *signalBase) Write(batch Batch) error {
	err := b.MemBase.Write(batch)
	b.written <- len(batch)
	return err
}

// The release of the transaction that held a flush back starts it again.
func TestReleaseWakesTheFlusher(t *testing.T) {
	base := &signalBase{NewMemBase(), make(chan int, 10)}
	d := &driver{Store: New(base, Options{}), t: t, view: 2}
	old := d.Begin()
	young := d.Begin()
	d.put("m", "k", "v")
	d.settle()
	if st := d.Stats(); !st.Blocked || st.Flushed != 0 || st.OldestSnapshot != 0 || st.OverlayBytes == 0 || st.ActiveTransactions != 2 {
		t.Errorf("while a transaction is active: %+v", st)
	}
	<-d.flusher.signal // of the commit: only the release is left to wake the flusher
	d.Start()
	d.Start() // a second one does nothing
	young.Release()
	old.Release()
	<-base.written
	if err := d.Close(); err != nil {
		t.Error(err)
	}
	if st := d.Stats(); st.Flushed != 1 || st.OverlayBytes != 0 || st.Blocked {
		t.Errorf("afterwards: %+v", st)
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
}

// The batches of a flush are bounded, in sets and in bytes; one that is larger
// alone still goes.
func TestFlushBatches(t *testing.T) {
	base := &signalBase{NewMemBase(), make(chan int, 10)}
	d := &driver{Store: New(base, Options{}), t: t, view: 2}
	for range FlushBatchSets + 1 {
		d.put("m", "k", "v")
	}
	d.settle()
	if n := len(base.written); n != 2 {
		t.Errorf("%d sets go in %d batches, want 2", FlushBatchSets+1, n)
	}
	big := string(make([]byte, FlushBatchBytes+1))
	d.put("m", "a", big)
	d.put("m", "b", "v")
	d.settle()
	if n := len(base.written); n != 4 {
		t.Errorf("a set above the limit shares its batch: %d batches", n-2)
	}
	tx := d.Begin()
	defer tx.Release()
	if got := get(tx, "m", "a"); got != big || tx.Map("m").Size() != 3 {
		t.Errorf("the large value has %d bytes, the map %d keys", len(got), tx.Map("m").Size())
	}
}
