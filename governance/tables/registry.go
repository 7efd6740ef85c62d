package tables

import "concordat/ledger/jsondoc"

// Writer is who may have written a row last, and so how its JSON looks.
type Writer uint8

// Native rows have sorted keys; rows of a script have the order it gave them.
const (
	Native Writer = iota
	Script        // written by the constitution, or by either
)

// Table describes one framework table.
type Table struct {
	Name   string
	Single bool // one row, under Z8
	Writer Writer
	// Check decodes a row and encodes it again as native code would. It is nil
	// for tables of raw bytes.
	Check func(row []byte) ([]byte, error)
}

// All lists every framework table, governance first. Whoever reads a ledger can
// tell from it what each row must be.
var All = []Table{
	cellOf[string](Constitution, Script),
	cellOf[ServiceInfo](ServiceInfoTable, Script),
	cellOf[ServiceConfig](ServiceConfigTable, Script),
	cellOf[string](PreviousServiceIdentityTable, Native),
	raw(MembersCerts), raw(MembersEncryption),
	rowsOf[MemberInfo](MembersInfo, Script),
	rowsOf[MemberAck](MembersAcks, Script),
	raw(UsersCerts),
	rowsOf[UserInfo](UsersInfo, Script),
	rowsOf[NodeInfo](NodesInfo, Script),
	raw(NodesEndorsedCerts),
	rowsOf[string](NodesCodeIDs, Script),
	rowsOf[string](NodesVirtualMeasurements, Script),
	raw(NodesVirtualHostData),
	rowsOf[string](NodesSNPMeasurements, Script),
	rowsOf[string](NodesSNPHostData, Script),
	rowsOf[map[string]UVMFeed](NodesSNPUVM, Script),
	rowsOf[TCBVersion](NodesSNPTCB, Script),
	raw(ProposalsTable),
	rowsOf[ProposalInfo](ProposalsInfoTable, Script),
	rowsOf[[]byte](CoseHistoryTable, Native),
	rowsOf[string](RecentProposalsTable, Native),
	rowsOf[jsondoc.Opaque](HistoryTable, Native),
	raw(ModulesTable), raw(ModulesBytecode), rawCell(ModulesEngine),
	cellOf[bool](InterpreterFlush, Script),
	cellOf[jsondoc.Opaque](JSRuntimeOptions, Script),
	rowsOf[jsondoc.Opaque](EndpointsTable, Script),
	rowsOf[string](CACertBundlesTable, Script),
	rowsOf[jsondoc.Opaque](JWTIssuersTable, Script),
	rowsOf[[]JWTKey](JWTKeysTable, Native),
	rowsOf[jsondoc.Opaque](JWTKeysCerts, Native),
	raw(JWTKeysLegacy), raw(JWTKeysLegacyPlural), raw(JWTKeyIssuerLegacy),

	cellOf[Signature](SignaturesTable, Native),
	cellOf[[]byte](CoseSignaturesTable, Native),
	rawCell(TreeTable),
	cellOf[RecoveryShares](RecoverySharesTable, Native),
	cellOf[HistoricalSecret](HistoricalSecretTable, Native),
	cellOf[map[string][]NodeSecret](EncryptedSecretsTable, Native),
	rowsOf[[]byte](SubmittedSharesTable, Native),
	cellOf[SnapshotEvidence](SnapshotEvidenceTable, Native),
	cellOf[string](PreviousRootTable, Native),
	cellOf[IdentityEndorsement](IdentityEndorsementTable, Native),
	cellOf[string](LastRecoveryTypeTable, Native),
	raw(legacyInternalValues),
}

// Find returns the description of a framework table.
func Find(name string) (Table, bool) {
	for _, t := range All {
		if t.Name == name {
			return t, true
		}
	}
	return Table{}, false
}

func raw(name string) Table { return Table{Name: name, Writer: Script} }

func rawCell(name string) Table { return Table{Name: name, Single: true, Writer: Script} }

func rowsOf[V any](name string, w Writer) Table {
	return Table{Name: name, Writer: w, Check: check[V]}
}

func cellOf[V any](name string, w Writer) Table {
	return Table{Name: name, Single: true, Writer: w, Check: check[V]}
}

func check[V any](row []byte) ([]byte, error) {
	var v V
	if err := jsondoc.Unmarshal(row, &v); err != nil {
		return nil, err
	}
	return jsondoc.Marshal(v)
}
