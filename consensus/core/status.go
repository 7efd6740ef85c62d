package core

import (
	"go.etcd.io/raft/v3"

	"concordat/ledger"
)

// Status of a transaction, in CCF's words.
type Status string

// The four answers. Committed and Invalid are final.
const (
	StatusUnknown   Status = "Unknown"
	StatusPending   Status = "Pending"
	StatusCommitted Status = "Committed"
	StatusInvalid   Status = "Invalid"
)

// TxStatus answers by CCF's rules, which never call a transaction Invalid for being
// unknown here or for an election alone: only a commit of a later view decides.
func (c *Core) TxStatus(id ledger.TxID) Status {
	local := c.ViewAt(id.Seqno)
	switch {
	case id.Seqno <= c.commit.Seqno && local == id.View:
		return StatusCommitted
	case id.Seqno <= c.commit.Seqno:
		return StatusInvalid
	case local == id.View:
		return StatusPending
	case c.commit.View > id.View:
		return StatusInvalid
	}
	return StatusUnknown
}

// Watch returns a channel that is closed when the status of a pending transaction
// has changed for good; nil for any other.
func (c *Core) Watch(id ledger.TxID) <-chan struct{} {
	if c.TxStatus(id) != StatusPending {
		return nil
	}
	for _, seg := range c.pipeline {
		if seg.first <= id.Seqno && (seg.phase == Open || id.Seqno <= seg.sig.Seqno) {
			return lazily(&seg.done)
		}
	}
	ref := c.log.find(id.Seqno)
	invariant(ref != nil && ref.phase < Committed, "what is pending is in a segment")
	return lazily(&ref.done)
}

func lazily(ch *chan struct{}) chan struct{} {
	if *ch == nil {
		*ch = make(chan struct{})
	}
	return *ch
}

// Leads reports that this node leads, or leads still while it drains.
func (c *Core) Leads() bool { return c.leadTerm != 0 }

// Committed is the commit point; zero when there is none.
func (c *Core) Committed() ledger.TxID { return c.commit }

// Last is the last sequenced transaction.
func (c *Core) Last() ledger.TxID {
	return ledger.TxID{View: c.ViewAt(c.next - 1), Seqno: c.next - 1}
}

// ViewAt is the view of a sequenced seqno, else 0.
func (c *Core) ViewAt(s ledger.Seqno) ledger.View {
	if s == 0 || s >= c.next {
		return 0
	}
	return c.views.at(s)
}

// Views is the first seqno of each view up to that of the commit point, from view 1.
func (c *Core) Views() []ledger.Seqno { return c.views.history(c.commit.Seqno) }

// Role is the node's part in the group now.
type Role struct {
	Name   string // Leader, Follower, Candidate, PreCandidate
	View   ledger.View
	Leader uint64 // raft id, 0 if unknown
	// Serving says that Sequence takes transactions.
	Serving bool
}

// Role returns the node's present part.
func (c *Core) Role() Role {
	s := c.rn.BasicStatus()
	r := Role{View: s.GetTerm(), Leader: s.Lead, Serving: c.leadTerm != 0 && !c.draining}
	switch s.RaftState {
	case raft.StateLeader:
		r.Name = "Leader"
	case raft.StateFollower:
		r.Name = "Follower"
	case raft.StateCandidate:
		r.Name = "Candidate"
	default:
		r.Name = "PreCandidate"
	}
	return r
}

// Entry returns the bytes of an entry that is signed and still in memory. They are
// not copied and must not be changed.
func (c *Core) Entry(s ledger.Seqno) ([]byte, bool) {
	ref := c.log.find(s)
	if ref == nil || ref.entry == nil {
		return nil, false
	}
	b := ref.entry.GetData()[segmentHeader:]
	for at := ref.first; ; at++ {
		h, err := ledger.ParseHeader(b)
		if err != nil || h.Total() > uint64(len(b)) {
			broken("the entry of %d is damaged in memory: %v", at, err)
		}
		if at == s {
			return b[:h.Total():h.Total()], true
		}
		b = b[h.Total():]
	}
}

// to moves a segment on in its life.
func (c *Core) to(seg *segment, next Phase) {
	c.check(seg.phase, next)
	if c.cfg.Trace != nil {
		c.cfg.Trace(SegmentEvent{First: seg.first, Last: seg.sig.Seqno, View: seg.view, From: seg.phase, To: next})
	}
	seg.phase = next
}

// phase does so for one in the log.
func (c *Core) phase(r *segRef, next Phase) {
	if r.count > 0 {
		c.check(r.phase, next)
		if c.cfg.Trace != nil {
			c.cfg.Trace(SegmentEvent{First: r.first, Last: r.last(), View: r.term, From: r.phase, To: next})
		}
	}
	r.phase = next
}

func (c *Core) check(from, to Phase) {
	for _, p := range nextPhases[from] {
		if p == to {
			return
		}
	}
	broken("a segment went from %v to %v", from, to)
}

// views says in which view each seqno lies.
type views struct{ starts []viewStart }

type viewStart struct {
	view  ledger.View
	first ledger.Seqno
}

func (v *views) restore(o Origin) {
	for i, first := range o.Views {
		if i+1 == len(o.Views) || o.Views[i+1] != first {
			v.starts = append(v.starts, viewStart{view: uint64(i) + 1, first: first})
		}
	}
}

// note takes in the next transaction.
func (v *views) note(id ledger.TxID) {
	n := len(v.starts)
	if n > 0 && v.starts[n-1].view == id.View {
		return
	}
	invariant(n == 0 || v.starts[n-1].view < id.View, "I7: views never go back")
	v.starts = append(v.starts, viewStart{view: id.View, first: id.Seqno})
}

func (v *views) cut(to ledger.Seqno) {
	for n := len(v.starts); n > 0 && v.starts[n-1].first > to; n-- {
		v.starts = v.starts[:n-1]
	}
}

func (v *views) at(s ledger.Seqno) ledger.View {
	for i := len(v.starts) - 1; i >= 0; i-- {
		if v.starts[i].first <= s {
			return v.starts[i].view
		}
	}
	return 0
}

// history expands the starts up to a seqno. A view without entries is listed with
// the start of the next one that has some.
func (v *views) history(to ledger.Seqno) (h []ledger.Seqno) {
	for _, s := range v.starts {
		if s.first > to {
			break
		}
		for uint64(len(h)) < s.view {
			h = append(h, s.first)
		}
	}
	return h
}
