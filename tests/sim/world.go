package sim

import (
	"container/heap"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"time"

	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	"concordat/consensus/core"
	"concordat/ledger"
	"concordat/ledger/chunk"
	"concordat/ledger/kv"
)

const (
	nodeID = 1
	// phantom is a peer outside the group that claims a newer view now and then: it
	// makes a lone node lose its office.
	phantom = 9
	dir     = "ledger"
	tick    = 100 * time.Millisecond
)

// plan is how a run misbehaves, drawn from its seed.
type plan struct {
	mode        core.SyncMode
	lives       int           // of the node: each but the last ends in a crash
	length      time.Duration // of a life
	clients     int
	pause       time.Duration // between two transactions of a client
	sealing     time.Duration // how long a slot may stay unsealed
	signing     time.Duration
	disk        time.Duration // one sync
	chunkSize   uint64
	raftBytes   uint64
	tail, kept  int
	segmentTx   int
	segmentSize int
	inFlight    int
	rate        float64
	maxPending  int
	depose      time.Duration // mean time between losses of office; 0: never
	diskError   bool          // the last life ends in one
}

func drawPlan(rng *rand.Rand) plan {
	ms := func(choices ...float64) time.Duration {
		return time.Duration(choices[rng.IntN(len(choices))] * float64(time.Millisecond))
	}
	p := plan{
		mode: core.SyncMode(rng.IntN(2) * rng.IntN(3)), lives: 1 + rng.IntN(3), length: ms(200, 500, 1200),
		clients: 1 + rng.IntN(6), pause: ms(2, 10, 50), sealing: ms(0.01, 0.1, 5), signing: ms(0.1, 1, 30), disk: ms(0.1, 1, 20),
		chunkSize: []uint64{1, 3000, 20_000, 1 << 20}[rng.IntN(4)],
		raftBytes: []uint64{1, 2000, 10_000, 1 << 27}[rng.IntN(4)], tail: []int{1, 5000, 1 << 20}[rng.IntN(3)], kept: []int{5, 1000}[rng.IntN(2)],
		segmentTx: []int{2, 10, 2000}[rng.IntN(3)], segmentSize: []int{600, 1 << 20}[rng.IntN(2)],
		inFlight: 1 + rng.IntN(4), rate: []float64{-1, 20, 500}[rng.IntN(3)], maxPending: []int{0, 20, 200}[rng.IntN(3)],
		diskError: rng.IntN(2) == 0,
	}
	if rng.IntN(2) == 0 {
		p.depose = ms(400, 1500)
	}
	return p
}

// event is something that happens at a time; n breaks ties.
type event struct {
	at time.Duration
	n  int
	do func()
}

type events []event

func (e events) Len() int { return len(e) }
func (e events) Less(i, j int) bool {
	return e[i].at < e[j].at || e[i].at == e[j].at && e[i].n < e[j].n
}
func (e events) Swap(i, j int) { e[i], e[j] = e[j], e[i] }
func (e *events) Push(x any)   { *e = append(*e, x.(event)) }
func (e *events) Pop() any {
	old := *e
	last := old[len(old)-1]
	*e = old[:len(old)-1]
	return last
}

// world is one run.
type world struct {
	plan
	rng    *rand.Rand
	now    time.Duration
	queue  events
	n      int
	hash   interface{ Sum64() uint64 }
	note   func(format string, args ...any)
	failed error // the first finding of a checker

	// The node in its present life.
	life     int
	core     *core.Core
	origin   ledger.TxID // the last entry before this life
	image    *verifier   // over the disk image looked at last
	store    *kv.Store
	fs       *memFS
	disk     core.Disk
	dead     bool
	healing  bool // no new faults; the life is about to end
	work     []core.Work
	writing  bool
	stopped  error // the node's own reason to stop
	sealed   sealRecord
	secrets  *lifeSecrets
	verified *verifier // over what was committed
	history  model

	stats Stats
}

// Stats is what a run did, to show that it did something.
type Stats struct {
	Committed, RolledBack, Conflicts, Refused, Held, Depositions, Crashes, DiskErrors, Roots, Reads, Chunks int
}

// Result is the end of a run.
type Result struct {
	Hash  uint64
	Stats Stats
	Err   error
}

// Run is one seed.
func Run(seed uint64, trace func(string)) (result Result) {
	w := newWorld(seed, trace)
	defer func() {
		if p := recover(); p != nil {
			broken, ok := p.(*core.Broken)
			if !ok {
				panic(p)
			}
			result = Result{Hash: w.hash.Sum64(), Stats: w.stats, Err: broken}
		}
	}()
	for w.life = range w.lives {
		w.begin()
		w.runLife()
		if w.failed == nil {
			w.endLife()
		}
		if w.failed != nil {
			break
		}
	}
	return Result{Hash: w.hash.Sum64(), Stats: w.stats, Err: w.failed}
}

func newWorld(seed uint64, trace func(string)) *world {
	w := &world{rng: rand.New(rand.NewPCG(seed, 7)), secrets: &lifeSecrets{}, sealed: sealRecord{seen: map[string][32]byte{}}, fs: newFS()}
	w.plan = drawPlan(w.rng)
	h := fnv.New64a()
	w.hash = h
	w.note = func(format string, args ...any) {
		line := fmt.Sprintf("%d.%06d %s", w.life, w.now.Microseconds(), fmt.Sprintf(format, args...))
		h.Write([]byte(line))
		if trace != nil {
			trace(line)
		}
	}
	w.history.init()
	w.verified = newVerifier(w.secrets, w.chunkSize, w.history.forced)
	w.note("%+v", w.plan)
	return w
}

