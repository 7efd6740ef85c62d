package core

import (
	"errors"
	"slices"
	"time"

	"concordat/ledger"
	"concordat/ledger/kv"
)

// What Sequence refuses.
var (
	ErrConflict   = errors.New("the transaction conflicts with one sequenced after its snapshot")
	ErrNotPrimary = errors.New("this node is not the primary")
	ErrPending    = errors.New("too many transactions wait for commit")
)

// Request is a transaction to be sequenced.
type Request struct {
	Tx     *kv.Tx // nil for one without reads
	Writes ledger.WriteSet
	Claims ledger.Digest
	// Size is ledger.EntrySize(Writes).
	Size          int
	ForceChunk    bool
	ForceSnapshot bool
	StartsChunk   bool
}

// Sequence gives a transaction its place: it checks what the transaction read,
// applies what it writes, and returns the slot that the caller must Seal at once.
// After it, and after each Seal, the caller lets the core Fold.
func (c *Core) Sequence(r *Request) (*Slot, error) {
	if c.leadTerm == 0 || c.draining {
		return nil, ErrNotPrimary
	}
	if n := c.cfg.MaxUncommittedTx; n > 0 && c.next-1-c.commit.Seqno >= uint64(n) || c.pendingBytes >= c.cfg.MaxUncommittedBytes {
		return nil, ErrPending
	}
	if r.Tx != nil && c.cfg.State.Conflicts(r.Tx) {
		return nil, ErrConflict
	}
	seg := c.current()
	if seg.count > 0 && seg.bytes+r.Size > c.cfg.SegmentBytes {
		c.close() // the new one starts, or is, a segment of its own
		seg = c.current()
	}
	id := ledger.TxID{View: c.leadTerm, Seqno: c.next}
	secret, ok := c.cfg.Secrets.At(id.Seqno)
	if !ok {
		broken("no ledger secret is valid at %v", id)
	}
	c.next++
	c.views.note(id)
	c.cfg.State.Apply(id, r.Writes)
	slot := seg.grow()
	slot.id, slot.ws, slot.claims, slot.secret, slot.flags = id, r.Writes, r.Claims, secret, 0
	if r.StartsChunk {
		slot.flags = ledger.FlagChunkBefore
	}
	seg.bytes += r.Size
	seg.chunk = seg.chunk || r.ForceChunk || r.ForceSnapshot
	seg.snap = seg.snap || r.ForceSnapshot
	c.pendingBytes += int64(r.Size)
	return slot, nil
}

// current is the open segment of a leader.
func (c *Core) current() *segment { return c.pipeline[len(c.pipeline)-1] }

// open starts the next segment.
func (c *Core) open() {
	var seg *segment
	if n := len(c.spare); n > 0 {
		seg, c.spare = c.spare[n-1], c.spare[:n-1]
	} else {
		seg = &segment{}
	}
	seg.view, seg.first = c.leadTerm, c.next
	c.pipeline = append(c.pipeline, seg)
}

// full reports that a segment closes whatever the bucket says.
func (c *Core) full(seg *segment) bool {
	return seg.count >= c.cfg.SegmentTx || seg.bytes >= c.cfg.SegmentBytes
}

// inFlight is the number of segments that are signed, or in the log, and not
// committed.
func (c *Core) inFlight() int {
	n := c.log.uncommitted(c.commitIndex)
	for _, seg := range c.pipeline {
		if seg.phase == Ready || seg.phase == Held {
			n++
		}
	}
	return n
}

// MayClose reports cheaply whether Close has anything to decide, so that callers
// look at a clock only then.
func (c *Core) MayClose() bool {
	if c.leadTerm == 0 {
		return false
	}
	seg := c.current()
	if c.full(seg) {
		return true
	}
	return seg.count > 0 && c.holdUntil == 0 && c.signerIdle() && c.inFlight() < c.cfg.InFlight
}

// Holding reports that adaptive closing waits for a Wake.
func (c *Core) Holding() bool { return c.holdUntil != 0 }

// signerIdle reports that the open segment is the only one not signed.
func (c *Core) signerIdle() bool {
	n := len(c.pipeline)
	return n == 1 || c.pipeline[n-2].phase == Ready || c.pipeline[n-2].phase == Held
}

// Close closes the open segment if the policy says so: at once when nothing is
// under way and the bucket has a token, else when the token comes or the delay is
// over, and always when it is full.
func (c *Core) Close(now time.Duration) {
	if !c.MayClose() {
		return
	}
	seg := c.current()
	if !seg.timed {
		seg.since, seg.timed = now, true
	}
	due := seg.since + c.cfg.SigDelay
	if c.bucket.take(now) || c.full(seg) || now >= due {
		c.close()
		return
	}
	c.holdUntil = min(c.bucket.next(), due)
	c.out.Wake = c.holdUntil
}

// Wake looks at the time again.
func (c *Core) Wake(now time.Duration) {
	if c.holdUntil != 0 && now >= c.holdUntil {
		c.holdUntil = 0
	}
	c.Close(now)
}

// close ends the open segment: its signature takes the next seqno, and the segment
// behind it opens, so that execution goes on while the root is signed.
func (c *Core) close() {
	seg := c.current()
	c.to(seg, Closed)
	c.holdUntil = 0
	seg.sig = ledger.TxID{View: seg.view, Seqno: c.next}
	c.next++
	c.views.note(seg.sig)
	c.cfg.State.Apply(seg.sig, nil) // filled once it is signed
	c.open()
	c.sign()
}

// Fold takes in, in order, what has been sealed.
func (c *Core) Fold() {
	for _, seg := range c.pipeline {
		if seg.phase == Open || seg.phase == Closed {
			if seg.begun {
				c.fold(seg)
			}
			break
		}
	}
	c.sign()
}

// FoldDue reports whether Fold has something to do.
func (c *Core) FoldDue() bool {
	for _, seg := range c.pipeline {
		if seg.phase == Open || seg.phase == Closed {
			return seg.begun && seg.folded < seg.count && seg.slot(seg.folded).sealed.Load()
		}
	}
	return false
}

// beginFold prepares a segment whose start is known.
func (c *Core) beginFold(seg *segment) {
	seg.begun, seg.tree = true, seg.start.tree()
	seg.roll = seg.start.rotation
	seg.leaves = append(seg.leaves[:0], seg.start.leaf)
	seg.data = appendSegmentHeader(slices.Grow(seg.data[:0], segmentHeader+seg.bytes), seg.first, 0)
	c.tellRoots(&seg.tree)
	c.fold(seg)
}

func (c *Core) fold(seg *segment) {
	for seg.folded < seg.count {
		slot := seg.slot(seg.folded)
		if !slot.sealed.Load() {
			return
		}
		invariant(slot.id.Seqno == seg.first+uint64(seg.folded) && slot.id.View == seg.view, "I4: leaves are folded in order")
		seg.data = append(seg.data, slot.entry...)
		seg.leaves = append(seg.leaves, slot.leaf)
		seg.roll.Add(slot.flags, uint64(len(slot.entry)))
		seg.tree.Append(slot.leaf)
		seg.folded++
		c.tellRoots(&seg.tree)
	}
}
