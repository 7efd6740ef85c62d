// Package auth decides who signed a governance request, and whether that member
// may make it. Requests are COSE_Sign1 messages (RFC 9052) whose protected header
// names the signer, the kind of request and when it was made.
package auth

import (
	"crypto/sha256"

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
}

// Digest identifies the request: the digest of its signature.
func (r *Request) Digest() ledger.Digest { return sha256.Sum256(r.Signature) }
