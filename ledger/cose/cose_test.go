package cose

import (
	"bytes"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"concordat/ledger"
	"concordat/ledger/fixture"
	"concordat/ledger/keys"
	"concordat/ledger/merkle"
)

func serviceCerts(t *testing.T, service string) []*x509.Certificate {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(fixture.Dir(t, "ccf-services", service), "common", "service_cert*.pem"))
	if err != nil {
		t.Fatal(err)
	}
	var certs []*x509.Certificate
	for _, name := range names {
		cert, err := keys.ParseCertPEM(fixture.File(t, name))
		if err != nil {
			t.Fatal(err)
		}
		certs = append(certs, cert)
	}
	return certs
}

// recordedSignature returns the COSE signature in a recorded answer.
func recordedSignature(t *testing.T, name string) []byte {
	t.Helper()
	var answer struct {
		Signature []byte `json:"cose_signature"`
	}
	fixture.Decode(t, fixture.File(t, name), &answer)
	return answer.Signature
}

func TestRecordedReceiptsAreRebuiltAndVerify(t *testing.T) {
	names, err := filepath.Glob(filepath.Join(fixture.Dir(t, "ccf-services"), "*", "receipts", "*.receipt.cose"))
	if err != nil || len(names) < 40 {
		t.Fatalf("%d receipts, %v", len(names), err)
	}
	for _, name := range names {
		base := strings.TrimSuffix(name, ".receipt.cose")
		receipt, proof, signature := fixture.File(t, name), fixture.File(t, base+".proof.cbor"), recordedSignature(t, base+".signature.json")
		built, err := BuildReceipt(signature, proof)
		if err != nil || !bytes.Equal(built, receipt) {
			t.Fatalf("%s: rebuilt differently: %v", name, err)
		}
		parsed, err := ParseProof(proof)
		if err != nil || !bytes.Equal(parsed.Marshal(), proof) {
			t.Fatalf("%s: proof re-encodes differently: %v", name, err)
		}
		root, err := ParseRoot(signature)
		if err != nil || !root.Exact(signature) {
			t.Fatalf("%s: signature is not in the exact layout: %v", name, err)
		}
		if !verifiesWithOne(t, name, receipt) {
			t.Errorf("%s: verifies with no service certificate of the recording", name)
		}
	}
}

func verifiesWithOne(t *testing.T, name string, receipt []byte) bool {
	r, err := ParseReceipt(receipt)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	for _, cert := range serviceCerts(t, filepath.Base(filepath.Dir(filepath.Dir(name)))) {
		if pub, err := keys.CertKey(cert); err == nil && r.Verify(pub) == nil {
			return true
		}
	}
	return false
}

func TestRecordedIdentitiesLeadToTheOldKey(t *testing.T) {
	names, err := filepath.Glob(filepath.Join(fixture.Dir(t, "ccf-services"), "*", "receipts", "*.endorsements.json"))
	if err != nil || len(names) == 0 {
		t.Fatalf("%d answers, %v", len(names), err)
	}
	for _, name := range names {
		var answer struct{ Endorsements [][]byte }
		fixture.Decode(t, fixture.File(t, name), &answer)
		if strings.Contains(name, "_signature_") {
			continue // a signature transaction has no receipt
		}
		receipt, err := ParseReceipt(fixture.File(t, strings.TrimSuffix(name, ".endorsements.json")+".receipt.cose"))
		if err != nil {
			t.Fatal(err)
		}
		current, err := keys.CertKey(serviceCert(t, name))
		if err != nil {
			t.Fatal(err)
		}
		old, err := VerifyIdentities(current, answer.Endorsements, receipt.TxID)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if err := receipt.Verify(old); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for _, e := range answer.Endorsements {
			if id, err := ParseIdentity(e); err != nil || !id.Exact(e) {
				t.Errorf("%s: endorsement is not in the exact layout: %v", name, err)
			}
		}
		if _, err := VerifyIdentities(current, answer.Endorsements[1:], receipt.TxID); len(answer.Endorsements) > 1 && err == nil {
			t.Errorf("%s: verifies with a link left out", name)
		}
	}
}

