package cose

import (
	"crypto/elliptic"
	"fmt"

	"github.com/fxamacker/cbor/v2"

	"concordat/ledger/keys"
)

// Algorithms, RFC 9053 section 2.1. Each is tied to one curve, as in CCF.
const (
	ES256 int64 = -7
	ES384 int64 = -35
	ES512 int64 = -36
)

// Labels of header parameters: RFC 9052, RFC 9597, and the receipt drafts CCF
// implements (draft-ietf-cose-merkle-tree-proofs).
const (
	labelAlg         int64 = 1
	labelKid         int64 = 4
	labelClaims      int64 = 15
	labelVDS         int64 = 395
	labelVDP         int64 = 396
	labelInclusion   int64 = -1
	claimIssuer      int64 = 1
	claimSubject     int64 = 2
	claimIssuedAt    int64 = 6
	labelCCF               = "ccf.v1"
	labelTxID              = "txid"
	labelEpochStart        = "epoch.start.txid"
	labelEpochEnd          = "epoch.end.txid"
	labelEpochRoot         = "epoch.end.merkle.root"
	vdsCCFLedgerHash int64 = 2 // CCF_LEDGER_SHA256
)

// Algorithm is the algorithm CCF uses with a curve, 0 for an unknown curve.
func Algorithm(curve elliptic.Curve) int64 {
	switch curve {
	case elliptic.P256():
		return ES256
	case elliptic.P384():
		return ES384
	case elliptic.P521():
		return ES512
	}
	return 0
}

// Supported reports whether requests signed with this algorithm are accepted.
func Supported(alg int64) bool { return alg == ES256 || alg == ES384 || alg == ES512 }

// Header is a decoded header map. Labels are numbers or texts.
type Header struct{ items map[any]cbor.RawMessage }

// parseHeader reads an encoded map; an empty string stands for an empty map.
func parseHeader(b []byte) (Header, error) {
	h := Header{items: map[any]cbor.RawMessage{}}
	if len(b) == 0 {
		return h, nil
	}
	if len(b) > MaxProtected {
		return h, fmt.Errorf("%w: a header of %d bytes is above the limit of %d", ErrMalformed, len(b), MaxProtected)
	}
	var raw map[any]cbor.RawMessage
	if err := strict.Unmarshal(b, &raw); err != nil || raw == nil {
		return h, fmt.Errorf("%w: header: not a strict CBOR map", ErrMalformed)
	}
	for label, value := range raw {
		switch n := label.(type) {
		case uint64:
			if n > 1<<62 {
				return h, fmt.Errorf("%w: header label out of range", ErrMalformed)
			}
			h.items[int64(n)] = value
		case int64, string:
			h.items[n] = value
		default:
			return h, fmt.Errorf("%w: header label is neither a number nor a text", ErrMalformed)
		}
	}
	return h, nil
}

// Len is the number of parameters.
func (h Header) Len() int { return len(h.items) }

// Has reports whether the parameter is present. A label is an int64 or a string.
func (h Header) Has(label any) bool { _, ok := h.items[label]; return ok }

// Int returns a whole number; ok is false when absent or of another type.
func (h Header) Int(label any) (n int64, ok bool) { return n, h.get(label, &n) }

// Uint returns a number that is not negative.
func (h Header) Uint(label any) (n uint64, ok bool) { return n, h.get(label, &n) }

// Text returns a text.
func (h Header) Text(label any) (s string, ok bool) { return s, h.getMajor(label, majorText, &s) }

// Bytes returns a byte string.
func (h Header) Bytes(label any) (b []byte, ok bool) { return b, h.getMajor(label, majorBytes, &b) }

// Map returns a nested map.
func (h Header) Map(label any) (Header, bool) {
	raw, ok := h.items[label]
	if !ok || len(raw) == 0 || raw[0]>>5 != majorMap {
		return Header{}, false
	}
	m, err := parseHeader(raw)
	return m, err == nil
}

// Raw returns the encoded value.
func (h Header) Raw(label any) []byte { return h.items[label] }

func (h Header) get(label, into any) bool {
	raw, ok := h.items[label]
	return ok && len(raw) > 0 && raw[0]>>5 <= majorNeg && strict.Unmarshal(raw, into) == nil
}

func (h Header) getMajor(label any, major byte, into any) bool {
	raw, ok := h.items[label]
	return ok && len(raw) > 0 && raw[0]>>5 == major && strict.Unmarshal(raw, into) == nil
}

func hashOf(alg int64) func([]byte) []byte {
	curve := curveOf(alg)
	if curve == nil {
		return nil
	}
	return func(b []byte) []byte {
		h := keys.Hash(curve).New()
		h.Write(b)
		return h.Sum(nil)
	}
}

func curveOf(alg int64) elliptic.Curve {
	switch alg {
	case ES256:
		return elliptic.P256()
	case ES384:
		return elliptic.P384()
	case ES512:
		return elliptic.P521()
	}
	return nil
}
