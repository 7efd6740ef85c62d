package policy

import (
	"errors"
	"net/http"

	"concordat/governance/tables"
	"concordat/js-apps/jwk"
	"concordat/ledger/cose"
	"concordat/ledger/keys"
	"concordat/ledger/kv"
	"concordat/node/frontend"
	"concordat/node/frontend/jwt"
)

// JWT admits bearers of a token signed by a key that governance registered.
func (s Set) JWT() frontend.Policy { return bearer{s} }

type bearer struct{ Set }

func (bearer) Name() string { return nameJWT }

func (p bearer) Authenticate(c *frontend.Context) (*frontend.Identity, error) {
	text, present := c.Req.Lookup("authorization")
	id, failure := jwt.Authenticate(text, present, jwtTables{c.Tx()}, p.Now())
	switch {
	case failure == nil:
		return &frontend.Identity{Policy: nameJWT, JWT: &frontend.JWT{KeyIssuer: id.KeyIssuer, Header: id.Header, Payload: id.Payload}}, nil
	case failure.Status == http.StatusUnauthorized:
		return nil, &frontend.Denied{Reason: failure.Message}
	}
	return nil, frontend.Errorf(failure.Status, failure.Code, "%s", failure.Message)
}

func (bearer) Challenge() string { return jwt.Challenge }

func (bearer) Security() *frontend.SecurityScheme {
	return &frontend.SecurityScheme{Name: nameJWT, Scheme: map[string]any{"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}}
}

// jwtTables reads the key tables in the request's transaction; a node without a ledger has none.
type jwtTables struct{ tx *kv.Tx }

// Get implements jwk.Tables.
func (t jwtTables) Get(table, key string) ([]byte, bool) {
	if t.tx == nil {
		return nil, false
	}
	return t.tx.Map(table).Get([]byte(key))
}

// ForEach implements jwk.Tables.
func (t jwtTables) ForEach(table string, f func(key string, value []byte) bool) {
	if t.tx != nil {
		t.tx.Map(table).ForEach(func(k, v []byte) bool { return f(string(k), v) })
	}
}

var _ jwk.Tables = jwtTables{}

// UserCOSE admits requests whose body is a COSE_Sign1 by a registered user. The period of the user's certificate is not looked at, as in CCF.
func (s Set) UserCOSE() frontend.Policy { return userCOSE{} }

type userCOSE struct{}

const coseContentType = "application/cose"

func (userCOSE) Name() string { return nameUserCOSE }

func (userCOSE) Authenticate(c *frontend.Context) (*frontend.Identity, error) {
	mime, ok := c.Req.Lookup("content-type")
	switch {
	case !ok:
		return nil, frontend.Deny("Missing content-type header")
	case mime != coseContentType:
		return nil, frontend.Deny("Content type is not set to %s", coseContentType)
	}
	m, err := cose.ParseUser(c.Req.Body)
	if err != nil {
		return nil, err // a body that is no signed request is a 500 and ends the list of policies
	}
	if !cose.Supported(m.Alg) {
		return nil, frontend.Deny("Unsupported algorithm: %d", m.Alg)
	}
	tx := c.Tx()
	if tx == nil {
		return nil, frontend.Deny("Signer is not a known user")
	}
	certPEM, ok := tables.UserCerts.PEM(tx, m.Kid)
	if !ok {
		return nil, frontend.Deny("Signer is not a known user")
	}
	if err := verify(m, certPEM); err != nil {
		return nil, frontend.Deny("Failed to validate COSE Sign1")
	}
	info, _, err := tables.Users.Get(tx, m.Kid)
	if err != nil {
		return nil, err
	}
	return &frontend.Identity{
		Policy: nameUserCOSE, ID: m.Kid, CertPEM: certPEM, Data: info.UserData,
		Signed: &frontend.Signed{Content: m.Payload, Envelope: c.Req.Body, Message: m},
	}, nil
}

func verify(m *cose.Request, certPEM string) error {
	cert, err := keys.ParseCertPEM([]byte(certPEM))
	if err != nil {
		return err
	}
	key, err := keys.CertKey(cert)
	if err != nil {
		return errors.Join(errNotEC, err)
	}
	return m.Verify(key)
}

var errNotEC = errors.New("the signer's certificate has no EC key")

func (userCOSE) Challenge() string { return `COSE-SIGN1 realm="Signed request access"` }

func (userCOSE) Security() *frontend.SecurityScheme {
	return &frontend.SecurityScheme{Name: nameUserCOSE, Scheme: map[string]any{
		"type": "http", "scheme": "cose_sign1", "description": "The request body is a COSE_Sign1 message signed by a user; the protected header names the user as kid.",
	}}
}
