package cose

import (
	"crypto/elliptic"
	"crypto/rand"
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
