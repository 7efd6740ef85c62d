package jscrypto

import (
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"math/big"

	"concordat/ledger/jsondoc"
)

// maxJWKBytes bounds the JSON text of one key.
const maxJWKBytes = 1 << 15

// jsonWebKey is a JWK of any kind (RFC 7517, 7518, 8037), its members in the
// sorted order in which JavaScript sees them.
type jsonWebKey struct {
	CRV string  `json:"crv,omitempty"`
	D   string  `json:"d,omitempty"`
	DP  string  `json:"dp,omitempty"`
	DQ  string  `json:"dq,omitempty"`
	E   string  `json:"e,omitempty"`
	KID *string `json:"kid,omitempty"`
	KTY string  `json:"kty"`
	N   string  `json:"n,omitempty"`
	P   string  `json:"p,omitempty"`
	Q   string  `json:"q,omitempty"`
	QI  string  `json:"qi,omitempty"`
	X   string  `json:"x,omitempty"`
	Y   string  `json:"y,omitempty"`
}

var errKeyKind = errors.New("key is of another kind")

// PEMToJWK converts a PEM key to JWK JSON text; kid nil leaves the member out.
func PEMToJWK(form KeyForm, pemText string, kid *string) ([]byte, error) {
	k, err := pemToJWK(form, pemText)
	if err != nil {
		return nil, internalErrorf("Failed to convert pem to jwk: %v", err)
	}
	k.KID = kid
	text, err := jsondoc.Plain(k)
	if err != nil {
		return nil, internalErrorf("Failed to convert pem to jwk: %v", err)
	}
	return text, nil
}

func pemToJWK(form KeyForm, text string) (*jsonWebKey, error) {
	switch form {
	case RSAPublic:
		key, err := rsaPublic(text)
		if err != nil {
			return nil, err
		}
		return rsaPublicJWK(key), nil
	case RSAPrivate:
		key, err := rsaPrivate(text) // CCF ends the node on other keys; an error is the sane answer
		if err != nil {
			return nil, err
		}
		return rsaPrivateJWK(key), nil
	case ECPublic, EdDSAPublic:
		key, err := parsePublicKey(text)
		if err != nil {
			return nil, err
		}
		return curvePublicJWK(form, key)
	case ECPrivate, EdDSAPrivate:
		key, err := parsePrivateKey(text)
		if err != nil {
			return nil, err
		}
		return curvePrivateJWK(form, key)
	default:
		return nil, errKeyKind
	}
}

func rsaPublicJWK(k *rsa.PublicKey) *jsonWebKey {
	return &jsonWebKey{KTY: "RSA", N: encodeInt(k.N), E: encodeInt(big.NewInt(int64(k.E)))}
}

func rsaPrivateJWK(k *rsa.PrivateKey) *jsonWebKey {
	out := rsaPublicJWK(&k.PublicKey)
	k.Precompute()
	out.D, out.P, out.Q = encodeInt(k.D), encodeInt(k.Primes[0]), encodeInt(k.Primes[1])
	out.DP, out.DQ, out.QI = encodeInt(k.Precomputed.Dp), encodeInt(k.Precomputed.Dq), encodeInt(k.Precomputed.Qinv)
	return out
}

func curvePublicJWK(form KeyForm, key any) (*jsonWebKey, error) {
	if form == ECPublic {
		if err := supportedGroup(key); err != nil {
			return nil, err
		}
		return ecPublicJWK(key.(*ecdsa.PublicKey)) // the only type with a supported group
	}
	switch k := key.(type) {
	case ed25519.PublicKey:
		return &jsonWebKey{KTY: "OKP", CRV: "Ed25519", X: encode(k)}, nil
	case *ecdh.PublicKey:
		return &jsonWebKey{KTY: "OKP", CRV: "X25519", X: encode(k.Bytes())}, nil
	default:
		return nil, errKeyKind
	}
}

func curvePrivateJWK(form KeyForm, key any) (*jsonWebKey, error) {
	if form == ECPrivate {
		if err := supportedGroup(key); err != nil {
			return nil, err
		}
		k := key.(*ecdsa.PrivateKey) // the only type with a supported group
		out, err := ecPublicJWK(&k.PublicKey)
		if err != nil {
			return nil, err
		}
		d, err := k.Bytes()
		out.D = encode(d)
		return out, err
	}
	switch k := key.(type) {
	case ed25519.PrivateKey:
		return &jsonWebKey{KTY: "OKP", CRV: "Ed25519", X: encode(k[ed25519.SeedSize:]), D: encode(k.Seed())}, nil
	case *ecdh.PrivateKey:
		return &jsonWebKey{KTY: "OKP", CRV: "X25519", X: encode(k.PublicKey().Bytes()), D: encode(k.Bytes())}, nil
	default:
		return nil, errKeyKind
	}
}

func ecPublicJWK(k *ecdsa.PublicKey) (*jsonWebKey, error) {
	point, err := k.Bytes()
	if err != nil {
		return nil, err
	}
	size := (len(point) - 1) / 2
	return &jsonWebKey{KTY: "EC", CRV: k.Curve.Params().Name, X: encode(point[1 : 1+size]), Y: encode(point[1+size:])}, nil
}

