package core

import (
	"fmt"
	"math"
	"time"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"

	"concordat/ledger"
	"concordat/ledger/merkle"
)

// Core is the deterministic part of a replica. Its methods must not run at the
// same time; each may leave Effects to Take. A method that panics with *Broken
// has left the core unusable.
type Core struct {
	cfg Config
	rn  *raft.RawNode
	log segmentLog
	out Effects

	// The ledger behind the last segment in the log.
	tip mark
	// appends counts Appends asked for.
	appends uint64
	// next is the seqno the next transaction gets.
	next ledger.Seqno
	// commit is the last committed transaction: always a signature.
	commit      ledger.TxID
	commitIndex uint64
	views       views

	// Of a leader. leadTerm is the view it leads in, 0 for a follower.
	leadTerm  uint64
	draining  bool // sequence nothing more
	bucket    bucket
	holdUntil time.Duration // adaptive closing waits for a Wake then; 0: it does not
	// The segments that are not in the log yet, in order: one Open at the end;
	// before it Closed ones; the first of these Signing; before that Ready or Held.
	pipeline []*segment
	proposed *segment // between Step and the Ready that shows it
	heldAt   uint64   // what was applied when the first of them was refused
	spare    []*segment

	// What waits for commit, in the log or before it.
	pendingBytes int64
	roots        []rootWait
}

// rootWait is somebody who wants the root over everything up to seqno.
type rootWait struct {
	seqno ledger.Seqno
	tell  func(root ledger.Digest, ok bool)
}

// never is no index: a refused segment is tried again.
const never = math.MaxUint64

// New makes a core that has not campaigned yet.
func New(cfg Config) (*Core, error) {
	cfg = cfg.withDefaults()
	o := cfg.Origin
	if cfg.ID == 0 || raft.IsLocalMsgTarget(cfg.ID) {
		return nil, fmt.Errorf("%d is no raft id", cfg.ID)
	}
	if o.View > ledger.MaxView || o.View <= o.Last.View || o.Peaks.Size() != o.Last.Seqno || uint64(len(o.Views)) != o.Last.View {
		return nil, fmt.Errorf("the ledger cannot go on in view %d after %v with a tree over %d leaves and a history of %d views",
			o.View, o.Last, o.Peaks.Size(), len(o.Views))
	}
	c := &Core{cfg: cfg, next: o.Last.Seqno + 1, commit: o.Last, bucket: newBucket(cfg.SigRate, cfg.SigBurst)}
	c.tip = mark{last: o.Last, peaks: o.Peaks, leaf: o.LastLeaf, rotation: o.Rotation, lastSnapshot: o.LastSnapshot}
	c.tip.rotation.ChunkSize = cfg.ChunkSize
	c.views.restore(o)
	c.log.cfg = cfg
	rn, err := raft.NewRawNode(&raft.Config{
		ID: cfg.ID, ElectionTick: cfg.ElectionTick, HeartbeatTick: cfg.HeartbeatTick,
		Storage: &c.log, Logger: raftLog{},
		MaxSizePerMsg: maxSizePerMsg, MaxCommittedSizePerReady: maxCommittedReady,
		MaxInflightMsgs: maxInflightMsgs, MaxInflightBytes: maxInflightBytes,
		MaxUncommittedEntriesSize: cfg.RaftBytes,
		CheckQuorum:               true, PreVote: true, AsyncStorageWrites: true,
		StepDownOnRemoval: true, DisableProposalForwarding: true,
	})
	if err != nil {
		return nil, fmt.Errorf("make raft node: %w", err)
	}
	c.rn = rn
	return c, nil
}

// Campaign asks for an election now. A lone node calls it once at start.
func (c *Core) Campaign() {
	_ = c.rn.Campaign() // refused only while a conf change waits to be applied
	c.drain()
}

// Tick moves raft's clock by one and lets adaptive closing look at the time.
func (c *Core) Tick(now time.Duration) {
	c.rn.Tick()
	c.heldAt = never
	c.drain()
	c.Wake(now)
}

// Step takes a message from a peer.
func (c *Core) Step(m *Message) error {
	err := c.rn.Step(m)
	c.drain()
	return err
}

