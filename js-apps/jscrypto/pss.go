package jscrypto

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"io"
	"math/big"
)

// OpenSSL's meanings of negative salt lengths.
const (
	saltDigest = -1 // as long as the digest
	saltAuto   = -2 // signing: longest; verifying: whatever is there
	saltMax    = -3 // longest
)

var errTooLarge = errors.New("OpenSSL error: rsa routines: data too large for key size")

// signPSS signs with RSA-PSS. The standard library reads salt length 0, which
// is CCF's default, as "automatic"; for that case the encoding is done here.
func signPSS(rand io.Reader, key string, hash crypto.Hash, salt int64, data []byte) ([]byte, error) {
	private, err := parsePrivateKey(key)
	if err != nil {
		return nil, err
	}
	k, ok := private.(*rsa.PrivateKey)
	if !ok {
		return nil, errors.New("OpenSSL error: digital envelope routines: command not supported")
	}
	longest := longestSalt(&k.PublicKey, hash)
	switch salt {
	case saltDigest:
		salt = int64(hash.Size())
	case saltAuto, saltMax:
		salt = longest
	}
	if salt < 0 {
		return nil, errors.New("OpenSSL error: rsa routines: invalid salt length")
	}
	if salt > longest {
		return nil, errTooLarge
	}
	digest := sum(hash, data)
	if salt > 0 {
		return rsa.SignPSS(rand, k, hash, digest, &rsa.PSSOptions{SaltLength: int(salt)})
	}
	return signUnsalted(rand, k, hash, digest)
}

// longestSalt is emLen − hLen − 2 of RFC 8017 §9.1.1; negative for keys that
// are too short for the hash.
func longestSalt(k *rsa.PublicKey, hash crypto.Hash) int64 {
	return int64((k.N.BitLen()-1+7)/8 - hash.Size() - 2)
}

// signUnsalted applies the private key to the salt-free encoding. The message
// is blinded and the result checked, so that neither timing nor a fault in the
// computation tells about the key.
func signUnsalted(rand io.Reader, k *rsa.PrivateKey, hash crypto.Hash, digest []byte) ([]byte, error) {
	if err := k.Validate(); err != nil {
		return nil, err
	}
	m := new(big.Int).SetBytes(encodeUnsalted(digest, k.N.BitLen()-1, hash))
	e := big.NewInt(int64(k.E))
	r, inverse, err := blinding(rand, k.N)
	if err != nil {
		return nil, err
	}
	blinded := new(big.Int).Mul(m, new(big.Int).Exp(r, e, k.N))
	s := privateExp(k, blinded.Mod(blinded, k.N))
	s.Mul(s, inverse).Mod(s, k.N)
	if new(big.Int).Exp(s, e, k.N).Cmp(m) != 0 {
		return nil, errors.New("rsa: internal error: signature does not verify")
	}
	return s.FillBytes(make([]byte, k.Size())), nil
}

// privateExp is c^d mod n, by the Chinese remainder theorem for two primes.
func privateExp(k *rsa.PrivateKey, c *big.Int) *big.Int {
	if len(k.Primes) != 2 {
		return new(big.Int).Exp(c, k.D, k.N)
	}
	p, q := k.Primes[0], k.Primes[1]
	one := big.NewInt(1)
	dp := new(big.Int).Mod(k.D, new(big.Int).Sub(p, one))
	dq := new(big.Int).Mod(k.D, new(big.Int).Sub(q, one))
	a, b := new(big.Int).Exp(c, dp, p), new(big.Int).Exp(c, dq, q)
	h := new(big.Int).Sub(a, b)
	h.Mul(h, new(big.Int).ModInverse(q, p)).Mod(h, p)
	return h.Mul(h, q).Add(h, b)
}

// blinding draws r and its inverse modulo n.
func blinding(rand io.Reader, n *big.Int) (r, inverse *big.Int, err error) {
	buffer := make([]byte, (n.BitLen()+7)/8+8) // eight bytes more make the bias negligible
	for {
		if _, err := io.ReadFull(rand, buffer); err != nil {
			return nil, nil, err
		}
		r = new(big.Int).SetBytes(buffer)
		r.Mod(r, n)
		if inverse = new(big.Int).ModInverse(r, n); inverse != nil {
			return r, inverse, nil
		}
	}
}

// encodeUnsalted is EMSA-PSS-ENCODE (RFC 8017 §9.1.1) with an empty salt.
func encodeUnsalted(digest []byte, emBits int, hash crypto.Hash) []byte {
	em := make([]byte, (emBits+7)/8)
	h := unsaltedHash(digest, hash)
	db := em[:len(em)-len(h)-1]
	db[len(db)-1] = 0x01
	mgf1XOR(db, hash, h)
	db[0] &= 0xff >> (8*len(em) - emBits)
	copy(em[len(db):], h)
	em[len(em)-1] = 0xbc
	return em
}

func unsaltedHash(digest []byte, hash crypto.Hash) []byte {
	h := hash.New()
	h.Write(make([]byte, 8))
	h.Write(digest)
	return h.Sum(nil)
}

// mgf1XOR is MGF1 (RFC 8017 §B.2.1) applied to out.
func mgf1XOR(out []byte, hash crypto.Hash, seed []byte) {
	var counter [4]byte
	for i := uint32(0); len(out) > 0; i++ {
		binary.BigEndian.PutUint32(counter[:], i)
		h := hash.New()
		h.Write(seed)
		h.Write(counter[:])
		out = out[subtle.XORBytes(out, out, h.Sum(nil)):]
	}
}

// verifyPSS checks a signature for a salt length in OpenSSL's notation.
func verifyPSS(k *rsa.PublicKey, salt int64, hash crypto.Hash, digest, signature []byte) bool {
	options := &rsa.PSSOptions{SaltLength: int(salt)}
	longest := longestSalt(k, hash)
	switch {
	case salt == saltDigest:
		options.SaltLength = hash.Size()
	case salt == saltAuto:
		options.SaltLength = rsa.PSSSaltLengthAuto
	case salt == saltMax:
		options.SaltLength = int(longest)
	case salt == 0:
		return verifyUnsalted(k, hash, digest, signature)
	case salt < 0 || salt > longest:
		return false
	}
	return rsa.VerifyPSS(k, hash, digest, signature, options) == nil
}

// verifyUnsalted compares with the one encoding that has an empty salt.
func verifyUnsalted(k *rsa.PublicKey, hash crypto.Hash, digest, signature []byte) bool {
	if rsa.VerifyPSS(k, hash, digest, signature, nil) != nil || longestSalt(k, hash) < 0 {
		return false // also keeps the work below to well-formed keys
	}
	s := new(big.Int).SetBytes(signature)
	em := s.Exp(s, big.NewInt(int64(k.E)), k.N)
	return bytes.Equal(em.FillBytes(make([]byte, (k.N.BitLen()+6)/8)), encodeUnsalted(digest, k.N.BitLen()-1, hash))
}
