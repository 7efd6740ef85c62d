package consensus_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"concordat/consensus"
	"concordat/ledger"
	"concordat/ledger/chunk"
	"concordat/ledger/kv"
	"concordat/ledger/secret"
)

// signer signs like a node does: two keys on P-384.
type signer struct {
	node, service *ecdsa.PrivateKey
	err           error
}

func newSigner(t testing.TB) *signer {
	t.Helper()
	s := &signer{}
	for _, key := range []**ecdsa.PrivateKey{&s.node, &s.service} {
		k, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		*key = k
	}
	return s
}

func (s *signer) SignNode(root ledger.Digest) (consensus.NodeSignature, error) {
	der, err := ecdsa.SignASN1(rand.Reader, s.node, root[:])
	return consensus.NodeSignature{NodeID: "n0", CertPEM: "cert", DER: der}, errors.Join(err, s.err)
}

func (s *signer) SignService(root ledger.Digest, id ledger.TxID) ([]byte, error) {
	return ecdsa.SignASN1(rand.Reader, s.service, root[:])
}

// node is a replica over a store in memory and a ledger in a temporary directory.
type node struct {
	*consensus.Replica
	store *kv.Store
	chain *secret.Chain
	dir   string
}

func start(t testing.TB, change func(*consensus.Config)) *node {
	t.Helper()
	key, err := secret.FromBytes(bytes.Repeat([]byte{7}, secret.Size))
	if err != nil {
		t.Fatal(err)
	}
	n := &node{store: kv.New(kv.NewMemBase(), kv.Options{}), chain: &secret.Chain{}, dir: t.TempDir()}
	n.store.Start()
	if err := n.chain.Add(1, key, nil); err != nil {
		t.Fatal(err)
	}
	cfg := consensus.Config{Dir: n.dir, Store: n.store, Secrets: n.chain, Signer: newSigner(t)}
	cfg.OnFatal = func(err error) { t.Errorf("fatal: %v", err) }
	if change != nil {
		change(&cfg)
	}
	if n.Replica, err = consensus.Start(cfg); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		_ = n.Stop(ctx)
		if err := n.store.Close(); err != nil {
			t.Error(err)
		}
	})
	return n
}

func (n *node) put(t testing.TB, name, key, value string) ledger.TxID {
	t.Helper()
	tx := n.Begin()
	tx.Map(name).Put([]byte(key), []byte(value))
	id, err := n.Submit(tx, consensus.SubmitOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func (n *node) wait(t testing.TB, id ledger.TxID) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := n.WaitCommitted(ctx, id); err != nil {
		t.Fatalf("%v: %v", id, err)
	}
}

func TestFirstTransactionsOfAService(t *testing.T) {
	n := start(t, nil)
	if !n.CanReplicate() || n.View() != 2 || n.Role() != "Leader" || !n.Committed().IsZero() {
		t.Fatalf("after start: view %d, role %s, committed %v", n.View(), n.Role(), n.Committed())
	}
	id := n.put(t, "public:m", "k", "v")
	if id.String() != "2.1" {
		t.Fatalf("the first transaction is %v", id)
	}
	n.wait(t, id)
	if got := n.Committed().String(); got != "2.2" {
		t.Errorf("committed %s", got)
	}
	if got := fmt.Sprint(n.ViewHistory()); got != "[1 1]" {
		t.Errorf("view history %s", got)
	}
	for id, want := range map[ledger.TxID]string{
		{View: 2, Seqno: 1}: "Committed", {View: 2, Seqno: 2}: "Committed", {View: 1, Seqno: 1}: "Invalid",
		{View: 3, Seqno: 2}: "Invalid", {View: 2, Seqno: 3}: "Unknown", {View: 1, Seqno: 9}: "Invalid",
	} {
		if got := n.TxStatus(id); got != want {
			t.Errorf("%v is %s, want %s", id, got, want)
		}
	}
}

func TestManySubmitters(t *testing.T) {
	n := start(t, func(c *consensus.Config) { c.ChunkSize = 20 << 10 })
	var last struct {
		sync.Mutex
		id ledger.TxID
	}
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 200 {
				id := n.put(t, "m", fmt.Sprint(g, i), "value")
				if i%50 == 0 {
					n.wait(t, id)
				}
				last.Lock()
				if id.Seqno > last.id.Seqno {
					last.id = id
				}
				last.Unlock()
			}
		})
	}
	wg.Wait()
	n.wait(t, last.id)
	if err := n.Stop(context.Background()); err != nil {
		t.Fatal(err)
	}
	d, err := chunk.OpenDir(n.dir)
	if err != nil {
		t.Fatal(err)
	}
	if d.Last() < last.id.Seqno || len(d.Chunks()) < 3 {
		t.Errorf("the ledger ends with %d in %d chunks", d.Last(), len(d.Chunks()))
	}
}
