package consensus_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"concordat/consensus"
	"concordat/ledger"
	"concordat/ledger/chunk"
	"concordat/ledger/merkle"
	"concordat/ledger/secret"
)

// leaves are the leaves of the ledger up to a seqno, as ReadEntry gives it.
func (n *node) tree(t *testing.T, to ledger.Seqno) merkle.Frontier {
	t.Helper()
	f := merkle.New()
	for s := ledger.Seqno(1); s <= to; s++ {
		raw, err := n.ReadEntry(s)
		if err != nil {
			t.Fatal(err)
		}
		e, err := ledger.ParseEntry(raw)
		if err != nil || e.Seqno != s {
			t.Fatalf("entry %d: %v", s, err)
		}
		f.Append(e.Leaf())
	}
	return f
}

func TestBeginWithRootIsExact(t *testing.T) {
	n := start(t, nil)
	var wg sync.WaitGroup
	stop := make(chan struct{})
	wg.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
				n.put(t, "m", fmt.Sprint(i), "v")
			}
		}
	})
	type told struct {
		seqno ledger.Seqno
		root  ledger.Digest
	}
	var all []told
	for range 50 {
		tx, root, err := n.BeginWithRoot(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, told{tx.Snapshot(), root})
		tx.Release()
	}
	close(stop)
	wg.Wait()
	n.wait(t, n.put(t, "m", "end", "v"))
	for _, x := range all {
		tree := n.tree(t, x.seqno)
		if tree.Root() != x.root {
			t.Errorf("the root told at %d is not the root over entries up to there", x.seqno)
		}
	}
}

func TestConflictsAreTheCallersToRetry(t *testing.T) {
	n := start(t, nil)
	n.put(t, "m", "k", "1")
	tx := n.Begin()
	tx.Map("m").Get([]byte("k"))
	tx.Map("m").Put([]byte("other"), []byte("x"))
	n.put(t, "m", "k", "2")
	if _, err := n.Submit(tx, consensus.SubmitOptions{}); !errors.Is(err, consensus.ErrConflict) {
		t.Errorf("%v", err)
	}
	empty := n.Begin()
	empty.Map("m").Get([]byte("k"))
	if _, err := n.Submit(empty, consensus.SubmitOptions{}); !errors.Is(err, consensus.ErrNoWrites) {
		t.Errorf("%v", err)
	}
}

func TestCommitsAreToldInOrder(t *testing.T) {
	n := start(t, func(c *consensus.Config) { c.SigRate = -1 })
	var told []ledger.TxID
	var mu sync.Mutex
	n.OnCommit(func(to ledger.TxID) {
		mu.Lock()
		defer mu.Unlock()
		told = append(told, to)
	})
	var last ledger.TxID
	for i := range 40 {
		last = n.put(t, "m", fmt.Sprint(i), "v")
		n.wait(t, last)
	}
	if err := n.Stop(context.Background()); err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	defer mu.Unlock()
	for i := 1; i < len(told); i++ {
		if told[i].Seqno <= told[i-1].Seqno {
			t.Errorf("%v was told after %v", told[i], told[i-1])
		}
	}
	if len(told) == 0 {
		t.Error("nothing was told")
	}
}

func TestThousandsWaitForOneSegment(t *testing.T) {
	s := newSigner(t)
	gate := make(chan struct{})
	n := start(t, func(c *consensus.Config) { c.Signer = gated{s, gate} })
	id := n.put(t, "m", "k", "v")
	var wg sync.WaitGroup
	var woken atomic.Int64
	for range 5000 {
		wg.Go(func() {
			if n.WaitCommitted(context.Background(), id) == nil {
				woken.Add(1)
			}
		})
	}
	impatient, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	if err := n.WaitCommitted(impatient, id); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("with the signer stuck: %v", err)
	}
	close(gate)
	wg.Wait()
	if woken.Load() != 5000 {
		t.Errorf("%d were told", woken.Load())
	}
}

// gated signs when the gate is open.
type gated struct {
	*signer
	gate chan struct{}
}

func (g gated) SignNode(root ledger.Digest) (consensus.NodeSignature, error) {
	<-g.gate
	return g.signer.SignNode(root)
}

func TestTooMuchPendingIsRefused(t *testing.T) {
	gate := make(chan struct{})
	n := start(t, func(c *consensus.Config) { c.MaxUncommittedTx, c.Signer = 10, gated{newSigner(t), gate} })
	var err error
	for i := 0; err == nil && i < 20; i++ {
		tx := n.Begin()
		tx.Map("m").Put([]byte{byte(i)}, nil)
		_, err = n.Submit(tx, consensus.SubmitOptions{})
	}
	if !errors.Is(err, consensus.ErrTooManyPending) {
		t.Errorf("%v", err)
	}
	close(gate)
	n.wait(t, n.Last())
	n.put(t, "m", "again", "v")
}

