package chunk_test

import (
	"testing"

	"concordat/ledger/chunk"
	"concordat/ledger/fixture"
)

// ledgerDirs lists every directory of final ledgers among the fixtures.
func ledgerDirs(t testing.TB) []string {
	t.Helper()
	return fixture.Glob(t, "ccf-*/*/ledger")
}

func TestDirReadsLedgersOfCCF(t *testing.T) {
	for _, path := range ledgerDirs(t) {
		d, err := chunk.OpenDir(path)
		if err != nil {
			t.Fatal(err)
		}
		if len(d.Damaged()) != 0 || d.Torn() != nil || len(d.Covered()) != 0 {
			t.Errorf("%s: damaged %v, torn %v, covered %v", path, d.Damaged(), d.Torn(), d.Covered())
		}
		n := uint64(0)
		err = d.Entries(func(seqno uint64, raw []byte) error {
			n++
			again, err := d.ReadEntry(seqno)
			if err != nil || string(again) != string(raw) {
				t.Errorf("%s: random access to %d: %v", path, seqno, err)
			}
			return nil
		})
		if err != nil || n != d.Last() || d.First() != 1 {
			t.Errorf("%s: %d entries of %d-%d, %v", path, n, d.First(), d.Last(), err)
		}
	}
}
