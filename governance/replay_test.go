package governance_test

import (
	"context"
	crand "crypto/rand"
	"errors"
	"fmt"
	"math/big"
	"math/rand/v2"
	"sort"
	"testing"

	"concordat/governance"
	"concordat/governance/auth"
	"concordat/governance/tables"
	"concordat/ledger"
	"concordat/ledger/cose"
	"concordat/ledger/keys"
	"concordat/ledger/kv"
)

// window is the replay window as a member would describe it: the timestamps and
// digests of the newest proposals.
type window struct {
	size int
	keys []string
	ids  map[string]string
}

func (m *window) offer(at uint64, digest ledger.Digest, id string) governance.Code {
	key := fmt.Sprintf("%010d:%s", at, digest.Hex())
	switch {
	case at > 9999999999:
		return governance.InvalidCreatedAt
	case m.ids[key] != "":
		return governance.ProposalReplay
	case len(m.keys) > 0 && key[:10] < m.keys[len(m.keys)/2][:10]:
		return governance.ProposalCreatedTooLongAgo
	}
	for len(m.keys) >= m.size { // the new one always stays
		delete(m.ids, m.keys[0])
		m.keys = m.keys[1:]
	}
	m.ids[key] = id
	m.keys = append(m.keys, key)
	sort.Strings(m.keys)
	return ""
}

// TestReplayWindow offers random proposals, fresh and repeated, in windows of
// several sizes, and compares every answer with the model. Above all no proposal
// may be accepted twice. One exception is inherited from CCF, whose tests demand
// that a timestamp equal to the median passes: when half of a full window has one
// and the same timestamp, proposals of that second can be forgotten and repeated.
func TestReplayWindow(t *testing.T) {
	for seed := range uint64(40) {
		r := rand.New(rand.NewPCG(seed, 1))
		size := 1 + r.IntN(12)
		store := kv.New(kv.NewMemBase(), kv.Options{})
		model := &window{size: size, ids: map[string]string{}}
		accepted := map[string]int{}
		var seqno ledger.Seqno
		do := func(f func(tx *kv.Tx) error) error {
			tx := store.Begin()
			defer tx.Release()
			if err := f(tx); err != nil {
				return err
			}
			seqno++
			store.Apply(ledger.TxID{View: 2, Seqno: seqno}, tx.WriteSet())
			return nil
		}
		w := uint64(size)
		if err := do(func(tx *kv.Tx) error {
			return tables.Config.Put(tx, tables.ServiceConfig{RecentCoseProposalsWindowSize: &w})
		}); err != nil {
			t.Fatal(err)
		}
		for i := range 300 {
			at := uint64(r.IntN(30))
			if r.IntN(50) == 0 {
				at = 10_000_000_000
			}
			digest := ledger.Digest{byte(r.IntN(20)), byte(at)}
			id := fmt.Sprintf("proposal%d", i)
			crowded := len(model.keys) > 0 && model.keys[0][:10] == model.keys[len(model.keys)/2][:10]
			want := model.offer(at, digest, id)
			var got governance.Code
			err := do(func(tx *kv.Tx) error { return governance.GuardReplay(tx, at, digest, ledger.Digest{0xff}, id) })
			var refused *governance.Error
			if errors.As(err, &refused) {
				got = refused.Code
			} else if err != nil {
				t.Fatal(err)
			}
			if got != want {
				t.Fatalf("seed %d, window %d, offer %d at %d: %q (%v), want %q", seed, size, i, at, got, err, want)
			}
			if got == "" {
				key := fmt.Sprint(at, digest)
				if accepted[key]++; accepted[key] > 1 && !crowded {
					t.Fatalf("seed %d: the proposal of time %d was accepted twice", seed, at)
				}
			}
		}
		_ = store.Close()
	}
}

// TestTwinSignature: with a signature (r, s) anybody can make (r, n-s), which
// verifies too. It is not a second proposal.
func TestTwinSignature(t *testing.T) {
	w := aliceAlone(t)
	alice := w.person("alice")
	body, err := cose.SignGov(crand.Reader, alice.key, cose.RequestHeader{Kid: alice.id, Type: cose.TypeProposal, CreatedAt: 5}, []byte(`{"actions":[]}`))
	if err != nil {
		t.Fatal(err)
	}
	if err := w.submit(body); err != nil {
		t.Fatal(err)
	}
	var refused *governance.Error
	if err := w.submit(twin(t, alice.key, body)); !errors.As(err, &refused) || refused.Code != governance.ProposalReplay {
		t.Errorf("the twin was answered %v", err)
	}
}

func (w *world) submit(body []byte) error {
	return w.commit(func(tx *kv.Tx) error {
		contentType := auth.ContentType
		req, err := auth.Authenticate(tx, &contentType, body, auth.Policy{Type: cose.TypeProposal, Active: true})
		if err != nil {
			return err
		}
		_, err = w.engine.Propose(context.Background(), tx, w.tree.Root(), req, &w.flags)
		return err
	})
}

// twin replaces the signature at the end of a message by its other form.
func twin(t *testing.T, key *keys.PrivateKey, body []byte) []byte {
	t.Helper()
	m, err := cose.ParseGov(body)
	if err != nil {
		t.Fatal(err)
	}
	half := len(m.Signature) / 2
	s := new(big.Int).SetBytes(m.Signature[half:])
	s.Sub(key.Public().Params().N, s)
	out := append([]byte{}, body[:len(body)-half]...)
	return append(out, s.FillBytes(make([]byte, half))...)
}
