package jwt

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"errors"
	"net/url"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"concordat/js-apps/jwk"
)

// entraHost is the one issuer host whose constraints are templates over the
// tenant of the token.
const (
	entraHost        = "login.microsoftonline.com"
	entraPlaceholder = "{tenantid}"
)

// Identity is who a verified token speaks for. Header and Payload are compact
// JSON objects with sorted members, as the caller object shows them.
type Identity struct {
	KeyIssuer string
	Header    []byte
	Payload   []byte
}

// Authenticate checks the authorization header of a request; present is false
// when the request has none. Exactly one of the results is nil.
func Authenticate(authorization string, present bool, tables jwk.Tables, now time.Time) (*Identity, *Failure) {
	text, f := bearer(authorization, present)
	if f != nil {
		return nil, f
	}
	t, f := parse(text)
	if f != nil {
		return nil, f
	}
	keys, err := jwk.Lookup(tables, t.kid)
	if err != nil {
		return nil, internal("%v", err)
	}
	if len(keys) == 0 {
		return nil, refuse("JWT signing key not found for kid %s", t.kid)
	}
	for _, key := range keys { // the reason of the last key is the one reported
		if f = t.check(key, now); f == nil {
			return &Identity{KeyIssuer: key.Issuer, Header: dump(t.header), Payload: dump(t.payload)}, nil
		}
	}
	return nil, f
}

// check applies one key in the recorded order: signature, nbf, exp, constraint.
func (t *token) check(key jwk.Key, now time.Time) *Failure {
	if err := verify(key.Public, t.signed, t.signature); err != nil {
		return refuse("Signature verification failed")
	}
	unix := uint64(max(now.Unix(), 0))
	if t.claims.hasNBF && unix < t.claims.nbf {
		return refuse("Current time %d is before token's Not Before (nbf) claim optional(%d)", unix, t.claims.nbf)
	}
	if unix > t.claims.exp {
		return refuse("Current time %d is after token's Expiration Time (exp) claim %d", unix, t.claims.exp)
	}
	if key.Constraint != nil && !t.claims.satisfy(*key.Constraint) {
		return refuse("Kid %s failed issuer constraint validation %s", t.kid, *key.Constraint)
	}
	return nil
}

var errKeyType = errors.New("key is neither RSA nor EC")

// verify follows the key's type: PKCS#1 v1.5 or raw r‖s, always over SHA-256.
func verify(pub crypto.PublicKey, signed string, signature []byte) error {
	switch pub := pub.(type) {
	case *rsa.PublicKey:
		return jwt.SigningMethodRS256.Verify(signed, signature, pub)
	case *ecdsa.PublicKey:
		bits := pub.Curve.Params().BitSize
		method := &jwt.SigningMethodECDSA{Name: "ES256", Hash: crypto.SHA256, KeySize: (bits + 7) / 8, CurveBits: bits}
		return method.Verify(signed, signature, pub)
	default:
		return errKeyType
	}
}

// satisfy applies a key's constraint to the token's issuer. Outside Entra the
// issuer must be the constraint itself, and a tid claim, which only Entra
// defines, is refused: it would look like a checked tenant and is not.
func (c claims) satisfy(constraint string) bool {
	if host, ok := jwk.Host(constraint); !ok || host != entraHost {
		return c.tid == nil && c.iss == constraint
	}
	if c.tid == nil {
		return false
	}
	if strings.Replace(constraint, entraPlaceholder, *c.tid, 1) != c.iss {
		return false
	}
	tenant, ok := firstPathSegment(c.iss)
	return ok && tenant == *c.tid
}

func firstPathSegment(raw string) (string, bool) {
	u, err := url.Parse(raw)
	if err != nil {
		return "", false
	}
	for s := range strings.SplitSeq(u.EscapedPath(), "/") {
		if s != "" {
			return s, true
		}
	}
	return "", false
}
