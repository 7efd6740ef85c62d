package govapi

import (
	"errors"

	"concordat/governance/auth"
	"concordat/node/frontend"
)

// challenge is the www-authenticate header of a refused request.
const challenge = `COSE-SIGN1 realm="Signed request access"`

// signedBy is the policy of endpoints that only take requests signed by members.
type signedBy struct{ auth.Policy }

func active(messageType string) frontend.Policy {
	return signedBy{auth.Policy{Type: messageType, Active: true}}
}

func anyMember(messageType string) frontend.Policy {
	return signedBy{auth.Policy{Type: messageType}}
}

// Challenge implements frontend.Policy.
func (signedBy) Challenge() string { return challenge }

// Security implements frontend.Policy.
func (p signedBy) Security() *frontend.SecurityScheme {
	return &frontend.SecurityScheme{Name: p.Name(), Scheme: map[string]any{
		"description": "Request payload must be a COSE Sign1 document, with expected protected headers. Signer must be a member identity registered with this service.",
		"scheme":      "cose_sign1",
		"type":        "http",
	}}
}

// Authenticate implements frontend.Policy.
func (p signedBy) Authenticate(c *frontend.Context) (*frontend.Identity, error) {
	var contentType *string
	if v, ok := c.Req.Lookup("content-type"); ok {
		contentType = &v
	}
	req, err := auth.Authenticate(c.Tx(), contentType, c.Req.Body, p.Policy)
	var refused *auth.Refused
	if errors.As(err, &refused) {
		return nil, &frontend.Denied{Reason: refused.Reason}
	}
	if err != nil {
		return nil, err
	}
	return &frontend.Identity{
		Policy:  p.Name(),
		ID:      req.MemberID,
		CertPEM: req.CertPEM,
		Signed:  &frontend.Signed{Content: req.Payload, Envelope: req.Envelope, Message: req},
	}, nil
}

// request is the authenticated request of an endpoint with one of these policies.
func request(c *frontend.Context) *auth.Request {
	return c.Caller.Signed.Message.(*auth.Request)
}
