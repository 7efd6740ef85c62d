package receipt

import (
	"bytes"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"concordat/ledger"
	"concordat/ledger/cose"
	"concordat/ledger/fixture"
	"concordat/ledger/keys"
	"concordat/ledger/merkle"
)

// recorded lists the recorded JSON receipts.
func recorded(t testing.TB) []string {
	t.Helper()
	names := fixture.Glob(t, "ccf-services/*/receipts/*.json")
	var out []string
	for _, name := range names {
		if !strings.HasSuffix(name, ".endorsements.json") && !strings.HasSuffix(name, ".signature.json") {
			out = append(out, name)
		}
	}
	return out
}

// verifyWithAny tries every certificate the service ever had: receipts were
// recorded at different times.
func verifyWithAny(t testing.TB, receiptName string, b []byte, o Options) (*Verdict, error) {
	certs, err := filepath.Glob(filepath.Join(filepath.Dir(filepath.Dir(receiptName)), "common", "service_cert*.pem"))
	if err != nil || len(certs) == 0 {
		t.Fatalf("%s: no service certificates: %v", receiptName, err)
	}
	var v *Verdict
	for _, cert := range certs {
		if v, err = Verify(b, fixture.File(t, cert), o); err == nil {
			return v, nil
		}
	}
	return v, err
}

func TestRecordedReceiptsVerify(t *testing.T) {
	names := recorded(t)
	endorsed := 0
	for _, name := range names {
		b, js, o := fixture.File(t, name), strings.Contains(name, "js_historical"), Options{}
		if js {
			b, o = shownByApplication(t, b)
		}
		v, err := verifyWithAny(t, name, b, o)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		r, err := Parse(b)
		if err != nil {
			t.Fatal(err)
		}
		endorsed += len(r.Endorsements)
		if !js && !bytes.Equal(r.Marshal(), b) {
			t.Errorf("%s: written again differently", name)
		}
		if id := v.TxID.String(); !v.TxID.IsZero() && !strings.HasSuffix(strings.TrimSuffix(name, ".json"), id) {
			t.Errorf("%s: is about %s", name, id)
		}
	}
	if len(names) < 60 || endorsed < 20 {
		t.Fatalf("only %d receipts and %d endorsements seen", len(names), endorsed)
	}
}

// shownByApplication takes the receipt out of an application's answer. Where
// the application made claims, it left their digest out.
func shownByApplication(t *testing.T, b []byte) ([]byte, Options) {
	t.Helper()
	var answer struct {
		Msg     string
		Receipt json.RawMessage
	}
	if err := json.Unmarshal(b, &answer); err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(answer.Receipt, []byte("claims_digest")) {
		return answer.Receipt, Options{}
	}
	return answer.Receipt, Options{Claims: []byte(answer.Msg)}
}

func TestEveryFlippedByteOfARecordedReceiptShows(t *testing.T) {
	dir := fixture.Dir(t, "ccf-services", "recover_twice_log")
	service := fixture.File(t, filepath.Join(dir, "common", "service_cert.pem"))
	for _, name := range []string{"epoch2_2.17.json", "epoch2_6.83.json", "epoch2_6.83.receipt.cose"} {
		b := fixture.File(t, filepath.Join(dir, "receipts", name))
		o := Options{}
		good, err := Verify(b, service, o)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		step := 3
		for i := 0; i < len(b); i += step {
			b[i] ^= 1
			v, err := Verify(b, service, o)
			// A changed blank, or the case of a digit, changes nothing that counts.
			if err == nil && *v != *good {
				t.Errorf("%s: byte %d changed the verdict unnoticed", name, i)
			}
			b[i] ^= 1
		}
	}
}

// service is a small service of our own: one node, one transaction, one root.
type service struct {
	cert, claims []byte
	json         *Receipt
	cose         []byte
	node         *keys.PrivateKey
	key          *keys.PrivateKey
	days         keys.Window
}

