package kv_test

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"concordat/ledger"
	"concordat/ledger/kv"
	"concordat/ledger/store"
)

const (
	accounts = 200
	deposit  = 1000
)

// hammer runs transfers between accounts, as executors, a sequencer's lock, the
// flusher and rollbacks would, all at once. Whatever a transaction sees must be
// one state: the money adds up, and the last id written is its snapshot's.
type hammer struct {
	t     *testing.T
	store *kv.Store
	mu    sync.Mutex // the consensus lock
	view  ledger.View

	sequenced, conflicts, rollbacks atomic.Int64
}

func account(i int) []byte { return fmt.Appendf(nil, "account %04d", i) }

func TestHammer(t *testing.T) {
	bases := map[string]func() (kv.Base, error){
		"plain":  func() (kv.Base, error) { return kv.NewMemBase(), nil },
		"memory": func() (kv.Base, error) { return store.Open(store.Options{MemTableBytes: 64 << 10}) },
		"spill":  func() (kv.Base, error) { return store.Open(store.Options{Dir: t.TempDir(), MemTableBytes: 64 << 10}) },
	}
	for name, open := range bases {
		t.Run(name, func(t *testing.T) {
			base, err := open()
			if err != nil {
				t.Fatal(err)
			}
			h := &hammer{t: t, view: 2, store: kv.New(base, kv.Options{CacheBytes: 1, OnFatal: func(err error) { t.Error(err) }})}
			h.store.Start()
			h.run()
			if err := h.store.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

func (h *hammer) run() {
	h.sequence(h.start())
	var workers, guests sync.WaitGroup
	for i := range 4 {
		workers.Go(func() { h.work(rand.New(rand.NewPCG(uint64(i), 7))) })
	}
	stop := make(chan struct{})
	for i := range 2 {
		guests.Go(func() { h.audit(stop, i) })
	}
	guests.Go(func() { h.sequencer(stop) })
	workers.Wait()
	close(stop)
	guests.Wait()
	h.mu.Lock()
	h.store.Commit(h.store.Head().Seqno)
	h.mu.Unlock()
	if err := h.store.Flush(); err != nil {
		h.t.Error(err)
	}
	tx := h.store.Begin()
	h.check(tx)
	tx.Release()
	if st := h.store.Stats(); st.OverlayBytes != 0 || st.ActiveTransactions != 0 || st.Flushed != st.Head {
		h.t.Errorf("left over: %+v", st)
	}
	h.t.Logf("%d sequenced, %d conflicts, %d rollbacks", h.sequenced.Load(), h.conflicts.Load(), h.rollbacks.Load())
	if h.rollbacks.Load() == 0 {
		h.t.Error("nothing was rolled back: the test proves little")
	}
}

func (h *hammer) start() *kv.Tx {
	tx := h.store.Begin()
	for i := range accounts {
		tx.Map("accounts").Put(account(i), fmt.Append(nil, deposit))
	}
	return tx
}

// sequence is what the consensus core does, with the lock held only here.
func (h *hammer) sequence(tx *kv.Tx) bool {
	defer tx.Release()
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.store.Conflicts(tx) {
		h.conflicts.Add(1)
		return false
	}
	id := ledger.TxID{View: h.view, Seqno: h.store.Head().Seqno + 1}
	tx.Map("last").Put([]byte("id"), []byte(id.String()))
	h.store.Apply(id, tx.WriteSet())
	h.sequenced.Add(1)
	if id.Seqno == 1 {
		h.store.Commit(1) // the deposits stay
	}
	return true
}

// work transfers money; some accounts are closed and opened again.
func (h *hammer) work(rng *rand.Rand) {
	for n := 0; n < 1500 || h.rollbacks.Load() == 0; n++ {
		tx := h.store.Begin()
		m := tx.Map("accounts")
		from, to := account(rng.IntN(accounts)), account(rng.IntN(accounts))
		if a := h.balance(tx, m, from); a > 0 && string(from) != string(to) {
			amount := rng.IntN(a) + 1
			h.set(m, to, h.balance(tx, m, to)+amount)
			h.set(m, from, a-amount)
		}
		if !h.sequence(tx) && h.t.Failed() {
			return
		}
	}
}

func (h *hammer) set(m *kv.Map, key []byte, balance int) {
	if balance == 0 {
		m.Delete(key)
		return
	}
	m.Put(key, fmt.Append(nil, balance))
}

func (h *hammer) balance(tx *kv.Tx, m *kv.Map, key []byte) int {
	v, ok := m.Get(key)
	again, ok2 := m.Get(key)
	if string(v) != string(again) || ok != ok2 {
		h.t.Errorf("%s at %v: first %q, then %q", key, tx.SnapshotID(), v, again)
	}
	if !ok {
		return 0
	}
	n, err := strconv.Atoi(string(v))
	if err != nil {
		h.t.Error(err)
	}
	return n
}

// audit looks at whole states, now and then for longer.
func (h *hammer) audit(stop chan struct{}, who int) {
	for n := 0; ; n++ {
		select {
		case <-stop:
			return
		default:
		}
		tx := h.store.Begin()
		for range 1 + 4*(n%2)*who {
			h.check(tx)
		}
		tx.Release()
	}
}

func (h *hammer) check(tx *kv.Tx) {
	m := tx.Map("accounts")
	sum, n := 0, 0
	m.ForEach(func(k, v []byte) bool {
		n++
		balance, _ := strconv.Atoi(string(v))
		sum += balance
		return true
	})
	points := 0
	for i := range accounts {
		points += h.balance(tx, m, account(i))
	}
	size := m.Size()
	last, _ := tx.Map("last").Get([]byte("id"))
	if sum != accounts*deposit || points != sum || size != n || string(last) != tx.SnapshotID().String() || tx.Err() != nil {
		h.t.Errorf("at %v: last id %s, %d accounts, size %d, sum by iteration %d, by key %d, want %d; %v",
			tx.SnapshotID(), last, n, size, sum, points, accounts*deposit, tx.Err())
	}
}

// sequencer commits, and now and then a new view discards the rest.
func (h *hammer) sequencer(stop chan struct{}) {
	rng := rand.New(rand.NewPCG(9, 9))
	for n := 0; ; n++ {
		select {
		case <-stop:
			return
		default:
		}
		h.mu.Lock()
		committed, head := h.store.Committed(), h.store.Head().Seqno
		to := committed + rng.Uint64N(head-committed+1)
		switch {
		case n%50 == 49 && head > committed:
			h.view++
			h.store.Rollback(to)
			h.rollbacks.Add(1)
		case head-committed > 20:
			h.store.Commit(to)
		}
		h.mu.Unlock()
	}
}
