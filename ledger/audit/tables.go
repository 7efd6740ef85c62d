package audit

import (
	"encoding/base64"
	"encoding/json"
	"strings"

	"concordat/ledger"
)

// Names of the tables an audit reads, apart from those of signatures.
const (
	serviceInfoTable       = "public:ccf.gov.service.info"
	serviceConfigTable     = "public:ccf.gov.service.config"
	previousIdentityTable  = "public:ccf.gov.service.previous_service_identity"
	nodesInfoTable         = "public:ccf.gov.nodes.info"
	endorsedCertsTable     = "public:ccf.gov.nodes.endorsed_certificates"
	recoverySharesTable    = "public:ccf.internal.recovery_shares"
	historicalSecretsTable = "public:ccf.internal.historical_encrypted_ledger_secret"
	encryptedSecretsTable  = "public:ccf.internal.encrypted_ledger_secrets"
	identityTable          = "public:ccf.internal.previous_service_identity_endorsement"
	lastSignedRootTable    = "public:ccf.internal.previous_service_last_signed_root"
)

// row decodes the JSON row of a table with one row into v. ok is false when the
// table is not written, or not readable, which is then reported.
func (c *checker) row(ws ledger.WriteSet, table string, v any) (ok bool) {
	b, ok := ws.Single(table)
	if !ok {
		return false
	}
	if err := json.Unmarshal(b, v); err != nil {
		c.invalid("%s does not hold the JSON it should: %v", table, err)
		return false
	}
	return true
}

// trimPEM drops the NUL byte that CCF 1.x put behind PEM texts.
func trimPEM(s string) string { return strings.TrimRight(s, "\x00") }

// strictBase64 is how a service writes byte strings in JSON.
var strictBase64 = base64.StdEncoding.Strict()
