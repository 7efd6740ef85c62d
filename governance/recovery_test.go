package governance_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"concordat/governance"
	"concordat/governance/tables"
	"concordat/ledger/cose"
	"concordat/ledger/jsondoc"
	"concordat/ledger/kv"
	"concordat/ledger/share"
)

// recovering is a world whose service has lost its nodes: its members still hold
// shares of the secret of before.
func recovering(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	if err := w.genesis(2, []string{"alice", "bob"}, nil); err != nil {
		t.Fatal(err)
	}
	w.sign()
	for _, name := range []string{"alice", "bob"} {
		digest, err := w.update(name)
		if err == nil {
			err = w.ack(name, digest)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.decide(t, open(w.cert, "")); err != nil {
		t.Fatal(err)
	}
	if err := w.commit(func(tx *kv.Tx) error {
		service, _, err := tables.Service.Get(tx)
		if err != nil {
			return err
		}
		service.Status = tables.ServiceRecovering
		if err := tables.Service.Put(tx, service); err != nil {
			return err
		}
		return tables.PreviousIdentity.Put(tx, string(w.person("alice").cert))
	}); err != nil {
		t.Fatal(err)
	}
	return w
}

func open(next, previous string) string {
	quote := func(s string) string { return string(jsondoc.AppendString(nil, s)) }
	args := `"next_service_identity":` + quote(next)
	if previous != "" {
		args += `,"previous_service_identity":` + quote(previous)
	}
	return `{"actions":[{"name":"transition_service_to_open","args":{` + args + `}}]}`
}

// decide makes a proposal and has both members vote for it.
func (w *world) decide(t *testing.T, text string) error {
	t.Helper()
	w.clock++
	p, err := w.propose("alice", w.clock, text)
	for _, name := range []string{"alice", "bob"} {
		if err != nil {
			return err
		}
		p, err = w.vote(name, p.ID, yes)
	}
	return err
}

func (w *world) submitShare(name, path string, plain []byte) (*governance.Submission, error) {
	payload, err := jsondoc.Marshal(map[string][]byte{"share": plain})
	if err != nil {
		w.t.Fatal(err)
	}
	var s *governance.Submission
	err = w.commit(func(tx *kv.Tx) error {
		req, err := w.sends(tx, name, cose.TypeRecoveryShare, w.clock, "", payload)
		if err != nil {
			return err
		}
		s, err = w.engine.SubmitShare(tx, req, path)
		return err
	})
	return s, err
}

func (w *world) plainShare(t *testing.T, name string) []byte {
	t.Helper()
	tx := w.store.Begin()
	defer tx.Release()
	sealed, err := governance.EncryptedShare(tx, w.person(name).id)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := w.person(name).box.Decrypt(sealed)
	if err != nil {
		t.Fatal(err)
	}
	return plain
}

func codeOf(err error) governance.Code {
	var refused *governance.Error
	if errors.As(err, &refused) {
		return refused.Code
	}
	return ""
}

// TestRecoveryNeedsBothIdentities: members say which service they recover.
func TestRecoveryNeedsBothIdentities(t *testing.T) {
	w := recovering(t)
	for text, want := range map[string]string{
		open(w.cert, ""):                                           "Opening a recovering network requires both, the previous and the next service identity",
		open(w.cert, w.cert):                                       "Previous service identity does not match.",
		open(string(w.person("bob").cert), w.cert):                 "Service identity mismatch",
		`{"actions":[{"name":"trigger_recovery_shares_refresh"}]}`: "recovery shares can only be issued while the service is opening or open",
		`{"actions":[{"name":"set_recovery_threshold","args":{"recovery_threshold":1}}]}`:      "recovery shares can only be issued while the service is opening or open",
		`{"actions":[{"name":"trigger_ledger_rekey"}]}`:                                        "Could not rekey ledger",
		`{"actions":[{"name":"set_service_configuration","args":{"recovery_threshold":254}}]}`: "recovery shares can only be issued",
	} {
		if err := w.decide(t, text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.120s\n got %v\nwant %s", text, err, want)
		}
	}
	before := w.plainShare(t, "alice")
	if err := w.decide(t, open(w.cert, string(w.person("alice").cert))); err != nil {
		t.Fatal(err)
	}
	if string(before) != string(w.plainShare(t, "alice")) {
		t.Error("the shares that lead back to the old secrets were overwritten")
	}
	tx := w.store.Begin()
	defer tx.Release()
	service, _, err := tables.Service.Get(tx)
	if err != nil || service.Status != tables.ServiceWaiting {
		t.Errorf("the service is %s, %v", service.Status, err)
	}
	if kind, _, err := tables.LastRecoveryType.Get(tx); err != nil || kind != tables.RecoveryTypeShares {
		t.Errorf("recovery type %q, %v", kind, err)
	}
}

// TestSubmittingShares: members hand in what they hold until it is enough. Shares
// that do not fit are forgotten, and that is written although the answer is an error.
func TestSubmittingShares(t *testing.T) {
	w := recovering(t)
	alice, bob := w.person("alice"), w.person("bob")
	a, b := w.plainShare(t, "alice"), w.plainShare(t, "bob")
	if _, err := w.submitShare("alice", alice.id, a); codeOf(err) != governance.NotWaitingForShares {
		t.Errorf("before opening: %v", err)
	}
	if err := w.decide(t, open(w.cert, string(alice.cert))); err != nil {
		t.Fatal(err)
	}
	var got [][]byte
	w.engine.Node.Recover = func(_ *kv.Tx, shares [][]byte, threshold int) error {
		got = shares
		_, err := share.Combine(shares, threshold)
		return err
	}
	if _, err := w.submitShare("alice", bob.id, a); codeOf(err) != governance.InvalidAuthenticationInfo {
		t.Errorf("under another name: %v", err)
	}
	s, err := w.submitShare("alice", alice.id, a)
	if err != nil || s.Message != "1/2 recovery shares successfully submitted" || s.RecoveryStarted || s.FullKey {
		t.Fatalf("first share: %+v, %v", s, err)
	}
	w.checkSealed(t, a)
	// Twice the same share is not two shares.
	if _, err := w.submitShare("bob", bob.id, a); codeOf(err) != governance.Internal || err.Error() != "Failed to initiate private recovery." {
		t.Errorf("the same share twice: %v", err)
	}
	if n := w.submitted(); n != 0 {
		t.Errorf("%d shares are left after a failure", n)
	}
	if _, err := w.submitShare("alice", alice.id, a); err != nil {
		t.Fatal(err)
	}
	s, err = w.submitShare("bob", bob.id, b)
	want := "2/2 recovery shares successfully submitted\nEnd of recovery procedure initiated"
	if err != nil || s.Message != want || !s.RecoveryStarted || len(got) != 2 {
		t.Errorf("second share: %+v, %v", s, err)
	}
}

// checkSealed: a submitted share is on the ledger, but not for everybody to read.
func (w *world) checkSealed(t *testing.T, plain []byte) {
	t.Helper()
	if w.submitted() != 1 {
		t.Error("the share is not on the ledger")
	}
	for _, m := range w.ledger[len(w.ledger)-1].writes {
		if strings.Contains(fmt.Sprint(m), fmt.Sprint(plain)) {
			t.Error("the share is on the ledger in the clear")
		}
	}
}

func (w *world) submitted() int {
	tx := w.store.Begin()
	defer tx.Release()
	return len(tables.Bytes{Name: tables.SubmittedSharesTable}.Keys(tx))
}

// TestFullKey: an owner needs nobody else.
func TestFullKey(t *testing.T) {
	w := recovering(t)
	alice := w.person("alice")
	if err := w.decide(t, open(w.cert, string(alice.cert))); err != nil {
		t.Fatal(err)
	}
	w.engine.Node.Recover = func(_ *kv.Tx, shares [][]byte, threshold int) error {
		_, err := share.Combine(shares, threshold)
		return err
	}
	_, full, _, err := share.Split(2, 2, testRand{})
	if err != nil {
		t.Fatal(err)
	}
	s, err := w.submitShare("alice", alice.id, full)
	if err != nil || !s.FullKey || s.Submitted != 1 || s.Message != "Full recovery key successfully submitted\nEnd of recovery procedure initiated" {
		t.Errorf("%+v, %v", s, err)
	}
}

// testRand is no randomness at all.
type testRand struct{}

func (testRand) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = byte(7 * (i + 1))
	}
	return len(b), nil
}
