package tables_test

import (
	"bytes"
	"path/filepath"
	"testing"

	"concordat/governance/tables"
	"concordat/ledger"
	"concordat/ledger/chunk"
	"concordat/ledger/fixture"
	"concordat/ledger/jsondoc"
)

func ledgers(t *testing.T) []string {
	t.Helper()
	return append(fixture.Glob(t, "ccf-services/*/ledger*"), fixture.Glob(t, "ccf-ledgers/*/ledger")...)
}

// TestEveryRecordedRow reads every row of every framework table that CCF services
// wrote, and writes it again: rows of native code to the same bytes, rows of a
// script to the same bytes up to the order of keys.
func TestEveryRecordedRow(t *testing.T) {
	rows := map[string]int{}
	for _, dir := range ledgers(t) {
		t.Run(filepath.Base(filepath.Dir(dir))+"/"+filepath.Base(dir), func(t *testing.T) {
			d, err := chunk.OpenDir(dir)
			if err != nil {
				t.Fatal(err)
			}
			err = d.Entries(func(seqno ledger.Seqno, b []byte) error {
				entry, err := ledger.ParseEntry(b)
				if err != nil {
					return err
				}
				for _, m := range entry.Public.Writes {
					checkRows(t, seqno, m, rows)
				}
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	for _, name := range []string{
		tables.Constitution, tables.ServiceInfoTable, tables.MembersInfo, tables.NodesInfo, tables.ProposalsInfoTable, tables.SignaturesTable,
		tables.RecoverySharesTable, tables.HistoricalSecretTable, tables.EncryptedSecretsTable, tables.IdentityEndorsementTable, tables.EndpointsTable,
	} {
		if rows[name] == 0 {
			t.Errorf("no row of %s was seen", name)
		}
	}
}

func checkRows(t *testing.T, seqno ledger.Seqno, m ledger.MapWrites, rows map[string]int) {
	if !bytes.HasPrefix([]byte(m.Name), []byte(tables.FrameworkPublicPrefix)) {
		return
	}
	table, ok := tables.Find(m.Name)
	if !ok {
		t.Errorf("entry %d: table %s is not described", seqno, m.Name)
		return
	}
	for _, w := range m.Writes {
		rows[m.Name]++
		if table.Single && !bytes.Equal(w.Key, tables.Z8) {
			t.Errorf("entry %d: %s has key %x", seqno, m.Name, w.Key)
		}
		if table.Check == nil {
			continue
		}
		got, err := table.Check(w.Value)
		if err != nil {
			t.Errorf("entry %d: %s %q: %v\n%s", seqno, m.Name, w.Key, err, w.Value)
			continue
		}
		want := w.Value
		if !bytes.Equal(got, want) && table.Writer == tables.Script {
			want = sorted(t, want)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("entry %d: %s %q\nwrote %s\n want %s", seqno, m.Name, w.Key, got, want)
		}
	}
}

// sorted also proves that the row is compact JSON as a script writes it.
func sorted(t *testing.T, row []byte) []byte {
	doc, err := jsondoc.Parse(row)
	if err != nil {
		t.Error(err)
		return nil
	}
	if kept := doc.Append(nil); !bytes.Equal(kept, row) {
		t.Errorf("row is not in the form a script writes:\n%s\n%s", row, kept)
	}
	return doc.Canonical().Append(nil)
}
