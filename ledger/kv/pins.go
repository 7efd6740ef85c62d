package kv

import (
	"math"
	"sync"

	"concordat/ledger"
)

// pinShards spreads the registration of transactions. A transaction's core keeps
// its shard through the pool, which is per processor, so shards are rarely shared.
const pinShards = 16

// pins is the registry of active snapshots: the base must not pass the oldest.
type pins struct{ shards [pinShards]pinShard }

// pinShard is a list of active transactions in order of Begin, which is also the
// order of their pins and epochs.
type pinShard struct {
	mu     sync.Mutex
	oldest *core
	newest *core
	active int
	_      [64 - 32%64]byte // no false sharing
}

// add registers c at the store's head, which is read under the shard's lock: the
// flusher that looks at the shard later sees c, and one that looked before took
// a limit at or below the head.
func (p *pinShard) add(c *core) {
	p.mu.Lock()
	h := c.s.head.Load()
	c.id, c.epoch, c.pin = h.id, h.epoch, h.id.Seqno
	c.older, c.newer = p.newest, nil
	if p.newest != nil {
		p.newest.newer = c
	} else {
		p.oldest = c
	}
	p.newest = c
	p.active++
	p.mu.Unlock()
}

func (p *pinShard) remove(c *core) {
	p.mu.Lock()
	if c.older != nil {
		c.older.newer = c.newer
	} else {
		p.oldest = c.newer
	}
	if c.newer != nil {
		c.newer.older = c.older
	} else {
		p.newest = c.older
	}
	c.older, c.newer = nil, nil
	p.active--
	p.mu.Unlock()
}

// oldest is the lowest pin and the lowest epoch of all active transactions, and
// their number; without any, both are the highest possible.
func (p *pins) oldest() (pin ledger.Seqno, epoch uint32, active int) {
	pin, epoch = math.MaxUint64, math.MaxUint32
	for i := range p.shards {
		s := &p.shards[i]
		s.mu.Lock()
		if s.oldest != nil {
			pin, epoch = min(pin, s.oldest.pin), min(epoch, s.oldest.epoch)
		}
		active += s.active
		s.mu.Unlock()
	}
	return pin, epoch, active
}

// clamp lowers the pins above to: those transactions see rolled back versions on
// top of the state at to, so the base must stay at or below to.
func (p *pins) clamp(to ledger.Seqno) {
	for i := range p.shards {
		s := &p.shards[i]
		s.mu.Lock()
		for c := s.newest; c != nil && c.pin > to; c = c.older {
			c.pin = to
		}
		s.mu.Unlock()
	}
}
