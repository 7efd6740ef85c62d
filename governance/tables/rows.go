package tables

import (
	"concordat/ledger/jsondoc"
)

// MemberStatus is how far a member has come.
type MemberStatus string

// A member is Accepted by governance and becomes Active by signing a state digest.
const (
	MemberAccepted MemberStatus = "Accepted"
	MemberActive   MemberStatus = "Active"
)

// RecoveryRole is a member's part in recovery.
type RecoveryRole string

// Recovery roles. A member without one participates if it has an encryption key.
const (
	NonParticipant RecoveryRole = "NonParticipant"
	Participant    RecoveryRole = "Participant"
	Owner          RecoveryRole = "Owner"
)

// MemberInfo is a row of MembersInfo.
type MemberInfo struct {
	MemberData   jsondoc.Opaque `json:"member_data,omitempty"`
	RecoveryRole RecoveryRole   `json:"recovery_role,omitempty"`
	Status       MemberStatus   `json:"status"`
}

// EffectiveRole is the role after the rule for members that state none.
func (m MemberInfo) EffectiveRole(hasKey bool) RecoveryRole {
	switch {
	case m.RecoveryRole != "":
		return m.RecoveryRole
	case hasKey:
		return Participant
	}
	return NonParticipant
}

// MemberAck is a row of MembersAcks: the digest to sign, and the signed request.
type MemberAck struct {
	StateDigest   string         `json:"state_digest"`
	CoseSign1Req  []byte         `json:"cose_sign1_req,omitempty"`
	LegacyRequest jsondoc.Opaque `json:"signed_req,omitempty"`
}

// UserInfo is a row of UsersInfo.
type UserInfo struct {
	UserData jsondoc.Opaque `json:"user_data,omitempty"`
}

// ProposalState is where a proposal stands.
type ProposalState string

// States of a proposal. Failed never reaches the ledger: it aborts the request.
const (
	Open      ProposalState = "Open"
	Accepted  ProposalState = "Accepted"
	Withdrawn ProposalState = "Withdrawn"
	Rejected  ProposalState = "Rejected"
	Failed    ProposalState = "Failed"
	Dropped   ProposalState = "Dropped"
)

// ScriptFailure is what a script that threw left behind.
type ScriptFailure struct {
	Reason string `json:"reason"`
	Trace  string `json:"trace,omitempty"`
}

// ProposalInfo is a row of ProposalsInfoTable. FinalVotes and VoteFailures are
// nil until the proposal is resolved, and then present even when empty.
type ProposalInfo struct {
	Ballots      map[string]string        `json:"ballots"`
	Failure      *ScriptFailure           `json:"failure,omitempty"`
	FinalVotes   map[string]bool          `json:"final_votes,omitzero"`
	ProposerID   string                   `json:"proposer_id"`
	State        ProposalState            `json:"state"`
	VoteFailures map[string]ScriptFailure `json:"vote_failures,omitzero"`
}

// ServiceStatus is where the service stands.
type ServiceStatus string

// States of a service.
const (
	ServiceOpening    ServiceStatus = "Opening"
	ServiceOpen       ServiceStatus = "Open"
	ServiceWaiting    ServiceStatus = "WaitingForRecoveryShares"
	ServiceRecovering ServiceStatus = "Recovering"
)

// ServiceInfo is the row of ServiceInfoTable.
type ServiceInfo struct {
	Cert                           string         `json:"cert"`
	CurrentServiceCreateTxID       string         `json:"current_service_create_txid,omitempty"`
	PreviousServiceIdentityVersion *uint64        `json:"previous_service_identity_version,omitempty"`
	RecoveryCount                  *uint64        `json:"recovery_count,omitempty"`
	ServiceData                    jsondoc.Opaque `json:"service_data,omitempty"`
	Status                         ServiceStatus  `json:"status"`
}

// Defaults of ServiceConfig, in force when the row leaves the member out.
const (
	DefaultCertValidityDays          = 365
	DefaultRecentProposalsWindowSize = 100
)

