package sim

import (
	"errors"
	"fmt"

	"concordat/consensus/core"
	"concordat/ledger"
	"concordat/ledger/chunk"
	"concordat/ledger/kv"
)

// begin starts the node: for the first time, or over what a crash left.
func (w *world) begin() {
	w.queue, w.work, w.writing, w.dead, w.healing, w.stopped = nil, nil, false, false, false, nil
	w.store = kv.New(kv.NewMemBase(), kv.Options{CacheBytes: kv.MinCacheBytes})
	w.store.OnRollback(func(to ledger.Seqno) {
		w.note("rolled back to %d", to)
		w.stats.RolledBack++
		w.history.cut(to)
	})
	o, writer, err := w.restore()
	if err != nil {
		w.finding("recovery: %v", err)
		return
	}
	w.origin = o.Last
	w.secrets.add(o.Last.Seqno+1, &w.sealed)
	w.newCore(o, writer)
	if w.diskError && w.life+1 == w.lives {
		w.fs.failIn = 1 + w.rng.IntN(150)
	}
	w.core.Campaign()
	w.pump()
	w.ticks()
	for range w.clients {
		w.after(w.jitter(w.pause), w.client)
	}
	w.after(w.jitter(w.pause), w.observer)
	w.after(w.jitter(tick), w.flush)
	if w.depose > 0 {
		w.after(w.jitter(w.depose), w.deposition)
	}
}

func (w *world) flush() {
	w.after(w.jitter(tick), w.flush)
	if err := w.store.Flush(); err != nil {
		w.finding("flush: %v", err)
	}
}

func (w *world) options() chunk.Options {
	return chunk.Options{FS: w.fs, NoSync: w.mode == core.SyncNone}
}

// restore makes the origin of this life out of the files.
func (w *world) restore() (o core.Origin, writer *chunk.Writer, err error) {
	last, _ := w.lastSigned(w.fs)
	w.history.recover(last)
	if last.IsZero() {
		w.fs.names, w.fs.durable, w.fs.unsynced = map[string]*inode{}, map[string]*inode{}, nil
		w.verified = newVerifier(w.secrets, w.chunkSize, w.history.forced)
		writer, err = chunk.Open(dir, w.options())
		return core.Origin{View: 2 + 2*uint64(w.life)}, writer, err
	}
	v := newVerifier(w.secrets, w.chunkSize, w.history.forced)
	var roll chunk.Rotation
	err = walk(w.fs, func(s ledger.Seqno, raw []byte) error {
		if s > last.Seqno {
			return errEnough
		}
		if err := v.entry(raw); err != nil {
			return err
		}
		h, _ := ledger.ParseHeader(raw)
		roll.Add(h.Flags, h.Total())
		return w.replay(raw)
	})
	if err != nil && !errors.Is(err, errEnough) {
		return o, nil, err
	}
	if writer, err = chunk.Recover(dir, last.Seqno, w.options()); err != nil {
		return o, nil, err
	}
	w.store.Commit(last.Seqno)
	w.verified = v
	return core.Origin{
		View: last.View + 2, Last: last, Peaks: v.peaks, LastLeaf: v.leaves[0], Views: v.views, Rotation: roll,
	}, writer, writer.EndRecovery()
}

var errEnough = errors.New("enough")

// replay applies an entry of the recovered ledger to the state and the model.
func (w *world) replay(raw []byte) error {
	e, err := ledger.ParseEntry(raw)
	if err != nil {
		return err
	}
	secret, _ := w.secrets.At(e.Seqno)
	private, err := secret.Open(e)
	if err != nil {
		return err
	}
	ws := append(append(ledger.WriteSet{}, private...), e.Public.Writes...) // "private" sorts first
	w.store.Apply(e.ID(), ws)
	w.history.apply(e.Seqno, ws)
	return nil
}

func walk(fs *memFS, f func(ledger.Seqno, []byte) error) error {
	d, err := chunk.DirOptions{FS: fs, Recovery: true}.Open(dir)
	if err != nil {
		return err
	}
	if damaged := d.Damaged(); len(damaged) > 0 {
		return damaged[0]
	}
	return d.Entries(f)
}

// lastSigned verifies a disk image as far as it goes.
func (w *world) lastSigned(fs *memFS) (last ledger.TxID, err error) {
	v := newVerifier(w.secrets, w.chunkSize, w.history.forced)
	var wrong error
	err = walk(fs, func(_ ledger.Seqno, raw []byte) error {
		wrong = v.entry(raw)
		return wrong
	})
	w.image = v
	if wrong != nil {
		return v.signature, wrong
	}
	if err != nil && !errors.Is(err, chunk.ErrGap) && !errors.Is(err, chunk.ErrTorn) {
		return v.signature, err
	}
	return v.signature, nil
}

// endLife crashes the node, if it has not stopped by itself, and looks at what the
// disk holds.
func (w *world) endLife() {
	w.dead = true
	if w.stopped != nil && !errors.Is(w.stopped, errDisk) {
		w.finding("the node stopped: %v", w.stopped)
	}
	if w.stopped == nil && w.healing {
		w.checkEnd()
	}
	w.stats.Crashes++
	after := w.fs.kill()
	if w.mode == core.SyncCommit && w.rng.IntN(4) != 0 {
		after = w.fs.loss(w.rng)
	}
	last, err := w.lastSigned(after)
	if err != nil {
		w.finding("the disk after a crash: %v", err)
		return
	}
	w.note("the disk holds %v of %v committed", last, w.verified.last)
	if last.Seqno < w.verified.last.Seqno || w.image.roots[w.verified.last.Seqno] != w.verified.roots[w.verified.last.Seqno] {
		w.finding("durability: %v was reported committed, the disk holds %v", w.verified.last, last)
	}
	if err := w.checkNames(after); err != nil {
		w.finding("%v", err)
	}
	w.fs = after
}

// checkEnd compares the state with the ledger after everything is committed.
func (w *world) checkEnd() {
	tx := w.store.Begin()
	defer tx.Release()
	n := 0
	for _, name := range append(mapNames, core.SignaturesTable, core.CoseSignaturesTable, core.TreeTable) {
		tx.Map(name).ForEach(func(k, v []byte) bool {
			n++
			if want, ok := w.verified.state[name+"\x00"+string(k)]; !ok || want != string(v) {
				w.finding("I12: %s %s is %.20q, the ledger says %.20q", name, k, v, want)
			}
			return true
		})
	}
	if n != len(w.verified.state) {
		w.finding("I12: the state has %d keys, the ledger %d", n, len(w.verified.state))
	}
	if got, want := fmt.Sprint(w.core.Views()), fmt.Sprint(w.verified.views); got != want {
		w.finding("view history %s, want %s", got, want)
	}
	for _, id := range w.history.order {
		w.observe(id)
		if w.history.final[id] == "" && id.View < w.core.Committed().View {
			w.finding("liveness: %v is %s at the end", id, w.core.TxStatus(id))
		}
	}
}

// checkNames checks that files called committed hold nothing else.
func (w *world) checkNames(fs *memFS) error {
	d, err := chunk.DirOptions{FS: fs, CommittedOnly: true}.Open(dir)
	if err != nil {
		return err
	}
	for _, c := range d.Chunks() {
		w.stats.Chunks++
		if c.Last > w.verified.last.Seqno || !c.Complete {
			return fmt.Errorf("%s is called committed, the commit point is %v", c.Path, w.verified.last)
		}
	}
	return nil
}

func (v *verifier) viewAt(s ledger.Seqno) (view ledger.View) {
	for i, first := range v.views {
		if first <= s {
			view = uint64(i) + 1
		}
	}
	return view
}
