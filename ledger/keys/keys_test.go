package keys

import (
	"bytes"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"concordat/ledger/fixture"
)

var start = time.Date(2026, 11, 23, 17, 24, 50, 123, time.UTC)

var curves = []elliptic.Curve{elliptic.P256(), elliptic.P384(), elliptic.P521()}

func newKey(t testing.TB, c elliptic.Curve) *PrivateKey {
	t.Helper()
	k, err := Generate(c, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func mustCert(t testing.TB, text []byte, err error) *x509.Certificate {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	cert, err := ParseCertPEM(text)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func TestSignaturesOfEveryCurve(t *testing.T) {
	for _, c := range curves {
		k := newKey(t, c)
		root := sha256.Sum256([]byte("root"))
		der, err := k.SignDigestDER(rand.Reader, root[:])
		if err != nil {
			t.Fatal(err)
		}
		if !VerifyDigestDER(k.Public(), root[:], der) {
			t.Fatal("a DER signature over a bare digest does not verify")
		}
		raw, err := k.SignRaw(rand.Reader, root[:])
		if err != nil {
			t.Fatal(err)
		}
		if !VerifyRaw(k.Public(), root[:], raw) {
			t.Fatal("a raw signature does not verify")
		}
		back, err := DERFromRaw(c, raw)
		if err != nil || !VerifyDigestDER(k.Public(), root[:], back) {
			t.Fatalf("raw to DER: %v", err)
		}
		if VerifyRaw(k.Public(), root[:], raw[1:]) || VerifyRaw(k.Public(), root[:], append(raw, 0)) {
			t.Fatal("a raw signature of the wrong length verifies")
		}
		raw[3] ^= 1
		if VerifyRaw(k.Public(), root[:], raw) {
			t.Fatal("an altered signature verifies")
		}
	}
}

func TestKeysSurviveTheirText(t *testing.T) {
	for _, c := range curves {
		k := newKey(t, c)
		text, err := k.PEM()
		if err != nil {
			t.Fatal(err)
		}
		back, err := ParsePrivateKeyPEM(text)
		if err != nil || !back.Equal(k) || back.ID() != k.ID() {
			t.Fatalf("%v: private key: %v", c.Params().Name, err)
		}
		pub, err := ParsePublicPEM(k.PublicPEM())
		if err != nil || !SamePublicKey(pub, k.Public()) {
			t.Fatalf("%v: public key: %v", c.Params().Name, err)
		}
	}
}

func TestSEC1KeysAreRead(t *testing.T) {
	k := newKey(t, elliptic.P384())
	der, err := x509.MarshalECPrivateKey(k.ECDSA())
	if err != nil {
		t.Fatal(err)
	}
	back, err := ParsePrivateKeyPEM(encode("EC PRIVATE KEY", der))
	if err != nil || !back.Equal(k) {
		t.Fatal(err)
	}
}

func TestSecretsDoNotPrint(t *testing.T) {
	m, err := NewMember(rand.Reader, "m", Days(start, 365))
	if err != nil {
		t.Fatal(err)
	}
	k, err := ParsePrivateKeyPEM(m.Key)
	if err != nil {
		t.Fatal(err)
	}
	e, err := ParseEncryptionKeyPEM(m.EncryptionKey)
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []any{k, e, struct{ K any }{k}, []any{e}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%d", "%x", "%q"} {
			if got := fmt.Sprintf(verb, secret); !strings.Contains(got, Redacted) || len(got) > 60 {
				t.Errorf("%s of %T prints %q", verb, secret, got)
			}
		}
		if js, err := json.Marshal(secret); err != nil || !bytes.Contains(js, []byte(Redacted)) {
			t.Errorf("JSON of %T: %s %v", secret, js, err)
		}
	}
}

// shape is what must not differ between a certificate of ours and CCF's: the
// extensions, their order, their critical bits, and the fixed values.
func shape(c *x509.Certificate) string {
	var b strings.Builder
	fmt.Fprintf(&b, "v%d %v %v\n", c.Version, c.SignatureAlgorithm, c.NotAfter.Sub(c.NotBefore)%(24*time.Hour))
	for _, e := range c.Extensions {
		value := fmt.Sprintf("%x", e.Value)
		if e.Id.Equal(oidSubjectKeyID) || e.Id.Equal(oidAuthorityKeyID) {
			value = value[:len(value)-40]
		}
		fmt.Fprintf(&b, "%v %v %s\n", e.Id, e.Critical, value)
	}
	return b.String()
}

func readCert(t *testing.T, path ...string) *x509.Certificate {
	t.Helper()
	text, err := os.ReadFile(fixture.Dir(t, path...))
	return mustCert(t, text, err)
}

func TestServiceCertHasTheShapeOfCCFs(t *testing.T) {
	for name, curve := range map[string]elliptic.Curve{"solo_js": elliptic.P384(), "owner_p256": elliptic.P256()} {
		theirs := readCert(t, "ccf-services", name, "common", "service_cert.pem")
		key := newKey(t, curve)
		text, err := ServiceCert(rand.Reader, key, "CN="+theirs.Subject.CommonName, Days(start, 90))
		ours := mustCert(t, text, err)
		if got, want := shape(ours), shape(theirs); got != want {
			t.Errorf("%s: got\n%s\nwant\n%s", name, got, want)
		}
		if !bytes.Equal(ours.RawSubject, theirs.RawSubject) || !bytes.Equal(ours.RawIssuer, ours.RawSubject) {
			t.Errorf("%s: names differ: %x and %x", name, ours.RawSubject, theirs.RawSubject)
		}
		if want := start.Truncate(time.Second).Add(90*24*time.Hour - time.Second); !ours.NotAfter.Equal(want) {
			t.Errorf("ends %v, want %v", ours.NotAfter, want)
		}
		if ours.SerialNumber.Sign() <= 0 || ours.SerialNumber.BitLen() > 8*serialSize {
			t.Errorf("serial %x", ours.SerialNumber)
		}
		if !bytes.Equal(keyID(theirs.RawSubjectPublicKeyInfo), theirs.SubjectKeyId) {
			t.Error("the key identifier is not made as CCF makes it")
		}
	}
}

func TestNodeCertsHaveTheShapeOfCCFs(t *testing.T) {
	text := fixture.Read(t, "ccf-services", "solo_js", "receipts", "2.15.json")
	var receipt struct{ Cert string }
	if err := json.Unmarshal(text, &receipt); err != nil {
		t.Fatal(err)
	}
	theirs := mustCert(t, []byte(receipt.Cert), nil)
	service, cert := newService(t, elliptic.P384())
	node := newKey(t, elliptic.P384())
	sans := []SAN{{IP: netip.MustParseAddr("127.0.0.1")}, {DNS: "localhost"}}
	csr, err := NodeCSR(rand.Reader, node, "CN=CCF Node", sans)
	if err != nil {
		t.Fatal(err)
	}
	endorsed, err := EndorseNode(rand.Reader, csr, Issuer{service, cert}, Days(start, 90))
	ours := mustCert(t, endorsed, err)
	if got, want := shape(ours), shape(theirs); got != want {
		t.Errorf("endorsed: got\n%s\nwant\n%s", got, want)
	}
	if CertKeyID(ours) != node.ID() || ours.CheckSignatureFrom(cert) != nil {
		t.Error("endorsed: wrong key or signature")
	}
	self, err := NodeSelfCert(rand.Reader, node, "CN=CCF Node", sans, Days(start, 1))
	own := mustCert(t, self, err)
	if got, want := shape(own), shape(cert)+"2.5.29.17 false 301187047f00000182096c6f63616c686f7374\n"; got != want {
		t.Errorf("self-signed: got\n%s\nwant\n%s", got, want)
	}
}

func newService(t testing.TB, c elliptic.Curve) (*PrivateKey, *x509.Certificate) {
	key := newKey(t, c)
	text, err := ServiceCert(rand.Reader, key, "CN=Test Service", Days(start, 365))
	return key, mustCert(t, text, err)
}

func TestRenewalKeepsKeyAndName(t *testing.T) {
	key, old := newService(t, elliptic.P384())
	text, err := RenewServiceCert(rand.Reader, key, old, Days(start.AddDate(0, 1, 0), 30))
	renewed := mustCert(t, text, err)
	if !bytes.Equal(renewed.RawSubject, old.RawSubject) || CertKeyID(renewed) != CertKeyID(old) || renewed.SerialNumber.Cmp(old.SerialNumber) == 0 {
		t.Fatal("a renewed certificate must keep name and key and change its serial")
	}
	if _, err := RenewServiceCert(rand.Reader, newKey(t, elliptic.P384()), old, Days(start, 30)); err == nil {
		t.Fatal("renewed with another key")
	}
}

func TestEndorsedIdentityKeepsTheOldKey(t *testing.T) {
	_, old := newService(t, elliptic.P256())
	key, current := newService(t, elliptic.P384())
	text, err := EndorseIdentity(rand.Reader, old, Issuer{key, current})
	endorsed := mustCert(t, text, err)
	if CertKeyID(endorsed) != CertKeyID(old) || endorsed.CheckSignatureFrom(current) != nil || WindowOf(endorsed) != WindowOf(current) {
		t.Fatal("an endorsement has the old key and name, the new signature, and the new window")
	}
}

func TestOpenSSLAcceptsWhatIsIssued(t *testing.T) {
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("no openssl on the PATH")
	}
	dir := t.TempDir()
	write := func(name string, text []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for _, c := range curves {
		key, cert := newService(t, c)
		csr, err := NodeCSR(rand.Reader, newKey(t, c), "CN=CCF Node", []SAN{{DNS: "localhost"}})
		if err != nil {
			t.Fatal(err)
		}
		node, err := EndorseNode(rand.Reader, csr, Issuer{key, cert}, Days(start, 30))
		if err != nil {
			t.Fatal(err)
		}
		ca, leaf := write("ca.pem", CertPEM(cert.Raw)), write("leaf.pem", node)
		for _, args := range [][]string{
			{"verify", "-x509_strict", "-attime", fmt.Sprint(start.Unix() + 60), "-CAfile", ca, leaf},
			{"req", "-verify", "-noout", "-in", write("csr.pem", csr)},
		} {
			if out, err := exec.Command(openssl, args...).CombinedOutput(); err != nil {
				t.Errorf("openssl %s: %v\n%s", args[0], err, out)
			}
		}
	}
}

func TestRefusedRequests(t *testing.T) {
	csr, err := NodeCSR(rand.Reader, newKey(t, elliptic.P384()), "CN=n", nil)
	if err != nil {
		t.Fatal(err)
	}
	block, err := decode(csr, pemRequest)
	if err != nil {
		t.Fatal(err)
	}
	block.Bytes[len(block.Bytes)-1] ^= 1
	if _, err := ParseCSR(encode(pemRequest, block.Bytes)); err == nil {
		t.Error("a request with a broken signature is accepted")
	}
	for _, bad := range []string{"", "CN", "CN=", "XX=1", "CN=a,,"} {
		if _, err := ParseSubject(bad); err == nil {
			t.Errorf("subject %q is accepted", bad)
		}
	}
	for _, bad := range []string{"", "localhost", "dNSName:", "iPAddress:localhost", "dNSName:a b", "iPAddress:fe80::1%eth0"} {
		if _, err := ParseSAN(bad); err == nil {
			t.Errorf("alternative name %q is accepted", bad)
		}
	}
}

func TestRecordedRequestIsEndorsed(t *testing.T) {
	text := fixture.Read(t, "ccf-services", "join_wire", "wire_real_joiner", "2_post.json")
	var rec struct {
		Body string `json:"body_text"`
	}
	var body struct {
		CSR string `json:"certificate_signing_request"`
	}
	if err := json.Unmarshal(text, &rec); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(rec.Body), &body); err != nil {
		t.Fatal(err)
	}
	key, cert := newService(t, elliptic.P384())
	out, err := EndorseNode(rand.Reader, []byte(body.CSR), Issuer{key, cert}, Days(start, 30))
	got := mustCert(t, out, err)
	if len(got.IPAddresses) != 1 || len(got.DNSNames) != 1 || got.Subject.CommonName != "CCF Node" {
		t.Fatalf("names %v %v %v", got.Subject, got.IPAddresses, got.DNSNames)
	}
}

func TestMemberKeysWrapAndUnwrap(t *testing.T) {
	m, err := NewMember(rand.Reader, "alice", Days(start, 365))
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := EncryptTo(rand.Reader, m.EncryptionPublic, []byte("share"))
	if err != nil {
		t.Fatal(err)
	}
	key, err := ParseEncryptionKeyPEM(m.EncryptionKey)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := key.Decrypt(sealed)
	if err != nil || string(plain) != "share" {
		t.Fatalf("%q %v", plain, err)
	}
	sealed[0] ^= 1
	if _, err := key.Decrypt(sealed); err != ErrDecrypt {
		t.Fatalf("altered ciphertext: %v", err)
	}
	if id, err := m.ID(); err != nil || len(id) != 64 {
		t.Fatalf("id %q %v", id, err)
	}
}

func TestTrailingNULIsTolerated(t *testing.T) {
	_, cert := newService(t, elliptic.P384())
	if _, err := ParseCertPEM(append(CertPEM(cert.Raw), 0)); err != nil {
		t.Fatal(err)
	}
	if _, err := ParseCertPEM(bytes.Repeat([]byte("-"), MaxPEM+1)); err == nil {
		t.Fatal("read past the limit")
	}
}

func TestRecordedIDs(t *testing.T) {
	text := fixture.Read(t, "ccf-services", "solo_js", "facts.json")
	var facts struct {
		Members map[string]struct{ ID string }
	}
	if err := json.Unmarshal(text, &facts); err != nil {
		t.Fatal(err)
	}
	for name, m := range facts.Members {
		cert := readCert(t, "ccf-services", "solo_js", "common", name+"_cert.pem")
		if got := CertID(cert.Raw); got != m.ID {
			t.Errorf("%s: id %s, want %s", name, got, m.ID)
		}
	}
}

func FuzzParseCertPEM(f *testing.F) {
	_, cert := newService(f, elliptic.P256())
	f.Add(CertPEM(cert.Raw))
	f.Fuzz(func(_ *testing.T, b []byte) {
		if c, err := ParseCertPEM(b); err == nil {
			_ = CertKeyID(c)
		}
	})
}

func FuzzSignatureForms(f *testing.F) {
	f.Add([]byte{0x30, 6, 2, 1, 1, 2, 1, 1})
	f.Fuzz(func(t *testing.T, der []byte) {
		for _, c := range curves {
			raw, err := RawFromDER(c, der)
			if err != nil {
				continue
			}
			back, err := DERFromRaw(c, raw)
			if err != nil || !bytes.Equal(back, der) {
				t.Fatalf("%x became %x: %v", der, back, err)
			}
		}
	})
}
