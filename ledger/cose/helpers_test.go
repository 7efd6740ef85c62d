package cose

import (
	"crypto/elliptic"
	"crypto/rand"
	"os"
	"path/filepath"
	"testing"

	"concordat/ledger/keys"
)

func newKey(t testing.TB, c elliptic.Curve) *keys.PrivateKey {
	t.Helper()
	k, err := keys.Generate(c, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// fixture finds recorded data beside the repository, or skips.
func fixture(t testing.TB, path ...string) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			break
		}
		dir = filepath.Dir(dir)
	}
	name := filepath.Join(append([]string{dir, "..", "shared", "fixtures"}, path...)...)
	if _, err := os.Stat(name); err != nil {
		t.Skipf("no recorded data at ../shared/fixtures/%s", filepath.Join(path...))
	}
	return name
}

func read(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
