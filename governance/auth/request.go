// Package auth decides who signed a governance request, and whether that member
// may make it. Requests are COSE_Sign1 messages (RFC 9052) whose protected header
// names the signer, the kind of request and when it was made.
package auth

import (
	"crypto/sha256"
	"math/big"

	"concordat/governance/tables"
	"concordat/ledger"
)

// Request is a request whose signature was verified.
type Request struct {
	MemberID  string
	Status    tables.MemberStatus
	CertPEM   string
	Type      string
	CreatedAt uint64
	// ProposalID is the proposal the signer named, if any.
	ProposalID *string
	Payload    []byte
	Signature  []byte
	Envelope   []byte

	order *big.Int // of the group the signature is in
}

// Digest identifies the request: the digest of its signature.
func (r *Request) Digest() ledger.Digest { return sha256.Sum256(r.Signature) }

// TwinDigest is the digest that the same request would have under the other
// signature that anybody can make of it: with (r, s) also (r, n-s) verifies.
// Whoever looks for repeated requests must look for both.
func (r *Request) TwinDigest() ledger.Digest {
	half := len(r.Signature) / 2
	s := new(big.Int).SetBytes(r.Signature[half:])
	twin := append([]byte{}, r.Signature[:half]...)
	twin = append(twin, s.Sub(r.order, s).FillBytes(make([]byte, half))...)
	return sha256.Sum256(twin)
}
