package consensus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"concordat/consensus/core"
	"concordat/ledger"
	"concordat/ledger/chunk"
	"concordat/ledger/kv"
	"concordat/ledger/secret"
)

// Replica is one node's consensus. Its methods are safe for concurrent use.
type Replica struct {
	cfg  Config
	log  *slog.Logger
	now  func() time.Duration
	disk core.Disk

	// mu is held while the core runs, and only by lock and unlock. Everything in
	// this group is guarded by it.
	mu struct {
		sync.Mutex
		core   *core.Core
		failed bool
		work   []core.Work   // for the append goroutine, in order
		sign   *core.SignJob // for the signer
		news   []ledger.TxID // due snapshots, for the notifier
		bell   chan struct{} // closed and replaced at each commit or change of role
		skip   int           // submissions since the clock was looked at
	}
	// sealed counts slots sealed since somebody last folded. Whoever unlocks mu
	// folds them, so that a submitter need not wait for the lock a second time.
	sealed atomic.Int64

	// state is what readers want without the lock.
	state atomic.Pointer[state]

	wakeAppend, wakeSigner, wakeNotify chan struct{}
	wakeClock                          chan time.Duration
	onCommit                           struct {
		sync.Mutex
		fs []func(ledger.TxID)
	}

	stopping atomic.Bool
	quit     chan struct{} // closed to end the goroutines
	running  sync.WaitGroup
	end      struct {
		sync.Once
		done chan struct{}
		err  error // before done is closed
	}
}

// state is a consistent picture of what changes rarely.
type state struct {
	committed ledger.TxID
	role      core.Role
}

// chain is a secret.Chain as the core wants it.
type chain struct{ *secret.Chain }

func (c chain) At(s ledger.Seqno) (core.Secret, bool) { return c.Chain.At(s) }

// Start opens the ledger and starts the replica's goroutines. A lone node is
// primary when Start returns.
func Start(cfg Config) (*Replica, error) {
	if cfg.Store == nil || cfg.Secrets == nil || cfg.Signer == nil {
		return nil, errors.New("consensus needs a store, ledger secrets and a signer")
	}
	cfg = cfg.withDefaults()
	r := &Replica{
		cfg: cfg, log: cfg.Log, now: cfg.Now,
		wakeAppend: make(chan struct{}, 1), wakeSigner: make(chan struct{}, 1), wakeNotify: make(chan struct{}, 1),
		wakeClock: make(chan time.Duration, 1), quit: make(chan struct{}),
	}
	r.end.done = make(chan struct{})
	r.mu.bell = make(chan struct{})
	if err := r.openLedger(); err != nil {
		return nil, err
	}
	c, err := core.New(r.coreConfig())
	if err != nil {
		return nil, errors.Join(err, r.disk.Ledger.Close())
	}
	r.mu.core = c
	r.state.Store(&state{committed: c.Committed(), role: c.Role()})
	r.startGoroutines()
	if err := r.takeOffice(); err != nil {
		return nil, errors.Join(err, r.Stop(context.Background()))
	}
	return r, nil
}

func (r *Replica) openLedger() (err error) {
	r.disk = core.Disk{Ledger: r.cfg.Ledger, Mode: r.cfg.Sync}
	if r.disk.Ledger == nil {
		r.disk.Ledger, err = chunk.Open(r.cfg.Dir, chunk.Options{
			FS: r.cfg.FS, First: r.cfg.Origin.Last.Seqno + 1, NoSync: r.cfg.Sync == SyncNone, Archives: r.cfg.Archives,
		})
	}
	if err == nil && r.disk.Ledger.Next() != r.cfg.Origin.Last.Seqno+1 {
		err = fmt.Errorf("the ledger files go on with %d, the state with %d", r.disk.Ledger.Next(), r.cfg.Origin.Last.Seqno+1)
	}
	return err
}