func TestOldEntriesAreReadFromFiles(t *testing.T) {
	n := start(t, func(c *consensus.Config) { c.TailBytes, c.ChunkSize, c.SigRate = 1, 4000, -1 })
	for i := range 20 {
		n.wait(t, n.put(t, "public:m", fmt.Sprint(i), strings.Repeat("v", 500)))
	}
	last := n.Committed().Seqno
	raw, err := n.ReadEntry(last)
	if err != nil {
		t.Fatal(err)
	}
	e, err := ledger.ParseEntry(raw)
	if err != nil {
		t.Fatal(err)
	}
	var row struct{ Root string }
	if err := json.Unmarshal(e.Public.Writes[1].Writes[0].Value, &row); err != nil {
		t.Fatal(err)
	}
	if tree := n.tree(t, last-1); tree.Root().Hex() != row.Root {
		t.Error("what is read back does not give the signed root")
	}
	if _, err := n.ReadEntry(last + 1); !errors.Is(err, chunk.ErrNotFound) {
		t.Errorf("%v", err)
	}
}

// fatal starts a node that is expected to fail, and waits for why.
func fatal(t *testing.T, change func(*consensus.Config), do func(*node)) string {
	t.Helper()
	why := make(chan error, 1)
	n := start(t, func(c *consensus.Config) {
		change(c)
		c.OnFatal = func(err error) { why <- err }
	})
	do(n)
	select {
	case err := <-why:
		if n.CanReplicate() || n.Wait() == nil {
			t.Error("it goes on")
		}
		tx := n.Begin()
		tx.Map("m").Put([]byte("after"), nil)
		if _, err := n.Submit(tx, consensus.SubmitOptions{}); !errors.Is(err, consensus.ErrStopped) {
			t.Errorf("a submission is answered %v", err)
		}
		return err.Error()
	case <-time.After(10 * time.Second):
		t.Fatal("it does not stop")
		return ""
	}
}

// brokenDisk fails every sync of a file.
type brokenDisk struct{ chunk.FS }

type brokenFile struct{ chunk.File }

func (brokenFile) Sync() error { return errors.New("input/output error") }

func (b brokenDisk) Create(name string) (chunk.File, error) {
	f, err := b.FS.Create(name)
	return brokenFile{f}, err
}

func TestADiskErrorStopsTheNode(t *testing.T) {
	var id ledger.TxID
	why := fatal(t, func(c *consensus.Config) { c.FS = brokenDisk{chunk.OS} }, func(n *node) {
		id = n.put(t, "m", "k", "v")
		if err := n.WaitCommitted(context.Background(), id); !errors.Is(err, consensus.ErrStopped) {
			t.Errorf("who waits is told %v", err)
		}
		if !n.Committed().IsZero() {
			t.Errorf("%v is committed", n.Committed())
		}
	})
	if !strings.Contains(why, "write the ledger") || !strings.Contains(why, "input/output error") {
		t.Error(why)
	}
}

func TestASignerThatFailsStopsTheNode(t *testing.T) {
	why := fatal(t, func(c *consensus.Config) {
		s := newSigner(t)
		s.err = errors.New("the key store is gone")
		c.Signer = s
	}, func(n *node) { n.put(t, "m", "k", "v") })
	if !strings.Contains(why, "sign the root at 2.2") || !strings.Contains(why, "the key store is gone") {
		t.Error(why)
	}
}

func TestABrokenInvariantStopsTheNode(t *testing.T) {
	why := fatal(t, func(c *consensus.Config) { c.Secrets = &secret.Chain{} }, func(n *node) {
		tx := n.Begin()
		tx.Map("m").Put([]byte("k"), nil)
		if _, err := n.Submit(tx, consensus.SubmitOptions{}); !errors.Is(err, consensus.ErrStopped) {
			t.Errorf("%v", err)
		}
	})
	if !strings.Contains(why, "no ledger secret is valid at 2.1") {
		t.Error(why)
	}
}

func TestStopGivesUpWithItsContext(t *testing.T) {
	gate := make(chan struct{})
	n := start(t, func(c *consensus.Config) { c.Signer = gated{newSigner(t), gate} })
	n.put(t, "m", "k", "v")
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	if err := n.Stop(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
	close(gate)
}

func TestSyncModesAllCommit(t *testing.T) {
	for _, mode := range []consensus.SyncMode{consensus.SyncCommit, consensus.SyncAsync, consensus.SyncNone} {
		n := start(t, func(c *consensus.Config) { c.Sync = mode })
		n.wait(t, n.put(t, "m", "k", "v"))
	}
}

func TestForcedChunkAndSnapshot(t *testing.T) {
	due := make(chan ledger.TxID, 1)
	n := start(t, func(c *consensus.Config) { c.OnSnapshotDue = func(id ledger.TxID) { due <- id } })
	tx := n.Begin()
	tx.Map("m").Put([]byte("k"), nil)
	id, err := n.Submit(tx, consensus.SubmitOptions{ForceSnapshot: true})
	if err != nil {
		t.Fatal(err)
	}
	n.wait(t, id)
	if got := <-due; got.Seqno != 2 {
		t.Errorf("a snapshot is due at %v", got)
	}
	if err := n.Stop(context.Background()); err != nil {
		t.Fatal(err)
	}
	d, err := chunk.OpenDir(n.dir)
	if err != nil {
		t.Fatal(err)
	}
	if c := d.Chunks(); len(c) != 1 || c[0].Name.String() != "ledger_1-2.committed" {
		t.Errorf("%v", c)
	}
}