// Appended says that an append was done as durably as the sync mode asks. Appends
// are reported in the order they were asked for.
func (c *Core) Appended(a *Append) {
	c.log.stable(a.seq, c.phase)
	for _, m := range a.responses {
		if m.GetTo() == c.cfg.ID {
			_ = c.rn.Step(m) // answers of a past term are ignored by raft
		} else {
			c.out.Messages = append(c.out.Messages, m)
		}
	}
	c.drain()
}

// drain handles everything raft has ready, until nothing is left, and then what
// follows from it: authority, commit, proposals that were held.
func (c *Core) drain() {
	for again := true; again; again = c.propose() {
		for c.rn.HasReady() {
			rd := c.rn.Ready()
			c.checkAuthority()
			c.accept(rd)
		}
		c.takeOffice()
		c.advanceCommit()
	}
}

// accept handles one Ready: entries into the log first, then the messages, so that
// what is sent was executed here (I6).
func (c *Core) accept(rd raft.Ready) {
	if !raft.IsEmptySnap(rd.Snapshot) {
		broken("raft installs a snapshot, which this version does not offer")
	}
	if rd.SoftState != nil {
		c.out.Role = true
	}
	c.appends++
	job := &Append{seq: c.appends}
	for _, e := range rd.Entries {
		c.onAppend(e, job)
	}
	for _, m := range rd.Messages {
		switch m.GetTo() {
		case raft.LocalAppendThread:
			if len(m.GetResponses()) > 0 || len(m.GetEntries()) > 0 {
				job.responses = m.GetResponses()
				c.out.Appends = append(c.out.Appends, job)
			}
		case raft.LocalApplyThread:
			c.apply(m)
		default:
			c.out.Messages = append(c.out.Messages, m)
		}
	}
}

// apply does at once what raft wants applied, which is only configuration changes:
// elections are refused while one waits. Commit is published elsewhere.
func (c *Core) apply(m *Message) {
	for _, e := range m.GetEntries() {
		if e.GetType() != raftpb.EntryNormal {
			broken("raft entry %d is a configuration change, which this version does not propose", e.GetIndex())
		}
	}
	for _, r := range m.GetResponses() {
		_ = c.rn.Step(r)
	}
}

// onAppend puts one raft entry into the log, executed.
func (c *Core) onAppend(e *raftpb.Entry, job *Append) {
	if e.GetIndex() <= c.log.last() {
		c.overwrite(e.GetIndex(), job)
	}
	invariant(e.GetIndex() == c.log.last()+1, "I9: raft indexes have no gap")
	own := c.leadTerm != 0 && e.GetTerm() == c.leadTerm
	switch {
	case len(e.GetData()) == 0: // an election's or a left joint configuration's
		invariant(c.proposed == nil || !own, "I9: raft does not replace what was proposed")
		c.log.add(&segRef{entry: e, index: e.GetIndex(), term: e.GetTerm(), append: job.seq, phase: InLog})
		return
	case own:
		c.appendOwn(e, job.seq)
	default:
		c.appendForeign(e, job.seq)
	}
	job.Segments = append(job.Segments, e.GetData()[segmentHeader:])
}

// overwrite rolls the log back for an entry of a newer leader.
func (c *Core) overwrite(index uint64, job *Append) {
	invariant(c.leadTerm == 0, "I2: a leader's log is overwritten by nobody")
	invariant(index > c.commitIndex, "I5: what is committed is never overwritten")
	for c.log.last() >= index {
		ref := c.log.pop()
		c.phase(ref, RolledBack)
		if ref.count == 0 {
			continue
		}
		c.pendingBytes -= int64(ref.size)
		c.tell(ref.done)
		c.tip = *ref.start
		job.Cut, job.To = true, c.tip.last.Seqno
	}
	c.rollback()
}

// rollback makes the end of the log the end of the ledger.
func (c *Core) rollback() {
	to := c.tip.last.Seqno
	invariant(to >= c.commit.Seqno, "I5: no rollback below the commit point")
	if to+1 == c.next {
		return
	}
	c.cfg.State.Rollback(to)
	c.views.cut(to)
	c.next = to + 1
}

// checkAuthority notices that this node stopped leading, or leads in another term,
// and then drops what it had in mind (I14).
func (c *Core) checkAuthority() {
	s := c.rn.BasicStatus()
	if c.leadTerm == 0 || s.RaftState == raft.StateLeader && s.GetTerm() == c.leadTerm {
		return
	}
	for _, seg := range c.pipeline {
		c.to(seg, Discarded)
		c.pendingBytes -= int64(seg.bytes)
		c.tell(seg.done)
	}
	c.leadTerm, c.pipeline, c.proposed, c.holdUntil = 0, nil, nil, 0
	c.spare = nil // a slot of a dropped segment may still be sealed by somebody
	c.rollback()
	c.refuseRoots()
	c.out.Role = true
}

