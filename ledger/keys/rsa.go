package keys

import (
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
)

// Sizes of RSA keys in bits. Members' and nodes' encryption keys are RSA, since
// recovery shares and ledger secrets are wrapped with OAEP.
const (
	EncryptionKeyBits = 2048
	minRSABits        = 2048
	maxRSABits        = 16384
)

var (
	// ErrRSA is returned for a key that cannot wrap shares.
	ErrRSA = errors.New("the encryption key must be an RSA key of 2048 to 16384 bits")
	// ErrDecrypt says no more than that decryption failed, on purpose.
	ErrDecrypt = errors.New("RSA-OAEP decryption failed")
)

// EncryptionKey is an RSA private key that unwraps shares and ledger secrets.
// It never prints its secret.
type EncryptionKey struct{ rsa *rsa.PrivateKey }

// GenerateEncryptionKey makes an RSA key of the size CCF's key generator makes.
func GenerateEncryptionKey(random io.Reader) (*EncryptionKey, error) {
	key, err := rsa.GenerateKey(random, EncryptionKeyBits)
	if err != nil {
		return nil, fmt.Errorf("generating an encryption key: %w", err)
	}
	return &EncryptionKey{rsa: key}, nil
}

// ParseEncryptionKeyPEM reads an RSA private key in PKCS#8 or PKCS#1 form.
func ParseEncryptionKeyPEM(text []byte) (*EncryptionKey, error) {
	block, err := decode(text, pemPrivateKey, "RSA PRIVATE KEY")
	if err != nil {
		return nil, err
	}
	var key any
	if block.Type == pemPrivateKey {
		key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	} else {
		key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	}
	private, ok := key.(*rsa.PrivateKey)
	if err != nil || !ok || !acceptableRSA(&private.PublicKey) {
		return nil, ErrRSA
	}
	return &EncryptionKey{rsa: private}, nil
}

// PEM is the PKCS#8 text of the key. Handle with care: this is the secret.
func (k *EncryptionKey) PEM() ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(k.rsa)
	if err != nil {
		return nil, fmt.Errorf("encoding an encryption key: %w", err)
	}
	return encode(pemPrivateKey, der), nil
}

// PublicPEM is the text of the public half, as members and nodes register it.
func (k *EncryptionKey) PublicPEM() ([]byte, error) {
	der, err := x509.MarshalPKIXPublicKey(&k.rsa.PublicKey)
	if err != nil {
		return nil, fmt.Errorf("encoding an encryption key: %w", err)
	}
	return encode(pemPublicKey, der), nil
}

// Decrypt opens an RSA-OAEP ciphertext made with SHA-256 for both the hash and
// the mask, and no label.
func (k *EncryptionKey) Decrypt(ciphertext []byte) ([]byte, error) {
	plain, err := rsa.DecryptOAEP(sha256.New(), nil, k.rsa, ciphertext, nil)
	if err != nil {
		return nil, ErrDecrypt
	}
	return plain, nil
}

// String hides the key.
func (k *EncryptionKey) String() string { return Redacted }

// Format hides the key from every verb.
func (k *EncryptionKey) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, Redacted) }

// MarshalJSON hides the key.
func (k *EncryptionKey) MarshalJSON() ([]byte, error) { return []byte(`"` + Redacted + `"`), nil }

// ParseEncryptionPublicPEM reads the RSA public key of a member or node.
func ParseEncryptionPublicPEM(text []byte) (*rsa.PublicKey, error) {
	block, err := decode(text, pemPublicKey, "RSA PUBLIC KEY")
	if err != nil {
		return nil, err
	}
	var key any
	if block.Type == pemPublicKey {
		key, err = x509.ParsePKIXPublicKey(block.Bytes)
	} else {
		key, err = x509.ParsePKCS1PublicKey(block.Bytes)
	}
	public, ok := key.(*rsa.PublicKey)
	if err != nil || !ok || !acceptableRSA(public) {
		return nil, ErrRSA
	}
	return public, nil
}

// EncryptTo wraps a short secret for the holder of an RSA key given as PEM.
func EncryptTo(random io.Reader, publicPEM, plaintext []byte) ([]byte, error) {
	public, err := ParseEncryptionPublicPEM(publicPEM)
	if err != nil {
		return nil, err
	}
	sealed, err := rsa.EncryptOAEP(sha256.New(), random, public, plaintext, nil)
	if err != nil {
		return nil, fmt.Errorf("wrapping a secret: %w", err)
	}
	return sealed, nil
}

func acceptableRSA(key *rsa.PublicKey) bool {
	bits := key.N.BitLen()
	return bits >= minRSABits && bits <= maxRSABits
}