// JWKToPEM converts JWK JSON text to PEM. Bad input gives "", as in CCF
// (corrections F56): there is no error to throw.
func JWKToPEM(form KeyForm, jwk []byte) string {
	k, err := parseJWK(jwk)
	if err != nil {
		return ""
	}
	var key any
	private := false
	switch form {
	case ECPublic:
		key, err = k.ecPublic()
	case RSAPublic:
		key, err = k.rsaPublic()
	case EdDSAPublic:
		key, err = k.edPublic()
	case ECPrivate:
		key, err = k.ecPrivate()
		private = true
	case RSAPrivate:
		key, err = k.rsaPrivate()
		private = true
	case EdDSAPrivate:
		key, err = k.edPrivate()
		private = true
	default:
		err = errKeyKind
	}
	if err != nil {
		return ""
	}
	if private {
		if der, err := x509.MarshalPKCS8PrivateKey(key); err == nil {
			return encodePEM("PRIVATE KEY", der)
		}
	} else if der, err := x509.MarshalPKIXPublicKey(key); err == nil {
		return encodePEM("PUBLIC KEY", der)
	}
	return ""
}

// parseJWK takes the string members it knows, by exact name, and ignores the
// rest; a known member of another type is an error.
func parseJWK(text []byte) (*jsonWebKey, error) {
	if len(text) > maxJWKBytes {
		return nil, errors.New("JWK is too long")
	}
	var members map[string]any
	if err := json.Unmarshal(text, &members); err != nil {
		return nil, err
	}
	k := &jsonWebKey{}
	for name, to := range map[string]*string{
		"crv": &k.CRV, "d": &k.D, "dp": &k.DP, "dq": &k.DQ, "e": &k.E, "kty": &k.KTY,
		"n": &k.N, "p": &k.P, "q": &k.Q, "qi": &k.QI, "x": &k.X, "y": &k.Y,
	} {
		if v, present := members[name]; present {
			s, ok := v.(string)
			if !ok {
				return nil, errKeyKind
			}
			*to = s
		}
	}
	return k, nil
}

func (k *jsonWebKey) rsaPublic() (*rsa.PublicKey, error) {
	n, err := decodeInt(k.N)
	if err != nil {
		return nil, err
	}
	e, err := decodeInt(k.E)
	if err != nil {
		return nil, err
	}
	if k.KTY != "RSA" || e.BitLen() > 31 {
		return nil, errKeyKind
	}
	public := &rsa.PublicKey{N: n, E: int(e.Int64())}
	return public, usable(public)
}

// rsaPrivate wants all members that CCF wants. The three that follow from the
// others are recomputed, and Validate compares the rest with each other.
func (k *jsonWebKey) rsaPrivate() (*rsa.PrivateKey, error) {
	public, err := k.rsaPublic()
	if err != nil {
		return nil, err
	}
	var n [6]*big.Int
	for i, text := range []string{k.D, k.P, k.Q, k.DP, k.DQ, k.QI} {
		if n[i], err = decodeInt(text); err != nil {
			return nil, err
		}
	}
	key := &rsa.PrivateKey{PublicKey: *public, D: n[0], Primes: []*big.Int{n[1], n[2]}}
	return key, key.Validate()
}

func (k *jsonWebKey) ecPublic() (*ecdsa.PublicKey, error) {
	var curve elliptic.Curve
	switch k.CRV {
	case "P-256":
		curve = elliptic.P256()
	case "P-384":
		curve = elliptic.P384()
	default:
		return nil, errKeyKind
	}
	size := curve.Params().BitSize / 8
	x, err := decodePadded(k.X, size)
	if err != nil || k.KTY != "EC" {
		return nil, errKeyKind
	}
	y, err := decodePadded(k.Y, size)
	if err != nil {
		return nil, err
	}
	return ecdsa.ParseUncompressedPublicKey(curve, append(append([]byte{4}, x...), y...))
}

func (k *jsonWebKey) ecPrivate() (*ecdsa.PrivateKey, error) {
	public, err := k.ecPublic()
	if err != nil {
		return nil, err
	}
	d, err := decodePadded(k.D, public.Curve.Params().BitSize/8)
	if err != nil {
		return nil, err
	}
	key, err := ecdsa.ParseRawPrivateKey(public.Curve, d)
	if err != nil {
		return nil, err
	}
	if !key.PublicKey.Equal(public) {
		return nil, errors.New("private and public parts differ")
	}
	return key, nil
}

func (k *jsonWebKey) edPublic() (any, error) {
	x, err := decode(k.X)
	if err != nil || len(x) != ed25519.PublicKeySize || k.KTY != "OKP" {
		return nil, errKeyKind
	}
	switch k.CRV {
	case "Ed25519":
		return ed25519.PublicKey(x), nil
	case "X25519":
		return ecdh.X25519().NewPublicKey(x)
	default:
		return nil, errKeyKind
	}
}

// edPrivate needs x to be there but uses d alone, as CCF does.
func (k *jsonWebKey) edPrivate() (any, error) {
	d, err := decode(k.D)
	if err != nil || len(d) != ed25519.SeedSize || k.KTY != "OKP" || k.X == "" {
		return nil, errKeyKind
	}
	switch k.CRV {
	case "Ed25519":
		return ed25519.NewKeyFromSeed(d), nil
	case "X25519":
		return ecdh.X25519().NewPrivateKey(d)
	default:
		return nil, errKeyKind
	}
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func encodeInt(n *big.Int) string { return encode(n.Bytes()) }

// decode refuses absent members; the text may be padded.
func decode(s string) ([]byte, error) {
	for len(s) > 0 && s[len(s)-1] == '=' {
		s = s[:len(s)-1]
	}
	if s == "" {
		return nil, errKeyKind
	}
	return base64.RawURLEncoding.DecodeString(s)
}

func decodeInt(s string) (*big.Int, error) {
	b, err := decode(s)
	return new(big.Int).SetBytes(b), err
}

// decodePadded decodes a number of at most size bytes to exactly size bytes.
func decodePadded(s string, size int) ([]byte, error) {
	n, err := decodeInt(s)
	if err != nil || n.BitLen() > 8*size {
		return nil, errKeyKind
	}
	return n.FillBytes(make([]byte, size)), nil
}
