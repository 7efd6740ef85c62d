package jscrypto

import (
	"io"
	"time"
)

// GenerateAESKey returns bits/8 random bytes; bits is 128, 192 or 256.
func GenerateAESKey(rand io.Reader, bits int64) ([]byte, error) { return nil, internalErrorf("not yet") }

// GenerateRSAKeyPair makes a key pair; exponent 0 means the default 65537.
func GenerateRSAKeyPair(rand io.Reader, bits, exponent int64) (KeyPair, error) {
	return KeyPair{}, internalErrorf("not yet")
}

// GenerateECDSAKeyPair accepts secp256r1 and secp384r1.
func GenerateECDSAKeyPair(rand io.Reader, curve string) (KeyPair, error) {
	return KeyPair{}, internalErrorf("not yet")
}

// GenerateEdDSAKeyPair accepts curve25519 (Ed25519) and x25519.
func GenerateEdDSAKeyPair(rand io.Reader, curve string) (KeyPair, error) {
	return KeyPair{}, internalErrorf("not yet")
}

// Sign signs data; key is a PEM private key, or the raw key text for HMAC.
func Sign(rand io.Reader, alg SignAlgorithm, key string, data []byte) ([]byte, error) {
	return nil, internalErrorf("not yet")
}

// VerifySignature checks a signature under a PEM public key or certificate.
func VerifySignature(alg SignAlgorithm, key string, signature, data []byte) (bool, error) {
	return false, internalErrorf("not yet")
}

// Digest hashes data; only "SHA-256" exists.
func Digest(alg string, data []byte) ([]byte, error) { return nil, internalErrorf("not yet") }

// WrapKey wraps key under wrappingKey (PEM bytes or an AES key).
func WrapKey(rand io.Reader, key, wrappingKey []byte, alg WrapAlgorithm) ([]byte, error) {
	return nil, internalErrorf("not yet")
}

// UnwrapKey reverses WrapKey.
func UnwrapKey(wrapped, unwrappingKey []byte, alg WrapAlgorithm) ([]byte, error) {
	return nil, internalErrorf("not yet")
}

// IsValidX509CertBundle tells whether text is a run of PEM certificates.
func IsValidX509CertBundle(text string) bool { return false }

// IsValidX509CertChain tells whether the first certificate of chain leads to
// one of trusted at the given time.
func IsValidX509CertChain(chain, trusted string, now time.Time) bool { return false }

// PEMToJWK converts a PEM key to JWK JSON text; kid nil leaves the member out.
func PEMToJWK(form KeyForm, pemText string, kid *string) ([]byte, error) {
	return nil, internalErrorf("not yet")
}

// JWKToPEM converts JWK JSON text to PEM. Bad input gives "", as in CCF
// (corrections F56): there is no error to throw.
func JWKToPEM(form KeyForm, jwk []byte) string { return "" }

// PEMToID is the hex SHA-256 of the DER form of a PEM certificate.
func PEMToID(pemText string) (string, error) { return "", internalErrorf("not yet") }

// TCBHexToPolicy splits an SEV-SNP TCB version by processor family.
func TCBHexToPolicy(cpuidHex, tcbHex string) (TCBPolicy, error) {
	return TCBPolicy{}, internalErrorf("not yet")
}
