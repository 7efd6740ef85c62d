package cose

import (
	"crypto/ecdsa"
	"errors"
	"fmt"
	"io"

	"concordat/ledger/keys"
)

// ErrSignature is returned when a signature does not verify.
var ErrSignature = errors.New("the COSE signature does not verify")

// Sign1 is a COSE_Sign1 message. Protected and Unprotected are the encoded
// header maps as they were on the wire.
type Sign1 struct {
	Protected   []byte
	Unprotected []byte
	Header      Header // the decoded protected header
	Payload     []byte
	Detached    bool // the payload is null and travels apart
	Signature   []byte
}

// ParseSign1 reads a tagged COSE_Sign1 and nothing after it. The result aliases
// b.
func ParseSign1(b []byte) (*Sign1, error) {
	if len(b) > MaxMessage {
		return nil, fmt.Errorf("%w: %d bytes are more than the limit of %d", ErrMalformed, len(b), MaxMessage)
	}
	c := &cursor{b: b}
	c.exactly(majorTag, tagSign1)
	c.exactly(majorArray, 4)
	s := &Sign1{Protected: c.bytes(), Unprotected: c.raw()}
	if !c.bad && len(c.b) > 0 && c.b[0] == simpleNull {
		c.b, s.Detached = c.b[1:], true
	} else {
		s.Payload = c.bytes()
	}
	s.Signature = c.bytes()
	if !c.done() || len(s.Unprotected) == 0 || s.Unprotected[0]>>5 != majorMap {
		return nil, fmt.Errorf("%w: not a tagged COSE_Sign1", ErrMalformed)
	}
	var err error
	s.Header, err = parseHeader(s.Protected)
	return s, err
}

// Marshal writes the message with the shortest heads.
func (s *Sign1) Marshal() []byte {
	b := make([]byte, 0, len(s.Protected)+len(s.Unprotected)+len(s.Payload)+len(s.Signature)+24)
	b = appendHead(b, majorTag, tagSign1)
	b = appendHead(b, majorArray, 4)
	b = appendBytes(b, s.Protected)
	b = append(b, s.Unprotected...)
	if s.Detached {
		b = append(b, simpleNull)
	} else {
		b = appendBytes(b, s.Payload)
	}
	return appendBytes(b, s.Signature)
}

// Alg is the algorithm of the protected header, 0 when there is none.
func (s *Sign1) Alg() int64 {
	alg, _ := s.Header.Int(labelAlg)
	return alg
}

// Verify checks the signature over the attached payload, or over the given one
// when the message carries none. The algorithm must be the one of the key's
// curve, so that nobody can choose a weaker digest.
func (s *Sign1) Verify(pub *ecdsa.PublicKey, detached []byte) error {
	payload := s.Payload
	if s.Detached {
		payload = detached
	} else if detached != nil {
		return fmt.Errorf("%w: it carries its own payload", ErrSignature)
	}
	return verify(s.Alg(), pub, s.Protected, payload, s.Signature)
}

func verify(alg int64, pub *ecdsa.PublicKey, protected, payload, signature []byte) error {
	hash := hashOf(alg)
	if hash == nil {
		return fmt.Errorf("%w: unsupported algorithm %d", ErrSignature, alg)
	}
	if pub == nil || Algorithm(pub.Curve) != alg {
		return fmt.Errorf("%w: algorithm %d does not fit the key", ErrSignature, alg)
	}
	if !keys.VerifyRaw(pub, hash(toBeSigned(protected, payload)), signature) {
		return ErrSignature
	}
	return nil
}

// toBeSigned is the Sig_structure of RFC 9052 section 4.4, with no external
// data.
func toBeSigned(protected, payload []byte) []byte {
	b := make([]byte, 0, len(protected)+len(payload)+32)
	b = appendHead(b, majorArray, 4)
	b = appendText(b, "Signature1")
	b = appendBytes(b, protected)
	b = appendBytes(b, nil)
	return appendBytes(b, payload)
}

// ToBeSigned returns the digest a signer has to sign, for signers that keep
// their key elsewhere.
func ToBeSigned(alg int64, protected, payload []byte) ([]byte, error) {
	hash := hashOf(alg)
	if hash == nil {
		return nil, fmt.Errorf("%w: unsupported algorithm %d", ErrSignature, alg)
	}
	return hash(toBeSigned(protected, payload)), nil
}

// sign completes a message whose protected header is already encoded.
func sign(random io.Reader, key *keys.PrivateKey, s *Sign1, payload []byte) ([]byte, error) {
	digest, err := ToBeSigned(Algorithm(key.Public().Curve), s.Protected, payload)
	if err != nil {
		return nil, err
	}
	if s.Signature, err = key.SignRaw(random, digest); err != nil {
		return nil, err
	}
	s.Unprotected = []byte{majorMap << 5}
	if !s.Detached {
		s.Payload = payload
	}
	return s.Marshal(), nil
}
