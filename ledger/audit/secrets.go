package audit

import (
	"encoding/json"
	"slices"

	"concordat/ledger"
)

// secretState follows the ledger secrets: which were made when, and what the
// ledger holds to recover them.
type secretState struct {
	known     []ledger.Seqno // starts, ascending
	rows      []historicalAt // rows of historicalSecretsTable
	shares    *sharesAt      // the newest row of recoverySharesTable
	threshold int
}

// Sizes of what is sealed, see the layout tag(16) | iv(12) | ciphertext.
const (
	sealedSecretSize = 16 + 12 + 32
)

type historicalRow struct {
	Next     *uint64 `json:"next_version"`
	Previous *struct {
		Data    string  `json:"encrypted_data"`
		Stored  *uint64 `json:"previous_secret_stored_version"`
		Version uint64  `json:"version"`
	} `json:"previous_ledger_secret"`
}

type historicalAt struct {
	historicalRow
	seqno  ledger.Seqno
	start  ledger.Seqno // of the secret that seals the previous one
	sealed []byte
}

type sharesRow struct {
	Shares  map[string]string `json:"encrypted_shares"`
	Stored  *uint64           `json:"previous_secret_stored_version"`
	Wrapped string            `json:"wrapped_latest_ledger_secret"`
}

type sharesAt struct {
	shares    map[string][]byte
	wrapped   []byte
	threshold int
	start     ledger.Seqno // of the wrapped secret
}

func (s *secretState) starts() []ledger.Seqno { return slices.Clone(s.known) }

func (s *secretState) latest() ledger.Seqno {
	if len(s.known) == 0 {
		return 0
	}
	return s.known[len(s.known)-1]
}

// secretTables follows the rows about ledger secrets.
func (c *checker) secretTables(ws ledger.WriteSet) {
	var config struct {
		Threshold int `json:"recovery_threshold"`
	}
	if c.row(ws, serviceConfigTable, &config) {
		c.secrets.threshold = config.Threshold
	}
	if c.secrets.latest() == 0 && !c.partial {
		c.secrets.known = append(c.secrets.known, c.id.Seqno) // the service starts with one
	}
	if c.service.created(c.id.Seqno) && c.id.Seqno > c.secrets.latest() {
		c.secrets.known = append(c.secrets.known, c.id.Seqno)
	}
	var row historicalRow
	if c.row(ws, historicalSecretsTable, &row) {
		c.historical(row)
	}
	var shares sharesRow
	if c.row(ws, recoverySharesTable, &shares) {
		c.recoveryShares(shares)
	}
	if b, ok := ws.Single(encryptedSecretsTable); ok {
		c.encryptedSecrets(b)
	}
}

// historical checks a link of the chain of ledger secrets.
func (c *checker) historical(row historicalRow) {
	s := &c.secrets
	at := historicalAt{historicalRow: row, seqno: c.id.Seqno, start: c.id.Seqno + 1}
	if row.Next != nil {
		at.start = *row.Next
	}
	switch {
	case row.Next == nil && row.Previous == nil:
		c.invalid("%s holds nothing", historicalSecretsTable)
		return
	case row.Previous == nil:
		if len(s.rows) > 0 {
			c.odd("the chain of ledger secrets begins anew")
		}
	default:
		c.linkedSecret(&at)
	}
	if row.Next != nil && !slices.Contains(s.known, at.start) && !c.partial {
		c.invalid("%s speaks of a ledger secret from %d, where none began", historicalSecretsTable, at.start)
	}
	if row.Next == nil && at.start > s.latest() {
		s.known = append(s.known, at.start)
	}
	s.rows = append(s.rows, at)
}

func (c *checker) linkedSecret(at *historicalAt) {
	s, p := &c.secrets, at.Previous
	sealed, err := strictBase64.DecodeString(p.Data)
	if err != nil || len(sealed) != sealedSecretSize {
		c.invalid("the older ledger secret in %s is not %d bytes in base64", historicalSecretsTable, sealedSecretSize)
		return
	}
	at.sealed = sealed
	if c.partial && !slices.Contains(s.known, p.Version) {
		s.known = append(s.known, p.Version)
		slices.Sort(s.known)
	}
	if !slices.Contains(s.known, p.Version) || p.Version >= at.start {
		c.invalid("%s holds a ledger secret from %d, which is no older secret", historicalSecretsTable, p.Version)
	}
	if n := len(s.rows); n > 0 {
		before := &s.rows[n-1]
		switch {
		case p.Stored == nil || *p.Stored != before.seqno:
			c.odd("%s does not point to the row before it, at %d", historicalSecretsTable, before.seqno)
		case before.start == at.start:
			c.odd("the ledger secret from %d was sealed twice: two primaries opened the service", at.start)
		case before.start != p.Version:
			c.invalid("%s holds the ledger secret from %d, the one before it is from %d", historicalSecretsTable, p.Version, before.start)
		}
	}
}

// recoveryShares keeps the newest shares, which is what a recovery would use.
func (c *checker) recoveryShares(row sharesRow) {
	at := &sharesAt{shares: map[string][]byte{}, threshold: c.secrets.threshold, start: c.secrets.latest()}
	var err error
	if at.wrapped, err = strictBase64.DecodeString(row.Wrapped); err != nil || len(at.wrapped) != sealedSecretSize {
		c.invalid("the ledger secret in %s is not %d bytes in base64", recoverySharesTable, sealedSecretSize)
		return
	}
	for member, text := range row.Shares {
		if at.shares[member], err = strictBase64.DecodeString(text); err != nil {
			c.invalid("the recovery share of member %.64q is not base64", member)
		}
	}
	if len(at.shares) < min(at.threshold, 1) {
		c.invalid("%s holds no share", recoverySharesTable)
	}
	if row.Stored != nil && !c.secrets.hasRow(*row.Stored) && !c.partial {
		c.invalid("%s speaks of a ledger secret stored at %d, where none was", recoverySharesTable, *row.Stored)
	}
	c.secrets.shares = at
}

func (s *secretState) hasRow(seqno ledger.Seqno) bool {
	return slices.ContainsFunc(s.rows, func(r historicalAt) bool { return r.seqno == seqno })
}

// encryptedSecrets checks to whom ledger secrets are given.
func (c *checker) encryptedSecrets(b []byte) {
	var row map[string][]struct {
		Version *uint64 `json:"version"`
		Secret  string  `json:"encrypted_secret"`
	}
	if err := json.Unmarshal(b, &row); err != nil {
		c.invalid("%s does not hold the JSON it should: %v", encryptedSecretsTable, err)
		return
	}
	for id, list := range row {
		if n := c.nodes[id]; len(list) > 0 && (n == nil || !n.trusted) && !c.partial {
			c.odd("ledger secrets are given to node %.64s, which was never trusted", id)
		}
	}
}
