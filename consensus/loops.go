package consensus

import (
	"context"
	"errors"
	"fmt"
	"runtime/pprof"
	"time"

	"concordat/consensus/core"
	"concordat/ledger"
)

func (r *Replica) startGoroutines() {
	requests, answers := make(chan *core.SignJob), make(chan cosignature, 1)
	r.goroutine("consensus-clock", r.runClock)
	r.goroutine("consensus-signer", func() { r.runSigner(requests, answers) })
	r.goroutine("consensus-cosigner", func() { r.runCosigner(requests, answers) })
	r.goroutine("consensus-append", r.runAppend)
	r.goroutine("consensus-notify", r.runNotify)
}

func (r *Replica) goroutine(name string, f func()) {
	r.running.Add(1)
	go pprof.Do(context.Background(), pprof.Labels("goroutine", name), func(context.Context) {
		defer r.running.Done()
		f()
	})
}

// askClock asks for a look at the time. A later request replaces an earlier one.
func (r *Replica) askClock(at time.Duration) {
	select {
	case <-r.wakeClock:
	default:
	}
	select {
	case r.wakeClock <- at:
	default: // unreachable: only the holder of the lock sends
	}
}

func (r *Replica) runClock() {
	ticker, timer := time.NewTicker(r.cfg.Tick), time.NewTimer(time.Hour)
	defer ticker.Stop()
	defer timer.Stop()
	for {
		select {
		case <-r.quit:
			return
		case at := <-r.wakeClock:
			timer.Reset(at - r.now())
		case <-timer.C:
			r.locked(func(c *core.Core) { c.Wake(r.now()) })
		case <-ticker.C:
			r.locked(func(c *core.Core) { c.Tick(r.now()) })
		}
	}
}

// cosignature is the service's signature over a root.
type cosignature struct {
	cose []byte
	err  error
}

func (r *Replica) runCosigner(requests <-chan *core.SignJob, answers chan<- cosignature) {
	for {
		select {
		case <-r.quit:
			return
		case j := <-requests:
			cose, err := r.cfg.Signer.SignService(j.Root, j.ID)
			answers <- cosignature{cose, err}
		}
	}
}

func (r *Replica) runSigner(requests chan<- *core.SignJob, answers <-chan cosignature) {
	for {
		select {
		case <-r.quit:
			return
		case <-r.wakeSigner:
		}
		var job *core.SignJob
		r.locked(func(*core.Core) { job, r.mu.sign = r.mu.sign, nil })
		if job == nil {
			continue
		}
		if err := r.signOne(job, requests, answers); err != nil {
			r.fail(fmt.Errorf("sign the root at %v: %w", job.ID, err))
			return
		}
	}
}

func (r *Replica) signOne(job *core.SignJob, requests chan<- *core.SignJob, answers <-chan cosignature) error {
	select {
	case requests <- job:
	case <-r.quit:
		return nil
	}
	node, err := r.cfg.Signer.SignNode(job.Root)
	service := <-answers
	if err = errors.Join(err, service.err); err != nil {
		return err
	}
	if err := job.Seal(node, service.cose); err != nil {
		return err
	}
	r.locked(func(c *core.Core) { c.Signed(job) })
	return nil
}

// runAppend writes what the core appends. While one batch is on its way to the
// disk the next one gathers, so that one sync serves many segments when the disk
// is slow.
func (r *Replica) runAppend() {
	lag := time.NewTimer(SyncLag)
	lag.Stop()
	for quit := false; !quit; {
		select {
		case <-r.quit:
			quit = true // once more, for what is in the queue
		case <-r.wakeAppend:
		case <-lag.C:
		}
		if err := r.appendAll(); err != nil {
			r.fail(fmt.Errorf("write the ledger: %w", err))
			return
		}
		if behind := r.disk.Behind(); behind > 0 {
			lag.Reset(SyncLag)
		}
	}
}

