// Package policy holds the authentication policies that endpoints and applications name: client certificates, bearer tokens, requests signed by users,
// and their conjunction. Policies for requests signed by members belong to the governance API.
//
// No policy validates a chain of certificates: trust is the exact certificate that governance registered, found by the digest of its bytes. Each answer
// depends only on the request and on tables read in the request's own transaction.
package policy

import (
	"time"

	"concordat/governance/tables"
	"concordat/ledger/keys"
	"concordat/node/frontend"
)

// Names of the policies, as metadata, error details and the caller object show them.
const (
	nameNoAuth     = "no_auth"
	nameUserCert   = "user_cert"
	nameMemberCert = "member_cert"
	nameAnyCert    = "any_cert"
	nameNodeCert   = "node_cert"
	nameJWT        = "jwt"
	nameUserCOSE   = "user_cose_sign1"
)

// Set makes policies that share a clock.
type Set struct {
	// Now is untrusted host time: certificates' and tokens' periods are checked against it, as CCF does.
	Now func() time.Time
}

// ForApps are the policies that an application's metadata may name.
func (s Set) ForApps() map[string]frontend.Policy {
	m := map[string]frontend.Policy{}
	for _, p := range []frontend.Policy{s.NoAuth(), s.UserCert(), s.MemberCert(), s.AnyCert(), s.JWT(), s.UserCOSE()} {
		m[p.Name()] = p
	}
	return m
}

// NoAuth admits everyone.
func (s Set) NoAuth() frontend.Policy { return noAuth{} }

// UserCert admits registered users by their TLS certificate, within its validity.
func (s Set) UserCert() frontend.Policy { return cert{nameUserCert, s.userCert} }

// MemberCert admits members by their TLS certificate, whatever its validity: membership ends by governance.
func (s Set) MemberCert() frontend.Policy { return cert{nameMemberCert, memberCert} }

// AnyCert admits whoever presents a TLS certificate that is valid now.
func (s Set) AnyCert() frontend.Policy { return cert{nameAnyCert, s.anyCert} }

// NodeCert admits nodes of this service, by the key of their TLS certificate.
func (s Set) NodeCert() frontend.Policy { return cert{nameNodeCert, nodeCert} }

type noAuth struct{}

func (noAuth) Name() string { return nameNoAuth }

func (noAuth) Authenticate(*frontend.Context) (*frontend.Identity, error) {
	return &frontend.Identity{Policy: nameNoAuth}, nil
}

func (noAuth) Challenge() string { return "" }

// Security is an empty requirement: the operation may be called without any.
func (noAuth) Security() *frontend.SecurityScheme { return &frontend.SecurityScheme{} }

// cert is a policy about the TLS client certificate. It contributes neither a challenge nor a security scheme.
type cert struct {
	name  string
	check func(c *frontend.Context) (*frontend.Identity, error)
}

func (p cert) Name() string { return p.name }

func (p cert) Authenticate(c *frontend.Context) (*frontend.Identity, error) {
	id, err := p.check(c)
	if err != nil {
		return nil, err
	}
	id.Policy = p.name
	return id, nil
}

func (cert) Challenge() string { return "" }

func (cert) Security() *frontend.SecurityScheme { return nil }

func (s Set) userCert(c *frontend.Context) (*frontend.Identity, error) {
	id := c.Session.PeerID()
	if id == "" {
		return nil, frontend.Deny("No caller user certificate")
	}
	tx := c.Tx()
	if tx == nil || !tables.UserCerts.Has(tx, id) {
		return nil, frontend.Deny("Could not find matching user certificate")
	}
	if err := s.valid(c); err != nil {
		return nil, err
	}
	info, _, err := tables.Users.Get(tx, id)
	if err != nil {
		return nil, err
	}
	return &frontend.Identity{ID: id, CertPEM: c.Session.PeerPEM(), Data: info.UserData}, nil
}

func memberCert(c *frontend.Context) (*frontend.Identity, error) {
	id := c.Session.PeerID()
	if id == "" {
		return nil, frontend.Deny("No caller member certificate")
	}
	tx := c.Tx()
	if tx == nil || !tables.MemberCerts.Has(tx, id) {
		return nil, frontend.Deny("Could not find matching member certificate")
	}
	info, _, err := tables.Members.Get(tx, id)
	if err != nil {
		return nil, err
	}
	return &frontend.Identity{ID: id, CertPEM: c.Session.PeerPEM(), Data: info.MemberData}, nil
}

func (s Set) anyCert(c *frontend.Context) (*frontend.Identity, error) {
	if c.Session.PeerDER == nil {
		return nil, frontend.Deny("No caller certificate")
	}
	if err := s.valid(c); err != nil {
		return nil, err
	}
	return &frontend.Identity{CertPEM: c.Session.PeerPEM()}, nil
}

func nodeCert(c *frontend.Context) (*frontend.Identity, error) {
	if c.Session.PeerDER == nil {
		return nil, frontend.Deny("No caller node certificate")
	}
	cert, err := c.Session.PeerCertificate()
	if err != nil {
		return nil, frontend.Deny("Could not find matching node certificate")
	}
	id, tx := keys.CertKeyID(cert), c.Tx()
	if tx == nil {
		return nil, frontend.Deny("Could not find matching node certificate")
	}
	if _, known, err := tables.Nodes.Get(tx, id); err != nil {
		return nil, err
	} else if !known {
		return nil, frontend.Deny("Could not find matching node certificate")
	}
	return &frontend.Identity{ID: id, CertPEM: c.Session.PeerPEM()}, nil
}

// valid checks the certificate's period.
func (s Set) valid(c *frontend.Context) error {
	cert, err := c.Session.PeerCertificate()
	if err != nil {
		return frontend.Deny("Could not parse caller certificate")
	}
	now := s.Now()
	switch {
	case now.Before(cert.NotBefore):
		return frontend.Deny("Current time %d is before certificate's Not Before validity period %d", now.Unix(), cert.NotBefore.Unix())
	case now.After(cert.NotAfter):
		return frontend.Deny("Current time %d is after certificate's Not After validity period %d", now.Unix(), cert.NotAfter.Unix())
	}
	return nil
}
