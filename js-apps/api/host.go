// Package api is what JavaScript sees of the service: the global `ccf` and its
// parts, console, snp_attestation, the request handed to a handler and the
// response it returns.
//
// Apps runs application endpoints, Scripts runs governance scripts. Both take a
// Host that says what this one call may reach; the package knows no network and
// no file.
//
// It starts no goroutine. Interpreters are used by one call at a time, on the
// caller's goroutine.
package api

import (
	"context"
	"log/slog"
	"time"

	"concordat/ledger"
	"concordat/ledger/kv"
)

// Access is the kind of execution a script runs in. It decides which tables it
// may read and write, and which members of `ccf` exist.
type Access uint8

const (
	// AppRW is a readwrite application endpoint.
	AppRW Access = iota
	// AppRO is a readonly or historical application endpoint.
	AppRO
	// GovRO is a ballot, or the constitution's validate or resolve.
	GovRO
	// GovRW is the constitution's apply.
	GovRW
)

// Host is what one call may reach. The zero parts are absent from `ccf`. A Host
// belongs to one call: script code can never keep a path to it afterwards.
type Host struct {
	// Tx is the transaction behind ccf.kv. It stays the caller's: the call never
	// submits or releases it.
	Tx *kv.Tx
	// Access selects the column of the access matrix.
	Access Access
	// Restrict, when set, narrows the rights to a table (namespaces of
	// programmable services). It can never widen them.
	Restrict func(mapName string) Restriction

	// Consensus is behind ccf.consensus.
	Consensus ConsensusView
	// Historical is behind ccf.historical.
	Historical HistoricalView
	// HistoricalState becomes ccf.historicalState of a historical endpoint.
	HistoricalState *State
	// Node is behind ccf.node, ccf.network and the JWT functions. Only
	// GovRW scripts see it.
	Node NodeActions
	// SNP is behind snp_attestation.verifySnpAttestation.
	SNP SNPVerifier

	// Log receives console output and the line written after each request.
	// The tag is "app", "gov" or "js". Nil discards them.
	Log func(level slog.Level, tag, msg string)
}

// LevelFatal is the level of console.error, above slog.LevelError as CCF's
// "fatal" is above its "fail" (console.warn, logged at slog.LevelError).
const LevelFatal = slog.LevelError + 4

// Restriction is what a namespace rule leaves of the rights to one table.
type Restriction struct {
	NoRead, NoWrite bool
	// Explanation ends the message of the TypeError thrown for a refused call.
	Explanation string
}

// ConsensusView is what ccf.consensus shows.
type ConsensusView interface {
	// LastCommitted is the last committed transaction id; zero when there is none.
	LastCommitted() ledger.TxID
	// Status is "Unknown", "Pending", "Committed" or "Invalid".
	Status(id ledger.TxID) (string, error)
	// ViewAt is the view of a sequenced seqno.
	ViewAt(seqno ledger.Seqno) (ledger.View, bool)
}

// HistoricalView is what ccf.historical shows.
type HistoricalView interface {
	// StateRange answers nil, nil while the states are still being fetched. The
	// text of an error is shown to the script after "Failed to get state range: ".
	StateRange(ctx context.Context, r RangeRequest) ([]*State, error)
	// Drop forgets a handle and tells whether it was known.
	Drop(handle uint64) bool
}

// RangeRequest is a request for every state in [First, Last].
type RangeRequest struct {
	Handle      uint64
	First, Last ledger.Seqno
	Expiry      time.Duration
}

// State is one historical transaction: its id, its receipt and its writes.
type State struct {
	ID      ledger.TxID
	Receipt *Receipt
	// Tx reads the tables as that transaction left them. Scripts can only read.
	Tx *kv.Tx
}

// Receipt is the receipt of a State in the shape scripts see.
type Receipt struct {
	// SignatureB64, CertPEM and NodeID are those of the covering signature.
	SignatureB64, CertPEM, NodeID string
	// IsSignature marks the receipt of a signature transaction, which has a Root
	// and neither leaf components nor a proof.
	IsSignature    bool
	Root           ledger.Digest
	WriteSetDigest ledger.Digest
	CommitEvidence string
	ClaimsDigest   ledger.Digest
	Proof          []ProofStep
}

// ProofStep is one sibling on the way from the leaf to the root.
type ProofStep struct {
	Left bool
	Hash ledger.Digest
}

// NodeActions is what the constitution's apply can do beside writing tables. The
// text of an error becomes part of the exception the script sees.
type NodeActions interface {
	TriggerLedgerRekey() error
	// TransitionServiceToOpen has a nil previous identity when the script passed
	// undefined.
	TransitionServiceToOpen(previous, next []byte) error
	TriggerRecoverySharesRefresh() error
	TriggerLedgerChunk() error
	TriggerSnapshot() error
	LatestLedgerSecretSeqno() (ledger.Seqno, error)
	EndorsedCertificate(csrPEM, validFrom string, days uint64) (string, error)
	NetworkCertificate(validFrom string, days uint64) (string, error)
	// SetJWTPublicSigningKeys takes the JSON text of metadata and key set.
	SetJWTPublicSigningKeys(issuer string, metadata, jwks []byte) error
	RemoveJWTPublicSigningKeys(issuer string) error
}

// SNPVerifier checks SEV-SNP evidence. Its errors become RangeErrors.
type SNPVerifier interface {
	// VerifySNP has nil uvm and tcb for arguments that were not given.
	VerifySNP(evidence, endorsements, uvm []byte, endorsedTCB *string) (*SNPResult, error)
}

// SNPResult is a verified SEV-SNP report. Attestation is the raw report
// (1184 bytes); its fields are laid out by the AMD SEV-SNP ABI, table 23.
type SNPResult struct {
	Attestation []byte
	UVM         *UVMEndorsements
}

// UVMEndorsements is who endorsed the utility VM's measurement.
type UVMEndorsements struct{ DID, Feed, SVN string }
