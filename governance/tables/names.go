// Package tables names the framework's tables and encodes their rows exactly as
// a CCF 7 service does, so that auditors, tools and other implementations read
// them, and so that Concordat reads theirs.
//
// Rows that native code writes are compact JSON with sorted keys and without
// members that have their default value. Rows that the constitution writes keep
// the key order of its JavaScript; reading does not care. Names and encodings:
// CCF documentation, "Governance tables"; checked on recorded ledgers.
//
// The package is pure. Handles read and write through a transaction; they fail
// only when a row is not what its table holds.
package tables

import "concordat/ledger"

// Governance tables. A single-value table has one row, under Z8.
const (
	Constitution                 = "public:ccf.gov.constitution"
	ServiceInfoTable             = "public:ccf.gov.service.info"
	ServiceConfigTable           = "public:ccf.gov.service.config"
	PreviousServiceIdentityTable = "public:ccf.gov.service.previous_service_identity"

	MembersCerts      = "public:ccf.gov.members.certs"
	MembersEncryption = "public:ccf.gov.members.encryption_public_keys"
	MembersInfo       = "public:ccf.gov.members.info"
	MembersAcks       = "public:ccf.gov.members.acks"
	UsersCerts        = "public:ccf.gov.users.certs"
	UsersInfo         = "public:ccf.gov.users.info"

	NodesInfo                = "public:ccf.gov.nodes.info"
	NodesEndorsedCerts       = "public:ccf.gov.nodes.endorsed_certificates"
	NodesCodeIDs             = "public:ccf.gov.nodes.code_ids"
	NodesVirtualMeasurements = "public:ccf.gov.nodes.virtual.measurements"
	NodesVirtualHostData     = "public:ccf.gov.nodes.virtual.host_data"
	NodesSNPMeasurements     = "public:ccf.gov.nodes.snp.measurements"
	NodesSNPHostData         = "public:ccf.gov.nodes.snp.host_data"
	NodesSNPUVM              = "public:ccf.gov.nodes.snp.uvm_endorsements"
	NodesSNPTCB              = "public:ccf.gov.nodes.snp.tcb_versions"

	ProposalsTable        = "public:ccf.gov.proposals"
	ProposalsInfoTable    = "public:ccf.gov.proposals_info"
	CoseHistoryTable      = "public:ccf.gov.cose_history"
	RecentProposalsTable  = "public:ccf.gov.cose_recent_proposals"
	HistoryTable          = "public:ccf.gov.history"
	ModulesTable          = "public:ccf.gov.modules"
	ModulesBytecode       = "public:ccf.gov.modules_quickjs_bytecode"
	ModulesEngine         = "public:ccf.gov.modules_quickjs_version"
	InterpreterFlush      = "public:ccf.gov.interpreter.flush"
	JSRuntimeOptions      = "public:ccf.gov.js_runtime_options"
	EndpointsTable        = "public:ccf.gov.endpoints"
	CACertBundlesTable    = "public:ccf.gov.tls.ca_cert_bundles"
	JWTIssuersTable       = "public:ccf.gov.jwt.issuers"
	JWTKeysTable          = "public:ccf.gov.jwt.public_signing_keys_metadata_v2"
	JWTKeysCerts          = "public:ccf.gov.jwt.public_signing_keys_metadata"
	JWTKeysLegacy         = "public:ccf.gov.jwt.public_signing_key"
	JWTKeysLegacyPlural   = "public:ccf.gov.jwt.public_signing_keys"
	JWTKeyIssuerLegacy    = "public:ccf.gov.jwt.public_signing_key_issuer"
	legacyInternalValues  = "public:ccf.internal.values"
	internal              = "public:ccf.internal."
	FrameworkPublicPrefix = "public:ccf."
)

// Internal tables: written by the service itself, never by the constitution.
const (
	SignaturesTable            = internal + "signatures"
	CoseSignaturesTable        = internal + "cose_signatures"
	TreeTable                  = internal + "tree"
	RecoverySharesTable        = internal + "recovery_shares"
	HistoricalSecretTable      = internal + "historical_encrypted_ledger_secret"
	EncryptedSecretsTable      = internal + "encrypted_ledger_secrets"
	SubmittedSharesTable       = internal + "encrypted_submitted_shares"
	SnapshotEvidenceTable      = internal + "snapshot_evidence"
	PreviousRootTable          = internal + "previous_service_last_signed_root"
	IdentityEndorsementTable   = internal + "previous_service_identity_endorsement"
	LastRecoveryTypeTable      = internal + "last_recovery_type"
	AllowedToJoin              = "AllowedToJoin"
	VirtualMeasurement         = "Insecure hard-coded virtual measurement v1"
	RecoveryTypeShares         = "RECOVERY_SHARES"
	RecoveryTypeLocalUnsealing = "LOCAL_UNSEALING"
)

// Z8 is the key of single-value tables and the value of set members.
var Z8 = []byte(ledger.SingleKey)