func newService(t testing.TB) *service {
	t.Helper()
	s := &service{claims: []byte("the claims"), days: keys.Days(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), 90)}
	s.key, s.node = newKey(t), newKey(t)
	var err error
	if s.cert, err = keys.ServiceCert(rand.Reader, s.key, "CN=S", s.days); err != nil {
		t.Fatal(err)
	}
	claims := ledger.Digest(sha256.Sum256(s.claims))
	steps := []merkle.Step{{Left: true, Hash: ledger.Digest{5}}, {Hash: ledger.Digest{6}}}
	s.json = &Receipt{
		Cert: s.nodeCert(t, s.node), NodeID: s.node.ID(), Proof: steps,
		Components: &Components{WriteSetDigest: ledger.Digest{9}, CommitEvidence: "ce:2.7:00", Claims: &claims},
	}
	s.sign(t)
	proof := cose.Proof{WriteSetDigest: ledger.Digest{9}, CommitEvidence: "ce:2.7:00", Claims: claims, Path: steps}
	signature, err := cose.SignRoot(rand.Reader, s.key, cose.RootHeader{TxID: ledger.TxID{View: 2, Seqno: 8}}, proof.Root())
	if err != nil {
		t.Fatal(err)
	}
	if s.cose, err = cose.BuildReceipt(signature, proof.Marshal()); err != nil {
		t.Fatal(err)
	}
	return s
}

