package chunk_test

import (
	"os"
	"path/filepath"
	"testing"

	"concordat/ledger/chunk"
)

// fixtures finds the ledgers that CCF wrote, which lie beside the repository.
func fixtures(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			break
		}
		up := filepath.Dir(dir)
		if up == dir {
			t.Fatal("no go.mod above the test")
		}
		dir = up
	}
	dir = filepath.Join(dir, "..", "shared", "fixtures")
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("no fixtures: %v", err)
	}
	return dir
}

// ledgerDirs lists every directory of final ledgers among the fixtures.
func ledgerDirs(t testing.TB) []string {
	t.Helper()
	dirs, err := filepath.Glob(filepath.Join(fixtures(t), "ccf-*", "*", "ledger"))
	if err != nil || len(dirs) == 0 {
		t.Skipf("no ledgers among the fixtures: %v", err)
	}
	return dirs
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
