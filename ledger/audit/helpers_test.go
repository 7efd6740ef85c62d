package audit

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"concordat/ledger/fixture"
)

func write(t testing.TB, name string, b []byte) {
	t.Helper()
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func glob(t testing.TB, parts ...string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(parts...))
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// options are everything an auditor may know of a recorded service.
func options(t testing.TB, service string) Options {
	t.Helper()
	o := Options{
		ServiceCert: fixture.File(t, filepath.Join(service, "common", "service_cert.pem")),
		Snapshots:   glob(t, service, "snapshots", "*.committed"),
	}
	for _, name := range glob(t, service, "common", "member*_enc_privk.pem") {
		o.RecoveryKeys = append(o.RecoveryKeys, fixture.File(t, name))
	}
	return o
}

// services lists the recorded services that have a ledger.
func services(t testing.TB) []string {
	t.Helper()
	var out []string
	for _, group := range []string{"ccf-ledgers", "ccf-services"} {
		for _, dir := range glob(t, fixture.Dir(t, group), "*", "ledger") {
			out = append(out, filepath.Dir(dir))
		}
	}
	return out
}

func audited(t testing.TB, o Options, dirs ...string) *Report {
	t.Helper()
	r, err := Verify(dirs, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// compose makes a ledger directory of the files whose names are given, taking
// each from the first directory that has it.
func compose(t testing.TB, names []string, from ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range names {
		found := false
		for _, d := range from {
			b, err := os.ReadFile(filepath.Join(d, name))
			if err == nil {
				write(t, filepath.Join(dir, name), b)
				found = true
				break
			}
		}
		if !found {
			t.Fatalf("%s is in none of %s", name, strings.Join(from, ", "))
		}
	}
	return dir
}
