package vectors

import (
	"bytes"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"concordat/ledger"
	"concordat/ledger/cose"
	"concordat/ledger/fixture"
	"concordat/ledger/keys"
	"concordat/ledger/merkle"
	"concordat/ledger/receipt"
	"concordat/ledger/secret"
	"concordat/ledger/snapshot"
)

// update makes new vectors; keys and signatures are random, so all change.
var update = flag.Bool("update", false, "write testdata again")

// The vectors in testdata are for any implementation; see README.md there.

// entryVector is one ledger entry, which is a function of its other fields.
type entryVector struct {
	TxID     string      `json:"txid"`
	Flags    uint8       `json:"flags"`
	Claims   string      `json:"claims_digest"`
	Maps     []mapVector `json:"maps"`
	Raw      string      `json:"entry"`
	Digest   string      `json:"write_set_digest"`
	Evidence string      `json:"commit_evidence"`
	Leaf     string      `json:"leaf"`
	Root     string      `json:"root_including_this"`
}

type mapVector struct {
	Name    string      `json:"name"`
	Writes  [][2]string `json:"writes"` // key and value, hexadecimal
	Removes []string    `json:"removes"`
}

type entriesFile struct {
	Secret  string        `json:"ledger_secret"`
	Entries []entryVector `json:"entries"`
}

// receiptVector is a receipt and what a verifier must say to it.
type receiptVector struct {
	Name       string   `json:"name"`
	Receipt    []byte   `json:"receipt"` // base64 of the bytes, JSON or COSE
	Claims     []byte   `json:"claims,omitempty"`
	TxID       string   `json:"txid,omitempty"`
	Identities [][]byte `json:"identity_endorsements,omitempty"`
	Valid      bool     `json:"valid"`
	Why        string   `json:"why,omitempty"`
}

type receiptsFile struct {
	ServiceCert string          `json:"service_certificate"`
	Cases       []receiptVector `json:"cases"`
}

type snapshotFile struct {
	ServiceCert string `json:"service_certificate"`
	Secret      string `json:"ledger_secret"`
	Seqno       uint64 `json:"seqno"`
	Digest      string `json:"digest"`
	File        []byte `json:"file"` // base64
}

func load(t *testing.T, name string, v any) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	fixture.Decode(t, b, v)
}

func store(t *testing.T, name string, v any) {
	t.Helper()
	b, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join("testdata", name), append(b, '\n'), 0o644); err != nil { // public
		t.Fatal(err)
	}
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func (v entryVector) writeSet(t *testing.T) (ws ledger.WriteSet) {
	for _, m := range v.Maps {
		out := ledger.MapWrites{Name: m.Name}
		for _, w := range m.Writes {
			out.Writes = append(out.Writes, ledger.Write{Key: unhex(t, w[0]), Value: unhex(t, w[1])})
		}
		for _, key := range m.Removes {
			out.Removes = append(out.Removes, unhex(t, key))
		}
		ws = append(ws, out)
	}
	return ws
}

// complete works out the derived fields and the tree.
func (v entryVector) complete(t *testing.T, s *secret.Secret, tree *merkle.Frontier) entryVector {
	id, err := ledger.ParseTxID(v.TxID)
	if err != nil {
		t.Fatal(err)
	}
	var claims ledger.Digest
	copy(claims[:], unhex(t, v.Claims))
	raw, wsd, leaf, err := ledger.AppendEntry(nil, id, ledger.Flags(v.Flags), claims, v.writeSet(t), s)
	if err != nil {
		t.Fatal(err)
	}
	tree.Append(leaf)
	v.Raw, v.Digest, v.Leaf, v.Root = hex.EncodeToString(raw), wsd.Hex(), leaf.Hex(), tree.Root().Hex()
	v.Evidence = ledger.CommitEvidence(id, s.CommitNonce(id))
	return v
}

func TestEntryVectors(t *testing.T) {
	if *update {
		store(t, "entries.json", makeEntries(t))
	}
	var f entriesFile
	load(t, "entries.json", &f)
	s, err := secret.FromBytes(unhex(t, f.Secret))
	if err != nil {
		t.Fatal(err)
	}
	tree := merkle.New()
	for _, want := range f.Entries {
		got := want.complete(t, s, &tree)
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s:\ngot  %+v\nwant %+v", want.TxID, got, want)
		}
		e, err := ledger.ParseEntry(unhex(t, want.Raw))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Open(e); err != nil {
			t.Error(err)
		}
	}
}

