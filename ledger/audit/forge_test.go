package audit

import (
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"concordat/ledger"
	"concordat/ledger/cose"
	"concordat/ledger/keys"
	"concordat/ledger/merkle"
	"concordat/ledger/receipt"
	"concordat/ledger/secret"
	"concordat/ledger/snapshot"
)

// forge writes ledgers of our own, honest or not.
type forge struct {
	t             *testing.T
	service, node *keys.PrivateKey
	serviceCert   []byte
	nodeCert      []byte
	window        keys.Window
	secret        *secret.Secret
	id            ledger.TxID
	tree          merkle.Frontier
	leaves        []ledger.Digest
	from          uint64
	peaks         merkle.Frontier
	out           []byte
	starts        []uint32
	root          ledger.Digest // signed last
	create        string
	recoveries    int
}

func newForge(t *testing.T) *forge {
	f := &forge{t: t, id: ledger.TxID{View: 2}, tree: merkle.New(), window: keys.Days(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), 365)}
	f.secret = must(secret.Generate(rand.Reader))(t)
	f.newService()
	f.node = must(keys.Generate(elliptic.P256(), rand.Reader))(t)
	f.nodeCert = f.endorse(f.node)
	f.leaves = []ledger.Digest{{}}
	f.peaks = merkle.Frontier{}
	f.create = "2.1"
	f.add(writes(serviceInfoTable, ledger.SingleKey, f.info(opening)), writes(nodesInfoTable, f.node.ID(), `{"status":"Trusted"}`),
		writes(endorsedCertsTable, f.node.ID(), string(f.nodeCert)), writes(serviceConfigTable, ledger.SingleKey, `{"recovery_threshold":1}`))
	return f
}

func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func (f *forge) newService() {
	f.service = must(keys.Generate(elliptic.P256(), rand.Reader))(f.t)
	f.serviceCert = must(keys.ServiceCert(rand.Reader, f.service, "CN=S", f.window))(f.t)
}

func (f *forge) endorse(node *keys.PrivateKey) []byte {
	csr := must(keys.NodeCSR(rand.Reader, node, "CN=N", nil))(f.t)
	cert := must(keys.ParseCertPEM(f.serviceCert))(f.t)
	return must(keys.EndorseNode(rand.Reader, csr, keys.Issuer{Key: f.service, Cert: cert}, f.window))(f.t)
}

func (f *forge) info(status string) string {
	b := must(json.Marshal(map[string]any{
		"cert": string(f.serviceCert), "status": status, "current_service_create_txid": f.create, "recovery_count": f.recoveries,
	}))(f.t)
	return string(b)
}

func writes(table, key, value string) ledger.MapWrites {
	return ledger.MapWrites{Name: table, Writes: []ledger.Write{{Key: []byte(key), Value: []byte(value)}}}
}

func removes(table, key string) ledger.MapWrites {
	return ledger.MapWrites{Name: table, Removes: [][]byte{[]byte(key)}}
}

// add appends one transaction.
func (f *forge) add(maps ...ledger.MapWrites) { f.addWith(0, ledger.Digest{}, maps...) }

func (f *forge) addWith(flags ledger.Flags, claims ledger.Digest, maps ...ledger.MapWrites) {
	f.t.Helper()
	slices.SortFunc(maps, func(a, b ledger.MapWrites) int {
		if a.Name < b.Name {
			return -1
		}
		return 1
	})
	f.id.Seqno++
	start := len(f.out)
	out, _, leaf, err := ledger.AppendEntry(f.out, f.id, flags, claims, maps, f.secret)
	if err != nil {
		f.t.Fatal(err)
	}
	f.out, f.starts = out, append(f.starts, uint32(fileHeader+start))
	f.tree.Append(leaf)
	f.leaves = append(f.leaves, leaf)
}

// tables are the three values of a signature transaction.
type tables struct {
	row  *receipt.NodeSignature
	cose []byte
	tree []byte
}

