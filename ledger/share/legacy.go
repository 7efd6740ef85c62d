package share

import (
	"bytes"

	"golang.org/x/crypto/nacl/secretbox"
)

// A legacy share is u8 x, 32 bytes y, and an 80-byte box that is the same in all
// shares of a split. The y are shares, byte by byte over GF(2^8), of the key
// that opens the box; the wrapping key is the first half of what is in it.
const (
	legacySize = 1 + legacyKey + legacyBox
	legacyKey  = 32
	legacyBox  = secretbox.Overhead + 64
)

func combineLegacy(shares [][]byte) (key WrappingKey, err error) {
	for i, b := range shares {
		switch {
		case len(b) != legacySize || b[0] == 0:
			return key, ErrMalformed
		case !bytes.Equal(b[1+legacyKey:], shares[0][1+legacyKey:]):
			return key, ErrMixed
		}
		for _, other := range shares[:i] {
			if other[0] == b[0] {
				return key, ErrDuplicate
			}
		}
	}
	var boxKey [legacyKey]byte
	for i, b := range shares {
		weight := gfLagrange(shares, i)
		for j := range boxKey {
			boxKey[j] ^= gfMul(weight, b[1+j])
		}
	}
	var nonce [24]byte // zero: the key is used once
	opened, ok := secretbox.Open(nil, shares[0][1+legacyKey:], &nonce, &boxKey)
	if !ok {
		return key, ErrMixed
	}
	copy(key[:], opened)
	return key, nil
}

// gfLagrange is the weight of share i when interpolating at 0 in GF(2^8), where
// subtraction is exclusive or.
func gfLagrange(shares [][]byte, i int) byte {
	num, den := byte(1), byte(1)
	for j, b := range shares {
		if j != i {
			num = gfMul(num, b[0])
			den = gfMul(den, b[0]^shares[i][0])
		}
	}
	return gfMul(num, gfInverse(den))
}

// gfMul multiplies modulo x^8+x^4+x^3+x+1, without branches on its arguments.
func gfMul(a, b byte) (product byte) {
	for range 8 {
		product ^= a & -(b & 1)
		a = a<<1 ^ 0x1b&-(a>>7)
		b >>= 1
	}
	return product
}

// gfInverse is v^254, which is 1/v.
func gfInverse(v byte) byte {
	result := byte(1)
	for e := 254; e > 0; e >>= 1 {
		if e&1 == 1 {
			result = gfMul(result, v)
		}
		v = gfMul(v, v)
	}
	return result
}
