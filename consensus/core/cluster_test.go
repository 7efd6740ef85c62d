package core

import (
	"bytes"
	"fmt"
	"testing"

	"google.golang.org/protobuf/proto"
)

// cluster is three cores whose messages arrive at once, unless they are cut off.
type cluster struct {
	t     *testing.T
	nodes map[uint64]*stage
	cut   map[uint64]bool
}

func newCluster(t *testing.T) *cluster {
	c := &cluster{t: t, nodes: map[uint64]*stage{}, cut: map[uint64]bool{}}
	for id := uint64(1); id <= 3; id++ {
		c.nodes[id] = newStage(t, func(cfg *Config) {
			cfg.ID, cfg.Voters, cfg.SigRate = id, []uint64{1, 2, 3}, -1
		})
	}
	return c
}

// run delivers, signs, writes and seals until nothing is left to do.
func (c *cluster) run() {
	for busy := true; busy; {
		busy = false
		for id := uint64(1); id <= 3; id++ {
			s := c.nodes[id]
			s.take()
			if len(s.slots)+len(s.jobs)+len(s.appends) > 0 {
				busy = true
				s.settle()
			}
			sent := s.sent
			s.sent = nil
			for _, m := range sent {
				if c.cut[id] || c.cut[m.GetTo()] {
					continue
				}
				busy = true
				// A copy, as over a wire: raft keeps what it sends.
				if err := c.nodes[m.GetTo()].core.Step(proto.Clone(m).(*Message)); err != nil {
					c.t.Fatal(err)
				}
			}
		}
	}
}

func (c *cluster) tick(n int) {
	for range n {
		for id := uint64(1); id <= 3; id++ {
			c.nodes[id].now += 1e8
			c.nodes[id].core.Tick(c.nodes[id].now)
		}
		c.run()
	}
}

func (c *cluster) write(id uint64, n int) {
	for i := range n {
		if _, err := c.nodes[id].submit("m", fmt.Sprint(i), "by", Request{}); err != nil {
			c.t.Fatal(err)
		}
	}
}

// leader is the one that leads in the highest view.
func (c *cluster) leader() (leader uint64) {
	var view uint64
	for id, s := range c.nodes {
		if s.core.Leads() && !c.cut[id] && s.core.Role().View > view {
			leader, view = id, s.core.Role().View
		}
	}
	return leader
}

// ledger is what a node calls committed.
func (c *cluster) ledger(id uint64) (b []byte) {
	s := c.nodes[id]
	for n := uint64(1); n <= s.core.Committed().Seqno; n++ {
		raw, ok := s.core.Entry(n)
		if !ok {
			c.t.Fatalf("node %d has no entry %d", id, n)
		}
		b = append(b, raw...)
	}
	return b
}

func TestThreeNodesAgree(t *testing.T) {
	c := newCluster(t)
	c.nodes[1].core.Campaign()
	c.run()
	c.write(1, 1)
	c.run()
	c.write(1, 50)
	c.run()
	c.tick(1)
	if c.leader() != 1 || c.nodes[1].core.Committed() != c.nodes[1].core.Last() {
		t.Fatalf("node 1: %s", describe(c.nodes[1].core))
	}
	want := c.ledger(1)
	for id := uint64(2); id <= 3; id++ {
		if !bytes.Equal(c.ledger(id), want) {
			t.Errorf("I8: node %d: %s", id, describe(c.nodes[id].core))
		}
	}
}

// The leader is cut off with transactions in every phase; the others go on without
// them; when it comes back, it takes over their ledger.
func TestACutOffLeaderRollsBack(t *testing.T) {
	c := newCluster(t)
	c.nodes[1].core.Campaign()
	c.run()
	c.write(1, 5)
	c.run()
	c.tick(1)
	committed := c.nodes[1].core.Committed()
	c.cut[1] = true
	lost, err := c.nodes[1].submit("m", "lost", "v", Request{})
	if err != nil {
		t.Fatal(err)
	}
	c.run() // in its own log, on its own disk
	c.write(1, 1)
	for range 100 {
		if c.tick(1); c.leader() != 0 {
			break
		}
	}
	next := c.leader()
	if next == 0 {
		t.Fatal("nobody leads")
	}
	c.write(next, 7)
	c.run()
	c.cut[1] = false
	c.tick(20)
	if got := c.nodes[1].core.TxStatus(lost); got != StatusInvalid {
		t.Errorf("%v is %s", lost, got)
	}
	for id := uint64(1); id <= 3; id++ {
		if !bytes.Equal(c.ledger(id), c.ledger(next)) || c.nodes[id].core.Committed().Seqno < committed.Seqno+8 {
			t.Errorf("node %d: %s", id, describe(c.nodes[id].core))
		}
		tx := c.nodes[id].store.Begin()
		if _, ok := tx.Map("m").Get([]byte("lost")); ok {
			t.Errorf("node %d has state that was rolled back", id)
		}
		tx.Release()
	}
}
