// Package cose reads and writes the COSE_Sign1 messages (RFC 9052) of a service:
// the signature of the service over each signed Merkle root, receipts made from
// it, the endorsement of an older service identity, and the signed requests of
// members and users.
//
// Writing is by hand, since ledgers and receipts are compared byte for byte and
// CCF's order of map entries is not the deterministic order of RFC 8949.
// Reading is strict and bounded: definite lengths only, no duplicate labels,
// nothing after the end.
//
// The package is pure: times and randomness are arguments.
package cose

import (
	"encoding/binary"
	"errors"

	"github.com/fxamacker/cbor/v2"
)

// Limits of what is read. A governance message carries a whole application
// bundle, so its payload is bounded by whoever received it, not here.
const (
	// MaxMessage bounds a whole COSE_Sign1.
	MaxMessage = 256 << 20
	// MaxProtected bounds an encoded protected header.
	MaxProtected = 64 << 10
	// MaxPath bounds the steps of an inclusion proof; 64 is a full ledger.
	MaxPath = 64
	// MaxEvidence bounds a commit evidence (CDDL of the CCF receipt profile).
	MaxEvidence = 1024
	// MaxProofs bounds the inclusion proofs of one receipt.
	MaxProofs = 16

	maxNesting  = 8
	maxMapPairs = 64
	maxElements = 1024
)

// ErrMalformed is returned for bytes that are not the CBOR that was expected.
var ErrMalformed = errors.New("malformed COSE message")

// Major types of CBOR, RFC 8949 section 3.1.
const (
	majorUint  = 0
	majorNeg   = 1
	majorBytes = 2
	majorText  = 3
	majorArray = 4
	majorMap   = 5
	majorTag   = 6
)

// Single-byte values.
const (
	simpleFalse = 0xf4
	simpleTrue  = 0xf5
	simpleNull  = 0xf6
)

// tagSign1 marks a COSE_Sign1, RFC 9052 section 2.
const tagSign1 = 18

var strict = func() cbor.DecMode {
	mode, err := cbor.DecOptions{
		DupMapKey: cbor.DupMapKeyEnforcedAPF, IndefLength: cbor.IndefLengthForbidden,
		MaxNestedLevels: maxNesting, MaxMapPairs: maxMapPairs, MaxArrayElements: maxElements,
		UTF8: cbor.UTF8RejectInvalid, IntDec: cbor.IntDecConvertNone,
	}.DecMode()
	if err != nil {
		panic("cose: impossible decoding options: " + err.Error()) // fixed at compile time
	}
	return mode
}()

// appendHead writes the head of a data item in its shortest form.
func appendHead(dst []byte, major byte, n uint64) []byte {
	major <<= 5
	switch {
	case n < 24:
		return append(dst, major|byte(n))
	case n < 1<<8:
		return append(dst, major|24, byte(n))
	case n < 1<<16:
		return binary.BigEndian.AppendUint16(append(dst, major|25), uint16(n))
	case n < 1<<32:
		return binary.BigEndian.AppendUint32(append(dst, major|26), uint32(n))
	}
	return binary.BigEndian.AppendUint64(append(dst, major|27), n)
}

func appendInt(dst []byte, n int64) []byte {
	if n < 0 {
		return appendHead(dst, majorNeg, uint64(-1-n))
	}
	return appendHead(dst, majorUint, uint64(n))
}

func appendBytes(dst, b []byte) []byte {
	return append(appendHead(dst, majorBytes, uint64(len(b))), b...)
}

func appendText(dst []byte, s string) []byte {
	return append(appendHead(dst, majorText, uint64(len(s))), s...)
}

// cursor walks over the items of a definite-length structure whose shape is
// known. The first mismatch sticks.
type cursor struct {
	b   []byte
	bad bool
}

// head reads one head. Indefinite lengths and reserved values are refused.
func (c *cursor) head() (major byte, n uint64) {
	if c.bad || len(c.b) == 0 {
		c.bad = true
		return 0, 0
	}
	first := c.b[0]
	major, low := first>>5, first&0x1f
	if low < 24 {
		c.b = c.b[1:]
		return major, uint64(low)
	}
	width := 1 << (low - 24)
	if low > 27 || len(c.b) < 1+width {
		c.bad = true
		return 0, 0
	}
	var word [8]byte
	copy(word[8-width:], c.b[1:])
	c.b = c.b[1+width:]
	return major, binary.BigEndian.Uint64(word[:])
}

// expect reads a head of the given major type and returns its argument.
func (c *cursor) expect(major byte) uint64 {
	got, n := c.head()
	c.bad = c.bad || got != major
	return n
}

// exactly reads a head that must have this type and argument.
func (c *cursor) exactly(major byte, n uint64) {
	if c.expect(major) != n {
		c.bad = true
	}
}

func (c *cursor) take(n uint64) []byte {
	if c.bad || n > uint64(len(c.b)) {
		c.bad = true
		return nil
	}
	out := c.b[:n:n]
	c.b = c.b[n:]
	return out
}

func (c *cursor) bytes() []byte { return c.take(c.expect(majorBytes)) }

func (c *cursor) text() string { return string(c.take(c.expect(majorText))) }

func (c *cursor) fixed(dst []byte) {
	if b := c.bytes(); len(b) == len(dst) {
		copy(dst, b)
	} else {
		c.bad = true
	}
}

// raw reads one well-formed item of any shape, within the limits.
func (c *cursor) raw() []byte {
	if c.bad {
		return nil
	}
	var item cbor.RawMessage
	rest, err := strict.UnmarshalFirst(c.b, &item)
	if err != nil {
		c.bad = true
		return nil
	}
	out := c.b[: len(c.b)-len(rest) : len(c.b)-len(rest)]
	c.b = rest
	return out
}

// done reports that everything was as expected and nothing is left.
func (c *cursor) done() bool { return !c.bad && len(c.b) == 0 }