// signatureTables makes honest ones for the next entry.
func (f *forge) signatureTables() tables {
	id := ledger.TxID{View: f.id.View, Seqno: f.id.Seqno + 1}
	root := f.tree.Root()
	sig := must(f.node.SignDigestDER(rand.Reader, root[:]))(f.t)
	signed := must(cose.SignRoot(rand.Reader, f.service, cose.RootHeader{TxID: id, IssuedAt: 1}, root))(f.t)
	return tables{
		row:  &receipt.NodeSignature{Cert: string(f.nodeCert), NodeID: f.node.ID(), Root: root, TxID: id, Signature: sig},
		cose: signed, tree: merkle.MarshalTable(f.from, f.peaks, f.leaves[f.from:]),
	}
}

// sign appends a signature transaction after change, if any, has spoilt it.
func (f *forge) sign(change func(*tables)) {
	v := f.signatureTables()
	if change != nil {
		change(&v)
	}
	f.root = f.tree.Root()
	f.add(v.maps()...)
}

func (v tables) maps() []ledger.MapWrites {
	return []ledger.MapWrites{
		writes(receipt.COSESignaturesTable, ledger.SingleKey, string(receipt.MarshalCOSERow(v.cose))),
		writes(receipt.SignaturesTable, ledger.SingleKey, string(v.row.Marshal())),
		writes(receipt.TreeTable, ledger.SingleKey, string(v.tree)),
	}
}

// data appends an ordinary transaction.
func (f *forge) data() { f.add(writes("records", "k", "v"), writes("public:records", "k", "v")) }

// audit writes what was forged into one open file and audits it with all that
// an auditor may know.
func (f *forge) audit() *Report {
	f.t.Helper()
	dir := f.t.TempDir()
	write(f.t, filepath.Join(dir, "ledger_1"), append(make([]byte, fileHeader), f.out...))
	return audited(f.t, Options{ServiceCert: f.serviceCert, Secrets: map[ledger.Seqno]*secret.Secret{1: f.secret}}, dir)
}

func TestHonestLedgerOfOurOwn(t *testing.T) {
	f := newForge(t)
	f.sign(nil)
	f.data()
	f.sign(nil)
	if r := f.audit(); !r.OK() || r.Signatures != 2 || r.Opened != 4 || len(r.Findings) != 0 {
		t.Fatalf("%s", r.Summary())
	}
	f.data()
	if r := f.audit(); !r.OK() || r.Unsigned == nil || r.Unsigned.First.Seqno != 5 {
		t.Fatalf("%s", r.Summary())
	}
}

