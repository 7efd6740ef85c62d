package jscrypto

import (
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	cryptorand "crypto/rand"
	"crypto/rsa"
	"errors"
	"io"
	"math/big"
)

// Bounds of RSA key generation. The lower one is OpenSSL's, which CCF passes
// on (the documentation's 2048 is advice); the upper one keeps one call within
// seconds, because a running generation cannot be interrupted.
const (
	minRSABits      = 512
	maxRSABits      = 4096
	defaultExponent = 65537
	// rsaStandardBits is the shortest key the standard library generates.
	rsaStandardBits = 1024
	// maxExponent is the widest exponent the standard library can use.
	maxExponent = 1<<31 - 1
)

// GenerateAESKey returns bits/8 random bytes; bits is 128, 192 or 256.
func GenerateAESKey(rand io.Reader, bits int64) ([]byte, error) {
	if bits != 128 && bits != 192 && bits != 256 {
		return nil, rangeErrorf("invalid key size (not one of 128, 192, 256)")
	}
	key := make([]byte, bits/8)
	if _, err := io.ReadFull(rand, key); err != nil {
		return nil, internalErrorf("Failed to generate AES key: %v", err)
	}
	return key, nil
}

// GenerateRSAKeyPair makes a key pair; exponent 0 means the default 65537.
func GenerateRSAKeyPair(rand io.Reader, bits, exponent int64) (KeyPair, error) {
	if exponent == 0 {
		exponent = defaultExponent
	}
	var reason string
	switch {
	case bits == 0:
		reason = "expected positive value"
	case bits < minRSABits:
		reason = "key size too small"
	case bits > maxRSABits:
		reason = "key size too large"
	case exponent < 3 || exponent%2 == 0 || exponent > maxExponent:
		reason = "pub exponent out of range"
	}
	if reason != "" {
		return KeyPair{}, internalErrorf("Failed to generate RSA key pair: OpenSSL error: %s", reason)
	}
	key, err := generateRSA(rand, int(bits), exponent)
	if err != nil {
		return KeyPair{}, internalErrorf("Failed to generate RSA key pair: OpenSSL error: %v", err)
	}
	return marshalPair(key, &key.PublicKey)
}

// generateRSA uses the standard library wherever it can: it only lacks other
// exponents and short keys.
func generateRSA(rand io.Reader, bits int, exponent int64) (*rsa.PrivateKey, error) {
	if exponent == defaultExponent && bits >= rsaStandardBits {
		return rsa.GenerateKey(rand, bits)
	}
	e := big.NewInt(exponent)
	for range 1000 { // each round succeeds with good probability even for e = 3
		p, err := primeFor(rand, (bits+1)/2, e)
		if err != nil {
			return nil, err
		}
		q, err := primeFor(rand, bits/2, e)
		if err != nil {
			return nil, err
		}
		n := new(big.Int).Mul(p, q)
		if p.Cmp(q) == 0 || n.BitLen() != bits {
			continue
		}
		one := big.NewInt(1)
		phi := new(big.Int).Mul(new(big.Int).Sub(p, one), new(big.Int).Sub(q, one))
		key := &rsa.PrivateKey{
			PublicKey: rsa.PublicKey{N: n, E: int(exponent)},
			D:         new(big.Int).ModInverse(e, phi),
			Primes:    []*big.Int{p, q},
		}
		key.Precompute()
		return key, nil
	}
	return nil, errors.New("no suitable primes found")
}

// primeFor finds a prime p with p-1 coprime to e.
func primeFor(rand io.Reader, bits int, e *big.Int) (*big.Int, error) {
	one := big.NewInt(1)
	for {
		p, err := cryptorand.Prime(rand, bits)
		if err != nil {
			return nil, err
		}
		if new(big.Int).GCD(nil, nil, e, new(big.Int).Sub(p, one)).Cmp(one) == 0 {
			return p, nil
		}
	}
}

// GenerateECDSAKeyPair accepts secp256r1 and secp384r1.
func GenerateECDSAKeyPair(rand io.Reader, curve string) (KeyPair, error) {
	var c elliptic.Curve
	switch curve {
	case "secp256r1":
		c = elliptic.P256()
	case "secp384r1":
		c = elliptic.P384()
	default:
		return KeyPair{}, rangeErrorf("Unsupported curve id, supported: secp256r1, secp384r1")
	}
	key, err := ecdsa.GenerateKey(c, rand)
	if err != nil {
		return KeyPair{}, internalErrorf("Failed to generate EC key pair: %v", err)
	}
	return marshalPair(key, &key.PublicKey)
}

// GenerateEdDSAKeyPair accepts curve25519 (which means Ed25519) and x25519.
func GenerateEdDSAKeyPair(rand io.Reader, curve string) (KeyPair, error) {
	switch curve {
	case "curve25519":
		pub, key, err := ed25519.GenerateKey(rand)
		if err != nil {
			return KeyPair{}, internalErrorf("Failed to generate EdDSA key pair: %v", err)
		}
		return marshalPair(key, pub)
	case "x25519":
		key, err := ecdh.X25519().GenerateKey(rand)
		if err != nil {
			return KeyPair{}, internalErrorf("Failed to generate EdDSA key pair: %v", err)
		}
		return marshalPair(key, key.PublicKey())
	default:
		return KeyPair{}, rangeErrorf("Unsupported curve id, supported: curve25519, x25519")
	}
}