func makeEntries(t *testing.T) entriesFile {
	key := bytes.Repeat([]byte{0x42}, secret.Size)
	s, err := secret.FromBytes(key)
	if err != nil {
		t.Fatal(err)
	}
	h := func(s string) string { return hex.EncodeToString([]byte(s)) }
	zero, claims := ledger.Digest{}.Hex(), sha256.Sum256([]byte("claims"))
	f := entriesFile{Secret: hex.EncodeToString(key)}
	tree := merkle.New()
	for _, v := range []entryVector{
		{TxID: "2.1", Claims: zero, Maps: []mapVector{{Name: "public:greetings", Writes: [][2]string{{h("a"), h("hello")}, {h("b"), h("")}}}}},
		{TxID: "2.2", Claims: zero, Maps: []mapVector{{Name: "records", Writes: [][2]string{{h("42"), h("private")}}}}},
		{TxID: "2.3", Claims: hex.EncodeToString(claims[:]), Maps: []mapVector{
			{Name: "public:greetings", Removes: []string{h("a")}}, {Name: "records", Writes: [][2]string{{h("1"), h("x")}}, Removes: []string{h("42")}},
		}},
		{TxID: "3.4", Flags: 1, Claims: zero, Maps: []mapVector{{Name: "public:empty key", Writes: [][2]string{{"", h("v")}}}}},
		{TxID: "2147483647.5", Flags: 2, Claims: zero, Maps: []mapVector{{Name: "public:ü", Writes: [][2]string{{"00", "ff"}}}}},
	} {
		f.Entries = append(f.Entries, v.complete(t, s, &tree))
	}
	return f
}

func TestReceiptVectors(t *testing.T) {
	if *update {
		store(t, "receipts.json", makeReceipts(t))
	}
	var f receiptsFile
	load(t, "receipts.json", &f)
	valid := 0
	for _, c := range f.Cases {
		o := receipt.Options{Claims: c.Claims, Identities: c.Identities}
		if c.TxID != "" {
			id, err := ledger.ParseTxID(c.TxID)
			if err != nil {
				t.Fatal(err)
			}
			o.TxID = id
		}
		_, err := receipt.Verify(c.Receipt, []byte(f.ServiceCert), o)
		switch {
		case c.Valid && err != nil:
			t.Errorf("%s: %v", c.Name, err)
		case !c.Valid && (err == nil || !strings.Contains(err.Error(), c.Why)):
			t.Errorf("%s: %v, want %q", c.Name, err, c.Why)
		case !c.Valid && !errors.Is(err, receipt.ErrInvalid) && !errors.Is(err, receipt.ErrMalformed):
			t.Errorf("%s: %v is of no class", c.Name, err)
		}
		if c.Valid {
			valid++
		}
	}
	if valid < 5 || len(f.Cases)-valid < 10 {
		t.Errorf("%d valid of %d", valid, len(f.Cases))
	}
}

// consortium is a service that was recovered once: an old and a current
// identity, and a node of each time.
type consortium struct {
	t                *testing.T
	old, current     *keys.PrivateKey
	oldCert, curCert []byte
	oldNode, node    *keys.PrivateKey
	oldPEM, nodePEM  []byte
	endorsement      []byte // X.509
	identity         []byte // COSE
	claims           []byte
	window           keys.Window
}

func newConsortium(t *testing.T) *consortium {
	c := &consortium{t: t, claims: []byte("the claims of the application"), window: keys.Days(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), 36500)}
	key := func() *keys.PrivateKey {
		k, err := keys.Generate(elliptic.P384(), rand.Reader)
		c.ok(err)
		return k
	}
	c.old, c.current, c.oldNode, c.node = key(), key(), key(), key()
	var err error
	c.oldCert, err = keys.ServiceCert(rand.Reader, c.old, "CN=CCF Service", c.window)
	c.ok(err)
	c.curCert, err = keys.ServiceCert(rand.Reader, c.current, "CN=CCF Service", c.window)
	c.ok(err)
	c.oldPEM, c.nodePEM = c.endorse(c.oldNode, c.old, c.oldCert), c.endorse(c.node, c.current, c.curCert)
	c.endorsement, err = keys.EndorseIdentity(rand.Reader, c.cert(c.oldCert), keys.Issuer{Key: c.current, Cert: c.cert(c.curCert)})
	c.ok(err)
	c.identity, err = cose.SignIdentity(rand.Reader, c.current, cose.Identity{
		IssuedAt: 1767225600, Start: ledger.TxID{View: 2, Seqno: 1}, End: ledger.TxID{View: 2, Seqno: 20}, EndRoot: ledger.Digest{1}, Key: c.old.SPKI(),
	})
	c.ok(err)
	return c
}

func (c *consortium) ok(err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
}

