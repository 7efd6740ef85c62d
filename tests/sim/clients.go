package sim

import (
	"errors"
	"fmt"
	"strings"

	"concordat/consensus/core"
	"concordat/ledger"
	"concordat/ledger/kv"
)

var mapNames = []string{"private", "public:open"}

// access is one key a client touches.
type access struct{ mapName, key string }

// client runs one transaction and comes again.
func (w *world) client() {
	if w.healing {
		return
	}
	w.after(w.jitter(w.pause), w.client)
	tx := w.store.Begin()
	epoch := w.history.epoch
	var reads []access
	for range w.rng.IntN(3) {
		a := w.access()
		value, ok := tx.Map(a.mapName).Get([]byte(a.key))
		want, found := w.history.read(a.mapName, a.key, tx.Snapshot())
		if ok != found || string(value) != want {
			w.finding("I12: %s reads %.20q at %d, want %.20q", a.key, value, tx.Snapshot(), want)
		}
		reads = append(reads, a)
		w.stats.Reads++
	}
	w.note("read %d keys at %v", len(reads), tx.SnapshotID())
	write := func() { w.submit(tx, reads, epoch) }
	if w.chance(3) {
		w.after(w.jitter(w.pause), write) // others come in between
	} else {
		write()
	}
}

func (w *world) access() access {
	return access{mapNames[w.rng.IntN(len(mapNames))], fmt.Sprint("key", w.rng.IntN(20))}
}

func (w *world) submit(tx *kv.Tx, reads []access, epoch int) {
	defer tx.Release()
	for range 1 + w.rng.IntN(3) {
		a := w.access()
		if w.chance(6) {
			tx.Map(a.mapName).Delete([]byte(a.key))
			continue
		}
		value := fmt.Sprint("value", w.n, " ", w.now)
		if w.chance(20) {
			value += strings.Repeat("x", w.rng.IntN(4000))
		}
		tx.Map(a.mapName).Put([]byte(a.key), []byte(value))
	}
	ws := tx.WriteSet()
	r := core.Request{Tx: tx, Writes: ws, Size: ledger.EntrySize(ws), ForceChunk: w.chance(60), ForceSnapshot: w.chance(90)}
	if w.chance(10) {
		r.Claims = ledger.Digest{byte(w.n), 1}
	}
	r.StartsChunk = w.life > 0 && w.core.Last() == w.origin
	slot, err := w.core.Sequence(&r)
	if err != nil {
		w.refused(err, reads)
		return
	}
	w.sequenced(slot.ID(), &r, tx.Snapshot(), reads, epoch)
	seal := func() {
		if err := slot.Seal(); err != nil {
			w.finding("%v", err)
		}
		w.core.Fold()
	}
	if w.chance(2) {
		seal()
	} else {
		w.after(w.jitter(w.sealing), seal)
	}
}

func (w *world) refused(err error, reads []access) {
	w.note("refused: %v", err)
	switch {
	case errors.Is(err, core.ErrConflict):
		w.stats.Conflicts++
		if len(reads) == 0 {
			w.finding("a transaction that read nothing conflicts")
		}
	case errors.Is(err, core.ErrPending), errors.Is(err, core.ErrNotPrimary):
		w.stats.Refused++
	default:
		w.finding("refused: %v", err)
	}
}

func (w *world) sequenced(id ledger.TxID, r *core.Request, snapshot ledger.Seqno, reads []access, epoch int) {
	w.note("sequenced %v", id)
	if _, taken := w.history.ids[id]; taken {
		w.finding("UniqueTxs: %v was given twice", id)
	}
	for _, a := range reads {
		if epoch == w.history.epoch && w.history.writtenAfter(a.mapName, a.key, snapshot) {
			w.finding("serializability: %v read %s at %d, which was written later", id, a.key, snapshot)
		}
	}
	w.history.ids[id] = r.Writes
	w.history.order = append(w.history.order, id)
	w.history.forced[id] = r.ForceChunk || r.ForceSnapshot
	w.history.apply(id.Seqno, r.Writes)
}

// observer asks now and then for the status of a transaction, for a root, for an
// entry.
func (w *world) observer() {
	w.after(w.jitter(5*w.pause), w.observer)
	if n := len(w.history.order); n > 0 {
		w.observe(w.history.order[n-1-w.rng.IntN(min(n, 100))])
	}
	if !w.healing && w.chance(4) {
		id := w.core.Last()
		w.core.RootAt(func(root ledger.Digest, ok bool) {
			if ok && !id.IsZero() {
				w.checkRoot(id, root)
			}
		})
	}
	if last := w.verified.last.Seqno; last > 0 {
		w.readBack(1 + w.rng.Uint64N(last))
	}
}

// observe checks that final answers stay, and that Committed is true.
func (w *world) observe(id ledger.TxID) {
	status := string(w.core.TxStatus(id))
	w.note("%v is %s", id, status)
	before := w.history.final[id]
	if before != "" && before != status {
		w.finding("CommittedOrInvalid: %v was %s and is %s", id, before, status)
	}
	switch core.Status(status) {
	case core.StatusCommitted:
		if id.Seqno > w.verified.last.Seqno || w.verified.viewAt(id.Seqno) != id.View {
			w.finding("%v is called Committed and is not", id)
		}
		w.history.final[id] = status
	case core.StatusInvalid:
		if id.Seqno > w.verified.last.Seqno && id.View >= w.verified.last.View {
			w.finding("%v is called Invalid before a later view committed anything", id)
		}
		w.history.final[id] = status
	}
}

// checkRoot compares a told root with the ledger, now or when it is committed.
func (w *world) checkRoot(id ledger.TxID, root ledger.Digest) {
	w.stats.Roots++
	if before, ok := w.history.roots[id]; ok && before != root {
		w.finding("two roots were told for %v", id)
	}
	w.history.roots[id] = root
	if id.Seqno <= w.verified.last.Seqno && w.verified.roots[id.Seqno] != root {
		w.finding("the root told for %v is not the ledger's", id)
	}
}

func (w *world) readBack(s ledger.Seqno) {
	raw, ok := w.core.Entry(s)
	if !ok {
		var err error
		if raw, err = w.disk.Ledger.ReadEntry(s); err != nil {
			w.finding("entry %d cannot be read: %v", s, err)
			return
		}
	}
	e, err := ledger.ParseEntry(raw)
	if err != nil || e.WriteSetDigest() != w.verified.sums[s] {
		w.finding("entry %d reads back as something else: %v", s, err)
	}
}

// committed checks everything that a new commit point covers.
func (w *world) committed(to ledger.TxID) {
	w.note("committed %v", to)
	for s := w.verified.last.Seqno + 1; s <= to.Seqno; s++ {
		raw, ok := w.core.Entry(s)
		if !ok {
			var err error
			if raw, err = w.disk.Ledger.ReadEntry(s); err != nil {
				w.finding("committed entry %d cannot be read: %v", s, err)
				return
			}
		}
		if err := w.verified.entry(raw); err != nil {
			w.finding("%v", err)
			return
		}
		id := w.verified.last
		if root, ok := w.history.roots[id]; ok && root != w.verified.roots[s] {
			w.finding("the root told for %v is not the ledger's", id)
		}
		if view := w.core.ViewAt(s); view != id.View {
			w.finding("I13: %v is said to be in view %d", id, view)
		}
	}
	w.stats.Committed++
	if w.verified.signature != to {
		w.finding("I5: commit moved to %v, the last signature is %v", to, w.verified.signature)
	}
}