// after schedules do, within this life only.
func (w *world) after(d time.Duration, do func()) {
	life := w.life
	w.n++
	heap.Push(&w.queue, event{at: w.now + d, n: w.n, do: func() {
		if life == w.life && !w.dead {
			do()
		}
	}})
}

// jitter is a time around d, sometimes much longer.
func (w *world) jitter(d time.Duration) time.Duration {
	if w.rng.IntN(50) == 0 {
		d *= 10
	}
	return time.Duration(w.rng.Float64() * 2 * float64(d))
}

func (w *world) chance(n int) bool { return w.rng.IntN(n) == 0 }

func (w *world) finding(format string, args ...any) {
	if w.failed == nil {
		w.failed = fmt.Errorf(format, args...)
		w.note("FINDING %v", w.failed)
	}
}

// newCore makes the node of this life go on at an origin.
func (w *world) newCore(o core.Origin, writer *chunk.Writer) {
	w.disk = core.Disk{Ledger: writer, Mode: w.mode}
	c, err := core.New(core.Config{
		ID: nodeID, Origin: o, State: w.store, Secrets: w.secrets, Old: w.readOld,
		ChunkSize: w.chunkSize, SegmentTx: w.segmentTx, SegmentBytes: w.segmentSize, InFlight: w.inFlight,
		SigRate: w.rate, SigBurst: 2, SigDelay: 200 * time.Millisecond, MaxUncommittedTx: w.maxPending,
		RaftBytes: w.raftBytes, TailBytes: w.tail, KeptSegments: w.kept, ElectionTick: 3,
		Trace: w.segmentEvent,
	})
	if err != nil {
		panic(err)
	}
	w.core = c
}

func (w *world) segmentEvent(e core.SegmentEvent) {
	w.note("segment %d-%d of view %d: %v -> %v", e.First, e.Last, e.View, e.From, e.To)
	if e.To == core.Held {
		w.stats.Held++
	}
}

func (w *world) readOld(first ledger.Seqno, count int) (b []byte, err error) {
	for s := first; s < first+uint64(count); s++ {
		raw, err := w.disk.Ledger.ReadEntry(s)
		if err != nil {
			return nil, err
		}
		b = append(b, raw...)
	}
	return b, nil
}

// runLife runs events until the life's time is over, then without new faults until
// the node has nothing left to do.
func (w *world) runLife() {
	end := w.now + w.length
	crash := w.life+1 < w.lives
	for w.failed == nil && !w.dead && len(w.queue) > 0 {
		e := heap.Pop(&w.queue).(event)
		w.now = e.at
		e.do()
		w.pump()
		if w.sealed.bad != "" {
			w.finding("%s", w.sealed.bad)
		}
		switch {
		case w.now < end:
		case crash:
			w.dead = true
		case !w.healing:
			w.healing, end = true, w.now+60*time.Second
			w.signing, w.plan.disk = time.Millisecond, time.Millisecond
			w.note("healing")
		case w.core.Idle() && w.core.Leads():
			w.dead = true
		case w.now > end:
			w.finding("liveness: %v is committed, %v was sequenced, %+v", w.core.Committed(), w.core.Last(), w.core.Role())
		}
	}
}

// pump carries out what the core asks for, as the shell does.
func (w *world) pump() {
	if w.dead {
		return
	}
	for w.core.MayClose() || !w.core.Quiet() {
		w.core.Close(w.now)
		e := w.core.Take()
		for _, a := range e.Appends {
			w.work = append(w.work, core.Work{Append: a})
		}
		if !e.Committed.IsZero() {
			w.committed(e.Committed)
			w.work = append(w.work, core.Work{Commit: e.Committed.Seqno})
		}
		if len(w.work) > 0 && !w.writing {
			w.writing = true
			w.after(w.jitter(w.plan.disk), w.write)
		}
		if j := e.Sign; j != nil {
			w.after(w.jitter(w.signing), func() {
				w.note("signed %v", j.ID)
				if err := sign(j); err != nil {
					w.finding("%v", err)
				}
				w.core.Signed(j)
			})
		}
		if e.Wake != 0 {
			w.after(max(e.Wake-w.now, 0), func() { w.core.Wake(w.now) })
		}
		for _, ch := range e.Done {
			close(ch)
		}
	}
}

// write is one batch of the append thread.
func (w *world) write() {
	batch := w.work
	w.work, w.writing = nil, false
	err := w.disk.Do(batch)
	if err == nil {
		for _, x := range batch {
			if x.Append != nil {
				w.core.Appended(x.Append)
			}
		}
		w.pump() // publishes commits before the files are completed, as the shell may
		err = w.disk.Complete(batch)
	}
	if err != nil {
		w.note("disk error: %v", err)
		w.stats.DiskErrors++
		w.stopped, w.dead = err, true
	}
}

// ticks is the clock, which does not go evenly.
func (w *world) ticks() {
	w.core.Tick(w.now)
	w.after(w.jitter(tick), w.ticks)
}

// deposition is a newer view seen from outside the group.
func (w *world) deposition() {
	if w.healing {
		return
	}
	term := w.core.Role().View + 1 + uint64(w.rng.IntN(2))
	w.note("view %d is seen", term)
	w.stats.Depositions++
	err := w.core.Step(&core.Message{
		Type: raftpb.MsgHeartbeat.Enum(), From: proto.Uint64(phantom), To: proto.Uint64(nodeID), Term: proto.Uint64(term), Commit: proto.Uint64(0),
	})
	if err != nil {
		w.finding("step: %v", err)
	}
	w.after(w.jitter(w.depose), w.deposition)
}
