// Package attest states what a node says about the code and machine it runs on.
//
// Making evidence (a Provider) and checking it (a verifier) are apart: a verifier
// is pure Go and works on any machine, a provider needs its platform.
package attest

import "crypto/sha256"

// Format names the kind of evidence, in the words nodes.info uses.
type Format string

// The formats a service can hold.
const (
	FormatVirtual Format = "Insecure_Virtual" // no protection at all: development only
	FormatSGX     Format = "OE_SGX_v1"
	FormatSNP     Format = "AMD_SEV_SNP_v1"
)

// ReportData binds evidence to a key: SHA-256 of the node's public key in SPKI DER.
type ReportData [32]byte

// BindKey is the report data of a node with this public key (SPKI DER).
func BindKey(spki []byte) ReportData { return sha256.Sum256(spki) }

// Evidence is what a platform says about one node, with what is needed to check it.
type Evidence struct {
	Format       Format
	Quote        []byte // the platform's own encoding
	Endorsements []byte // certificates and collateral, may be empty
	Measurement  string // what the quote says the code is
	HostData     string // lower-case hex, 64 characters
}

// Provider makes evidence on one platform.
type Provider interface {
	Attest(ReportData) (*Evidence, error)
}
