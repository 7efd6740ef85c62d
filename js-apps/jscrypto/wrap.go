package jscrypto

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// maxWrapBytes bounds what is wrapped; RFC 5649 itself allows 4 GiB.
const maxWrapBytes = 64 << 20

// WrapKey wraps key under wrappingKey: a PEM RSA public key, or an AES key for
// AES-KWP. OAEP uses SHA-256 throughout.
func WrapKey(rand io.Reader, key, wrappingKey []byte, alg WrapAlgorithm) ([]byte, error) {
	var wrapped []byte
	var err error
	switch alg.Name {
	case "RSA-OAEP":
		wrapped, err = oaepWrap(rand, key, wrappingKey, alg.Label)
	case "AES-KWP":
		wrapped, err = kwpWrap(key, wrappingKey)
	case "RSA-OAEP-AES-KWP":
		wrapped, err = doubleWrap(rand, key, wrappingKey, alg)
	default:
		return nil, rangeErrorf("unsupported key wrapping algorithm, supported: RSA-OAEP, AES-KWP, RSA-OAEP-AES-KWP")
	}
	if err != nil {
		return nil, internalErrorf("Failed to wrap key: %v", err)
	}
	return wrapped, nil
}

// UnwrapKey reverses WrapKey; RSA algorithms take a PEM private key.
func UnwrapKey(wrapped, unwrappingKey []byte, alg WrapAlgorithm) ([]byte, error) {
	var key []byte
	var err error
	switch alg.Name {
	case "RSA-OAEP":
		key, err = oaepUnwrap(wrapped, unwrappingKey, alg.Label)
	case "AES-KWP":
		key, err = kwpUnwrap(wrapped, unwrappingKey)
	case "RSA-OAEP-AES-KWP":
		key, err = doubleUnwrap(wrapped, unwrappingKey, alg.Label)
	default:
		return nil, rangeErrorf("unsupported key unwrapping algorithm, supported: RSA-OAEP, AES-KWP, RSA-OAEP-AES-KWP")
	}
	if err != nil {
		return nil, internalErrorf("Failed to unwrap key: %v", err)
	}
	return key, nil
}

func oaepWrap(rand io.Reader, key, pemKey, label []byte) ([]byte, error) {
	public, err := rsaPublic(string(pemKey))
	if err != nil {
		return nil, err
	}
	out, err := rsa.EncryptOAEP(sha256.New(), rand, public, key, label)
	if errors.Is(err, rsa.ErrMessageTooLong) {
		return nil, errTooLarge
	}
	if err != nil {
		return nil, fmt.Errorf("OpenSSL error: %w", err)
	}
	return out, nil
}

func oaepUnwrap(wrapped, pemKey, label []byte) ([]byte, error) {
	private, err := rsaPrivate(string(pemKey))
	if err != nil {
		return nil, err
	}
	return oaepDecrypt(private, wrapped, label)
}

func oaepDecrypt(private *rsa.PrivateKey, wrapped, label []byte) ([]byte, error) {
	key, err := rsa.DecryptOAEP(sha256.New(), nil, private, wrapped, label)
	if err != nil {
		return nil, errors.New("OpenSSL error: rsa routines: oaep decoding error")
	}
	return key, nil
}

// doubleWrap is CKM_RSA_AES_KEY_WRAP: a fresh AES key wraps the key, RSA wraps
// the AES key, and the two results are joined.
func doubleWrap(rand io.Reader, key, pemKey []byte, alg WrapAlgorithm) ([]byte, error) {
	if alg.AESKeySize != 128 && alg.AESKeySize != 192 && alg.AESKeySize != 256 {
		return nil, errors.New("invalid key size")
	}
	kek := make([]byte, alg.AESKeySize/8)
	if _, err := io.ReadFull(rand, kek); err != nil {
		return nil, err
	}
	head, err := oaepWrap(rand, kek, pemKey, alg.Label)
	if err != nil {
		return nil, err
	}
	tail, err := kwpWrap(key, kek)
	if err != nil {
		return nil, err
	}
	return append(head, tail...), nil
}