func (r *Replica) appendAll() error {
	for {
		var batch []core.Work
		r.locked(func(*core.Core) { batch, r.mu.work = r.mu.work, nil })
		if len(batch) == 0 {
			return r.catchUp(0)
		}
		if err := r.disk.Do(batch); err != nil {
			return err
		}
		r.locked(func(c *core.Core) {
			for _, w := range batch {
				if w.Append != nil {
					c.Appended(w.Append)
				}
			}
		})
		if err := r.disk.Complete(batch); err != nil {
			return err
		}
		if err := r.catchUp(SyncLagBytes); err != nil {
			return err
		}
	}
}

// catchUp syncs in mode SyncAsync when more than limit bytes wait for it.
func (r *Replica) catchUp(limit int) error {
	if r.disk.Behind() <= limit {
		return nil
	}
	return r.disk.Sync()
}

func (r *Replica) runNotify() {
	var told ledger.TxID
	for {
		select {
		case <-r.quit:
			return
		case <-r.wakeNotify:
		}
		var due []ledger.TxID
		r.locked(func(*core.Core) { due, r.mu.news = r.mu.news, nil })
		if to := r.Committed(); to.Seqno > told.Seqno {
			told = to
			r.onCommit.Lock()
			fs := r.onCommit.fs
			r.onCommit.Unlock()
			for _, f := range fs {
				f(to)
			}
		}
		for _, id := range due {
			if r.cfg.OnSnapshotDue != nil {
				r.cfg.OnSnapshotDue(id)
			}
		}
	}
}

// fail stops the replica for good: its disk, its signer or its state cannot be
// trusted any more. Nothing is retried.
func (r *Replica) fail(err error) {
	r.seal()
	r.finish(err, func() {
		r.log.Error("consensus has stopped", "err", err)
		if r.cfg.OnFatal != nil {
			r.cfg.OnFatal(err)
		}
	})
}

// finish ends the replica once; also runs when it did.
func (r *Replica) finish(err error, also func()) {
	r.end.Do(func() {
		r.end.err = err
		close(r.end.done)
		close(r.quit)
		also()
	})
}

// seal keeps everybody out of the core.
func (r *Replica) seal() {
	r.mu.Lock()
	r.mu.failed = true
	r.mu.Unlock()
}

// Stop ends the replica after what was sequenced is signed and durable, and closes
// the ledger files. When ctx ends before that, it returns with an error and leaves
// behind what does not come to an end. The caller has stopped submitting. Only the
// first call does something.
func (r *Replica) Stop(ctx context.Context) error {
	if r.stopping.Swap(true) {
		return nil
	}
	err := r.drain(ctx)
	r.finish(nil, func() {})
	ended := make(chan struct{})
	go func() {
		r.running.Wait()
		close(ended)
	}()
	select {
	case <-ended:
	case <-ctx.Done():
		r.seal()
		return errors.Join(err, ctx.Err())
	}
	r.seal()
	if r.cfg.Sync != SyncNone && r.end.err == nil {
		err = errors.Join(err, r.disk.Sync())
	}
	return errors.Join(err, r.end.err, r.disk.Ledger.Close())
}

func (r *Replica) drain(ctx context.Context) error {
	for {
		var bell chan struct{}
		idle := true
		r.locked(func(c *core.Core) {
			c.Drain()
			bell, idle = r.mu.bell, c.Idle() || !c.Leads()
		})
		if idle {
			return nil
		}
		select {
		case <-bell:
		case <-r.end.done:
			return nil // Stop tells why
		case <-ctx.Done():
			return fmt.Errorf("stopped with transactions pending: %w", ctx.Err())
		}
	}
}

// Wait blocks until the replica has stopped, and says why: nil after Stop.
func (r *Replica) Wait() error {
	<-r.end.done
	return r.end.err
}

// Done is closed once the replica takes nothing more.
func (r *Replica) Done() <-chan struct{} { return r.end.done }
