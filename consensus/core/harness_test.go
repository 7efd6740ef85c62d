package core

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"testing"
	"time"

	"concordat/ledger"
	"concordat/ledger/kv"
	"concordat/ledger/secret"
)

type oneSecret struct{ *secret.Secret }

func (o oneSecret) At(ledger.Seqno) (Secret, bool) { return o.Secret, true }

func testSecret(t testing.TB) oneSecret {
	t.Helper()
	s, err := secret.FromBytes(bytes.Repeat([]byte{1}, secret.Size))
	if err != nil {
		t.Fatal(err)
	}
	return oneSecret{s}
}

// stage is a core with nobody around it: a test carries out its effects by hand.
type stage struct {
	t       testing.TB
	core    *Core
	store   *kv.Store
	now     time.Duration
	slots   []*Slot
	jobs    []*SignJob
	appends []*Append
	sent    []*Message
	wake    time.Duration
	say     func(format string, args ...any)
}

func newStage(t testing.TB, change func(*Config)) *stage {
	t.Helper()
	s := &stage{t: t, store: kv.New(kv.NewMemBase(), kv.Options{}), say: func(string, ...any) {}}
	cfg := Config{ID: 1, State: s.store, Secrets: testSecret(t), Trace: func(e SegmentEvent) {
		last := "..."
		if e.Last != 0 {
			last = fmt.Sprint(e.Last)
		}
		s.say("segment %d-%s of view %d: %v -> %v", e.First, last, e.View, e.From, e.To)
	}}
	if change != nil {
		change(&cfg)
	}
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	s.core = c
	return s
}

// take gathers what the core asks for, with the policy's look at the clock.
func (s *stage) take() {
	for s.core.MayClose() || !s.core.Quiet() {
		s.core.Close(s.now)
		e := s.core.Take()
		s.appends = append(s.appends, e.Appends...)
		s.sent = append(s.sent, e.Messages...)
		if e.Sign != nil {
			s.say("to the signer: the root for %v", e.Sign.ID)
			s.jobs = append(s.jobs, e.Sign)
		}
		if e.Wake != 0 {
			s.wake = e.Wake
			s.say("wake at %v", e.Wake)
		}
		if !e.Committed.IsZero() {
			s.say("committed %v", e.Committed)
		}
		for _, id := range e.Snapshots {
			s.say("a snapshot is due at %v", id)
		}
		for _, ch := range e.Done {
			close(ch)
		}
	}
}

// disk acknowledges the oldest n appends; all of them if n is below zero.
func (s *stage) disk(n int) {
	for ; n != 0 && len(s.appends) > 0; n-- {
		a := s.appends[0]
		s.appends = s.appends[1:]
		if a.Cut {
			s.say("the ledger files are cut after %d", a.To)
		}
		s.core.Appended(a)
		s.take()
	}
}

// elect makes a lone core lead.
func (s *stage) elect() {
	s.core.Campaign()
	s.take()
	s.disk(-1)
}

func (s *stage) submit(name, key, value string, options Request) (ledger.TxID, error) {
	tx := s.store.Begin()
	defer tx.Release()
	tx.Map(name).Put([]byte(key), []byte(value))
	options.Tx, options.Writes = tx, tx.WriteSet()
	options.Size = ledger.EntrySize(options.Writes)
	slot, err := s.core.Sequence(&options)
	if err != nil {
		return ledger.TxID{}, err
	}
	id := slot.ID()
	s.slots = append(s.slots, slot)
	s.take()
	return id, nil
}

// seal seals the oldest n slots, or all.
func (s *stage) seal(n int) {
	for ; n != 0 && len(s.slots) > 0; n-- {
		if err := s.slots[0].Seal(); err != nil {
			s.t.Fatal(err)
		}
		s.slots = s.slots[1:]
	}
	s.core.Fold()
	s.take()
}

// sign brings back the oldest job.
func (s *stage) sign() {
	if len(s.jobs) == 0 {
		s.say("nothing is with the signer")
		return
	}
	j := s.jobs[0]
	s.jobs = s.jobs[1:]
	der := sha256.Sum256(j.Root[:])
	if err := j.Seal(NodeSignature{NodeID: "n", CertPEM: "c", DER: der[:]}, der[:]); err != nil {
		s.t.Fatal(err)
	}
	s.core.Signed(j)
	s.take()
}

// settle runs everything until nothing is left to do.
func (s *stage) settle() {
	s.take()
	for len(s.slots) > 0 || len(s.jobs) > 0 || len(s.appends) > 0 || s.wake > s.now {
		s.seal(-1)
		for len(s.jobs) > 0 {
			s.sign()
		}
		s.disk(-1)
		if s.wake > s.now {
			s.now = s.wake
			s.core.Wake(s.now)
			s.take()
		}
	}
}