// ServiceConfig is the row of ServiceConfigTable.
type ServiceConfig struct {
	Consensus                             string  `json:"consensus,omitempty"`
	MaximumNodeCertificateValidityDays    *uint64 `json:"maximum_node_certificate_validity_days,omitempty"`
	MaximumServiceCertificateValidityDays *uint64 `json:"maximum_service_certificate_validity_days,omitempty"`
	RecentCoseProposalsWindowSize         *uint64 `json:"recent_cose_proposals_window_size,omitempty"`
	ReconfigurationType                   string  `json:"reconfiguration_type,omitempty"`
	RecoveryThreshold                     uint64  `json:"recovery_threshold"`
}

// Window is the size of the replay window.
func (c ServiceConfig) Window() uint64 {
	return orDefault(c.RecentCoseProposalsWindowSize, DefaultRecentProposalsWindowSize)
}

// NodeValidityDays is the longest validity of a node certificate.
func (c ServiceConfig) NodeValidityDays() uint64 {
	return orDefault(c.MaximumNodeCertificateValidityDays, DefaultCertValidityDays)
}

// ServiceValidityDays is the longest validity of a service certificate.
func (c ServiceConfig) ServiceValidityDays() uint64 {
	return orDefault(c.MaximumServiceCertificateValidityDays, DefaultCertValidityDays)
}

func orDefault(p *uint64, otherwise uint64) uint64 {
	if p == nil {
		return otherwise
	}
	return *p
}

// Signature is the row of SignaturesTable.
type Signature struct {
	Cert        string `json:"cert,omitempty"`
	CommitSeqno uint64 `json:"commit_seqno"`
	CommitView  uint64 `json:"commit_view"`
	HashedNonce string `json:"hashed_nonce"`
	Node        string `json:"node"`
	Root        string `json:"root"`
	Seqno       uint64 `json:"seqno"`
	Sig         []byte `json:"sig"`
	View        uint64 `json:"view"`
	PrimarySig  []byte `json:"primary_sig,omitempty"`
}

// SnapshotEvidence is the row of SnapshotEvidenceTable.
type SnapshotEvidence struct {
	Hash    string `json:"hash"`
	Version uint64 `json:"version"`
}

// RecoveryShares is the row of RecoverySharesTable. The last member is present
// on a pure re-share of a secret whose predecessor is on the ledger.
type RecoveryShares struct {
	EncryptedShares             map[string][]byte `json:"encrypted_shares"`
	PreviousSecretStoredVersion *uint64           `json:"previous_secret_stored_version,omitempty"`
	WrappedLatestLedgerSecret   []byte            `json:"wrapped_latest_ledger_secret"`
}

// PreviousSecret is an older ledger secret sealed under the one after it.
type PreviousSecret struct {
	EncryptedData               []byte  `json:"encrypted_data"`
	PreviousSecretStoredVersion *uint64 `json:"previous_secret_stored_version,omitempty"`
	Version                     uint64  `json:"version"`
}

// HistoricalSecret is the row of HistoricalSecretTable.
type HistoricalSecret struct {
	NextVersion          *uint64         `json:"next_version,omitempty"`
	PreviousLedgerSecret *PreviousSecret `json:"previous_ledger_secret,omitempty"`
}

// NodeSecret is one ledger secret under a node's key. Version is null on a live
// rekey, when it is the seqno after the entry.
type NodeSecret struct {
	EncryptedSecret             []byte  `json:"encrypted_secret"`
	PreviousSecretStoredVersion *uint64 `json:"previous_secret_stored_version,omitempty"`
	Version                     *uint64 `json:"version"`
}

// IdentityEndorsement is the row of IdentityEndorsementTable.
type IdentityEndorsement struct {
	Endorsement     []byte  `json:"endorsement"`
	EpochBegin      string  `json:"endorsement_epoch_begin"`
	EpochEnd        string  `json:"endorsement_epoch_end,omitempty"`
	EndorsingKey    []byte  `json:"endorsing_key"`
	PreviousVersion *uint64 `json:"previous_version,omitempty"`
}
