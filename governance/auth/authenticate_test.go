package auth_test

import (
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"testing"
	"time"

	"concordat/governance/auth"
	"concordat/governance/tables"
	"concordat/ledger/cose"
	"concordat/ledger/keys"
	"concordat/ledger/kv"
)

// member is somebody with a certificate that has long expired: governance does
// not ask a clock that the host sets.
type member struct {
	key  *keys.PrivateKey
	cert []byte
	id   string
}

func newMember(t *testing.T, curve elliptic.Curve) member {
	t.Helper()
	key, cert, err := keys.NewIdentity(rand.Reader, curve, "member", keys.Days(time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC), 1))
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := keys.ParseCertPEM(cert)
	if err != nil {
		t.Fatal(err)
	}
	return member{key, cert, keys.CertID(parsed.Raw)}
}

func (m member) signs(t *testing.T, by *keys.PrivateKey, kid, messageType string) []byte {
	t.Helper()
	b, err := cose.SignGov(rand.Reader, by, cose.RequestHeader{Kid: kid, Type: messageType, CreatedAt: 5, ProposalID: "p"}, []byte("payload"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestRules: who may ask for what, and with which words others are refused. The
// words are CCF's; tools show them.
func TestRules(t *testing.T) {
	store := kv.New(kv.NewMemBase(), kv.Options{})
	defer store.Close()
	tx := store.Begin()
	defer tx.Release()
	add := func(m member, status tables.MemberStatus) {
		tables.MemberCerts.Put(tx, m.id, m.cert)
		if err := tables.Members.Put(tx, m.id, tables.MemberInfo{Status: status}); err != nil {
			t.Fatal(err)
		}
	}
	active, accepted, stranger := newMember(t, elliptic.P384()), newMember(t, elliptic.P256()), newMember(t, elliptic.P521())
	add(active, tables.MemberActive)
	add(accepted, tables.MemberAccepted)
	right, wrong := auth.ContentType, "application/cose; charset=utf-8"
	good := active.signs(t, active.key, active.id, "proposal")
	tampered := append([]byte{}, good...)
	tampered[len(tampered)-1] ^= 1

	for name, c := range map[string]struct {
		contentType *string
		body        []byte
		policy      auth.Policy
		refused     string
	}{
		"active member":        {&right, good, auth.Policy{Type: "proposal", Active: true}, ""},
		"accepted may ack":     {&right, accepted.signs(t, accepted.key, accepted.id, "ack"), auth.Policy{Type: "ack"}, ""},
		"no content type":      {nil, good, auth.Policy{Type: "proposal"}, "Missing content-type header"},
		"other content type":   {&wrong, good, auth.Policy{Type: "proposal"}, "Content type is not set to application/cose"},
		"unknown":              {&right, stranger.signs(t, stranger.key, stranger.id, "proposal"), auth.Policy{Type: "proposal"}, "Signer is not a known member"},
		"somebody else's key":  {&right, active.signs(t, stranger.key, active.id, "proposal"), auth.Policy{Type: "proposal"}, "Failed to validate COSE Sign1"},
		"tampered":             {&right, tampered, auth.Policy{Type: "proposal"}, "Failed to validate COSE Sign1"},
		"other type":           {&right, good, auth.Policy{Type: "ballot", Active: true}, "Found ccf.gov.msg.type set to proposal, expected ccf.gov.msg.type to be ballot"},
		"no type":              {&right, active.signs(t, active.key, active.id, ""), auth.Policy{Type: "ack"}, "Missing ccf.gov.msg.type, expected ccf.gov.msg.type to be ack"},
		"accepted may not":     {&right, accepted.signs(t, accepted.key, accepted.id, "ballot"), auth.Policy{Type: "ballot", Active: true}, "Signer is not an ACTIVE member"},
		"type before activity": {&right, accepted.signs(t, accepted.key, accepted.id, "ack"), auth.Policy{Type: "ballot", Active: true}, "Found ccf.gov.msg.type set to ack, expected ccf.gov.msg.type to be ballot"},
	} {
		t.Run(name, func(t *testing.T) {
			req, err := auth.Authenticate(tx, c.contentType, c.body, c.policy)
			var refused *auth.Refused
			if c.refused == "" {
				if err != nil || string(req.Payload) != "payload" || req.CreatedAt != 5 || *req.ProposalID != "p" {
					t.Fatalf("%+v, %v", req, err)
				}
				return
			}
			if !errors.As(err, &refused) || refused.Reason != c.refused {
				t.Errorf("got %v, want %q", err, c.refused)
			}
		})
	}
	_, err := auth.Authenticate(tx, &right, []byte("nonsense"), auth.Policy{Type: "ack"})
	var bad *cose.DecodeError
	if !errors.As(err, &bad) {
		t.Errorf("nonsense: %v", err)
	}
}