// TestForgedSignatures has one line a lie in a signature transaction.
func TestForgedSignatures(t *testing.T) {
	stranger := must(keys.Generate(elliptic.P256(), rand.Reader))(t)
	for name, c := range map[string]struct {
		want   string
		change func(f *forge, v *tables)
	}{
		"root": {"does not verify", func(_ *forge, v *tables) { v.row.Root[0] ^= 1 }},
		"other root, signed": {"its tree leads to root", func(f *forge, v *tables) {
			v.row.Root[0] ^= 1
			v.row.Signature = must(f.node.SignDigestDER(rand.Reader, v.row.Root[:]))(t)
		}},
		"node": {"not part of the service", func(_ *forge, v *tables) { v.row.NodeID = stranger.ID() }},
		"node key": {"does not verify", func(f *forge, v *tables) {
			v.row.Signature = must(stranger.SignDigestDER(rand.Reader, v.row.Root[:]))(t)
		}},
		"node certificate": {"not one that the ledger gave", func(f *forge, v *tables) { v.row.Cert = string(f.endorse(f.node)) }},
		"signature's id":   {"its signature says it is of 2.9", func(_ *forge, v *tables) { v.row.TxID.Seqno = 9 }},
		"unused field":     {"always zero", func(_ *forge, v *tables) { v.row.CommitSeqno = 1 }},
		"COSE key": {"not by the service key", func(f *forge, v *tables) {
			v.cose = must(cose.SignRoot(rand.Reader, stranger, cose.RootHeader{TxID: v.row.TxID}, v.row.Root))(t)
		}},
		"COSE id": {"COSE signature says it is of 2.9", func(f *forge, v *tables) {
			v.cose = must(cose.SignRoot(rand.Reader, f.service, cose.RootHeader{TxID: ledger.TxID{View: 2, Seqno: 9}}, v.row.Root))(t)
		}},
		"COSE root": {"does not verify", func(f *forge, v *tables) {
			v.cose = must(cose.SignRoot(rand.Reader, f.service, cose.RootHeader{TxID: v.row.TxID}, ledger.Digest{1}))(t)
		}},
		"COSE with a receipt in it": {"not written as a service writes it", func(_ *forge, v *tables) {
			p := cose.Proof{CommitEvidence: "ce:2.1:0", Path: []merkle.Step{{}}}
			v.cose = must(cose.BuildReceipt(v.cose, p.Marshal()))(t)
		}},
		"tree too short": {"its tree reaches to entry", func(f *forge, v *tables) {
			v.tree = merkle.MarshalTable(0, merkle.Frontier{}, f.leaves[:len(f.leaves)-1])
		}},
		"tree leaf": {"its tree leads to root", func(_ *forge, v *tables) { v.tree[20] ^= 1 }},
		"no tree":   {"malformed Merkle", func(_ *forge, v *tables) { v.tree = nil }},
	} {
		f := newForge(t)
		f.data()
		f.sign(func(v *tables) { c.change(f, v) })
		if r := f.audit(); r.OK() || !mentions(r, Invalid, "", c.want) {
			t.Errorf("%s: no finding %q in\n%s", name, c.want, r.Summary())
		}
	}
}

