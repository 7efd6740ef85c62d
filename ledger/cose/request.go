package cose

import (
	"crypto/ecdsa"
	"fmt"
	"io"
	"math"

	"github.com/fxamacker/cbor/v2"

	"concordat/ledger/keys"
)

// Types of governance messages, the value of "ccf.gov.msg.type".
const (
	TypeProposal      = "proposal"
	TypeBallot        = "ballot"
	TypeWithdrawal    = "withdrawal"
	TypeAck           = "ack"
	TypeStateDigest   = "state_digest"
	TypeRecoveryShare = "recovery_share"
)

const (
	govType       = "ccf.gov.msg.type"
	govCreatedAt  = "ccf.gov.msg.created_at"
	govProposalID = "ccf.gov.msg.proposal_id"
	userType      = "ccf.msg.type"
	userCreatedAt = "ccf.msg.created_at"
)

// DecodeError says why bytes are not a signed request. Its text is the one CCF
// answers with, with status 500: clients see it.
type DecodeError struct{ Text string }

func (e *DecodeError) Error() string { return e.Text }

// Numbers CCF's CBOR decoder gives for faults in a protected header; they are
// part of its answers.
const (
	faultHitEnd        = 31
	faultTooDeep       = 41
	faultBadLabel      = 60
	faultType          = 61
	faultDuplicate     = 62
	faultEmptyHeader   = 67
	faultNotSupported  = 22
	maxTagsBeforeArray = 4
)

// Request is a signed request of a member or a user. A member's carries the
// governance headers, a user's the plain ones.
type Request struct {
	Alg          int64
	Kid          string // id of the signer, as sent
	Type         string
	HasType      bool
	CreatedAt    uint64 // seconds since the epoch
	HasCreatedAt bool
	ProposalID   string
	HasProposal  bool
	Payload      []byte
	Protected    []byte
	Signature    []byte

	attached bool // the payload is a byte string
	whole    bool // the outer array is exactly a COSE_Sign1
}

// ParseGov reads a member's request. Every fault is a *DecodeError; whether the
// signature is right is for Verify to say.
func ParseGov(b []byte) (*Request, error) { return parseRequest(b, true) }

// ParseUser reads a user's request, whose message type and time are optional.
func ParseUser(b []byte) (*Request, error) { return parseRequest(b, false) }

// parseRequest follows the order in which CCF looks at a message, so that the
// first complaint is the same.
func parseRequest(b []byte, gov bool) (*Request, error) {
	c := &cursor{b: b}
	tag, length, ok := c.outer()
	if !ok {
		return nil, &DecodeError{"Failed to parse COSE_Sign1 outer array"}
	}
	if tag != tagSign1 {
		return nil, &DecodeError{"COSE_Sign1 is not tagged"}
	}
	r := &Request{whole: length == 4}
	major, n := c.head()
	if c.bad {
		return nil, headerFault(faultHitEnd)
	}
	if major != majorBytes {
		return nil, headerFault(faultType)
	}
	if r.Protected = c.take(n); c.bad {
		return nil, headerFault(faultHitEnd)
	}
	if err := r.readHeader(gov); err != nil {
		return nil, err
	}
	if !r.readRest(c, length) {
		return nil, &DecodeError{"Failed to decode COSE_Sign1"}
	}
	return r, nil
}

// outer reads the tags and the array head. The tag nearest the array counts.
func (c *cursor) outer() (tag, length uint64, ok bool) {
	for range maxTagsBeforeArray {
		major, n := c.head()
		switch {
		case c.bad:
			return 0, 0, false
		case major == majorArray:
			return tag, n, true
		case major != majorTag:
			return 0, 0, false
		}
		tag = n
	}
	return 0, 0, false
}

// readRest reads the unprotected header, which is ignored, the payload and the
// signature. A payload of another type is left to verification to refuse.
func (r *Request) readRest(c *cursor, length uint64) bool {
	c.raw()
	if c.bad || len(c.b) == 0 || length < 4 {
		return false
	}
	if r.attached = c.b[0]>>5 == majorBytes; r.attached {
		r.Payload = c.bytes()
	} else {
		c.raw()
	}
	r.Signature = c.bytes()
	for range min(length-4, maxElements) {
		c.raw()
	}
	return c.done() && length-4 <= maxElements
}

func headerFault(code int) *DecodeError {
	return &DecodeError{fmt.Sprintf("Failed to decode protected header: %d", code)}
}

