package secret_test

import (
	"errors"
	"slices"
	"sync"
	"testing"

	"concordat/ledger"
	"concordat/ledger/secret"
)

func chainOf(t testing.TB, starts ...ledger.Seqno) (*secret.Chain, map[ledger.Seqno]*secret.Secret) {
	t.Helper()
	c, all := &secret.Chain{}, map[ledger.Seqno]*secret.Secret{}
	for _, start := range starts {
		all[start] = generate(t, byte(start))
		if err := c.Add(start, all[start], nil); err != nil {
			t.Fatal(err)
		}
	}
	return c, all
}

func TestChainAt(t *testing.T) {
	c, all := chainOf(t, 30, 1, 10) // older ones may come late
	for seqno, start := range map[ledger.Seqno]ledger.Seqno{1: 1, 9: 1, 10: 10, 29: 10, 30: 30, 1 << 40: 30} {
		if got, ok := c.At(seqno); !ok || !got.Equal(all[start]) {
			t.Errorf("at %d: not the secret from %d", seqno, start)
		}
	}
	if _, ok := c.At(0); ok {
		t.Error("a secret before the first entry")
	}
	if !slices.Equal(c.Starts(), []ledger.Seqno{1, 10, 30}) {
		t.Errorf("starts %v", c.Starts())
	}
	if last, ok := c.Latest(); !ok || last.Start != 30 {
		t.Errorf("latest %v", last)
	}
}

func TestEmptyChain(t *testing.T) {
	var c secret.Chain
	if _, ok := c.At(1); ok {
		t.Error("a secret out of nothing")
	}
	if _, ok := c.Latest(); ok || len(c.Starts()) != 0 {
		t.Error("an empty chain has links")
	}
}

func TestChainAdd(t *testing.T) {
	c, all := chainOf(t, 1, 5)
	if err := c.Add(5, generate(t, 77), nil); !errors.Is(err, secret.ErrDuplicate) {
		t.Errorf("another secret in the same place: %v", err)
	}
	stored := ledger.Seqno(4)
	if err := c.Add(5, all[5], &stored); err != nil {
		t.Fatal(err)
	}
	stored = 99
	if err := c.Add(5, all[5], nil); err != nil {
		t.Fatal(err)
	}
	if last, _ := c.Latest(); last.PreviousStored == nil || *last.PreviousStored != 4 || len(c.Links()) != 2 {
		t.Errorf("links %v", c.Links())
	}
}

// A rekey in entry t makes a secret from t+1; it goes when t goes.
func TestChainRollback(t *testing.T) {
	c, _ := chainOf(t, 1, 10, 20)
	links := c.Links()
	c.Rollback(19)
	if len(c.Starts()) != 3 {
		t.Error("rollback to the rekey entry lost its secret")
	}
	c.Rollback(18)
	if !slices.Equal(c.Starts(), []ledger.Seqno{1, 10}) {
		t.Errorf("after rollback: %v", c.Starts())
	}
	c.Rollback(0)
	if !slices.Equal(c.Starts(), []ledger.Seqno{1}) {
		t.Errorf("the first secret is not announced by any entry: %v", c.Starts())
	}
	if len(links) != 3 || links[2].Start != 20 {
		t.Error("a list handed out before has changed")
	}
}

func TestChainReadersDoNotWait(t *testing.T) {
	c, _ := chainOf(t, 1)
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for seqno := range ledger.Seqno(500) {
				if _, ok := c.At(seqno + 1); !ok {
					t.Error("the first secret is gone")
					return
				}
			}
		})
	}
	for start := ledger.Seqno(2); start < 40; start++ {
		if err := c.Add(start, generate(t, byte(start)), nil); err != nil {
			t.Error(err)
		}
		c.Rollback(start - 2)
	}
	group.Wait()
}