// TestForgedHistories has one line a lie that a signature would cover, were the
// signer the liar.
func TestForgedHistories(t *testing.T) {
	stranger := must(keys.Generate(elliptic.P256(), rand.Reader))(t)
	node := stranger.ID()
	for name, c := range map[string]struct {
		severity Severity
		want     string
		lie      func(f *forge)
	}{
		"claims on a signature": {Invalid, "application claims", func(f *forge) { f.addWith(0, ledger.Digest{1}, f.signatureTables().maps()...) }},
		"private part in a signature": {Invalid, "private part", func(f *forge) {
			f.add(append(f.signatureTables().maps(), writes("records", "k", "v"))...)
		}},
		"more in a signature": {Invalid, "also changes public:records", func(f *forge) {
			f.add(append(f.signatureTables().maps(), writes("public:records", "k", "v"))...)
		}},
		"half a signature": {Invalid, "a part of a signature", func(f *forge) { f.add(f.signatureTables().maps()[0]) }},
		"chunk end":        {Invalid, "is not a signature transaction", func(f *forge) { f.addWith(ledger.FlagChunkAfter, ledger.Digest{}, writes("r", "k", "v")) }},
		"chunk goes on": {Invalid, "the file goes on", func(f *forge) {
			f.addWith(ledger.FlagChunkAfter, ledger.Digest{}, f.signatureTables().maps()...)
			f.data()
		}},
		"chunk begin":   {Invalid, "not the first of its file", func(f *forge) { f.addWith(ledger.FlagChunkBefore, ledger.Digest{}, writes("r", "k", "v")) }},
		"view back":     {Invalid, "is below the view", func(f *forge) { f.id.View = 1; f.data() }},
		"view by data":  {Odd, "first entry of view 3", func(f *forge) { f.id.View = 3; f.data() }},
		"seqno":         {Invalid, "its place is that of entry", func(f *forge) { f.id.Seqno++; f.data() }},
		"status":        {Invalid, "the service goes from Opening to", func(f *forge) { f.add(writes(serviceInfoTable, ledger.SingleKey, f.info("Closed"))) }},
		"key":           {Invalid, "changes its key without a recovery", func(f *forge) { f.newService(); f.add(writes(serviceInfoTable, ledger.SingleKey, f.info(opening))) }},
		"another start": {Invalid, "another start of the same service", func(f *forge) { f.create = "2.9"; f.add(writes(serviceInfoTable, ledger.SingleKey, f.info(opening))) }},
		"no certificate": {Invalid, "certificate in " + serviceInfoTable, func(f *forge) {
			f.add(writes(serviceInfoTable, ledger.SingleKey, `{"cert":"x","status":"Open"}`))
		}},
		"no JSON":        {Invalid, "does not hold the JSON", func(f *forge) { f.add(writes(serviceInfoTable, ledger.SingleKey, `{`)) }},
		"node status":    {Invalid, "has status", func(f *forge) { f.add(writes(nodesInfoTable, node, `{"status":"Chief"}`)) }},
		"node row":       {Invalid, "is not the JSON it should be", func(f *forge) { f.add(writes(nodesInfoTable, node, `[`)) }},
		"node removed":   {Invalid, "which is still trusted", func(f *forge) { f.add(removes(nodesInfoTable, f.node.ID())) }},
		"node not there": {Odd, "which is not there", func(f *forge) { f.add(removes(nodesInfoTable, node)) }},
		"foreign node certificate": {Invalid, "not signed by the service", func(f *forge) {
			f.add(writes(endorsedCertsTable, node, string(newForge(t).endorse(stranger))))
		}},
		"certificate of another node": {Invalid, "is of node", func(f *forge) { f.add(writes(endorsedCertsTable, f.node.ID(), string(f.endorse(stranger)))) }},
		"pending node signs": {Invalid, "which is Pending", func(f *forge) {
			f.add(writes(nodesInfoTable, node, `{"status":"Pending"}`), writes(endorsedCertsTable, node, string(f.endorse(stranger))))
			f.node, f.nodeCert = stranger, f.endorse(stranger)
			f.sign(nil)
		}},
		"evidence of nothing": {Invalid, "no signature transaction before it", func(f *forge) {
			d := ledger.Digest{7}
			f.addWith(0, d, writes(snapshot.EvidenceTable, ledger.SingleKey, string(snapshot.Evidence{Hash: d, Version: 1}.Marshal())))
		}},
		"evidence without claim": {Invalid, "but claims", func(f *forge) {
			f.add(writes(snapshot.EvidenceTable, ledger.SingleKey, string(snapshot.Evidence{Hash: ledger.Digest{7}, Version: 2}.Marshal())))
		}},
		"secret of nowhere": {Invalid, "where none began", func(f *forge) { f.add(writes(historicalSecretsTable, ledger.SingleKey, `{"next_version":77}`)) }},
		"no secret":         {Invalid, "holds nothing", func(f *forge) { f.add(writes(historicalSecretsTable, ledger.SingleKey, `{}`)) }},
		"short secret": {Invalid, "is not 60 bytes", func(f *forge) {
			f.add(writes(historicalSecretsTable, ledger.SingleKey, `{"previous_ledger_secret":{"encrypted_data":"AAAA","version":1}}`))
		}},
		"short wrapped secret": {Invalid, "is not 60 bytes", func(f *forge) {
			f.add(writes(recoverySharesTable, ledger.SingleKey, `{"encrypted_shares":{},"wrapped_latest_ledger_secret":"AAAA"}`))
		}},
		"secret to a stranger": {Odd, "never trusted", func(f *forge) {
			f.add(writes(encryptedSecretsTable, ledger.SingleKey, `{"`+node+`":[{"encrypted_secret":"AA==","version":null}]}`))
		}},
	} {
		f := newForge(t)
		f.sign(nil)
		c.lie(f)
		f.sign(nil)
		r := f.audit()
		if (c.severity == Invalid) == r.OK() || !mentions(r, c.severity, "", c.want) {
			t.Errorf("%s: no finding %q in\n%s", name, c.want, r.Summary())
		}
	}
}

