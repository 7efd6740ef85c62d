// Package historical answers questions about the past: one committed transaction,
// or a range of them, each with its writes and what its receipt is made of.
//
// Entries come back from untrusted storage; each is authenticated by its GCM tag
// and tied to the signed root above it before anybody sees it.
//
// Asking starts a fetch and answers "not yet"; asking again finds the result, as
// clients of CCF expect (ccf-http-api 2.5). Goroutines: one per fetch under way,
// at most maxFetches, started by the cache, ended when it has what it was asked.
package historical

import (
	"context"
	"fmt"
	"sync"
	"time"

	"concordat/ledger"
	"concordat/ledger/receipt"
)

const (
	// DefaultSoftLimit is the bytes kept when the configuration names none.
	DefaultSoftLimit = 512 << 20
	// maxFetches bounds the fetches under way.
	maxFetches = 4
	// maxHandles bounds the requests known at once; more wait their turn.
	maxHandles = 4096
	// maxRange bounds one range request, in transactions.
	maxRange = 100_000
	// singleExpiry is how long a single transaction is kept after its last use.
	singleExpiry = 30 * time.Minute
)

// Config is what a Cache works on.
type Config struct {
	Source  Source
	Secrets Secrets
	// Committed is the newest committed transaction: nothing later is served.
	Committed func() ledger.TxID
	SoftLimit int // bytes; 0 means DefaultSoftLimit
	Now       func() time.Time
}

// Cache holds what was fetched. It is safe for concurrent use.
type Cache struct {
	cfg   Config
	slots chan struct{}

	mu struct {
		sync.Mutex
		handles map[handle]*request
		bytes   int
	}
}

// handle names a request: scripts choose numbers, single transactions are known
// by their seqno.
type handle struct {
	script bool
	number uint64
}

// request is one range that somebody asked for. Its fields are guarded by the
// cache's lock.
type request struct {
	first, last ledger.Seqno
	expires     time.Time
	done        bool
	txs         []*Transaction
	err         error
	bytes       int
}

// New makes an empty cache.
func New(cfg Config) *Cache {
	if cfg.SoftLimit == 0 {
		cfg.SoftLimit = DefaultSoftLimit
	}
	c := &Cache{cfg: cfg, slots: make(chan struct{}, maxFetches)}
	c.mu.handles = map[handle]*request{}
	return c
}

// Get returns a committed transaction, or nil while it is being fetched.
func (c *Cache) Get(seqno ledger.Seqno) (*Transaction, error) {
	txs, err := c.get(handle{number: seqno}, seqno, seqno, singleExpiry)
	if err != nil || txs == nil {
		return nil, err
	}
	return txs[0], nil
}

// Fetch returns a committed transaction at once, for callers that can wait.
func (c *Cache) Fetch(ctx context.Context, seqno ledger.Seqno) (*Transaction, error) {
	select {
	case c.slots <- struct{}{}:
		defer func() { <-c.slots }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return fetch(c.cfg.Source, c.cfg.Secrets, seqno)
}

// Range returns the transactions first..last under a script's handle, or nil
// while they are being fetched or not yet committed. An expiry of zero never
// becomes ready, as recorded (ccf-js-api-corrections 68).
func (c *Cache) Range(number uint64, first, last ledger.Seqno, expiry time.Duration) ([]*Transaction, error) {
	switch {
	case last < first:
		return nil, fmt.Errorf("Invalid range for historical query: end %d is before start %d", last, first)
	case first == 0:
		return nil, fmt.Errorf("Earliest known ledger secret at 1 has no earlier secret stored version (0)")
	case last-first >= maxRange:
		return nil, fmt.Errorf("Invalid range for historical query: %d transactions are more than %d", last-first+1, maxRange)
	}
	return c.get(handle{true, number}, first, last, expiry)
}

// Drop forgets a script's handle and tells whether it was known.
func (c *Cache) Drop(number uint64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.drop(handle{true, number})
}

func (c *Cache) get(h handle, first, last ledger.Seqno, expiry time.Duration) ([]*Transaction, error) {
	now := c.cfg.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.expire(now)
	r := c.mu.handles[h]
	if r != nil && r.first == first && r.last == last {
		r.expires = now.Add(expiry)
		if !r.done {
			return nil, nil
		}
		if r.err != nil {
			c.drop(h) // the next request tries again
		}
		return r.txs, r.err
	}
	c.drop(h)
	if last > c.cfg.Committed().Seqno || len(c.mu.handles) >= maxHandles {
		return nil, nil
	}
	r = &request{first: first, last: last, expires: now.Add(expiry)}
	c.mu.handles[h] = r
	go c.run(h, r)
	return nil, nil
}

// run fetches one request's transactions. Only it writes done, txs and err.
func (c *Cache) run(h handle, r *request) {
	c.slots <- struct{}{}
	defer func() { <-c.slots }()
	var txs []*Transaction
	var err error
	bytes := 0
	var cover *receipt.Covering
	for s := r.first; s <= r.last && err == nil; s++ {
		var t *Transaction
		if t, err = fetchUnder(c.cfg.Source, c.cfg.Secrets, s, cover); err == nil {
			txs, bytes, cover = append(txs, t), bytes+t.charged, t.Cover
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	r.done, r.err = true, err
	if err == nil {
		r.txs, r.bytes = txs, bytes
	}
	if c.mu.handles[h] == r {
		c.mu.bytes += r.bytes
		c.shrink(h)
	}
}

// fetchUnder avoids reading the signature of a range once a transaction.
func fetchUnder(src Source, secrets Secrets, seqno ledger.Seqno, cover *receipt.Covering) (*Transaction, error) {
	if cover == nil || cover.Node.TxID.Seqno <= seqno {
		return fetch(src, secrets, seqno)
	}
	t, err := open(src, secrets, seqno)
	if err != nil {
		return nil, err
	}
	t.Cover = cover
	return t, t.check()
}

// expire and shrink run under the lock.
func (c *Cache) expire(now time.Time) {
	for h, r := range c.mu.handles {
		if !now.Before(r.expires) {
			c.drop(h)
		}
	}
}

// shrink forgets what expires soonest until the soft limit holds, but never the
// request just made.
func (c *Cache) shrink(keep handle) {
	for c.mu.bytes > c.cfg.SoftLimit {
		var oldest handle
		found := false
		for h, r := range c.mu.handles {
			if h != keep && r.done && (!found || r.expires.Before(c.mu.handles[oldest].expires)) {
				oldest, found = h, true
			}
		}
		if !found {
			return
		}
		c.drop(oldest)
	}
}

func (c *Cache) drop(h handle) bool {
	r, ok := c.mu.handles[h]
	if ok {
		delete(c.mu.handles, h)
		c.mu.bytes -= r.bytes
	}
	return ok
}
