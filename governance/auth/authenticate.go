package auth

import (
	"crypto/ecdsa"
	"fmt"

	"concordat/governance/tables"
	"concordat/ledger/cose"
	"concordat/ledger/keys"
	"concordat/ledger/kv"
)

// ContentType is the only content type of a signed request, to the letter.
const ContentType = "application/cose"

// Names of the two policies, as refusals show them.
const (
	AnyMember    = "member_cose_sign1"
	ActiveMember = "active_member_cose_sign1"
)

// Policy is who may sign what.
type Policy struct {
	// Type is the required message type.
	Type string
	// Active asks for a member that has been activated.
	Active bool
}

// Name is AnyMember or ActiveMember.
func (p Policy) Name() string {
	if p.Active {
		return ActiveMember
	}
	return AnyMember
}

// Refused is a request that its signature does not authorise: a 401. Other
// errors of Authenticate are about bytes that are no signed request at all.
type Refused struct{ Reason string }

func (r *Refused) Error() string { return r.Reason }

func refused(format string, args ...any) error {
	return &Refused{Reason: fmt.Sprintf(format, args...)}
}

// Authenticate checks a request in CCF's order, so that a request with several
// faults is refused for the same one. A nil contentType is a missing header.
// The dates of the signer's certificate are not looked at: membership ends by
// governance, not by a clock that the host sets. A *cose.DecodeError is returned
// for a body that is not a signed request.
func Authenticate(tx *kv.Tx, contentType *string, body []byte, policy Policy) (*Request, error) {
	switch {
	case contentType == nil:
		return nil, refused("Missing content-type header")
	case *contentType != ContentType:
		return nil, refused("Content type is not set to %s", ContentType)
	}
	m, err := cose.ParseGov(body)
	if err != nil {
		return nil, err
	}
	if !cose.Supported(m.Alg) {
		return nil, refused("Unsupported algorithm: %d", m.Alg)
	}
	certPEM, ok := tables.MemberCerts.PEM(tx, m.Kid)
	if !ok {
		return nil, refused("Signer is not a known member")
	}
	key, err := verify(m, certPEM)
	if err != nil {
		return nil, refused("Failed to validate COSE Sign1")
	}
	if err := checkType(m, policy.Type); err != nil {
		return nil, err
	}
	info, _, err := tables.Members.Get(tx, m.Kid)
	if err != nil {
		return nil, err
	}
	if policy.Active && info.Status != tables.MemberActive {
		return nil, refused("Signer is not an ACTIVE member")
	}
	req := newRequest(m, body, certPEM, info.Status)
	req.order = key.Params().N
	return req, nil
}

func verify(m *cose.Request, certPEM string) (*ecdsa.PublicKey, error) {
	cert, err := keys.ParseCertPEM([]byte(certPEM))
	if err != nil {
		return nil, err
	}
	key, err := keys.CertKey(cert)
	if err != nil {
		return nil, err
	}
	return key, m.Verify(key)
}

func checkType(m *cose.Request, want string) error {
	const header = "ccf.gov.msg.type"
	if !m.HasType {
		return refused("Missing %[1]s, expected %[1]s to be %[2]s", header, want)
	}
	if m.Type != want {
		return refused("Found %[1]s set to %[2]s, expected %[1]s to be %[3]s", header, m.Type, want)
	}
	return nil
}

func newRequest(m *cose.Request, body []byte, certPEM string, status tables.MemberStatus) *Request {
	r := &Request{
		MemberID: m.Kid, Status: status, CertPEM: certPEM, Type: m.Type, CreatedAt: m.CreatedAt,
		Payload: m.Payload, Signature: m.Signature, Envelope: body,
	}
	if m.HasProposal {
		r.ProposalID = &m.ProposalID
	}
	return r
}