// TestForgedGovernance has one line a lie about what members signed.
func TestForgedGovernance(t *testing.T) {
	member := must(keys.Generate(elliptic.P256(), rand.Reader))(t)
	_, cert, err := keys.NewIdentity(rand.Reader, elliptic.P256(), "other", keys.Days(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), 9))
	if err != nil {
		t.Fatal(err)
	}
	signed := func(key *keys.PrivateKey, kid string) string {
		b := must(cose.SignGov(rand.Reader, key, cose.RequestHeader{Kid: kid, Type: cose.TypeProposal, CreatedAt: 1}, []byte("{}")))(t)
		return base64.StdEncoding.EncodeToString(b)
	}
	for name, c := range map[string]struct {
		want string
		act  func(f *forge, id string, key *keys.PrivateKey)
	}{
		"honest": {"", func(f *forge, id string, key *keys.PrivateKey) {
			f.add(writes(signedGovTable, id, `"`+signed(key, id)+`"`), writes(proposalsTable, "p", "{}"))
			f.add(writes(memberAcksTable, id, `{"state_digest":"","cose_sign1_req":"`+signed(key, id)+`"}`))
		}},
		"other signer": {"does not verify", func(f *forge, id string, _ *keys.PrivateKey) {
			f.add(writes(signedGovTable, id, `"`+signed(member, id)+`"`))
		}},
		"other kid": {"is by", func(f *forge, id string, key *keys.PrivateKey) {
			f.add(writes(signedGovTable, id, `"`+signed(key, "x")+`"`))
		}},
		"stranger": {"does not have", func(f *forge, _ string, key *keys.PrivateKey) {
			f.add(writes(signedGovTable, "x", `"`+signed(key, "x")+`"`))
		}},
		"other proposal": {"not the one member", func(f *forge, id string, key *keys.PrivateKey) {
			f.add(writes(signedGovTable, id, `"`+signed(key, id)+`"`), writes(proposalsTable, "p", "{ }"))
		}},
		"not COSE":   {"outer array", func(f *forge, id string, _ *keys.PrivateKey) { f.add(writes(signedGovTable, id, `"AAAA"`)) }},
		"not base64": {"not base64", func(f *forge, id string, _ *keys.PrivateKey) { f.add(writes(signedGovTable, id, `"!"`)) }},
		"not JSON":   {"not a JSON string", func(f *forge, id string, _ *keys.PrivateKey) { f.add(writes(signedGovTable, id, `{`)) }},
		"forged ack": {"does not verify", func(f *forge, id string, _ *keys.PrivateKey) {
			f.add(writes(memberAcksTable, id, `{"cose_sign1_req":"`+signed(member, id)+`"}`))
		}},
		"other's cert": {"is that of", func(f *forge, id string, _ *keys.PrivateKey) { f.add(writes(memberCertsTable, id, string(cert))) }},
		"no cert":      {"the certificate of member", func(f *forge, id string, _ *keys.PrivateKey) { f.add(writes(memberCertsTable, id, "x")) }},
	} {
		f := newForge(t)
		key, text, err := keys.NewIdentity(rand.Reader, elliptic.P256(), "m", f.window)
		if err != nil {
			t.Fatal(err)
		}
		id := keys.CertID(must(keys.ParseCertPEM(text))(t).Raw)
		f.add(writes(memberCertsTable, id, string(text)))
		c.act(f, id, key)
		f.sign(nil)
		if r := f.audit(); (c.want == "") != r.OK() || c.want != "" && !mentions(r, Invalid, "", c.want) {
			t.Errorf("%s: no finding %q in\n%s", name, c.want, r.Summary())
		}
	}
}

// recoverService appends the start of a recovered service in honest form, after
// change has spoilt its tables.
func (f *forge) recoverService(change func(map[string]string)) {
	old := string(f.serviceCert)
	f.id.View += 2
	f.create, f.recoveries = fmt.Sprintf("%d.%d", f.id.View, f.id.Seqno+1), f.recoveries+1
	f.newService()
	f.node = must(keys.Generate(elliptic.P256(), rand.Reader))(f.t)
	f.nodeCert = f.endorse(f.node)
	quoted := must(json.Marshal(old))(f.t)
	rows := map[string]string{
		serviceInfoTable: f.info(recovering), previousIdentityTable: string(quoted), lastSignedRootTable: `"` + f.root.Hex() + `"`,
	}
	if change != nil {
		change(rows)
	}
	maps := []ledger.MapWrites{writes(nodesInfoTable, f.node.ID(), `{"status":"Trusted"}`), writes(endorsedCertsTable, f.node.ID(), string(f.nodeCert))}
	for table, row := range rows {
		maps = append(maps, writes(table, ledger.SingleKey, row))
	}
	f.add(maps...)
}

