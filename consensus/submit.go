package consensus

import (
	"errors"
	"fmt"

	"concordat/consensus/core"
	"concordat/ledger"
	"concordat/ledger/kv"
)

// clockEvery is how many submissions may pass between two looks at the clock while
// adaptive signing waits for a time: under load the timer's own goroutine may
// come late.
const clockEvery = 16

// Submit sequences a transaction and releases it, whatever it returns. When it
// returns an id, the transaction is Pending; WaitCommitted waits for the rest.
func (r *Replica) Submit(tx *kv.Tx, o SubmitOptions) (ledger.TxID, error) {
	writes := tx.WriteSet()
	q := core.Request{
		Tx: tx, Writes: writes, Claims: o.Claims, Size: ledger.EntrySize(writes),
		ForceChunk: o.ForceChunk, ForceSnapshot: o.ForceSnapshot, StartsChunk: o.StartsChunk,
	}
	switch {
	case len(writes) == 0:
		tx.Release()
		return ledger.TxID{}, ErrNoWrites
	case q.Size > MaxTxBytes:
		tx.Release()
		return ledger.TxID{}, fmt.Errorf("%w: %d bytes, at most %d", ErrTooLarge, q.Size, MaxTxBytes)
	}
	slot, id, err := r.sequence(&q)
	tx.Release()
	if err != nil {
		return ledger.TxID{}, err
	}
	if err := slot.Seal(); err != nil {
		r.fail(err)
		return ledger.TxID{}, ErrStopped
	}
	r.delivered() // the slot is the core's again
	return id, nil
}

func (r *Replica) sequence(q *core.Request) (slot *core.Slot, id ledger.TxID, err error) {
	if !r.lock() {
		return nil, id, ErrStopped
	}
	err = ErrStopped // what a broken invariant leaves
	defer r.caught()
	slot, err = r.mu.core.Sequence(q)
	if err == nil {
		id = slot.ID()
		if r.mu.skip++; r.mu.skip >= clockEvery && r.mu.core.Holding() {
			r.mu.skip = 0
			r.mu.core.Wake(r.now())
		}
	}
	r.unlock()
	return slot, id, outward(err)
}

// outward turns the core's refusals into this package's.
func outward(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, core.ErrConflict):
		return ErrConflict
	case errors.Is(err, core.ErrNotPrimary):
		return ErrNotPrimary
	case errors.Is(err, core.ErrPending):
		return ErrTooManyPending
	}
	return err
}

// delivered tells that a slot is sealed. Folding it is left to whoever holds the
// lock, if somebody does.
func (r *Replica) delivered() {
	r.sealed.Add(1)
	if !r.mu.TryLock() {
		return
	}
	if r.mu.failed {
		r.mu.Unlock()
		return
	}
	defer r.caught()
	r.unlock()
}
