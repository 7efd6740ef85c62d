package secret

import (
	"errors"
	"slices"
	"sync"
	"sync/atomic"

	"concordat/ledger"
)

// ErrDuplicate is returned when a chain already holds a different secret with
// the same start.
var ErrDuplicate = errors.New("another ledger secret starts at this seqno")

// Link is one secret of a chain.
type Link struct {
	Start  ledger.Seqno // first seqno it is valid at
	Secret *Secret
	// PreviousStored is the seqno of the entry in which the predecessor was
	// stored, sealed under this secret; nil when there is none.
	PreviousStored *ledger.Seqno
}

// Chain says which secret is valid at which seqno: the one with the highest
// start not above it. Readers in any goroutine never wait; writers replace the
// list. Older secrets may be added late, since a node that recovered from a
// snapshot finds them only when somebody asks for old entries.
type Chain struct {
	mu    sync.Mutex             // writers only
	links atomic.Pointer[[]Link] // ascending by Start; never changed in place
}

// Links returns the secrets, oldest first. The slice must not be changed.
func (c *Chain) Links() []Link {
	if p := c.links.Load(); p != nil {
		return *p
	}
	return nil
}

// Add puts a secret in its place. Adding the same secret again is no error;
// the newer previousStored wins if it is given.
func (c *Chain) Add(start ledger.Seqno, s *Secret, previousStored *ledger.Seqno) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	links := slices.Clone(c.Links())
	at, found := slices.BinarySearchFunc(links, start, byStart)
	link := Link{Start: start, Secret: s, PreviousStored: clonePointer(previousStored)}
	switch {
	case !found:
		links = slices.Insert(links, at, link)
	case !links[at].Secret.Equal(s):
		return ErrDuplicate
	case previousStored != nil:
		links[at] = link
	}
	c.links.Store(&links)
	return nil
}

// Rollback forgets the secrets that entries after `to` announced: a rekey in
// entry t makes a secret that starts at t+1.
func (c *Chain) Rollback(to ledger.Seqno) {
	c.mu.Lock()
	defer c.mu.Unlock()
	links := slices.DeleteFunc(slices.Clone(c.Links()), func(l Link) bool {
		return l.Start > 1 && l.Start-1 > to
	})
	c.links.Store(&links)
}

// At returns the secret valid at seqno.
func (c *Chain) At(seqno ledger.Seqno) (*Secret, bool) {
	links := c.Links()
	for i := len(links) - 1; i >= 0; i-- {
		if links[i].Start <= seqno {
			return links[i].Secret, true
		}
	}
	return nil, false
}

// Latest returns the newest link; ok is false for an empty chain.
func (c *Chain) Latest() (link Link, ok bool) {
	links := c.Links()
	if len(links) == 0 {
		return Link{}, false
	}
	return links[len(links)-1], true
}

// Starts lists the first seqno of every secret, ascending.
func (c *Chain) Starts() []ledger.Seqno {
	links := c.Links()
	starts := make([]ledger.Seqno, len(links))
	for i := range links {
		starts[i] = links[i].Start
	}
	return starts
}

func byStart(l Link, start ledger.Seqno) int {
	switch {
	case l.Start < start:
		return -1
	case l.Start > start:
		return 1
	}
	return 0
}

func clonePointer(p *ledger.Seqno) *ledger.Seqno {
	if p == nil {
		return nil
	}
	v := *p
	return &v
}