// identity appends an identity endorsement in honest form after change.
func (f *forge) identity(id cose.Identity, previous *uint64, change func(map[string]any)) {
	message := must(cose.SignIdentity(rand.Reader, f.service, id))(f.t)
	row := map[string]any{
		"endorsement": base64.StdEncoding.EncodeToString(message), "endorsement_epoch_begin": id.Start.String(),
		"endorsing_key": base64.StdEncoding.EncodeToString(f.service.SPKI()),
	}
	if !id.End.IsZero() {
		row["endorsement_epoch_end"] = id.End.String()
	}
	if previous != nil {
		row["previous_version"] = *previous
	}
	if change != nil {
		change(row)
	}
	f.add(writes(identityTable, ledger.SingleKey, string(must(json.Marshal(row))(f.t))))
}

func TestRecoveriesOfOurOwn(t *testing.T) {
	for name, c := range map[string]struct {
		want   string
		change func(map[string]string)
	}{
		"honest":             {"", nil},
		"other predecessor":  {"not the certificate of the service before", func(r map[string]string) { r[previousIdentityTable] = `"x"` }},
		"other root":         {"the service before last signed", func(r map[string]string) { r[lastSignedRootTable] = `"00"` }},
		"not a recovery yet": {"changes its key without a recovery", func(r map[string]string) { r[serviceInfoTable] = replaceStatus(r[serviceInfoTable], open) }},
	} {
		f := newForge(t)
		f.sign(nil)
		f.data()
		f.sign(nil)
		f.recoverService(c.change)
		f.sign(nil)
		r := f.audit()
		r.Findings = slices.DeleteFunc(r.Findings, func(x Finding) bool { return x.Text == "its GCM tag does not verify with the ledger secret" })
		if c.want == "" && len(r.Findings) != 0 || c.want != "" && !mentions(r, Invalid, "", c.want) {
			t.Errorf("%s: no finding %q in\n%s", name, c.want, r.Summary())
		}
	}
	f := newForge(t)
	f.sign(nil)
	f.data()
	f.recoverService(nil)
	if r := f.audit(); !mentions(r, Invalid, "", "behind an entry that is not a signature") {
		t.Errorf("a recovery that keeps unsigned entries:\n%s", r.Summary())
	}
}

func replaceStatus(row, status string) string {
	var v map[string]any
	_ = json.Unmarshal([]byte(row), &v)
	v["status"] = status
	b, _ := json.Marshal(v)
	return string(b)
}