func doubleUnwrap(wrapped, pemKey, label []byte) ([]byte, error) {
	private, err := rsaPrivate(string(pemKey))
	if err != nil {
		return nil, err
	}
	head := private.Size()
	if len(wrapped) < head {
		return nil, errors.New("not enough ciphertext")
	}
	kek, err := oaepDecrypt(private, wrapped[:head], label)
	if err != nil {
		return nil, err
	}
	return kwpUnwrap(wrapped[head:], kek)
}

// kwpPrefix is the first half of the alternative initial value, RFC 5649 §3.
const kwpPrefix = 0xA65959A6

var (
	errKWPLength = errors.New("OpenSSL error: Provider routines: invalid input length")
	errKWPCipher = errors.New("OpenSSL error: Provider routines: cipher operation failed")
)

func kwpCipher(kek []byte) (cipher.Block, error) {
	if len(kek) < 16 {
		//lint:ignore ST1005 the text is CCF's
		return nil, fmt.Errorf("Need at least 128 bits, only have %d", 8*len(kek))
	}
	block, err := aes.NewCipher(kek)
	if err != nil {
		return nil, fmt.Errorf("OpenSSL error: %w", err)
	}
	return block, nil
}

// kwpWrap is AES key wrap with padding (RFC 5649 §4.1). Empty input gives empty
// output as in CCF, although the RFC has no such case.
func kwpWrap(key, kek []byte) ([]byte, error) {
	block, err := kwpCipher(kek)
	if err != nil {
		return nil, err
	}
	if len(key) == 0 {
		return []byte{}, nil
	}
	if len(key) > maxWrapBytes {
		return nil, errKWPLength
	}
	out := make([]byte, 8+(len(key)+7)/8*8)
	binary.BigEndian.PutUint32(out, kwpPrefix)
	binary.BigEndian.PutUint32(out[4:], uint32(len(key)))
	copy(out[8:], key)
	if len(out) == aes.BlockSize {
		block.Encrypt(out, out)
		return out, nil
	}
	var b [aes.BlockSize]byte
	copy(b[:8], out)
	n := uint64(len(out)/8 - 1)
	for t := uint64(1); t <= 6*n; t++ {
		r := out[8*((t-1)%n+1):][:8]
		copy(b[8:], r)
		block.Encrypt(b[:], b[:])
		copy(r, b[8:])
		binary.BigEndian.PutUint64(b[:8], binary.BigEndian.Uint64(b[:8])^t)
	}
	copy(out, b[:8])
	return out, nil
}

// kwpUnwrap reverses kwpWrap (RFC 5649 §4.2).
func kwpUnwrap(wrapped, kek []byte) ([]byte, error) {
	block, err := kwpCipher(kek)
	if err != nil {
		return nil, err
	}
	if len(wrapped) < aes.BlockSize || len(wrapped)%8 != 0 || len(wrapped) > maxWrapBytes+16 {
		return nil, errKWPLength
	}
	out := append([]byte(nil), wrapped...)
	if len(out) == aes.BlockSize {
		block.Decrypt(out, out)
	} else {
		kwpRounds(block, out)
	}
	return kwpStrip(out)
}

func kwpRounds(block cipher.Block, out []byte) {
	var b [aes.BlockSize]byte
	copy(b[:8], out)
	n := uint64(len(out)/8 - 1)
	for t := 6 * n; t > 0; t-- {
		r := out[8*((t-1)%n+1):][:8]
		binary.BigEndian.PutUint64(b[:8], binary.BigEndian.Uint64(b[:8])^t)
		copy(b[8:], r)
		block.Decrypt(b[:], b[:])
		copy(r, b[8:])
	}
	copy(out, b[:8])
}

// kwpStrip checks the initial value, the length and the zero padding together.
func kwpStrip(out []byte) ([]byte, error) {
	size, padded := int64(binary.BigEndian.Uint32(out[4:])), int64(len(out)-8)
	if binary.BigEndian.Uint32(out) != kwpPrefix || size > padded || size <= padded-8 {
		return nil, errKWPCipher
	}
	var rest byte
	for _, b := range out[8+size:] {
		rest |= b
	}
	if rest != 0 {
		return nil, errKWPCipher
	}
	return out[8 : 8+size], nil
}