// takeOffice makes a lone node primary, and waits for it.
func (r *Replica) takeOffice() error {
	r.locked(func(c *core.Core) { c.Campaign() })
	for {
		var bell chan struct{}
		leads := false
		r.locked(func(c *core.Core) { bell, leads = r.mu.bell, c.Role().Serving })
		if leads {
			return nil
		}
		select {
		case <-bell:
		case <-r.end.done:
			return r.end.err
		}
	}
}

// lock enters the core. It fails once the replica has stopped or failed.
func (r *Replica) lock() bool {
	r.mu.Lock()
	if !r.mu.failed {
		return true
	}
	r.mu.Unlock()
	return false
}

// unlock lets the core take in what was sealed, hands out what it asks for, and
// leaves. The order is what makes it safe to only try for the lock in delivered:
// whoever fails to get it can count on the holder to look at sealed afterwards.
func (r *Replica) unlock() {
	for {
		if r.sealed.Load() != 0 {
			r.sealed.Store(0)
			r.mu.core.Fold()
		}
		if r.mu.core.MayClose() {
			r.mu.core.Close(r.now())
		}
		done := r.carryOut()
		r.mu.Unlock()
		for _, ch := range done {
			close(ch)
		}
		if r.sealed.Load() == 0 || !r.mu.TryLock() {
			return
		}
		if r.mu.failed {
			r.mu.Unlock()
			return
		}
	}
}

// locked runs f in the core. A broken invariant ends the replica instead.
func (r *Replica) locked(f func(*core.Core)) (ok bool) {
	if !r.lock() {
		return false
	}
	defer r.caught()
	f(r.mu.core)
	r.unlock()
	return true
}

// caught is deferred around everything that runs the core: it turns a broken
// invariant into a stop. The core is in an unknown state then, so nothing may
// enter it again.
func (r *Replica) caught() {
	p := recover()
	if p == nil {
		return
	}
	broken, ok := p.(*core.Broken)
	if !ok {
		panic(p) // a bug of another kind, or of a callback: with its own trace
	}
	r.mu.failed = true
	r.mu.Unlock()
	r.fail(broken)
}

// carryOut hands the core's effects to the goroutines. What it returns is to be
// closed after the lock is released.
func (r *Replica) carryOut() (done []chan struct{}) {
	if r.mu.core.Quiet() {
		return nil
	}
	e := r.mu.core.Take()
	for _, a := range e.Appends {
		r.mu.work = append(r.mu.work, core.Work{Append: a})
	}
	if !e.Committed.IsZero() {
		r.mu.work = append(r.mu.work, core.Work{Commit: e.Committed.Seqno})
	}
	if len(e.Appends) > 0 || !e.Committed.IsZero() {
		ring(r.wakeAppend)
	}
	if e.Sign != nil {
		r.mu.sign = e.Sign
		ring(r.wakeSigner)
	}
	if e.Wake != 0 {
		r.askClock(e.Wake)
	}
	if e.Role || !e.Committed.IsZero() {
		e.Done = append(e.Done, r.publish(&e))
	}
	return e.Done
}

// publish shows a new commit point or role to those who read or wait for it.
func (r *Replica) publish(e *core.Effects) (bell chan struct{}) {
	s := &state{committed: r.mu.core.Committed(), role: r.mu.core.Role()}
	before := r.state.Swap(s).role
	if e.Role && (before.Name != s.role.Name || before.View != s.role.View) {
		r.log.Info("consensus role", "role", s.role.Name, "view", s.role.View, "committed", s.committed.String())
	}
	r.mu.news = append(r.mu.news, e.Snapshots...)
	ring(r.wakeNotify)
	bell, r.mu.bell = r.mu.bell, make(chan struct{})
	return bell
}

func ring(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default: // it was rung before and not heard yet
	}
}

// Begin opens a transaction on the newest applied state.
func (r *Replica) Begin() *kv.Tx { return r.cfg.Store.Begin() }

