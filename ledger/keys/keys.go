// Package keys holds the elliptic-curve and RSA keys of a service, its nodes,
// members and users: how they are written, how they are named, what they sign,
// and the X.509 certificates that bind them to names.
//
// It is pure: randomness and times are arguments, and nothing reads a file.
// Certificates carry exactly the extensions a CCF 7 service writes, in the same
// order, so that clients that pin or parse them see no difference.
package keys

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/big"
)

// ErrCurve is returned for a key that is not on P-256, P-384 or P-521.
var ErrCurve = errors.New("the key must be an elliptic-curve key on P-256, P-384 or P-521")

// Redacted is what a private key prints as.
const Redacted = "[redacted]"

// PrivateKey is an ECDSA key with its public half already encoded. It never
// prints its secret.
type PrivateKey struct {
	ec   *ecdsa.PrivateKey
	spki []byte
	id   string
}

// Generate makes a key. P-384 is CCF's default for services, nodes and members.
func Generate(curve elliptic.Curve, rand io.Reader) (*PrivateKey, error) {
	ec, err := ecdsa.GenerateKey(curve, rand)
	if err != nil {
		return nil, fmt.Errorf("generating a key: %w", err)
	}
	return NewPrivateKey(ec)
}

// NewPrivateKey wraps a key that somebody else made.
func NewPrivateKey(ec *ecdsa.PrivateKey) (*PrivateKey, error) {
	spki, err := MarshalSPKI(&ec.PublicKey)
	if err != nil {
		return nil, err
	}
	return &PrivateKey{ec: ec, spki: spki, id: NodeID(spki)}, nil
}

// Public returns the public half.
func (k *PrivateKey) Public() *ecdsa.PublicKey { return &k.ec.PublicKey }

// ECDSA returns the key for the standard library, e.g. for TLS.
func (k *PrivateKey) ECDSA() *ecdsa.PrivateKey { return k.ec }

// SPKI is the DER SubjectPublicKeyInfo. The caller must not change it.
func (k *PrivateKey) SPKI() []byte { return k.spki }

// ID names the key: the hexadecimal SHA-256 of its SPKI. For a node this is the
// node id, for a service it is the kid of its COSE signatures.
func (k *PrivateKey) ID() string { return k.id }

// Equal reports whether both are the same key, in constant time.
func (k *PrivateKey) Equal(other *PrivateKey) bool {
	return other != nil && k.ec.Equal(other.ec)
}

// SignDigestDER signs a digest as it is, without hashing it, and returns the
// ASN.1 form. Node signatures over Merkle roots are made this way, also when
// the digest is shorter than the curve.
func (k *PrivateKey) SignDigestDER(rand io.Reader, digest []byte) ([]byte, error) {
	sig, err := ecdsa.SignASN1(rand, k.ec, digest)
	if err != nil {
		return nil, fmt.Errorf("signing: %w", err)
	}
	return sig, nil
}

// SignRaw signs a digest and returns r and s side by side, each as wide as the
// curve (IEEE P1363), which is the form COSE and JOSE use.
func (k *PrivateKey) SignRaw(rand io.Reader, digest []byte) ([]byte, error) {
	der, err := k.SignDigestDER(rand, digest)
	if err != nil {
		return nil, err
	}
	return RawFromDER(k.ec.Curve, der)
}

// String hides the key.
func (k *PrivateKey) String() string { return Redacted }

// GoString hides the key from %#v.
func (k *PrivateKey) GoString() string { return Redacted }

// Format hides the key from every verb.
func (k *PrivateKey) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, Redacted) }

// MarshalJSON hides the key.
func (k *PrivateKey) MarshalJSON() ([]byte, error) { return []byte(`"` + Redacted + `"`), nil }

// VerifyDigestDER checks an ASN.1 signature over a digest that is not hashed
// again.
func VerifyDigestDER(pub *ecdsa.PublicKey, digest, der []byte) bool {
	return pub != nil && ecdsa.VerifyASN1(pub, digest, der)
}

// VerifyRaw checks a P1363 signature; the length must be exactly twice the
// width of the curve.
func VerifyRaw(pub *ecdsa.PublicKey, digest, sig []byte) bool {
	if pub == nil {
		return false
	}
	n := coordinateSize(pub.Curve)
	if len(sig) != 2*n {
		return false
	}
	return ecdsa.Verify(pub, digest, new(big.Int).SetBytes(sig[:n]), new(big.Int).SetBytes(sig[n:]))
}

// Hash is the digest CCF pairs with a curve: SHA-256, SHA-384 or SHA-512.
func Hash(curve elliptic.Curve) crypto.Hash {
	switch curve {
	case elliptic.P256():
		return crypto.SHA256
	case elliptic.P384():
		return crypto.SHA384
	case elliptic.P521():
		return crypto.SHA512
	}
	return 0
}

// MarshalSPKI encodes a public key and refuses curves CCF does not use.
func MarshalSPKI(pub *ecdsa.PublicKey) ([]byte, error) {
	if Hash(pub.Curve) == 0 {
		return nil, ErrCurve
	}
	der, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		return nil, fmt.Errorf("encoding a public key: %w", err)
	}
	return der, nil
}

// ParseSPKI reads a DER SubjectPublicKeyInfo of an elliptic-curve key.
func ParseSPKI(der []byte) (*ecdsa.PublicKey, error) {
	pub, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		return nil, fmt.Errorf("reading a public key: %w", err)
	}
	return asEC(pub)
}

// NodeID is the id of the owner of a public key: the hexadecimal SHA-256 of its
// DER SubjectPublicKeyInfo.
func NodeID(spki []byte) string {
	sum := sha256.Sum256(spki)
	return hex.EncodeToString(sum[:])
}

// CertID is the id of a member or user: the hexadecimal SHA-256 of the DER of
// the certificate.
func CertID(der []byte) string { return NodeID(der) }

// SamePublicKey compares two keys by their encodings.
func SamePublicKey(a, b *ecdsa.PublicKey) bool {
	return a != nil && b != nil && a.Equal(b)
}

func asEC(pub any) (*ecdsa.PublicKey, error) {
	ec, ok := pub.(*ecdsa.PublicKey)
	if !ok || Hash(ec.Curve) == 0 {
		return nil, ErrCurve
	}
	return ec, nil
}

func coordinateSize(curve elliptic.Curve) int { return (curve.Params().BitSize + 7) / 8 }
