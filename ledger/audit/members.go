package audit

import (
	"encoding/json"
	"slices"

	"concordat/ledger"
	"concordat/ledger/cose"
	"concordat/ledger/keys"
)

// Tables about members and what they signed.
const (
	memberCertsTable = "public:ccf.gov.members.certs"
	memberAcksTable  = "public:ccf.gov.members.acks"
	signedGovTable   = "public:ccf.gov.cose_history"
	proposalsTable   = "public:ccf.gov.proposals"
)

// memberTables checks that what the ledger records as signed by a member is:
// proposals, ballots, withdrawals and acknowledgements.
func (c *checker) memberTables(ws ledger.WriteSet) {
	if m, ok := ws.Map(memberCertsTable); ok {
		for _, w := range m.Writes {
			c.memberCert(string(w.Key), trimPEM(string(w.Value)))
		}
	}
	if m, ok := ws.Map(signedGovTable); ok {
		for _, w := range m.Writes {
			var message string
			if err := json.Unmarshal(w.Value, &message); err != nil {
				c.invalid("the signed request of member %.64q is not a JSON string", w.Key)
				continue
			}
			if r := c.signedRequest(string(w.Key), message); r != nil {
				c.proposal(ws, r)
			}
		}
	}
	if m, ok := ws.Map(memberAcksTable); ok {
		for _, w := range m.Writes {
			var ack struct {
				Request string `json:"cose_sign1_req"`
			}
			if err := json.Unmarshal(w.Value, &ack); err != nil {
				c.invalid("the acknowledgement of member %.64q is not the JSON it should be", w.Key)
			} else if ack.Request != "" {
				c.signedRequest(string(w.Key), ack.Request)
			}
		}
	}
}

// memberCert keeps the key of a member. Certificates of members are pinned, so
// nothing but the id is checked.
func (c *checker) memberCert(id, text string) {
	cert, err := keys.ParseCertPEM([]byte(text))
	if err != nil {
		c.invalid("the certificate of member %.64q: %v", id, err)
		return
	}
	if got := keys.CertID(cert.Raw); got != id {
		c.invalid("the certificate under member %.64q is that of %s", id, got)
		return
	}
	pub, err := keys.CertKey(cert)
	if err != nil {
		c.invalid("the certificate of member %s: %v", id, err)
		return
	}
	c.members[id] = pub
}

// signedRequest checks one COSE message of a member.
func (c *checker) signedRequest(member, text string) *cose.Request {
	message, err := strictBase64.DecodeString(text)
	if err != nil {
		c.invalid("the signed request of member %.64q is not base64", member)
		return nil
	}
	r, err := cose.ParseGov(message)
	if err != nil {
		c.invalid("the signed request of member %.64q: %v", member, err)
		return nil
	}
	key := c.members[member]
	switch {
	case r.Kid != member:
		c.invalid("the signed request of member %.64q is by %.64q", member, r.Kid)
	case key == nil && c.partial:
		c.once("a member's request that cannot be checked: the member's certificate is in the part that is missing")
	case key == nil:
		c.invalid("a signed request of member %.64q, whose certificate the ledger does not have", member)
	case r.Verify(key) != nil:
		c.invalid("the signature of member %s over a %.20q does not verify", member, r.Type)
	default:
		c.report.Requests++
		return r
	}
	return nil
}

// proposal checks that the proposal recorded beside a signed request is the one
// that was signed.
func (c *checker) proposal(ws ledger.WriteSet, r *cose.Request) {
	m, ok := ws.Map(proposalsTable)
	if r.Type != cose.TypeProposal || !ok || len(m.Writes) == 0 {
		return
	}
	same := func(w ledger.Write) bool { return string(w.Value) == string(r.Payload) }
	if !slices.ContainsFunc(m.Writes, same) {
		c.invalid("the proposal recorded is not the one member %s signed", r.Kid)
	}
}
