package tables

import "concordat/ledger/jsondoc"

// Handles of the governance tables.
var (
	Members        = Rows[MemberInfo]{MembersInfo}
	MemberCerts    = Bytes{MembersCerts}
	MemberKeys     = Bytes{MembersEncryption}
	MemberAcks     = Rows[MemberAck]{MembersAcks}
	Users          = Rows[UserInfo]{UsersInfo}
	UserCerts      = Bytes{UsersCerts}
	Nodes          = Rows[NodeInfo]{NodesInfo}
	EndorsedCerts  = Bytes{NodesEndorsedCerts}
	CodeIDs        = Rows[string]{NodesCodeIDs}
	VirtualMeasure = Rows[string]{NodesVirtualMeasurements}
	VirtualHosts   = Bytes{NodesVirtualHostData}
	SNPMeasure     = Rows[string]{NodesSNPMeasurements}
	SNPHosts       = Rows[string]{NodesSNPHostData}
	SNPUVM         = Rows[map[string]UVMFeed]{NodesSNPUVM}
	SNPTCB         = Rows[TCBVersion]{NodesSNPTCB}

	ConstitutionText = Cell[string]{Constitution}
	Service          = Cell[ServiceInfo]{ServiceInfoTable}
	Config           = Cell[ServiceConfig]{ServiceConfigTable}
	PreviousIdentity = Cell[string]{PreviousServiceIdentityTable}

	Proposals       = Bytes{ProposalsTable}
	ProposalsInfo   = Rows[ProposalInfo]{ProposalsInfoTable}
	CoseHistory     = Rows[[]byte]{CoseHistoryTable}
	RecentProposals = Rows[string]{RecentProposalsTable}

	Modules       = Bytes{ModulesTable}
	Endpoints     = Rows[jsondoc.Opaque]{EndpointsTable}
	CACertBundles = Rows[string]{CACertBundlesTable}
	JWTIssuers    = Rows[JWTIssuer]{JWTIssuersTable}
	JWTKeys       = Rows[[]JWTKey]{JWTKeysTable}
	RuntimeLimits = Cell[RuntimeOptions]{JSRuntimeOptions}
)

// Handles of the internal tables.
var (
	Signatures       = Cell[Signature]{SignaturesTable}
	CoseSignatures   = Cell[[]byte]{CoseSignaturesTable}
	Evidence         = Cell[SnapshotEvidence]{SnapshotEvidenceTable}
	Shares           = Cell[RecoveryShares]{RecoverySharesTable}
	Historical       = Cell[HistoricalSecret]{HistoricalSecretTable}
	EncryptedSecrets = Cell[map[string][]NodeSecret]{EncryptedSecretsTable}
	SubmittedShares  = Rows[[]byte]{SubmittedSharesTable}
	PreviousRoot     = Cell[string]{PreviousRootTable}
	Endorsement      = Cell[IdentityEndorsement]{IdentityEndorsementTable}
	LastRecoveryType = Cell[string]{LastRecoveryTypeTable}
)

// JWTIssuer is what the service reads of a row of JWTIssuersTable; the row also
// keeps whatever else the proposal said.
type JWTIssuer struct {
	AutoRefresh      bool   `json:"auto_refresh,omitempty"`
	CACertBundleName string `json:"ca_cert_bundle_name,omitempty"`
}

// JWTKey is one entry of a row of JWTKeysTable. PublicKey is an SPKI.
type JWTKey struct {
	Constraint string `json:"constraint,omitempty"`
	Issuer     string `json:"issuer"`
	PublicKey  []byte `json:"public_key"`
}

// RuntimeOptions is the row of JSRuntimeOptions.
type RuntimeOptions struct {
	LogExceptionDetails    bool    `json:"log_exception_details,omitempty"`
	MaxCachedInterpreters  *uint64 `json:"max_cached_interpreters,omitempty"`
	MaxExecutionTimeMS     uint64  `json:"max_execution_time_ms"`
	MaxHeapBytes           uint64  `json:"max_heap_bytes"`
	MaxStackBytes          uint64  `json:"max_stack_bytes"`
	ReturnExceptionDetails bool    `json:"return_exception_details,omitempty"`
}
