package cose

import (
	"bytes"
	"crypto/ecdsa"
	"fmt"
	"io"
	"time"
	"unicode/utf8"

	"concordat/ledger"
	"concordat/ledger/keys"
)

// RootHeader is what the protected header of a ledger signature says.
type RootHeader struct {
	Alg      int64
	Kid      string // id of the service key
	IssuedAt uint64 // seconds since the epoch
	Issuer   string // may be empty
	Subject  string // may be empty
	TxID     ledger.TxID
}

// RootSignature is the service's signature over a Merkle root, as found in
// public:ccf.internal.cose_signatures. The root itself is the detached payload.
type RootSignature struct {
	RootHeader
	Message *Sign1
}

// SignRoot signs a Merkle root with the service key. The bytes are exactly
// those CCF writes: which parameters, in which order, in the shortest form.
// h.Alg and h.Kid are taken from the key.
func SignRoot(random io.Reader, key *keys.PrivateKey, h RootHeader, root ledger.Digest) ([]byte, error) {
	h.Alg, h.Kid = Algorithm(key.Public().Curve), key.ID()
	return sign(random, key, &Sign1{Protected: h.encode(), Detached: true}, root[:])
}

// SecondsOf is the form in which times are carried.
func SecondsOf(t time.Time) uint64 { return uint64(max(t.Unix(), 0)) }

// encode writes the protected header in CCF's order: 1, 4, 395, 15, "ccf.v1",
// and within the claims 6, 1, 2.
func (h RootHeader) encode() []byte {
	b := make([]byte, 0, 160+len(h.Issuer)+len(h.Subject))
	b = appendHead(b, majorMap, 5)
	b = appendInt(appendInt(b, labelAlg), h.Alg)
	b = appendBytes(appendInt(b, labelKid), []byte(h.Kid))
	b = appendInt(appendInt(b, labelVDS), vdsCCFLedgerHash)
	b = appendHead(appendInt(b, labelClaims), majorMap, 3)
	b = appendHead(appendInt(b, claimIssuedAt), majorUint, h.IssuedAt)
	b = appendText(appendInt(b, claimIssuer), h.Issuer)
	b = appendText(appendInt(b, claimSubject), h.Subject)
	b = appendHead(appendText(b, labelCCF), majorMap, 1)
	return appendText(appendText(b, labelTxID), h.TxID.String())
}

// ParseRoot reads a ledger signature. It is tolerant of the order of headers,
// since other writers may order them differently; Exact tells.
func ParseRoot(b []byte) (*RootSignature, error) {
	s, err := ParseSign1(b)
	if err != nil {
		return nil, err
	}
	if !s.Detached {
		return nil, fmt.Errorf("%w: a ledger signature has a detached payload", ErrMalformed)
	}
	h, err := parseRootHeader(s.Header)
	if err != nil {
		return nil, err
	}
	return &RootSignature{RootHeader: h, Message: s}, nil
}

func parseRootHeader(m Header) (h RootHeader, err error) {
	refuse := func(what string) (RootHeader, error) {
		return RootHeader{}, fmt.Errorf("%w: ledger signature: %s", ErrMalformed, what)
	}
	h.Alg, _ = m.Int(labelAlg)
	kid, ok := m.Bytes(labelKid)
	if !ok || len(kid) == 0 {
		return refuse("no kid")
	}
	h.Kid = string(kid)
	if vds, _ := m.Int(labelVDS); vds != vdsCCFLedgerHash {
		return refuse("not of the CCF ledger profile (label 395 is not 2)")
	}
	claims, ok := m.Map(labelClaims)
	if !ok {
		return refuse("no CWT claims")
	}
	if h.IssuedAt, ok = claims.Uint(claimIssuedAt); !ok {
		return refuse("no time of issue")
	}
	h.Issuer, _ = claims.Text(claimIssuer)
	h.Subject, _ = claims.Text(claimSubject)
	own, ok := m.Map(labelCCF)
	if !ok {
		return refuse("no ccf.v1 header")
	}
	text, _ := own.Text(labelTxID)
	if h.TxID, err = ledger.ParseTxID(text); err != nil {
		return refuse("no transaction id")
	}
	return h, nil
}

// Exact reports whether the message is byte for byte what SignRoot would have
// written for these headers and this signature.
func (r *RootSignature) Exact(message []byte) bool {
	again := Sign1{Protected: r.encode(), Unprotected: []byte{majorMap << 5}, Detached: true, Signature: r.Message.Signature}
	return bytes.Equal(again.Marshal(), message)
}

// Verify checks that the service with this key signed the root, and that the
// kid names the key.
func (r *RootSignature) Verify(service *ecdsa.PublicKey, root ledger.Digest) error {
	spki, err := keys.MarshalSPKI(service)
	if err != nil {
		return err
	}
	if id := keys.NodeID(spki); r.Kid != id {
		return fmt.Errorf("%w: signed by key %.64s, not by the service key %s", ErrSignature, printable(r.Kid), id)
	}
	return r.Message.Verify(service, root[:])
}

// printable keeps bytes of unknown origin out of messages.
func printable(s string) string {
	if !utf8.ValidString(s) {
		return fmt.Sprintf("%x", s)
	}
	return s
}
