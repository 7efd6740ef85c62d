package jwk

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"math/big"
)

// Bounds on RSA keys of issuers. Shorter moduli are refused by the signature
// check, longer ones only burn time.
const (
	minRSABits = 1024
	maxRSABits = 16384
)

// webKey holds the JWK members that matter here (RFC 7517, RFC 7518). The reader
// takes their names literally: "N" is not "n".
type webKey struct {
	KID    *string  `json:"kid"`
	Issuer *string  `json:"issuer"`
	N      *string  `json:"n"`
	E      *string  `json:"e"`
	CRV    *string  `json:"crv"`
	X      *string  `json:"x"`
	Y      *string  `json:"y"`
	X5C    []string `json:"x5c"`
}

// spki encodes the key as SubjectPublicKeyInfo. Raw members win over x5c, as
// governance §8.1 says.
func (k *webKey) spki() ([]byte, error) {
	switch {
	case k.N != nil && k.E != nil:
		return rsaSPKI(*k.N, *k.E)
	case k.X != nil && k.Y != nil && k.CRV != nil:
		return ecSPKI(*k.CRV, *k.X, *k.Y)
	case len(k.X5C) > 0:
		return certificateSPKI(k.X5C[0])
	default:
		return nil, errors.New("none of n and e, x and y and crv, x5c")
	}
}

func rsaSPKI(nText, eText string) ([]byte, error) {
	n, err := decodeBase64URL(nText)
	if err != nil {
		return nil, fmt.Errorf("n: %w", err)
	}
	e, err := decodeBase64URL(eText)
	if err != nil {
		return nil, fmt.Errorf("e: %w", err)
	}
	modulus, exponent := new(big.Int).SetBytes(n), new(big.Int).SetBytes(e)
	if err := checkModulus(modulus); err != nil {
		return nil, err
	}
	if exponent.BitLen() > 31 || exponent.Bit(0) == 0 || exponent.Cmp(big.NewInt(1)) <= 0 {
		return nil, errors.New("RSA exponent is not an odd number from 3 to 2^31-1")
	}
	return x509.MarshalPKIXPublicKey(&rsa.PublicKey{N: modulus, E: int(exponent.Int64())})
}

func checkModulus(n *big.Int) error {
	if bits := n.BitLen(); bits < minRSABits || bits > maxRSABits {
		return fmt.Errorf("RSA key of %d bits is outside %d to %d", bits, minRSABits, maxRSABits)
	}
	return nil
}

func ecSPKI(name, xText, yText string) ([]byte, error) {
	curve, ok := map[string]elliptic.Curve{"P-256": elliptic.P256(), "P-384": elliptic.P384(), "P-521": elliptic.P521()}[name]
	if !ok {
		return nil, fmt.Errorf("unknown curve %q", name)
	}
	x, err := decodeBase64URL(xText)
	if err != nil {
		return nil, fmt.Errorf("x: %w", err)
	}
	y, err := decodeBase64URL(yText)
	if err != nil {
		return nil, fmt.Errorf("y: %w", err)
	}
	size := (curve.Params().BitSize + 7) / 8
	if len(x) > size || len(y) > size {
		return nil, errors.New("coordinate is too long for the curve")
	}
	point := make([]byte, 1+2*size)
	point[0] = 4
	copy(point[1+size-len(x):], x)
	copy(point[1+2*size-len(y):], y)
	pub, err := ecdsa.ParseUncompressedPublicKey(curve, point)
	if err != nil {
		return nil, err
	}
	return x509.MarshalPKIXPublicKey(pub)
}

func certificateSPKI(text string) ([]byte, error) {
	der, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, fmt.Errorf("x5c: %w", err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("x5c: %w", err)
	}
	switch k := cert.PublicKey.(type) {
	case *rsa.PublicKey:
		return cert.RawSubjectPublicKeyInfo, checkModulus(k.N)
	case *ecdsa.PublicKey:
		return cert.RawSubjectPublicKeyInfo, nil
	default:
		return nil, errKeyType
	}
}
