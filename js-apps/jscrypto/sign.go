package jscrypto

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	_ "crypto/sha512" // linked for crypto.SHA384 and crypto.SHA512
	"errors"
	"io"
	"math/big"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// signHashes are the hashes that sign accepts; verifySignature knows the first
// only.
var signHashes = map[string]crypto.Hash{"SHA-256": crypto.SHA256, "SHA-384": crypto.SHA384, "SHA-512": crypto.SHA512}

// Digest hashes data; only "SHA-256" exists.
func Digest(alg string, data []byte) ([]byte, error) {
	if alg != "SHA-256" {
		return nil, rangeErrorf("unsupported digest algorithm, supported: SHA-256")
	}
	sum := sha256.Sum256(data)
	return sum[:], nil
}

// Sign signs data; key is a PEM private key, or the raw key text for HMAC.
// ECDSA signatures come in P1363 form, r‖s.
func Sign(rand io.Reader, alg SignAlgorithm, key string, data []byte) ([]byte, error) {
	if alg.Name == "EdDSA" {
		return signEdDSA(rand, key, data)
	}
	hash, ok := signHashes[alg.Hash]
	if !ok {
		return nil, rangeErrorf("Unsupported hash algorithm, supported: SHA-256, SHA-384, SHA-512")
	}
	var signature []byte
	var err error
	switch alg.Name {
	case "ECDSA":
		signature, err = signECDSA(rand, key, hash, data)
	case "RSA-PSS":
		signature, err = signPSS(rand, key, hash, alg.SaltLength, data)
	case "HMAC":
		mac := hmac.New(hash.New, []byte(key))
		mac.Write(data)
		signature = mac.Sum(nil)
	default:
		return nil, rangeErrorf("Unsupported signing algorithm, supported: RSA-PSS, ECDSA, EdDSA, HMAC")
	}
	if err != nil {
		return nil, internalErrorf("Failed to sign: %v", err)
	}
	return signature, nil
}

// signEdDSA signs with Ed25519. An EC key gives a DER ECDSA signature over
// SHA-256, as CCF does (corrections F60), because OpenSSL picks the default.
func signEdDSA(rand io.Reader, key string, data []byte) ([]byte, error) {
	private, err := parsePrivateKey(key)
	if err == nil {
		switch k := private.(type) {
		case ed25519.PrivateKey:
			return ed25519.Sign(k, data), nil
		case *ecdsa.PrivateKey:
			sum := sha256.Sum256(data)
			der, err := ecdsa.SignASN1(rand, k, sum[:])
			if err != nil {
				return nil, internalErrorf("Failed to sign with EdDSA pair: OpenSSL error: %v", err)
			}
			return der, nil
		}
		err = errors.New("OpenSSL error: operation not supported for this keytype")
	}
	return nil, internalErrorf("Failed to sign with EdDSA pair: %v", err)
}

func signECDSA(rand io.Reader, key string, hash crypto.Hash, data []byte) ([]byte, error) {
	private, err := parsePrivateKey(key)
	if err != nil {
		return nil, err
	}
	if err := supportedGroup(private); err != nil {
		return nil, err
	}
	k := private.(*ecdsa.PrivateKey) // the only type with a supported group
	der, err := ecdsa.SignASN1(rand, k, sum(hash, data))
	if err != nil {
		return nil, err
	}
	return derToP1363(der, k.Curve.Params().BitSize)
}

func sum(hash crypto.Hash, data []byte) []byte {
	h := hash.New()
	h.Write(data)
	return h.Sum(nil)
}

// VerifySignature checks a signature under a PEM public key or, for ECDSA, a
// certificate. A well-formed question about a wrong signature is false, not an
// error.
func VerifySignature(alg SignAlgorithm, key string, signature, data []byte) (bool, error) {
	if alg.Name == "EdDSA" {
		return verifyEdDSA(key, signature, data)
	}
	if alg.Hash != "SHA-256" {
		return false, rangeErrorf("Unsupported hash algorithm, supported: SHA-256")
	}
	var valid bool
	var err error
	switch alg.Name {
	case "ECDSA":
		valid, err = verifyECDSA(key, signature, data)
	case "RSA-PSS":
		valid, err = verifyPSSKey(key, alg.SaltLength, signature, data)
	default:
		return false, rangeErrorf("Unsupported signing algorithm, supported: RSA-PSS, ECDSA, EdDSA")
	}
	if err != nil {
		return false, internalErrorf("Failed to verify signature: %v", err)
	}
	return valid, nil
}

func verifyEdDSA(key string, signature, data []byte) (bool, error) {
	public, err := parsePublicKey(key)
	if err != nil {
		return false, rangeErrorf("Failed to verify EdDSA signature: %v", err)
	}
	k, ok := public.(ed25519.PublicKey)
	return ok && len(signature) == ed25519.SignatureSize && ed25519.Verify(k, data, signature), nil
}

func verifyECDSA(key string, signature, data []byte) (bool, error) {
	public, err := publicKeyOrCertificate(key)
	if err != nil {
		return false, err
	}
	digest := sha256.Sum256(data)
	switch k := public.(type) {
	case *ecdsa.PublicKey:
		r, s, ok := splitP1363(signature, k.Curve.Params().BitSize)
		return ok && ecdsa.Verify(k, digest[:], r, s), nil
	case k256Public:
		return verifyK256(k.point, digest[:], signature), nil
	default:
		return false, nil
	}
}

func publicKeyOrCertificate(text string) (any, error) {
	if err := checkPEM(text); err != nil {
		return nil, err
	}
	if !isCertificate(text) {
		return parsePublicKey(text)
	}
	cert, err := parseCertificate(text)
	if err != nil {
		return nil, err
	}
	return cert.PublicKey, nil
}

func isCertificate(text string) bool {
	return len(text) >= len(certificateBegin) && text[:len(certificateBegin)] == certificateBegin
}

// verifyPSSKey never accepts a certificate, as CCF does not (corrections F59).
func verifyPSSKey(key string, salt int64, signature, data []byte) (bool, error) {
	if isCertificate(key) {
		_, err := parseCertificate(key)
		return false, err
	}
	public, err := rsaPublic(key)
	if err != nil {
		return false, err
	}
	digest := sha256.Sum256(data)
	return verifyPSS(public, salt, crypto.SHA256, digest[:], signature), nil
}

// derToP1363 rewrites SEQ{r, s} as two integers of the curve's width.
func derToP1363(der []byte, bits int) ([]byte, error) {
	s, seq := cryptobyte.String(der), cryptobyte.String(nil)
	r, t := new(big.Int), new(big.Int)
	if !s.ReadASN1(&seq, asn1.SEQUENCE) || !seq.ReadASN1Integer(r) || !seq.ReadASN1Integer(t) {
		return nil, errors.New("malformed signature")
	}
	size := (bits + 7) / 8
	out := make([]byte, 2*size)
	r.FillBytes(out[:size])
	t.FillBytes(out[size:])
	return out, nil
}

// splitP1363 is the reverse; any other length is no signature.
func splitP1363(signature []byte, bits int) (r, s *big.Int, ok bool) {
	size := (bits + 7) / 8
	if len(signature) != 2*size {
		return nil, nil, false
	}
	return new(big.Int).SetBytes(signature[:size]), new(big.Int).SetBytes(signature[size:]), true
}