func TestIdentityChains(t *testing.T) {
	stranger := must(keys.Generate(elliptic.P256(), rand.Reader))(t)
	for name, c := range map[string]struct {
		want   string
		change func(f *forge, id *cose.Identity, previous *uint64) func(map[string]any)
	}{
		"honest": {"", nil},
		"other key": {"is not of the key", func(_ *forge, id *cose.Identity, _ *uint64) func(map[string]any) {
			id.Key = stranger.SPKI()
			return nil
		}},
		"begin": {"begins at", func(_ *forge, id *cose.Identity, _ *uint64) func(map[string]any) { id.Start.Seqno = 2; return nil }},
		"end":   {"ends at", func(_ *forge, id *cose.Identity, _ *uint64) func(map[string]any) { id.End.Seqno--; return nil }},
		"root":  {"ends with root", func(_ *forge, id *cose.Identity, _ *uint64) func(map[string]any) { id.EndRoot[0] ^= 1; return nil }},
		"pointer": {"does not point to the one before", func(_ *forge, _ *cose.Identity, previous *uint64) func(map[string]any) {
			*previous = 1
			return nil
		}},
		"row": {"its row says", func(*forge, *cose.Identity, *uint64) func(map[string]any) {
			return func(row map[string]any) { row["endorsement_epoch_begin"] = "2.2" }
		}},
		"not by the service": {"is not by the service", func(*forge, *cose.Identity, *uint64) func(map[string]any) {
			return func(row map[string]any) { row["endorsing_key"] = base64.StdEncoding.EncodeToString(stranger.SPKI()) }
		}},
		"not base64": {"not base64", func(*forge, *cose.Identity, *uint64) func(map[string]any) {
			return func(row map[string]any) { row["endorsement"] = "!" }
		}},
	} {
		f := newForge(t)
		f.sign(nil)
		first := f.service.SPKI()
		f.identity(cose.Identity{Start: ledger.TxID{View: 2, Seqno: 1}, Key: first}, nil, nil)
		at := f.id.Seqno
		f.sign(nil)
		end := ledger.TxID{View: 2, Seqno: f.id.Seqno}
		f.recoverService(nil)
		id := cose.Identity{Start: ledger.TxID{View: 2, Seqno: 1}, End: end, EndRoot: f.root, Key: first}
		var spoil func(map[string]any)
		if c.change != nil {
			spoil = c.change(f, &id, &at)
		}
		f.identity(id, &at, spoil)
		f.sign(nil)
		r := f.audit()
		r.Findings = slices.DeleteFunc(r.Findings, func(x Finding) bool { return x.Text == "its GCM tag does not verify with the ledger secret" })
		if c.want == "" && len(r.Findings) != 0 || c.want != "" && !mentions(r, Invalid, "", c.want) {
			t.Errorf("%s: no finding %q in\n%s", name, c.want, r.Summary())
		}
	}
}

// TestTornAndDamagedAreToldApart damages the size of an entry in the middle of
// an open file, which makes it look cut off.
func TestTornAndDamagedAreToldApart(t *testing.T) {
	f := newForge(t)
	f.sign(nil)
	middle := len(f.out)
	f.data()
	f.sign(nil)
	whole := slices.Clone(f.out)
	f.out[middle+4] ^= 0x10
	if r := f.audit(); r.OK() || !mentions(r, Invalid, "", "yet the next one begins at") {
		t.Errorf("damaged:\n%s", r.Summary())
	}
	f.out = whole[:len(whole)-10]
	if r := f.audit(); !r.OK() || r.Torn == nil || r.LastSigned.Seqno != 2 {
		t.Errorf("torn:\n%s", r.Summary())
	}
}

// TestPositionsAreCompared writes complete files with wrong tables.
func TestPositionsAreCompared(t *testing.T) {
	for name, c := range map[string]struct {
		want   string
		change func(starts []uint32) []uint32
	}{
		"honest":  {"", func(s []uint32) []uint32 { return s }},
		"moved":   {"the positions table puts entry", func(s []uint32) []uint32 { s[1]++; return s }},
		"missing": {"the positions table has", func(s []uint32) []uint32 { return s[:1] }},
		"extra":   {"the positions table has", func(s []uint32) []uint32 { return append(s, s[0]) }},
	} {
		f := newForge(t)
		f.sign(nil)
		b := binary.LittleEndian.AppendUint64(nil, uint64(fileHeader+len(f.out)))
		b = append(b, f.out...)
		for _, start := range c.change(slices.Clone(f.starts)) {
			b = binary.LittleEndian.AppendUint32(b, start)
		}
		dir := t.TempDir()
		write(t, filepath.Join(dir, "ledger_1-2.committed"), b)
		r := audited(t, Options{ServiceCert: f.serviceCert}, dir)
		if (c.want == "") != r.OK() || c.want != "" && !mentions(r, Invalid, "", c.want) {
			t.Errorf("%s: no finding %q in\n%s", name, c.want, r.Summary())
		}
	}
}