func serviceCert(t *testing.T, receipt string) *x509.Certificate {
	cert, err := keys.ParseCertPEM(fixture.File(t, filepath.Join(filepath.Dir(filepath.Dir(receipt)), "common", "service_cert.pem")))
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func TestRootSignaturesHaveTheLayout(t *testing.T) {
	key := newKey(t, elliptic.P384())
	root := ledger.Digest{1, 2, 3}
	h := RootHeader{IssuedAt: 0x6900f209, Issuer: "service.example.com", Subject: "ledger.signature", TxID: ledger.TxID{View: 2, Seqno: 2}}
	b, err := SignRoot(rand.Reader, key, h, root)
	if err != nil {
		t.Fatal(err)
	}
	want := "d284588ba501382204" + "5840" + hex.EncodeToString([]byte(key.ID())) + "19018b020fa3061a6900f20901" +
		"73" + hex.EncodeToString([]byte(h.Issuer)) + "0270" + hex.EncodeToString([]byte(h.Subject)) +
		"66" + hex.EncodeToString([]byte("ccf.v1")) + "a164" + hex.EncodeToString([]byte("txid")) + "63" + hex.EncodeToString([]byte("2.2")) + "a0f65860"
	if got := hex.EncodeToString(b[:len(b)-96]); got != want {
		t.Fatalf("got\n%s\nwant\n%s", got, want)
	}
	r, err := ParseRoot(b)
	if err != nil || !r.Exact(b) || r.Verify(key.Public(), root) != nil || r.TxID != h.TxID {
		t.Fatalf("does not read back: %v", err)
	}
	if err := r.Verify(key.Public(), ledger.Digest{}); !errors.Is(err, ErrSignature) {
		t.Errorf("another root: %v", err)
	}
	if err := r.Verify(newKey(t, elliptic.P384()).Public(), root); err == nil || !strings.Contains(err.Error(), "not by the service key") {
		t.Errorf("another key: %v", err)
	}
}

func TestEveryFlippedBitOfASignatureShows(t *testing.T) {
	key := newKey(t, elliptic.P256())
	b, err := SignRoot(rand.Reader, key, RootHeader{IssuedAt: 1, TxID: ledger.TxID{View: 2, Seqno: 9}}, ledger.Digest{7})
	if err != nil {
		t.Fatal(err)
	}
	for i := range len(b) * 8 {
		b[i/8] ^= 1 << (i % 8)
		if r, err := ParseRoot(b); err == nil && r.Exact(b) && r.Verify(key.Public(), ledger.Digest{7}) == nil {
			t.Errorf("bit %d of byte %d is not covered", i%8, i/8)
		}
		b[i/8] ^= 1 << (i % 8)
	}
}

func TestReceiptsOfOurOwn(t *testing.T) {
	key := newKey(t, elliptic.P384())
	proof := Proof{
		WriteSetDigest: ledger.Digest{1}, CommitEvidence: "ce:2.4:00", Claims: ledger.Digest{2},
		Path: []merkle.Step{{Left: true, Hash: ledger.Digest{3}}, {Hash: ledger.Digest{4}}},
	}
	signature, err := SignRoot(rand.Reader, key, RootHeader{TxID: ledger.TxID{View: 2, Seqno: 5}}, proof.Root())
	if err != nil {
		t.Fatal(err)
	}
	b, err := BuildReceipt(signature, proof.Marshal())
	if err != nil {
		t.Fatal(err)
	}
	r, err := ParseReceipt(b)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Verify(key.Public()); err != nil {
		t.Fatal(err)
	}
	r.Proofs[0].Path[1].Left = true
	if err := r.Verify(key.Public()); !errors.Is(err, ErrSignature) {
		t.Fatalf("another path: %v", err)
	}
	if _, err := ParseReceipt(signature); err == nil {
		t.Fatal("a signature without a proof is read as a receipt")
	}
}

func TestIdentitiesOfOurOwn(t *testing.T) {
	old, middle, current := newKey(t, elliptic.P384()), newKey(t, elliptic.P384()), newKey(t, elliptic.P256())
	sign := func(by, of *keys.PrivateKey, start, end ledger.TxID) []byte {
		b, err := SignIdentity(rand.Reader, by, Identity{IssuedAt: 5, Start: start, End: end, EndRoot: ledger.Digest{byte(end.Seqno)}, Key: of.SPKI()})
		if err != nil {
			t.Fatal(err)
		}
		id, err := ParseIdentity(b)
		if err != nil || !id.Exact(b) {
			t.Fatalf("not in the exact layout: %v", err)
		}
		return b
	}
	self := sign(old, old, ledger.TxID{View: 2, Seqno: 1}, ledger.TxID{})
	first := sign(middle, old, ledger.TxID{View: 2, Seqno: 1}, ledger.TxID{View: 2, Seqno: 43})
	second := sign(current, middle, ledger.TxID{View: 4, Seqno: 44}, ledger.TxID{View: 4, Seqno: 67})
	gap := sign(current, middle, ledger.TxID{View: 4, Seqno: 45}, ledger.TxID{View: 4, Seqno: 67})
	tx := ledger.TxID{View: 2, Seqno: 17}
	if key, err := VerifyIdentities(current.Public(), [][]byte{second, first}, tx); err != nil || !keys.SamePublicKey(key, old.Public()) {
		t.Fatalf("the chain leads elsewhere: %v", err)
	}
	for name, chain := range map[string][][]byte{
		"wrong order": {first, second}, "gap": {gap, first}, "too short": {second}, "open end": {second, self}, "not CBOR": {{1}},
	} {
		if _, err := VerifyIdentities(current.Public(), chain, tx); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestMalformedMessages(t *testing.T) {
	key := newKey(t, elliptic.P256())
	good, err := SignRoot(rand.Reader, key, RootHeader{TxID: ledger.TxID{View: 2, Seqno: 9}}, ledger.Digest{7})
	if err != nil {
		t.Fatal(err)
	}
	for i := range good {
		if _, err := ParseRoot(good[:i]); err == nil {
			t.Fatalf("accepted with %d bytes missing", len(good)-i)
		}
	}
	if _, err := ParseRoot(append(bytes.Clone(good), 0)); err == nil {
		t.Fatal("accepted with a byte too many")
	}
	s, err := ParseSign1(good)
	if err != nil {
		t.Fatal(err)
	}
	s.Protected = appendHead(nil, majorMap, 2)
	s.Protected = append(s.Protected, 1, 0x26, 1, 0x26)
	if _, err := ParseSign1(s.Marshal()); err == nil {
		t.Fatal("a label given twice is accepted")
	}
}

func FuzzParseSign1(f *testing.F) {
	key := newKey(f, elliptic.P256())
	root, err := SignRoot(rand.Reader, key, RootHeader{TxID: ledger.TxID{View: 2, Seqno: 9}}, ledger.Digest{7})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(root)
	id, err := SignIdentity(rand.Reader, key, Identity{Start: ledger.TxID{View: 2, Seqno: 1}, Key: key.SPKI()})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(id)
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := ParseSign1(b)
		if err != nil {
			return
		}
		again, err := ParseSign1(s.Marshal())
		if err != nil || !bytes.Equal(again.Marshal(), s.Marshal()) {
			t.Fatalf("does not survive re-encoding: %v", err)
		}
		if r, err := ParseRoot(b); err == nil && r.Exact(b) && !bytes.Equal(s.Marshal(), b) {
			t.Fatal("exact, yet re-encodes to other bytes")
		}
		_, _ = ParseIdentity(b)
		_, _ = ParseReceipt(b)
	})
}

func FuzzParseProof(f *testing.F) {
	p := Proof{CommitEvidence: "ce:2.4:00", Path: []merkle.Step{{Left: true}}}
	f.Add(p.Marshal())
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := ParseProof(b)
		if err != nil {
			return
		}
		again, err := ParseProof(p.Marshal())
		if err != nil || again.Root() != p.Root() {
			t.Fatalf("does not survive re-encoding: %v", err)
		}
	})
}

func TestSampleFromTheFormatDescription(t *testing.T) {
	b, err := base64.StdEncoding.DecodeString("0oRAoEBA")
	if err != nil {
		t.Fatal(err)
	}
	if s, err := ParseSign1(b); err != nil || s.Header.Len() != 0 || s.Detached {
		t.Fatalf("an empty COSE_Sign1: %v", err)
	}
}