// takeOffice starts to lead once everything in the log is executed.
func (c *Core) takeOffice() {
	s := c.rn.BasicStatus()
	if s.RaftState != raft.StateLeader || c.leadTerm != 0 {
		return
	}
	if s.GetTerm() > ledger.MaxView {
		broken("view %d does not fit into an entry", s.GetTerm())
	}
	invariant(c.log.lastTerm() == s.GetTerm() && c.next == c.tip.last.Seqno+1, "I6: a leader has executed its whole log")
	c.leadTerm = s.GetTerm()
	c.open()
	c.pipeline[0].start = c.tip
	c.beginFold(c.pipeline[0])
	// The first segment of a view is a signature alone, except that the ledger of
	// this group starts with the transaction that creates the service. It closes
	// whatever the policy says: no transaction may come before it.
	if c.cfg.Origin.SignFirst || c.tip.last != c.cfg.Origin.Last {
		c.close()
	}
	c.out.Role = true
}

// advanceCommit publishes raft's commit index, which a slow own disk does not
// delay, as the application of entries would be (S17).
func (c *Core) advanceCommit() {
	index := c.rn.BasicStatus().GetCommit()
	if index <= c.commitIndex {
		return
	}
	invariant(index <= c.log.last(), "I6: nothing is committed that is not executed")
	id := c.commit
	for i := c.commitIndex + 1; i <= index; i++ {
		ref := c.log.at(i)
		c.phase(ref, Committed)
		if ref.count == 0 {
			continue
		}
		invariant(ref.first == id.Seqno+1, "I4: segments follow each other")
		id = ledger.TxID{View: ref.term, Seqno: ref.first + uint64(ref.count) - 1}
		if ref.snapshotDue {
			c.out.Snapshots = append(c.out.Snapshots, id)
		}
		c.pendingBytes -= int64(ref.size)
		c.tell(ref.done)
		ref.done, ref.start = nil, nil
	}
	c.commitIndex = index
	if id != c.commit {
		invariant(id.Seqno > c.commit.Seqno && id.View >= c.commit.View, "I5: the commit point only moves forward")
		c.commit = id
		c.cfg.State.Commit(id.Seqno)
		c.out.Committed = id
	}
	c.log.release(c.commitIndex, c.phase)
}

func (c *Core) tell(done chan struct{}) {
	if done != nil {
		c.out.Done = append(c.out.Done, done)
	}
}

// Drain stops sequencing and closes what is open; the core goes on until all of it
// is committed. There is no way back.
func (c *Core) Drain() {
	c.draining = true
	if c.leadTerm != 0 && c.current().count > 0 {
		c.close()
	}
}

// Idle reports that everything sequenced is committed.
func (c *Core) Idle() bool { return c.next == c.commit.Seqno+1 }

// RootAt tells the root over the ledger up to now, through tell, at once or when
// the signatures and seals under way are done; ok is false when that ledger was
// rolled back.
func (c *Core) RootAt(tell func(root ledger.Digest, ok bool)) {
	w := rootWait{seqno: c.next - 1, tell: tell}
	if t, ok := c.folded(); ok && t.Size() == c.next {
		tell(t.Root(), true)
		return
	}
	c.roots = append(c.roots, w)
}

// folded is the tree over what is folded so far.
func (c *Core) folded() (t *merkle.Frontier, ok bool) {
	for _, seg := range c.pipeline {
		if seg.begun && seg.phase <= Signing {
			return &seg.tree, true
		}
	}
	if len(c.pipeline) == 0 {
		t := c.tip.tree()
		return &t, true
	}
	return nil, false
}

func (c *Core) tellRoots(t *merkle.Frontier) {
	if len(c.roots) == 0 {
		return
	}
	kept := c.roots[:0]
	for _, w := range c.roots {
		if w.seqno+1 == t.Size() {
			w.tell(t.Root(), true)
		} else {
			kept = append(kept, w)
		}
	}
	c.roots = kept
}

func (c *Core) refuseRoots() {
	for _, w := range c.roots {
		w.tell(ledger.Digest{}, false)
	}
	c.roots = nil
}
