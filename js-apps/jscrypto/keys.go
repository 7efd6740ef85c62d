package jscrypto

import (
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	stdasn1 "encoding/asn1"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

var (
	oidECPublicKey = stdasn1.ObjectIdentifier{1, 2, 840, 10045, 2, 1}
	oidSecp256k1   = stdasn1.ObjectIdentifier{1, 3, 132, 0, 10}
)

// k256Public is a secp256k1 point. Signatures under it can be verified;
// everything else that CCF refuses with "Unknown OpenSSL group" stops here too.
type k256Public struct{ point []byte }

// k256Private marks a secp256k1 private key; there is no use for its value.
type k256Private struct{}

// parsePublicKey reads a PEM SubjectPublicKeyInfo. The result is one of
// *rsa.PublicKey, *ecdsa.PublicKey, ed25519.PublicKey, *ecdh.PublicKey (X25519)
// or k256Public.
func parsePublicKey(text string) (any, error) {
	_, der, err := decodeFirst(text, "PUBLIC KEY")
	if err != nil {
		return nil, err
	}
	if pub, err := x509.ParsePKIXPublicKey(der); err == nil {
		return pub, usable(pub)
	}
	if point, ok := k256FromSPKI(der); ok {
		return k256Public{point: point}, nil
	}
	return nil, errParsePEM
}

// parsePrivateKey reads PKCS#8, SEC 1 or PKCS#1 PEM. The result is one of
// *rsa.PrivateKey, *ecdsa.PrivateKey, ed25519.PrivateKey, *ecdh.PrivateKey
// (X25519) or k256Private.
func parsePrivateKey(text string) (any, error) {
	blockType, der, err := decodeFirst(text, "PRIVATE KEY", "EC PRIVATE KEY", "RSA PRIVATE KEY")
	if err != nil {
		return nil, err
	}
	var key any
	switch blockType {
	case "EC PRIVATE KEY":
		key, err = x509.ParseECPrivateKey(der)
	case "RSA PRIVATE KEY":
		key, err = x509.ParsePKCS1PrivateKey(der)
	default:
		if key, err = x509.ParsePKCS8PrivateKey(der); err != nil && isK256PKCS8(der) {
			return k256Private{}, nil
		}
	}
	if err != nil {
		return nil, errParsePEM
	}
	if k, ok := key.(*rsa.PrivateKey); ok {
		return k, usable(&k.PublicKey)
	}
	return key, nil
}

// usable refuses RSA keys that are too long to compute with.
func usable(public any) error {
	if k, ok := public.(*rsa.PublicKey); ok && k.N.BitLen() > maxUsableRSABits {
		return errInvalidRSA
	}
	return nil
}

// k256FromSPKI picks the point out of SEQ{SEQ{ecPublicKey, secp256k1}, BITS}.
func k256FromSPKI(der []byte) ([]byte, bool) {
	s, spki := cryptobyte.String(der), cryptobyte.String(nil)
	var point []byte
	ok := s.ReadASN1(&spki, asn1.SEQUENCE) && readK256Algorithm(&spki) && spki.ReadASN1BitStringAsBytes(&point)
	return point, ok
}

func isK256PKCS8(der []byte) bool {
	s, key := cryptobyte.String(der), cryptobyte.String(nil)
	var version int
	return s.ReadASN1(&key, asn1.SEQUENCE) && key.ReadASN1Integer(&version) && readK256Algorithm(&key)
}

func readK256Algorithm(s *cryptobyte.String) bool {
	var alg cryptobyte.String
	var kind, curve stdasn1.ObjectIdentifier
	return s.ReadASN1(&alg, asn1.SEQUENCE) && alg.ReadASN1ObjectIdentifier(&kind) && kind.Equal(oidECPublicKey) &&
		alg.ReadASN1ObjectIdentifier(&curve) && curve.Equal(oidSecp256k1)
}

// groupName is OpenSSL's name of a key's curve, empty for keys without one.
func groupName(key any) string {
	var name string
	switch k := key.(type) {
	case *ecdsa.PrivateKey:
		name = k.Curve.Params().Name
	case *ecdsa.PublicKey:
		name = k.Curve.Params().Name
	case k256Private, k256Public:
		return "secp256k1"
	}
	switch name {
	case "P-256":
		return "prime256v1"
	case "P-224", "P-384", "P-521":
		return "secp" + name[2:] + "r1"
	}
	return ""
}

// supportedGroup refuses curves that CCF's key pairs do not know. Only P-256
// and P-384 are; verifying is the exception and does not come here.
func supportedGroup(key any) error {
	switch name := groupName(key); name {
	case "prime256v1", "secp384r1":
		return nil
	default:
		//lint:ignore ST1005 the text is CCF's
		return fmt.Errorf("Unknown OpenSSL group %s", name)
	}
}

// marshalPair writes a key pair as OpenSSL does: PKCS#8 and SubjectPublicKeyInfo.
func marshalPair(private, public any) (KeyPair, error) {
	privateDER, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return KeyPair{}, err
	}
	publicDER, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return KeyPair{}, err
	}
	return KeyPair{PrivateKey: encodePEM("PRIVATE KEY", privateDER), PublicKey: encodePEM("PUBLIC KEY", publicDER)}, nil
}

// rsaPrivate, rsaPublic narrow a parsed key.
func rsaPrivate(text string) (*rsa.PrivateKey, error) {
	key, err := parsePrivateKey(text)
	if err != nil {
		return nil, err
	}
	if k, ok := key.(*rsa.PrivateKey); ok {
		return k, nil
	}
	return nil, errInvalidRSA
}

// rsaPublic gives CCF's one answer to every PEM that holds no RSA public key.
func rsaPublic(text string) (*rsa.PublicKey, error) {
	if err := checkPEM(text); err != nil {
		return nil, err
	}
	if key, err := parsePublicKey(text); err == nil {
		if k, ok := key.(*rsa.PublicKey); ok {
			return k, nil
		}
	}
	return nil, errInvalidRSA
}