// BeginWithRoot also returns the Merkle root over exactly the ledger that the
// transaction sees. It may wait for a signature under way.
func (r *Replica) BeginWithRoot(ctx context.Context) (*kv.Tx, ledger.Digest, error) {
	for {
		var tx *kv.Tx
		roots := make(chan ledger.Digest, 1)
		ok := r.locked(func(c *core.Core) {
			tx = r.cfg.Store.Begin()
			c.RootAt(func(root ledger.Digest, ok bool) {
				if ok {
					roots <- root
				}
				close(roots)
			})
		})
		if !ok {
			if tx != nil {
				tx.Release()
			}
			return nil, ledger.Digest{}, ErrStopped
		}
		select {
		case root, ok := <-roots:
			if ok {
				return tx, root, nil
			}
			tx.Release() // what it saw was rolled back: begin again
		case <-ctx.Done():
			tx.Release()
			return nil, ledger.Digest{}, ctx.Err()
		case <-r.end.done:
			tx.Release()
			return nil, ledger.Digest{}, ErrStopped
		}
	}
}

// Committed is the last committed transaction; zero when there is none.
func (r *Replica) Committed() ledger.TxID { return r.state.Load().committed }

// Last is the last sequenced transaction.
func (r *Replica) Last() ledger.TxID { return r.cfg.Store.Head() }

// View is the current view, 0 while there is no primary.
func (r *Replica) View() ledger.View {
	if s := r.state.Load(); s.role.Leader != 0 {
		return s.role.View
	}
	return 0
}

// CanReplicate reports whether this node is primary and takes transactions.
func (r *Replica) CanReplicate() bool {
	select {
	case <-r.end.done:
		return false
	default:
		return r.state.Load().role.Serving
	}
}

// Role is "Leader", "Follower", "Candidate" or "PreCandidate".
func (r *Replica) Role() string { return r.state.Load().role.Name }

// TxStatus is "Unknown", "Pending", "Committed" or "Invalid", by CCF's rules.
func (r *Replica) TxStatus(id ledger.TxID) string {
	status := core.StatusUnknown
	r.locked(func(c *core.Core) { status = c.TxStatus(id) })
	return string(status)
}

// ViewAt is the view of a sequenced seqno.
func (r *Replica) ViewAt(s ledger.Seqno) (view ledger.View, ok bool) {
	r.locked(func(c *core.Core) { view = c.ViewAt(s) })
	return view, view != 0
}

// ViewHistory is the first seqno of each view up to the committed one, from view 1.
func (r *Replica) ViewHistory() (h []ledger.Seqno) {
	r.locked(func(c *core.Core) { h = c.Views() })
	return h
}

// WaitCommitted returns nil once id is committed, ErrInvalid once it never will be.
// Everybody who waits for the same segment shares one channel, so thousands may.
func (r *Replica) WaitCommitted(ctx context.Context, id ledger.TxID) error {
	for {
		var status core.Status
		var changed <-chan struct{}
		ok := r.locked(func(c *core.Core) {
			status = c.TxStatus(id)
			if changed = c.Watch(id); changed == nil {
				changed = r.mu.bell
			}
		})
		switch {
		case !ok:
			return ErrStopped
		case status == core.StatusCommitted:
			return nil
		case status == core.StatusInvalid:
			return ErrInvalid
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		case <-r.end.done:
			return ErrStopped
		}
	}
}

// OnCommit registers f to be told each advance of the commit, in order; advances
// that come while f runs are told as one. Register before the first Submit.
func (r *Replica) OnCommit(f func(to ledger.TxID)) {
	r.onCommit.Lock()
	defer r.onCommit.Unlock()
	r.onCommit.fs = append(r.onCommit.fs, f)
}

// ReadEntry returns the bytes of a sequenced and signed entry, from memory or from
// the ledger files. Bytes from files are not authenticated.
func (r *Replica) ReadEntry(s ledger.Seqno) (raw []byte, err error) {
	found := false
	r.locked(func(c *core.Core) { raw, found = c.Entry(s) })
	if found {
		return raw, nil
	}
	return r.disk.Ledger.ReadEntry(s)
}