func (c *consortium) cert(pem []byte) *x509.Certificate {
	c.t.Helper()
	cert, err := keys.ParseCertPEM(pem)
	c.ok(err)
	return cert
}

func (c *consortium) endorse(node, service *keys.PrivateKey, cert []byte) []byte {
	csr, err := keys.NodeCSR(rand.Reader, node, "CN=CCF Node", []keys.SAN{{DNS: "localhost"}})
	c.ok(err)
	out, err := keys.EndorseNode(rand.Reader, csr, keys.Issuer{Key: service, Cert: c.cert(cert)}, c.window)
	c.ok(err)
	return out
}

func steps() []merkle.Step {
	return []merkle.Step{{Left: true, Hash: sha256.Sum256([]byte("left"))}, {Hash: sha256.Sum256([]byte("right"))}, {Left: true, Hash: sha256.Sum256([]byte("far left"))}}
}

// json makes a JSON receipt after change, if any, and signs what it leads to.
func (c *consortium) json(node *keys.PrivateKey, pem []byte, change func(*receipt.Receipt)) *receipt.Receipt {
	claims := ledger.Digest(sha256.Sum256(c.claims))
	r := &receipt.Receipt{
		Cert: string(pem), NodeID: node.ID(), Proof: steps(),
		Components: &receipt.Components{WriteSetDigest: sha256.Sum256([]byte("entry")), CommitEvidence: "ce:2.15:" + claims.Hex(), Claims: &claims},
	}
	if change != nil {
		change(r)
	}
	root := r.Root()
	sig, err := node.SignDigestDER(rand.Reader, root[:])
	c.ok(err)
	r.Signature = sig
	return r
}

func (c *consortium) cose(service *keys.PrivateKey) (signature, whole []byte) {
	claims := ledger.Digest(sha256.Sum256(c.claims))
	proof := cose.Proof{WriteSetDigest: sha256.Sum256([]byte("entry")), CommitEvidence: "ce:2.15:" + claims.Hex(), Claims: claims, Path: steps()}
	h := cose.RootHeader{IssuedAt: 1767225600, Issuer: "service.example.com", Subject: "ledger.signature", TxID: ledger.TxID{View: 2, Seqno: 18}}
	signature, err := cose.SignRoot(rand.Reader, service, h, proof.Root())
	c.ok(err)
	whole, err = cose.BuildReceipt(signature, proof.Marshal())
	c.ok(err)
	return signature, whole
}

func makeReceipts(t *testing.T) receiptsFile {
	c := newConsortium(t)
	f := receiptsFile{ServiceCert: string(c.curCert)}
	good := func(name string, b []byte, o ...func(*receiptVector)) { f.add(name, b, "", o) }
	bad := func(name, why string, b []byte, o ...func(*receiptVector)) { f.add(name, b, why, o) }
	claims := func(v *receiptVector) { v.Claims = c.claims }
	identities := func(v *receiptVector) { v.Identities = [][]byte{c.identity} }
	plain := c.json(c.node, c.nodePEM, nil)
	signature, whole := c.cose(c.current)
	_, aged := c.cose(c.old)

	good("JSON", plain.Marshal(), claims)
	good("JSON, nothing asked for", plain.Marshal())
	good("JSON of a signature transaction", c.json(c.node, c.nodePEM, asLeaf).Marshal())
	good("JSON without claims, as in an entry of type 3", c.json(c.node, c.nodePEM, func(r *receipt.Receipt) { r.Components.Claims = nil }).Marshal())
	good("JSON from before a recovery", c.json(c.oldNode, c.oldPEM, func(r *receipt.Receipt) { r.Endorsements = []string{string(c.endorsement)} }).Marshal(), claims)
	good("COSE", whole, claims, func(v *receiptVector) { v.TxID = "2.15" })
	good("COSE from before a recovery", aged, claims, identities)

	bad("JSON, other claims", "its claims digest is", plain.Marshal(), func(v *receiptVector) { v.Claims = []byte("others") })
	bad("JSON, other transaction", "it is about transaction 2.15", plain.Marshal(), func(v *receiptVector) { v.TxID = "2.16" })
	bad("JSON from before a recovery, endorsement left out", "is not signed by the service certificate", c.json(c.oldNode, c.oldPEM, nil).Marshal())
	bad("JSON, step on the other side", "does not fit the root", bytes.Replace(plain.Marshal(), []byte(`{"right":`), []byte(`{"left":`), 1))
	bad("JSON, step left out", "does not fit the root", c.without(plain).Marshal())
	bad("JSON, node id of another node", "its certificate is for node", bytes.Replace(plain.Marshal(), []byte(c.node.ID()), []byte(c.oldNode.ID()), 1))
	bad("JSON, signature altered", "does not fit the root", c.altered(plain).Marshal())
	bad("JSON, both leaf and components", "exactly one of leaf and leaf_components", bytes.Replace(plain.Marshal(), []byte(`"node_id"`), []byte(`"leaf":"00","node_id"`), 1))
	bad("JSON of a signature transaction says nothing of claims", "it says nothing about claims", c.json(c.node, c.nodePEM, asLeaf).Marshal(), claims)
	bad("COSE, other claims", "its claims digest is", whole, func(v *receiptVector) { v.Claims = []byte("others") })
	bad("COSE from before a recovery, endorsement left out", "not by the service key", aged)
	bad("COSE without a proof", "without proofs", signature)
	bad("COSE, bit of the proof flipped", "does not verify", flipped(whole, bytes.Index(whole, []byte("ce:"))+20))
	bad("COSE, bit of the signature flipped", "does not verify", flipped(whole, len(whole)-1))
	bad("COSE, cut short", "malformed", whole[:len(whole)-1])
	bad("COSE, byte behind it", "malformed", append(bytes.Clone(whole), 0))
	bad("empty", "malformed", nil)
	return f
}

