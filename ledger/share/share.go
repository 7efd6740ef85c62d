// Package share splits the key that wraps a ledger secret among the recovery
// members, and puts it together again.
//
// A share has 44 bytes: u32 x and ten u32 values, little-endian. The ten limbs
// of the secret are the values at 0 of ten random polynomials over the integers
// modulo 2^31-1; a member's share holds their values at x = 1, 2, ... A share
// with x = 0 is the full key, which recovery owners get. The wrapping key is
// derived from the limbs. Nothing authenticates a share: a wrong one shows only
// when unwrapping fails.
//
// Shares of 113 bytes, written by CCF before 4.0.9, can be combined but not made.
package share

import (
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"concordat/ledger/secret"
)

// Size is the length of a share, or of a full key.
const Size = 4 + 4*limbs

const (
	limbs = 10
	prime = 1<<31 - 1 // also the mask of a field element's bits
	// MaxShares bounds how many shares one split makes: far above any consortium.
	MaxShares = 1 << 16
)

// Errors of this package.
var (
	ErrMalformed = errors.New("not a recovery share: want 44 or 113 bytes")
	ErrDuplicate = errors.New("the same recovery share was given twice")
	ErrTooFew    = errors.New("not enough recovery shares")
	ErrMixed     = errors.New("recovery shares of different splits")
	ErrThreshold = errors.New("the recovery threshold must be between 1 and the number of shares")
)

// WrappingKey seals one ledger secret, once. It prints as [redacted].
type WrappingKey [32]byte

// Format keeps the key out of every log.
func (WrappingKey) Format(f fmt.State, _ rune) { io.WriteString(f, "[redacted]") }

// MarshalText keeps the key out of JSON.
func (WrappingKey) MarshalText() ([]byte, error) { return []byte("[redacted]"), nil }

// vector is one value per limb.
type vector [limbs]uint32

// Split makes a fresh wrapping key, n shares of which any threshold restore it,
// and the full key for recovery owners.
func Split(threshold, n int, rand io.Reader) (shares [][]byte, full []byte, key WrappingKey, err error) {
	if threshold < 1 || threshold > n || n > MaxShares {
		return nil, nil, key, ErrThreshold
	}
	poly := make([]vector, threshold) // poly[d] are the coefficients of x^d
	for d := range poly {
		for l := range poly[d] {
			if poly[d][l], err = sample(rand); err != nil {
				return nil, nil, key, fmt.Errorf("split recovery key: %w", err)
			}
		}
	}
	shares = make([][]byte, n)
	for i := range shares {
		x := uint32(i + 1)
		shares[i] = marshal(x, evaluate(poly, x))
	}
	return shares, marshal(0, poly[0]), derive(poly[0]), nil
}

// sample draws a uniform field element.
func sample(rand io.Reader) (uint32, error) {
	for {
		var b [4]byte
		if _, err := io.ReadFull(rand, b[:]); err != nil {
			return 0, err
		}
		if v := binary.LittleEndian.Uint32(b[:]) & prime; v != prime {
			return v, nil
		}
	}
}

func evaluate(poly []vector, x uint32) (y vector) {
	for d := len(poly) - 1; d >= 0; d-- {
		for l := range y {
			y[l] = uint32((uint64(y[l])*uint64(x) + uint64(poly[d][l])) % prime)
		}
	}
	return y
}

func marshal(x uint32, y vector) []byte {
	b := binary.LittleEndian.AppendUint32(make([]byte, 0, Size), x)
	for _, v := range y {
		b = binary.LittleEndian.AppendUint32(b, v)
	}
	return b
}

// parse reads a share; values are reduced as CCF does when it combines.
func parse(b []byte) (x uint32, y vector, err error) {
	if len(b) != Size {
		return 0, y, ErrMalformed
	}
	if x = binary.LittleEndian.Uint32(b); x >= prime {
		return 0, y, fmt.Errorf("%w: index out of range", ErrMalformed)
	}
	for l := range y {
		y[l] = binary.LittleEndian.Uint32(b[4+4*l:]) % prime
	}
	return x, y, nil
}

// IsFull reports whether b is a full key, which needs no others.
func IsFull(b []byte) bool {
	x, _, err := parse(b)
	return err == nil && x == 0
}

// Combine restores the wrapping key from the first threshold shares, or from a
// full key if there is one. Shares that do not belong together give a wrong key.
func Combine(shares [][]byte, threshold int) (WrappingKey, error) {
	for _, b := range shares {
		if IsFull(b) {
			_, y, err := parse(b)
			return derive(y), err
		}
	}
	switch {
	case threshold < 1:
		return WrappingKey{}, ErrThreshold
	case len(shares) < threshold:
		return WrappingKey{}, ErrTooFew
	case len(shares[0]) == legacySize:
		return combineLegacy(shares[:threshold])
	}
	return combine(shares[:threshold])
}

func combine(shares [][]byte) (WrappingKey, error) {
	xs, ys := make([]uint32, len(shares)), make([]vector, len(shares))
	for i, b := range shares {
		x, y, err := parse(b)
		if err != nil {
			return WrappingKey{}, err
		}
		for _, other := range xs[:i] {
			if other == x {
				return WrappingKey{}, ErrDuplicate
			}
		}
		xs[i], ys[i] = x, y
	}
	var at0 vector
	for i := range xs {
		weight := lagrange(xs, i)
		for l := range at0 {
			at0[l] = uint32((uint64(at0[l]) + weight*uint64(ys[i][l])) % prime)
		}
	}
	return derive(at0), nil
}

// lagrange is the weight of point i when interpolating at 0.
func lagrange(xs []uint32, i int) uint64 {
	num, den := uint64(1), uint64(1)
	for j, x := range xs {
		if j != i {
			num = num * uint64(x) % prime
			den = den * ((uint64(x) + prime - uint64(xs[i])) % prime) % prime
		}
	}
	return num * inverse(den) % prime
}

// inverse is v^(p-2), which is 1/v in the field.
func inverse(v uint64) uint64 {
	result := uint64(1)
	for e := uint64(prime - 2); e > 0; e >>= 1 {
		if e&1 == 1 {
			result = result * v % prime
		}
		v = v * v % prime
	}
	return result
}

// derive turns the limbs into the wrapping key. CCF passes the limbs as the
// info of HKDF too, where its label was meant to stand; its ledgers need that.
func derive(y vector) (key WrappingKey) {
	ikm := marshal(0, y)[4:]
	b, err := hkdf.Key(sha256.New, ikm, nil, string(ikm), len(key))
	if err != nil { // only for lengths HKDF cannot make
		panic("share: " + err.Error())
	}
	copy(key[:], b)
	return key
}

// Wrap seals a ledger secret for the recovery_shares table. The IV is all zeros,
// as in CCF, so a wrapping key must seal only once.
func Wrap(key WrappingKey, s *secret.Secret) []byte {
	return secret.SealBlob(key[:], make([]byte, 12), s.Bytes())
}

// Unwrap opens what Wrap sealed. Wrong shares show here, as secret.ErrOpen.
func Unwrap(key WrappingKey, wrapped []byte) (*secret.Secret, error) {
	b, err := secret.OpenBlob(key[:], wrapped)
	if err != nil {
		return nil, fmt.Errorf("unwrap ledger secret: %w", err)
	}
	return secret.FromBytes(b)
}