func newKey(t testing.TB) *keys.PrivateKey {
	k, err := keys.Generate(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func (s *service) nodeCert(t testing.TB, node *keys.PrivateKey) string {
	cert, err := keys.ParseCertPEM(s.cert)
	if err != nil {
		t.Fatal(err)
	}
	csr, err := keys.NodeCSR(rand.Reader, node, "CN=N", nil)
	if err != nil {
		t.Fatal(err)
	}
	out, err := keys.EndorseNode(rand.Reader, csr, keys.Issuer{Key: s.key, Cert: cert}, s.days)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func (s *service) sign(t testing.TB) {
	root := s.json.Root()
	sig, err := s.node.SignDigestDER(rand.Reader, root[:])
	if err != nil {
		t.Fatal(err)
	}
	s.json.Signature = sig
}

func TestReceiptsOfOurOwn(t *testing.T) {
	s := newService(t)
	for _, b := range [][]byte{s.json.Marshal(), s.cose} {
		v, err := Verify(b, s.cert, Options{Claims: s.claims, TxID: ledger.TxID{View: 2, Seqno: 7}, At: s.days.NotBefore})
		if err != nil {
			t.Fatal(err)
		}
		if v.WriteSetDigest != (ledger.Digest{9}) || v.Root != s.json.Root() {
			t.Fatalf("%+v", v)
		}
	}
}

// TestRefusals has one line a reason; the text is what a person reads.
func TestRefusals(t *testing.T) {
	other := newKey(t)
	cases := []struct {
		name, want string
		change     func(s *service, o *Options)
	}{
		{"claims", "its claims digest is", func(_ *service, o *Options) { o.Claims = []byte("others") }},
		{"transaction", "it is about transaction 2.7, not 2.9", func(_ *service, o *Options) { o.TxID = ledger.TxID{View: 2, Seqno: 9} }},
		{"time", "is valid from 2026-01-01", func(s *service, o *Options) { o.At = s.days.NotAfter.Add(time.Second) }},
		{"node", "its certificate is for node", func(s *service, _ *Options) { s.json.NodeID = other.ID() }},
		{"path", "does not fit the root", func(s *service, _ *Options) { s.json.Proof[0].Left = false }},
		{"evidence", "does not name a transaction", func(s *service, _ *Options) { s.json.Components.CommitEvidence = "x" }},
		{"claims left out", "does not fit the root", func(s *service, o *Options) { s.json.Components.Claims, o.Claims = nil, nil }},
		{"foreign node", "not signed by the service certificate", func(s *service, _ *Options) {
			s.json.Cert, s.json.NodeID, s.node = newService(t).nodeCert(t, other), other.ID(), other
			s.sign(t)
		}},
		{"foreign endorsement", "the node certificate is not signed by service endorsement 0", func(s *service, _ *Options) { s.json.Endorsements = []string{string(newService(t).cert)} }},
		{"no PEM", "cert: not the expected PEM block", func(s *service, _ *Options) { s.json.Cert = "x" }},
		{"leaf with claims", "it says nothing about claims", func(s *service, _ *Options) {
			leaf := s.json.Components.leaf()
			s.json.Leaf, s.json.Components = &leaf, nil
		}},
	}
	for _, c := range cases {
		s := newService(t)
		o := Options{Claims: s.claims}
		c.change(s, &o)
		_, err := Verify(s.json.Marshal(), s.cert, o)
		if !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}

func TestCOSERefusals(t *testing.T) {
	s, stranger := newService(t), newService(t)
	for name, c := range map[string]struct {
		cert []byte
		o    Options
		want string
	}{
		"other service": {stranger.cert, Options{}, "not by the service key"},
		"claims":        {s.cert, Options{Claims: []byte("others")}, "its claims digest is"},
		"transaction":   {s.cert, Options{TxID: ledger.TxID{View: 3, Seqno: 7}}, "it is about transaction 2.7, not 3.7"},
		"time":          {s.cert, Options{At: s.days.NotBefore.Add(-time.Hour)}, "is valid from"},
		"identities":    {stranger.cert, Options{Identities: [][]byte{{1, 2}}}, "endorsement 0: malformed"},
	} {
		if _, err := Verify(s.cose, c.cert, c.o); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	if _, err := Verify([]byte("what"), s.cert, Options{}); !errors.Is(err, ErrMalformed) {
		t.Errorf("not a receipt: %v", err)
	}
}

func TestMalformedJSON(t *testing.T) {
	good := string(newService(t).json.Marshal())
	for name, change := range map[string][2]string{
		"no cert":      {`"cert":`, `"x":`},
		"no proof":     {`"proof":`, `"x":`},
		"no signature": {`"signature":`, `"x":`},
		"both leaves":  {`"node_id":`, `"leaf":"00","node_id":`},
		"both sides":   {`{"left":`, `{"right":"00","left":`},
		"short digest": {`"write_set_digest":"09`, `"write_set_digest":"`},
		"not base64":   {`"signature":"`, `"signature":"!`},
	} {
		bad := strings.Replace(good, change[0], change[1], 1)
		if bad == good {
			t.Fatalf("%s changes nothing", name)
		}
		if _, err := Parse([]byte(bad)); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSignatureRowsAreWrittenAsRecorded(t *testing.T) {
	row := &NodeSignature{Cert: "c\n", NodeID: "n", Root: ledger.Digest{1}, TxID: ledger.TxID{View: 2, Seqno: 18}, Signature: []byte{1, 2}}
	want := `{"cert":"c\n","commit_seqno":0,"commit_view":0,"hashed_nonce":"` + strings.Repeat("0", 64) + `","node":"n","root":"01` +
		strings.Repeat("0", 62) + `","seqno":18,"sig":"AQI=","view":2}`
	if got := string(row.Marshal()); got != want {
		t.Fatalf("got\n%s\nwant\n%s", got, want)
	}
	back, err := ParseNodeSignature(row.Marshal())
	if err != nil || !bytes.Equal(back.Marshal(), row.Marshal()) {
		t.Fatal(err)
	}
	if got, err := ParseCOSERow(MarshalCOSERow([]byte{1, 2, 3})); err != nil || !bytes.Equal(got, []byte{1, 2, 3}) {
		t.Fatal(err)
	}
}

func FuzzParse(f *testing.F) {
	s := newService(f)
	f.Add(s.json.Marshal())
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := Parse(b)
		if err != nil {
			return
		}
		again, err := Parse(r.Marshal())
		if err != nil || !bytes.Equal(again.Marshal(), r.Marshal()) {
			t.Fatalf("does not survive re-encoding: %v", err)
		}
	})
}

func FuzzVerify(f *testing.F) {
	s := newService(f)
	f.Add(s.cose)
	f.Add(s.json.Marshal())
	root := s.json.Root()
	f.Fuzz(func(t *testing.T, b []byte) {
		if v, err := Verify(b, s.cert, Options{}); err == nil && v.Root != root {
			t.Fatal("a forged receipt verifies")
		}
	})
}

func FuzzCovering(f *testing.F) {
	f.Add((&NodeSignature{}).Marshal(), []byte(`"AQID"`))
	f.Fuzz(func(t *testing.T, row, cose []byte) {
		if s, err := ParseNodeSignature(row); err == nil && !json.Valid(s.Marshal()) {
			t.Fatal("writes no JSON")
		}
		_, _ = ParseCOSERow(cose)
	})
}
