package historical

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"concordat/ledger"
	"concordat/ledger/merkle"
	"concordat/ledger/receipt"
	"concordat/ledger/secret"
)

// book is a ledger in memory: entries 1.. with a signature after each three.
type book struct {
	mu      sync.Mutex
	entries [][]byte
	secrets secret.Chain
}

func (b *book) ReadEntry(s ledger.Seqno) ([]byte, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if s == 0 || s > uint64(len(b.entries)) {
		return nil, errors.New("no such entry")
	}
	return bytes.Clone(b.entries[s-1]), nil
}

var z8 = make([]byte, 8)

const view = 2

// newBook writes count application entries and the signatures over them.
func newBook(t *testing.T, count int) *book {
	t.Helper()
	b := &book{}
	key, err := secret.FromBytes(bytes.Repeat([]byte{7}, secret.Size))
	if err != nil {
		t.Fatal(err)
	}
	if err := b.secrets.Add(1, key, nil); err != nil {
		t.Fatal(err)
	}
	tree := merkle.New()
	peaks, leaves := merkle.Frontier{}, []ledger.Digest{{}}
	from := uint64(0)
	add := func(ws ledger.WriteSet) ledger.Digest {
		id := ledger.TxID{View: view, Seqno: uint64(len(b.entries) + 1)}
		raw, _, leaf, err := ledger.AppendEntry(nil, id, 0, ledger.Digest{}, ws, key)
		if err != nil {
			t.Fatal(err)
		}
		b.entries = append(b.entries, raw)
		return leaf
	}
	for i := range count {
		leaf := add(ledger.WriteSet{{Name: "records", Writes: []ledger.Write{{Key: []byte("k"), Value: fmt.Appendf(nil, "v%d", i)}}}})
		tree.Append(leaf)
		leaves = append(leaves, leaf)
		if i%3 != 2 {
			continue
		}
		id := ledger.TxID{View: view, Seqno: uint64(len(b.entries) + 1)}
		row := (&receipt.NodeSignature{Cert: "cert", NodeID: "node", Root: tree.Root(), TxID: id, Signature: []byte{1}}).Marshal()
		before := tree
		leaf = add(ledger.WriteSet{
			{Name: receipt.SignaturesTable, Writes: []ledger.Write{{Key: z8, Value: row}}},
			{Name: receipt.TreeTable, Writes: []ledger.Write{{Key: z8, Value: merkle.MarshalTable(from, peaks, leaves)}}},
		})
		tree.Append(leaf)
		from, peaks, leaves = id.Seqno, before, []ledger.Digest{leaf}
	}
	return b
}

// clock is moved by hand.
type clock struct{ now time.Time }

func (c *clock) Now() time.Time { return c.now }

func open1(t *testing.T, b *book, softLimit int) (*Cache, *clock) {
	t.Helper()
	c := &clock{time.Unix(1000, 0)}
	return New(Config{
		Source: b, Secrets: &b.secrets, SoftLimit: softLimit, Now: c.Now,
		Committed: func() ledger.TxID { return ledger.TxID{View: view, Seqno: uint64(len(b.entries))} },
	}), c
}

// settle asks until an answer is there, as a client does.
func settle[T any](t *testing.T, ask func() (T, bool, error)) (T, error) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if v, ok, err := ask(); ok || err != nil {
			return v, err
		}
	}
	t.Fatal("the transaction was never fetched")
	panic("unreachable")
}

func get(t *testing.T, c *Cache, s ledger.Seqno) (*Transaction, error) {
	t.Helper()
	return settle(t, func() (*Transaction, bool, error) {
		tx, err := c.Get(s)
		return tx, tx != nil, err
	})
}

func TestEveryTransactionHasItsWritesAndAReceipt(t *testing.T) {
	b := newBook(t, 9)
	c, _ := open1(t, b, 0)
	for s := uint64(1); s <= uint64(len(b.entries)); s++ {
		tx, err := get(t, c, s)
		if err != nil {
			t.Fatalf("%d: %v", s, err)
		}
		if tx.ID != (ledger.TxID{View: view, Seqno: s}) || tx.IsSig != (s%4 == 0) {
			t.Errorf("%d is %s, signature: %v", s, tx.ID, tx.IsSig)
		}
		r, err := tx.Receipt()
		if err != nil {
			t.Fatalf("%d: %v", s, err)
		}
		if r.Root() != tx.Cover.Node.Root {
			t.Errorf("the receipt of %d leads to another root", s)
		}
		if !tx.IsSig && string(tx.Writes[0].Writes[0].Value) != fmt.Sprintf("v%d", s-1-s/4) {
			t.Errorf("%d wrote %q", s, tx.Writes[0].Writes[0].Value)
		}
	}
}

