package jscrypto

import "math/big"

// secp256k1 (SEC 2 §2.4.1), y² = x³ + 7. CCF verifies signatures on it and does
// nothing else, and Go's library does not know it. All inputs here are public,
// so plain big-integer arithmetic is enough.
var (
	k256P  = hexInt("fffffffffffffffffffffffffffffffffffffffffffffffffffffffefffffc2f")
	k256N  = hexInt("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141")
	k256G  = k256Point{hexInt("79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798"), hexInt("483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8")}
	k256B  = big.NewInt(7)
	bigTwo = big.NewInt(2)
)

const k256Bits = 256

// k256Point is an affine point; a nil x is the point at infinity.
type k256Point struct{ x, y *big.Int }

func hexInt(s string) *big.Int {
	n, _ := new(big.Int).SetString(s, 16)
	return n
}

// verifyK256 checks a P1363 signature over a digest under an encoded point.
func verifyK256(point, digest, signature []byte) bool {
	q, ok := decodeK256(point)
	if !ok {
		return false
	}
	r, s, ok := splitP1363(signature, k256Bits)
	if !ok || r.Sign() == 0 || s.Sign() == 0 || r.Cmp(k256N) >= 0 || s.Cmp(k256N) >= 0 {
		return false
	}
	w := new(big.Int).ModInverse(s, k256N)
	e := new(big.Int).SetBytes(digest[:min(len(digest), k256Bits/8)])
	u1 := e.Mul(e, w).Mod(e, k256N)
	u2 := w.Mul(w, r).Mod(w, k256N)
	sum := k256G.times(u1).plus(q.times(u2))
	return sum.x != nil && new(big.Int).Mod(sum.x, k256N).Cmp(r) == 0
}

// decodeK256 reads an uncompressed or compressed point and checks that it is
// on the curve.
func decodeK256(b []byte) (k256Point, bool) {
	const size = k256Bits / 8
	compressed := len(b) == 1+size && (b[0] == 2 || b[0] == 3)
	if !compressed && (len(b) != 1+2*size || b[0] != 4) {
		return k256Point{}, false
	}
	p := k256Point{x: new(big.Int).SetBytes(b[1 : 1+size])}
	if p.x.Cmp(k256P) >= 0 {
		return k256Point{}, false
	}
	square := new(big.Int).Exp(p.x, big.NewInt(3), k256P)
	square.Add(square, k256B).Mod(square, k256P)
	if !compressed {
		p.y = new(big.Int).SetBytes(b[1+size:])
		return p, p.y.Cmp(k256P) < 0 && new(big.Int).Exp(p.y, bigTwo, k256P).Cmp(square) == 0
	}
	if p.y = new(big.Int).ModSqrt(square, k256P); p.y == nil {
		return k256Point{}, false
	}
	if p.y.Bit(0) != uint(b[0]&1) {
		p.y.Sub(k256P, p.y)
	}
	return p, true
}

func (p k256Point) times(k *big.Int) k256Point {
	var sum k256Point
	for i := k.BitLen() - 1; i >= 0; i-- {
		sum = sum.plus(sum)
		if k.Bit(i) == 1 {
			sum = sum.plus(p)
		}
	}
	return sum
}

func (p k256Point) plus(q k256Point) k256Point {
	switch {
	case p.x == nil:
		return q
	case q.x == nil:
		return p
	}
	var slope *big.Int
	if p.x.Cmp(q.x) == 0 {
		if p.y.Cmp(q.y) != 0 || p.y.Sign() == 0 {
			return k256Point{}
		}
		slope = new(big.Int).Mul(p.x, p.x)
		slope.Mul(slope, big.NewInt(3)).Mul(slope, new(big.Int).ModInverse(new(big.Int).Lsh(p.y, 1), k256P))
	} else {
		dx := new(big.Int).Sub(q.x, p.x)
		slope = new(big.Int).Sub(q.y, p.y)
		slope.Mul(slope, dx.ModInverse(dx.Mod(dx, k256P), k256P))
	}
	slope.Mod(slope, k256P)
	x := new(big.Int).Mul(slope, slope)
	x.Sub(x, p.x).Sub(x, q.x).Mod(x, k256P)
	y := new(big.Int).Sub(p.x, x)
	y.Mul(y, slope).Sub(y, p.y).Mod(y, k256P)
	return k256Point{x, y}
}
