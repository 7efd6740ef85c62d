package snapshot

import (
	"bytes"
	"encoding/hex"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"concordat/ledger"
	"concordat/ledger/fixture"
	"concordat/ledger/receipt"
	"concordat/ledger/secret"
)

// secretAt is the ledger secret of a recorded service at a seqno.
func secretAt(t testing.TB, service string, seqno ledger.Seqno) *secret.Secret {
	t.Helper()
	var facts struct {
		Verified struct{ Secrets map[ledger.Seqno]string }
	}
	fixture.Decode(t, fixture.File(t, filepath.Join(service, "facts.json")), &facts)
	var chain secret.Chain
	for start, text := range facts.Verified.Secrets {
		b, err := hex.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		s, err := secret.FromBytes(b)
		if err != nil {
			t.Fatal(err)
		}
		if err := chain.Add(start, s, nil); err != nil {
			t.Fatal(err)
		}
	}
	found, _ := chain.At(seqno)
	return found
}

func recorded(t testing.TB) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(fixture.Dir(t, "ccf-services"), "*", "snapshots", "*.committed"))
	if err != nil || len(names) < 10 {
		t.Fatalf("%d snapshots: %v", len(names), err)
	}
	return names
}

func TestRecordedSnapshotsVerifyAndAreRebuilt(t *testing.T) {
	for _, file := range recorded(t) {
		b, service := fixture.File(t, file), filepath.Dir(filepath.Dir(file))
		s, err := Parse(b)
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		name, ok := ParseName(filepath.Base(file))
		if !ok || name.String() != filepath.Base(file) || name.Seqno != s.Seqno {
			t.Errorf("%s: name %+v", file, name)
		}
		if err := verifyWithAny(t, service, s, name); err != nil {
			t.Errorf("%s: %v", file, err)
		}
		key := secretAt(t, service, s.Seqno)
		private, err := s.Private(key)
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		for _, m := range append(slices.Clone(s.Maps), private...) {
			Sort(m.Items)
		}
		again, err := Seal(&s.State, private, key)
		if err != nil || !bytes.Equal(again, s.Entry) {
			t.Errorf("%s: rebuilt differently: %v", file, err)
		}
	}
}

func verifyWithAny(t *testing.T, service string, s *Snapshot, name Name) error {
	certs, err := filepath.Glob(filepath.Join(service, "common", "service_cert*.pem"))
	if err != nil {
		t.Fatal(err)
	}
	for _, cert := range certs {
		if _, err = s.Verify(fixture.File(t, cert), name, receipt.Options{}); err == nil {
			return nil
		}
	}
	return err
}

func TestOlderSnapshotVerifies(t *testing.T) {
	dir := fixture.Dir(t, "ccf-ledgers", "expired_service")
	s, err := Parse(fixture.File(t, filepath.Join(dir, "snapshots", "snapshot_61_62.committed")))
	if err != nil {
		t.Fatal(err)
	}
	cert := fixture.File(t, filepath.Join(dir, "common", "service_cert.pem"))
	if _, err := s.Verify(cert, Name{Seqno: 61, Evidence: 62, Committed: true}, receipt.Options{}); err != nil {
		t.Fatal(err)
	}
}

func TestEveryFlippedByteOfASnapshotShows(t *testing.T) {
	file := fixture.Dir(t, "ccf-services", "owner_p256", "snapshots", "snapshot_31_32.committed")
	cert := fixture.File(t, filepath.Join(filepath.Dir(file), "..", "common", "service_cert.pem"))
	b := fixture.File(t, file)
	good, err := Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := good.Verify(cert, Name{}, receipt.Options{}); err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(good.Entry); i += 211 {
		b[i] ^= 1
		s, err := Parse(b)
		if err == nil {
			_, err = s.Verify(cert, Name{}, receipt.Options{})
		}
		if err == nil {
			t.Errorf("byte %d is not covered", i)
		}
		b[i] ^= 1
	}
}

func TestRefusals(t *testing.T) {
	file := fixture.Dir(t, "ccf-services", "owner_p256", "snapshots", "snapshot_31_32.committed")
	common := filepath.Join(filepath.Dir(file), "..", "common")
	cert, b := fixture.File(t, filepath.Join(common, "service_cert.pem")), fixture.File(t, file)
	s, err := Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	other, err := Parse(fixture.File(t, filepath.Join(filepath.Dir(file), "snapshot_21_22.committed")))
	if err != nil {
		t.Fatal(err)
	}
	swapped := *s
	swapped.Proof = other.Proof
	bare := *s
	bare.Proof = nil
	for name, c := range map[string]struct {
		s    *Snapshot
		cert []byte
		name Name
		want string
	}{
		"no receipt":      {&bare, cert, Name{}, "has no receipt"},
		"foreign receipt": {&swapped, cert, Name{}, "is not about a snapshot with digest"},
		"other service":   {s, fixture.File(t, filepath.Join(common, "service_cert_0.pem")), Name{}, "not signed by the service certificate"},
		"renamed":         {s, cert, Name{Seqno: 31, Evidence: 33}, "its name says"},
	} {
		if _, err := c.s.Verify(c.cert, c.name, receipt.Options{}); !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	if _, err := Parse(b[:len(s.Entry)-1]); !errors.Is(err, ErrMalformed) {
		t.Errorf("cut short: %v", err)
	}
}

func TestNames(t *testing.T) {
	for _, bad := range []string{"", "snapshot_", "snapshot_1", "snapshot_2_1", "snapshot_0_1", "snapshot_1_2.committed_3", "snapshot_01_2", "snapshot_1_2.x", "ledger_1_2"} {
		if n, ok := ParseName(bad); ok {
			t.Errorf("%q is read as %+v", bad, n)
		}
	}
}

func TestEvidenceRows(t *testing.T) {
	e := Evidence{Hash: ledger.Digest{0xab}, Version: 61}
	want := `{"hash":"ab` + strings.Repeat("0", 62) + `","version":61}`
	if got := string(e.Marshal()); got != want {
		t.Fatalf("got %s", got)
	}
	if back, err := ParseEvidence([]byte(want)); err != nil || back != e {
		t.Fatalf("%+v %v", back, err)
	}
}

func TestEmptyMapsAndTombstones(t *testing.T) {
	m := Map{Name: "public:m", Version: 7, Items: []Item{{Key: []byte("k"), Value: []byte("v"), Version: 5}}}
	dead := m
	dead.Items = []Item{{Key: []byte("gone"), Version: 1 << 63}, m.Items[0]}
	got, err := parseMaps(AppendMaps(nil, []Map{{Name: "public:a"}, dead}))
	if err != nil || len(got) != 2 || len(got[0].Items) != 0 || len(got[1].Items) != 1 || string(got[1].Items[0].Value) != "v" {
		t.Fatalf("%+v %v", got, err)
	}
}

func FuzzParse(f *testing.F) {
	key, err := secret.FromBytes(make([]byte, 32))
	if err != nil {
		f.Fatal(err)
	}
	s := State{Seqno: 3, Views: []ledger.Seqno{1, 1}, Maps: []Map{{Name: "public:m", Version: 2, Items: []Item{{Key: []byte("k"), Value: []byte("v"), Version: 2}}}}}
	b, err := Seal(&s, nil, key)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add(append(b, "{}"...))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := Parse(b)
		if err != nil {
			return
		}
		again, err := parsePublic(AppendPublic(nil, &s.State))
		if err != nil || !bytes.Equal(AppendPublic(nil, &again), AppendPublic(nil, &s.State)) {
			t.Fatalf("does not survive re-encoding: %v", err)
		}
	})
}
