package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"concordat/ledger"
	"concordat/ledger/receipt"
	"concordat/node/client"
)

const (
	clients = 64
	keys    = 7 // few enough that writes conflict all the time
	sampled = 50
)

// conflictTime is how long the clients write: CONFLICT_SECONDS=30 for the long run.
func conflictTime(t *testing.T) time.Duration {
	if text := os.Getenv("CONFLICT_SECONDS"); text != "" {
		d, err := time.ParseDuration(text + "s")
		if err != nil {
			t.Fatalf("CONFLICT_SECONDS: %v", err)
		}
		return d
	}
	return 30 * time.Second
}

// TestConflictingWritersLoseNothing has 64 clients increment shared counters. The
// values at the end must equal the number of acknowledged increments, each
// acknowledged transaction must commit, and sampled receipts must verify.
func TestConflictingWritersLoseNothing(t *testing.T) {
	if testing.Short() {
		t.Skip("writes for 30 s")
	}
	s := start(t, filepath.Join("tests", "e2e", "testdata", "counter"))
	c := s.as("user0")
	acks := hammer(t, c, conflictTime(t))
	checkCounters(t, c, acks)
	checkCommitted(t, c, acks)
	checkReceipts(t, c, s.read("service_cert.pem"), acks)
}

// ack is one acknowledged increment.
type ack struct {
	key string
	id  ledger.TxID
}

func hammer(t *testing.T, c *client.Client, length time.Duration) []ack {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), length)
	defer cancel()
	var mu sync.Mutex
	var acks []ack
	var failed error
	var wg sync.WaitGroup
	for n := range clients {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for i := n; ctx.Err() == nil; i++ {
				key := fmt.Sprintf("k%d", i%keys)
				a, err := c.Do(context.Background(), http.MethodPost, "/app/counter/"+key, nil, nil)
				mu.Lock()
				switch {
				case err != nil:
					failed = errors.Join(failed, err)
				case a.Status == http.StatusOK:
					acks = append(acks, ack{key, a.TxID()})
				case a.Status != http.StatusServiceUnavailable: // 503 is "try again": nothing was written
					failed = errors.Join(failed, a.Err())
				}
				stop := failed != nil
				mu.Unlock()
				if stop {
					return
				}
			}
		}()
	}
	wg.Wait()
	if failed != nil {
		t.Fatal(failed)
	}
	if len(acks) < clients {
		t.Fatalf("only %d writes were acknowledged", len(acks))
	}
	t.Logf("%d writes acknowledged in %s", len(acks), length)
	return acks
}

func checkCounters(t *testing.T, c *client.Client, acks []ack) {
	t.Helper()
	want := map[string]int{}
	for _, a := range acks {
		want[a.key]++
	}
	for key, n := range want {
		var got struct{ Value, Total int }
		if err := c.GetJSON(context.Background(), "/app/counter/"+key, &got); err != nil {
			t.Fatal(err)
		}
		if got.Value != n || got.Total != len(acks) {
			t.Errorf("%s is %d of %d in all, want %d of %d", key, got.Value, got.Total, n, len(acks))
		}
	}
}

func checkCommitted(t *testing.T, c *client.Client, acks []ack) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	seen := map[ledger.TxID]bool{}
	var last ledger.TxID
	for _, a := range acks {
		if seen[a.id] {
			t.Fatalf("two writes were acknowledged as %s", a.id)
		}
		seen[a.id] = true
		if a.id.Seqno > last.Seqno {
			last = a.id
		}
	}
	if err := c.WaitCommitted(ctx, last); err != nil {
		t.Fatal(err)
	}
	for _, a := range acks {
		if err := c.WaitCommitted(ctx, a.id); err != nil {
			t.Fatal(err)
		}
	}
}

func checkReceipts(t *testing.T, c *client.Client, service []byte, acks []ack) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for i := 0; i < len(acks); i += max(1, len(acks)/sampled) {
		b, err := c.Receipt(ctx, acks[i].id)
		if err != nil {
			t.Fatal(err)
		}
		if err := verifies(b, service, acks[i].id); err != nil {
			t.Errorf("receipt of %s: %v", acks[i].id, err)
		}
	}
}

// verifies checks a JSON receipt, and that it is of the transaction asked for.
func verifies(b, service []byte, id ledger.TxID) error {
	if _, err := receipt.Verify(b, service, receipt.Options{}); err != nil {
		return err
	}
	var r struct {
		Leaf struct {
			Evidence string `json:"commit_evidence"`
		} `json:"leaf_components"`
	}
	if err := json.Unmarshal(b, &r); err != nil {
		return err
	}
	if want := "ce:" + id.String() + ":"; len(r.Leaf.Evidence) < len(want) || r.Leaf.Evidence[:len(want)] != want {
		return fmt.Errorf("evidence %q is of another transaction", r.Leaf.Evidence)
	}
	return nil
}
