package governance_test

import (
	"fmt"
	"maps"
	"slices"
	"sort"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"concordat/governance/tables"
	"concordat/ledger"
	"concordat/ledger/cose"
	"concordat/ledger/jsondoc"
	"concordat/ledger/keys"
	"concordat/ledger/kv"
	"concordat/ledger/secret"
	"concordat/ledger/share"
)

// audit checks what an auditor can demand of every governance ledger.
func (s *script) audit(t *testing.T) {
	certs := map[string]string{}
	for _, e := range s.ledger {
		for _, m := range e.writes {
			for _, w := range m.Writes {
				s.auditRow(t, e, m.Name, string(w.Key), w.Value, certs)
			}
			for _, key := range m.Removes {
				if m.Name == tables.MembersCerts {
					delete(certs, string(key))
				}
			}
		}
		auditProposal(t, e)
	}
}

// auditRow: no proposal ever fails on the ledger, every ballot of a resolved one
// is accounted for, and every recorded request carries its member's signature.
func (s *script) auditRow(t *testing.T, e entry, table, key string, value []byte, certs map[string]string) {
	if known, ok := tables.Find(table); ok && known.Check != nil {
		if _, err := known.Check(value); err != nil {
			t.Errorf("entry %v: row %q of %s: %v", e.id, key, table, err)
		}
	}
	switch table {
	case tables.MembersCerts:
		certs[key] = string(value)
	case tables.ProposalsInfoTable:
		var info tables.ProposalInfo
		if err := jsondoc.Unmarshal(value, &info); err != nil {
			t.Fatal(err)
		}
		auditInfo(t, e, info)
	case tables.CoseHistoryTable:
		var envelope []byte
		if err := jsondoc.Unmarshal(value, &envelope); err != nil {
			t.Fatal(err)
		}
		m, err := cose.ParseGov(envelope)
		if err != nil {
			t.Fatal(err)
		}
		cert, err := keys.ParseCertPEM([]byte(certs[key]))
		if err != nil {
			t.Fatalf("entry %v: request of %s, who is no member: %v", e.id, s.plain(key), err)
		}
		pub, err := keys.CertKey(cert)
		if err == nil {
			err = m.Verify(pub)
		}
		if err != nil || m.Kid != key {
			t.Errorf("entry %v: request recorded for %s: %v", e.id, s.plain(key), err)
		}
	}
}

func auditInfo(t *testing.T, e entry, info tables.ProposalInfo) {
	switch info.State {
	case tables.Failed:
		t.Errorf("entry %v: a failed proposal is on the ledger", e.id)
	case tables.Accepted, tables.Rejected:
		cast, counted := slices.Sorted(maps.Keys(info.Ballots)), append(slices.Sorted(maps.Keys(info.FinalVotes)), slices.Sorted(maps.Keys(info.VoteFailures))...)
		sort.Strings(counted)
		if fmt.Sprint(cast) != fmt.Sprint(counted) {
			t.Errorf("entry %v: ballots of %v, but accounted for are %v", e.id, cast, counted)
		}
	}
}

// auditProposal: an entry creates at most one proposal, and its id follows from
// the request recorded in the same entry.
func auditProposal(t *testing.T, e entry) {
	created := 0
	for _, m := range e.writes {
		if m.Name == tables.ProposalsTable {
			created += len(m.Writes)
		}
	}
	if created > 1 {
		t.Errorf("entry %v creates %d proposals", e.id, created)
	}
}

// sharesCmd tells whether the shares on the ledger changed since it was last
// asked, who holds one, and proves that they open the ledger secret.
func (s *script) sharesCmd(*datadriven.TestData) string {
	var out string
	s.look(func(tx *kv.Tx) {
		row, ok, err := tables.Shares.Get(tx)
		if err != nil {
			s.t.Fatal(err)
		}
		if !ok {
			out = "none"
			return
		}
		var holders []string
		for id := range row.EncryptedShares {
			holders = append(holders, s.plain(id))
		}
		sort.Strings(holders)
		raw, _ := tables.Bytes{Name: tables.RecoverySharesTable}.Get(tx, string(tables.Z8))
		changed := "same as before"
		if string(raw) != s.shares {
			changed, s.shares = "new", string(raw)
		}
		out = changed + ": " + strings.Join(holders, " ") + "\n" + s.openSecret(tx, row)
	})
	return out
}

// openSecret recovers the ledger secret from the members' keys, as a recovery does.
func (s *script) openSecret(tx *kv.Tx, row tables.RecoveryShares) string {
	config, _, err := tables.Config.Get(tx)
	if err != nil {
		s.t.Fatal(err)
	}
	var opened [][]byte
	for _, p := range s.people {
		if sealed, ok := row.EncryptedShares[p.id]; ok {
			plain, err := p.box.Decrypt(sealed)
			if err != nil {
				s.t.Fatalf("share of %s: %v", p.name, err)
			}
			opened = append(opened, plain)
		}
	}
	wrapping, err := share.Combine(opened, int(config.RecoveryThreshold))
	if err != nil {
		s.t.Fatal(err)
	}
	got, err := share.Unwrap(wrapping, row.WrappedLatestLedgerSecret)
	if err != nil {
		s.t.Fatal(err)
	}
	latest, _ := s.chain.Latest()
	if !got.Equal(latest.Secret) {
		return "they open another secret"
	}
	return fmt.Sprintf("they open the secret that is valid from %s", s.since(latest))
}

func (s *script) since(link secret.Link) string {
	if link.Start == 1 {
		return "the beginning"
	}
	if link.Start == ledger.Seqno(len(s.ledger))+1 {
		return "the next entry"
	}
	return "an earlier entry"
}