func (f *receiptsFile) add(name string, b []byte, why string, options []func(*receiptVector)) {
	v := receiptVector{Name: name, Receipt: b, Valid: why == "", Why: why}
	for _, o := range options {
		o(&v)
	}
	f.Cases = append(f.Cases, v)
}

func asLeaf(r *receipt.Receipt) {
	root := ledger.Digest(sha256.Sum256([]byte("root")))
	r.Leaf, r.Components, r.Proof = &root, nil, nil
}

func (c *consortium) without(r *receipt.Receipt) *receipt.Receipt {
	short := *r
	short.Proof = short.Proof[1:]
	return &short
}

func (c *consortium) altered(r *receipt.Receipt) *receipt.Receipt {
	other := *r
	other.Signature = flipped(r.Signature, len(r.Signature)-1)
	return &other
}

func flipped(b []byte, at int) []byte {
	out := bytes.Clone(b)
	out[at] ^= 1
	return out
}

func TestSnapshotVectors(t *testing.T) {
	if *update {
		store(t, "snapshot.json", makeSnapshot(t))
	}
	var f snapshotFile
	load(t, "snapshot.json", &f)
	s, err := snapshot.Parse(f.File)
	if err != nil {
		t.Fatal(err)
	}
	if s.Digest().Hex() != f.Digest || s.Seqno != f.Seqno {
		t.Errorf("digest %s at %d", s.Digest().Hex(), s.Seqno)
	}
	if _, err := s.Verify([]byte(f.ServiceCert), snapshot.Name{}, receipt.Options{}); err != nil {
		t.Error(err)
	}
	key, err := secret.FromBytes(unhex(t, f.Secret))
	if err != nil {
		t.Fatal(err)
	}
	private, err := s.Private(key)
	if err != nil {
		t.Fatal(err)
	}
	again, err := snapshot.Seal(&s.State, private, key)
	if err != nil || !bytes.Equal(again, s.Entry) {
		t.Errorf("written again differently: %v", err)
	}
}

func makeSnapshot(t *testing.T) snapshotFile {
	c := newConsortium(t)
	key := bytes.Repeat([]byte{0x24}, secret.Size)
	s, err := secret.FromBytes(key)
	c.ok(err)
	items := []snapshot.Item{
		{Key: []byte("alice"), Value: []byte("1"), Version: 2}, {Key: []byte("bob"), Value: []byte("22222222"), Version: 5}, {Key: []byte(""), Value: nil, Version: 4},
	}
	snapshot.Sort(items)
	state := snapshot.State{Seqno: 6, Leaf: sha256.Sum256([]byte("leaf")), Views: []ledger.Seqno{1, 1, 4}, Maps: []snapshot.Map{
		{Name: "public:accounts", Version: 5, Items: items}, {Name: "public:emptied", Version: 3}, {Name: "public:never written"},
	}}
	entry, err := snapshot.Seal(&state, []snapshot.Map{{Name: "records", Version: 4, Items: items[:1]}}, s)
	c.ok(err)
	digest := ledger.Digest(sha256.Sum256(entry))
	proof := c.json(c.node, c.nodePEM, func(r *receipt.Receipt) { r.Components.Claims = &digest })
	return snapshotFile{ServiceCert: string(c.curCert), Secret: hex.EncodeToString(key), Seqno: 6, Digest: digest.Hex(), File: append(entry, proof.Marshal()...)}
}
