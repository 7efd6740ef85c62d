package core

import (
	"time"

	"go.etcd.io/raft/v3/raftpb"

	"concordat/ledger"
)

// Message is what peers exchange.
type Message = raftpb.Message

// Effects is what the core asks for. The shell takes it after every call. Appends
// are carried out in the order in which they were asked for, over all calls; for
// the rest no order matters.
type Effects struct {
	// Messages go to peers; losing one is harmless.
	Messages []*Message
	// Appends go to the append thread.
	Appends []*Append
	// Sign goes to the signer; there is never more than one.
	Sign *SignJob
	// Committed is the new commit point if it moved.
	Committed ledger.TxID
	// Snapshots are signatures, now committed, at which a snapshot is due.
	Snapshots []ledger.TxID
	// Done are to be closed: those who wait look again.
	Done []chan struct{}
	// Wake asks for a Wake at that time, if later than zero.
	Wake time.Duration
	// Role says that role, view or leader changed.
	Role bool
}

// Append is work for the append thread: one step, done in order.
type Append struct {
	// Cut, if set, first rolls the ledger back to To.
	Cut bool
	To  ledger.Seqno
	// Segments are entries back to back, each to be written in one piece.
	Segments [][]byte

	seq       uint64 // counts from 1
	responses []*Message
}

// Bytes is how much there is to write.
func (a *Append) Bytes() (n int) {
	for _, s := range a.Segments {
		n += len(s)
	}
	return n
}

// Take returns the effects gathered since the last Take and forgets them.
func (c *Core) Take() Effects {
	e := c.out
	c.out = Effects{}
	return e
}

// Quiet reports that Take would return nothing.
func (c *Core) Quiet() bool {
	o := &c.out
	return o.Sign == nil && o.Wake == 0 && len(o.Appends) == 0 && o.Committed.IsZero() &&
		len(o.Done) == 0 && len(o.Messages) == 0 && !o.Role && len(o.Snapshots) == 0
}