func (r *Request) readHeader(gov bool) error {
	h, err := requestHeader(r.Protected)
	if err != nil {
		return err
	}
	typ, created := userType, userCreatedAt
	if gov {
		typ, created = govType, govCreatedAt
	}
	var createdAt int64
	alg, okAlg := h.Int(labelAlg)
	kid, okKid := h.Bytes(labelKid)
	r.Type, r.HasType = h.Text(typ)
	createdAt, r.HasCreatedAt = h.Int(created)
	r.ProposalID, r.HasProposal = h.Text(govProposalID)
	wrong := h.Has(labelAlg) != okAlg || h.Has(labelKid) != okKid || h.Has(typ) != r.HasType || h.Has(created) != r.HasCreatedAt
	if wrong || gov && h.Has(govProposalID) != r.HasProposal {
		return headerFault(faultType)
	}
	switch {
	case !okAlg:
		return &DecodeError{"Missing algorithm in protected header"}
	case !okKid:
		return &DecodeError{"Missing kid in protected header"}
	case gov && !r.HasCreatedAt:
		return &DecodeError{"Missing created_at in protected header"}
	case r.HasCreatedAt && createdAt < 0:
		return &DecodeError{"Header parameter created_at must be positive"}
	}
	r.Alg, r.Kid, r.CreatedAt = alg, string(kid), uint64(createdAt)
	return nil
}

func requestHeader(b []byte) (Header, error) {
	if len(b) == 0 || len(b) == 1 && b[0] == majorMap<<5 {
		return Header{}, headerFault(faultEmptyHeader)
	}
	if b[0]>>5 != majorMap {
		return Header{}, headerFault(faultType)
	}
	var duplicate *cbor.DupMapKeyError
	var raw map[any]cbor.RawMessage
	h, err := parseHeader(b)
	if err == nil {
		return h, nil
	}
	switch err := strict.Unmarshal(b, &raw); {
	case asError(err, &duplicate):
		return h, headerFault(faultDuplicate)
	case tooDeep(err):
		return h, headerFault(faultTooDeep)
	case indefinite(err):
		return h, headerFault(faultNotSupported)
	case err == nil:
		return h, headerFault(faultBadLabel)
	}
	return h, headerFault(faultHitEnd)
}

// Verify checks the signature with the signer's key. Its failure is for the
// caller to report as 401, unlike a DecodeError.
func (r *Request) Verify(pub *ecdsa.PublicKey) error {
	if !r.attached || !r.whole {
		return fmt.Errorf("%w: it has no payload of its own", ErrSignature)
	}
	return verify(r.Alg, pub, r.Protected, r.Payload, r.Signature)
}

// RequestHeader is what a client puts into the protected header of a request.
type RequestHeader struct {
	Kid        string // id of the signer's certificate
	Type       string // left out when empty
	CreatedAt  uint64 // left out of a user's request when zero
	ProposalID string // for ballots and withdrawals
}

// SignGov signs a member's request in the form of CCF's command line tools:
// tagged, payload attached, kid in the protected header.
func SignGov(random io.Reader, key *keys.PrivateKey, h RequestHeader, payload []byte) ([]byte, error) {
	protected, err := h.encode(Algorithm(key.Public().Curve), true)
	if err != nil {
		return nil, err
	}
	return sign(random, key, &Sign1{Protected: protected}, payload)
}

// SignUser signs a user's request.
func SignUser(random io.Reader, key *keys.PrivateKey, h RequestHeader, payload []byte) ([]byte, error) {
	protected, err := h.encode(Algorithm(key.Public().Curve), false)
	if err != nil {
		return nil, err
	}
	return sign(random, key, &Sign1{Protected: protected}, payload)
}

// PrepareGov returns the protected header and the digest to be signed, for a
// member whose key is in a vault; FinishGov puts the signature in.
func PrepareGov(alg int64, h RequestHeader, payload []byte) (protected, digest []byte, err error) {
	if protected, err = h.encode(alg, true); err != nil {
		return nil, nil, err
	}
	digest, err = ToBeSigned(alg, protected, payload)
	return protected, digest, err
}

// FinishGov assembles a request from a signature made elsewhere.
func FinishGov(protected, payload, signature []byte) []byte {
	s := &Sign1{Protected: protected, Unprotected: []byte{majorMap << 5}, Payload: payload, Signature: signature}
	return s.Marshal()
}

func (h RequestHeader) encode(alg int64, gov bool) ([]byte, error) {
	if h.CreatedAt > math.MaxInt64 {
		return nil, fmt.Errorf("a time of %d seconds cannot be sent", h.CreatedAt)
	}
	typ, created := userType, userCreatedAt
	if gov {
		typ, created = govType, govCreatedAt
	}
	items := uint64(2)
	var rest []byte
	if h.Type != "" {
		items++
		rest = appendText(appendText(rest, typ), h.Type)
	}
	if gov || h.CreatedAt != 0 {
		items++
		rest = appendHead(appendText(rest, created), majorUint, h.CreatedAt)
	}
	if h.ProposalID != "" {
		items++
		rest = appendText(appendText(rest, govProposalID), h.ProposalID)
	}
	b := appendHead(nil, majorMap, items)
	b = appendInt(appendInt(b, labelAlg), alg)
	b = appendBytes(appendInt(b, labelKid), []byte(h.Kid))
	return append(b, rest...), nil
}