func TestTheFirstAnswerIsNotYet(t *testing.T) {
	c, _ := open1(t, newBook(t, 3), 0)
	if tx, err := c.Get(1); tx != nil || err != nil {
		t.Errorf("first answer: %v, %v", tx, err)
	}
}

// TestNoChangedByteIsServed flips each byte of an entry and of its signature.
func TestNoChangedByteIsServed(t *testing.T) {
	b := newBook(t, 3)
	for _, s := range []int{1, 4} {
		for i := range b.entries[s-1] {
			b.entries[s-1][i] ^= 0x20
			c, _ := open1(t, b, 0)
			tx, err := c.Fetch(context.Background(), 1)
			if err == nil {
				t.Errorf("byte %d of entry %d changed, and %s is served", i, s, tx.ID)
			}
			b.entries[s-1][i] ^= 0x20
		}
	}
}

// TestAnOldEntryInTheRightPlaceIsRefused swaps whole entries.
func TestAnOldEntryInTheRightPlaceIsRefused(t *testing.T) {
	b := newBook(t, 3)
	b.entries[0], b.entries[1] = b.entries[1], b.entries[0]
	c, _ := open1(t, b, 0)
	if _, err := c.Fetch(context.Background(), 1); !errors.Is(err, ErrDamaged) {
		t.Errorf("got %v", err)
	}
}

func TestAFailedFetchIsTriedAgain(t *testing.T) {
	b := newBook(t, 3)
	good := b.entries[0]
	b.entries[0] = []byte("nonsense")
	c, _ := open1(t, b, 0)
	if _, err := get(t, c, 1); !errors.Is(err, ErrDamaged) {
		t.Fatalf("got %v", err)
	}
	b.mu.Lock()
	b.entries[0] = good
	b.mu.Unlock()
	if _, err := get(t, c, 1); err != nil {
		t.Errorf("after the repair: %v", err)
	}
}

func TestRanges(t *testing.T) {
	b := newBook(t, 9)
	c, now := open1(t, b, 0)
	ask := func(first, last uint64, expiry time.Duration) ([]*Transaction, error) {
		return settle(t, func() ([]*Transaction, bool, error) {
			txs, err := c.Range(1, first, last, expiry)
			return txs, txs != nil, err
		})
	}
	txs, err := ask(2, 7, time.Minute)
	if err != nil || len(txs) != 6 || txs[0].ID.Seqno != 2 || txs[5].ID.Seqno != 7 {
		t.Fatalf("%d transactions, %v", len(txs), err)
	}
	if !c.Drop(1) || c.Drop(1) {
		t.Error("a handle is known until it is dropped, once")
	}
	now.now = now.now.Add(2 * time.Minute)
	if txs, err := c.Range(2, 1, 1, 0); txs != nil || err != nil {
		t.Errorf("an expiry of nothing: %v, %v", txs, err)
	}
	if txs, err := c.Range(2, 1, 1, 0); txs != nil || err != nil {
		t.Errorf("an expiry of nothing, asked again: %v, %v", txs, err)
	}
}

func TestRangesThatCannotBe(t *testing.T) {
	c, _ := open1(t, newBook(t, 3), 0)
	for _, r := range [][2]uint64{{3, 2}, {0, 2}, {1, maxRange + 1}} {
		if _, err := c.Range(1, r[0], r[1], time.Minute); err == nil {
			t.Errorf("%d to %d is accepted", r[0], r[1])
		}
	}
	if txs, err := c.Range(1, 1, 1000, time.Minute); txs != nil || err != nil {
		t.Errorf("a range that is not committed yet: %v, %v", txs, err)
	}
}

// TestTheSoftLimitHolds keeps the newest requests within the limit.
func TestTheSoftLimitHolds(t *testing.T) {
	b := newBook(t, 30)
	limit := 8 * len(b.entries[0])
	c, now := open1(t, b, limit)
	for s := uint64(1); s <= 30; s++ {
		now.now = now.now.Add(time.Second)
		if _, err := get(t, c, s); err != nil {
			t.Fatal(err)
		}
		c.mu.Lock()
		bytes, last := c.mu.bytes, 2*len(b.entries[s-1])
		c.mu.Unlock()
		if bytes > limit+last {
			t.Fatalf("after %d: %d bytes are kept, the limit is %d", s, bytes, limit)
		}
	}
}
