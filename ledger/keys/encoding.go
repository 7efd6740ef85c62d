package keys

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
)

// Labels of the PEM blocks this package writes.
const (
	pemPrivateKey  = "PRIVATE KEY"
	pemPublicKey   = "PUBLIC KEY"
	pemCertificate = "CERTIFICATE"
	pemRequest     = "CERTIFICATE REQUEST"
)

// MaxPEM bounds any single PEM text this package reads.
const MaxPEM = 64 << 10

var (
	// ErrPEM is returned for text without the PEM block that was asked for.
	ErrPEM = errors.New("not the expected PEM block")
	// ErrSignature is returned for a signature that is not a pair of positive
	// numbers that fit the curve.
	ErrSignature = errors.New("malformed ECDSA signature")
)

// PEM is the PKCS#8 text of the key. Handle with care: this is the secret.
func (k *PrivateKey) PEM() ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(k.ec)
	if err != nil {
		return nil, fmt.Errorf("encoding a private key: %w", err)
	}
	return encode(pemPrivateKey, der), nil
}

// PublicPEM is the text of the public half.
func (k *PrivateKey) PublicPEM() []byte { return encode(pemPublicKey, k.spki) }

// ParsePrivateKeyPEM reads an elliptic-curve key in PKCS#8 or SEC 1 form.
func ParsePrivateKeyPEM(text []byte) (*PrivateKey, error) {
	block, err := decode(text, pemPrivateKey, "EC PRIVATE KEY")
	if err != nil {
		return nil, err
	}
	if block.Type == pemPrivateKey {
		key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
		if err != nil {
			return nil, errors.New("reading a private key: not a valid PKCS#8 key")
		}
		ec, ok := key.(*ecdsa.PrivateKey)
		if !ok {
			return nil, ErrCurve
		}
		return NewPrivateKey(ec)
	}
	ec, err := x509.ParseECPrivateKey(block.Bytes)
	if err != nil {
		return nil, errors.New("reading a private key: not a valid SEC 1 key")
	}
	return NewPrivateKey(ec)
}

// ParsePublicPEM reads an elliptic-curve public key.
func ParsePublicPEM(text []byte) (*ecdsa.PublicKey, error) {
	block, err := decode(text, pemPublicKey)
	if err != nil {
		return nil, err
	}
	return ParseSPKI(block.Bytes)
}

// PublicPEM is the text form of a DER SubjectPublicKeyInfo.
func PublicPEM(spki []byte) []byte { return encode(pemPublicKey, spki) }

// ParseCertPEM reads the first certificate of a PEM text. Tables written by
// CCF 1.x end in a NUL byte, which is tolerated.
func ParseCertPEM(text []byte) (*x509.Certificate, error) {
	block, err := decode(text, pemCertificate, "X509 CERTIFICATE", "TRUSTED CERTIFICATE")
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("reading a certificate: %w", err)
	}
	return cert, nil
}

// CertPEM is the text form of a DER certificate, as CCF stores it: lines of 64
// characters, each ended by a newline.
func CertPEM(der []byte) []byte { return encode(pemCertificate, der) }

// CertKey returns the elliptic-curve key a certificate is for.
func CertKey(cert *x509.Certificate) (*ecdsa.PublicKey, error) { return asEC(cert.PublicKey) }

// CertKeyID names the key of a certificate: the node id of a node certificate,
// the kid of a service certificate.
func CertKeyID(cert *x509.Certificate) string { return NodeID(cert.RawSubjectPublicKeyInfo) }

// RawFromDER turns an ASN.1 signature into r and s side by side. Only the one
// DER form is accepted; encoding/asn1 alone would let bytes pass behind s.
func RawFromDER(curve elliptic.Curve, der []byte) ([]byte, error) {
	var pair struct{ R, S *big.Int }
	rest, err := asn1.Unmarshal(der, &pair)
	n := coordinateSize(curve)
	if err != nil || len(rest) != 0 || !fits(pair.R, n) || !fits(pair.S, n) {
		return nil, ErrSignature
	}
	raw := make([]byte, 2*n)
	pair.R.FillBytes(raw[:n])
	pair.S.FillBytes(raw[n:])
	if again, err := DERFromRaw(curve, raw); err != nil || !bytes.Equal(again, der) {
		return nil, ErrSignature
	}
	return raw, nil
}

// DERFromRaw turns r and s side by side into the ASN.1 form.
func DERFromRaw(curve elliptic.Curve, raw []byte) ([]byte, error) {
	n := coordinateSize(curve)
	if len(raw) != 2*n {
		return nil, ErrSignature
	}
	r, s := new(big.Int).SetBytes(raw[:n]), new(big.Int).SetBytes(raw[n:])
	if r.Sign() == 0 || s.Sign() == 0 {
		return nil, ErrSignature
	}
	der, err := asn1.Marshal(struct{ R, S *big.Int }{r, s})
	if err != nil {
		return nil, ErrSignature
	}
	return der, nil
}

func fits(x *big.Int, bytes int) bool {
	return x != nil && x.Sign() > 0 && x.BitLen() <= 8*bytes
}

func encode(label string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: label, Bytes: der})
}

func decode(text []byte, labels ...string) (*pem.Block, error) {
	if len(text) > MaxPEM {
		return nil, fmt.Errorf("%w: %d bytes are more than the limit of %d", ErrPEM, len(text), MaxPEM)
	}
	for rest := bytes.TrimRight(text, "\x00"); ; {
		var block *pem.Block
		block, rest = pem.Decode(rest)
		if block == nil {
			return nil, fmt.Errorf("%w: no %s found", ErrPEM, labels[0])
		}
		for _, label := range labels {
			if block.Type == label {
				return block, nil
			}
		}
	}
}
