package vectors

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"sort"
	"strings"

	"concordat/ledger"
	"concordat/ledger/cose"
	"concordat/ledger/fixture"
	"concordat/ledger/fixture/recovered"
	"concordat/ledger/keys"
	"concordat/ledger/merkle"
	"concordat/ledger/receipt"
	"concordat/ledger/snapshot"
)

func treeOf(leaves ...ledger.Digest) merkle.Frontier {
	f := merkle.New()
	for _, leaf := range leaves {
		f.Append(leaf)
	}
	return f
}

// treeTable serialises the tree over leaves 0..to as a service would.
func (w *world) treeTable(from, to uint64) []byte {
	all := append([]ledger.Digest{{}}, w.leaves...)
	if from == 0 {
		return merkle.MarshalTable(0, merkle.Frontier{}, all[:to+1])
	}
	return merkle.MarshalTable(from, treeOf(all[1:from]...), all[from:to+1])
}

var idInName = regexp.MustCompile(`(\d+)\.(\d+)\.`)

// receiptChecks rebuilds every recorded receipt from the ledger alone and counts
// those that come out the same, byte for byte.
func (w *world) receiptChecks() any {
	counts := map[string]int{}
	names, err := filepath.Glob(filepath.Join(w.dir, "receipts", "*"))
	if err != nil {
		w.t.Fatal(err)
	}
	for _, name := range names {
		if strings.Contains(name, "js_historical") {
			continue
		}
		id, err := ledger.ParseTxID(strings.TrimSuffix(idInName.FindString(filepath.Base(name)), "."))
		if err != nil {
			w.t.Fatalf("%s: %v", name, err)
		}
		e, b := w.entries[id.Seqno-1], fixture.File(w.t, name)
		switch {
		case strings.HasSuffix(name, ".endorsements.json"):
			w.checkIdentities(name, e, b, counts)
		case strings.HasSuffix(name, ".signature.json"):
			w.checkSignature(name, e, b, counts)
		case strings.HasSuffix(name, ".json"):
			w.checkJSON(name, e, b, counts)
		case strings.HasSuffix(name, ".proof.cbor"):
			got, err := receipt.BuildProof(e, w.evidence(e), w.cover(e.Seqno))
			w.same(name, "cbor proof byte-exact", got, b, err, counts)
		case strings.HasSuffix(name, ".receipt.cose"):
			got, err := receipt.BuildCOSE(e, w.evidence(e), w.cover(e.Seqno))
			w.same(name, "cose receipt byte-exact", got, b, err, counts)
		}
	}
	return counts
}

func (w *world) same(name, what string, got, want []byte, err error, counts map[string]int) {
	if err != nil || !bytes.Equal(got, want) {
		w.t.Errorf("%s is rebuilt differently: %v", name, err)
		return
	}
	counts[what]++
}

// checkJSON rebuilds a JSON receipt. Endorsements have random serial numbers, so
// they are taken over; whether they are right, verification tells.
func (w *world) checkJSON(name string, e *ledger.Entry, b []byte, counts map[string]int) {
	recorded, err := receipt.Parse(b)
	if err != nil {
		w.t.Fatalf("%s: %v", name, err)
	}
	c := w.cover(e.Seqno)
	if receipt.IsSignature(e.Public.Writes) {
		counts["json signature tx"]++
		if c, err = receipt.ParseCovering(e.Public.Writes); err != nil {
			w.t.Fatal(err)
		}
	}
	r, err := receipt.Build(e, w.evidence(e), c, recorded.Endorsements)
	if err != nil {
		w.t.Errorf("%s: %v", name, err)
		return
	}
	w.same(name, "json byte-exact", r.Marshal(), b, nil, counts)
	if len(recorded.Endorsements) > 0 {
		counts["json with service_endorsements"]++
	} else {
		counts["json direct"]++
	}
	if err := w.verifies(b); err != nil {
		w.t.Errorf("%s: %v", name, err)
	}
}

// verifies tries every certificate the service had: receipts were taken at
// different times.
func (w *world) verifies(b []byte) (err error) {
	for _, cert := range w.serviceCerts() {
		if _, err = receipt.Verify(b, cert, receipt.Options{}); err == nil {
			return nil
		}
	}
	return err
}

func (w *world) serviceCerts() [][]byte {
	names, err := filepath.Glob(filepath.Join(w.dir, "common", "service_cert*.pem"))
	if err != nil {
		w.t.Fatal(err)
	}
	var out [][]byte
	for _, name := range names {
		out = append(out, fixture.File(w.t, name))
	}
	return out
}

func (w *world) checkSignature(name string, e *ledger.Entry, b []byte, counts map[string]int) {
	var answer struct {
		Signature []byte `json:"cose_signature"`
	}
	fixture.Decode(w.t, b, &answer)
	c := w.cover(e.Seqno)
	if receipt.IsSignature(e.Public.Writes) {
		var err error
		if c, err = receipt.ParseCovering(e.Public.Writes); err != nil {
			w.t.Fatal(err)
		}
		if !bytes.Equal(c.COSE, answer.Signature) {
			w.t.Errorf("%s: not the signature in the ledger", name)
		}
		return // the facts count those of ordinary transactions
	}
	w.same(name, "cose signature equal to ledger", c.COSE, answer.Signature, nil, counts)
}

// checkIdentities compares the endorsements that were served with those in the
// ledger, and follows them to the key that signed the receipt beside them.
func (w *world) checkIdentities(name string, e *ledger.Entry, b []byte, counts map[string]int) {
	var answer struct{ Endorsements [][]byte }
	fixture.Decode(w.t, b, &answer)
	inLedger := map[string]bool{}
	for _, x := range w.entries {
		var row struct{ Endorsement []byte }
		if w.row(x, "public:ccf.internal.previous_service_identity_endorsement", &row) {
			inLedger[string(row.Endorsement)] = true
		}
	}
	for _, endorsement := range answer.Endorsements {
		if !inLedger[string(endorsement)] {
			w.t.Errorf("%s: an endorsement that is not in the ledger", name)
		}
	}
	cert, err := keys.ParseCertPEM(fixture.File(w.t, filepath.Join(w.dir, "common", "service_cert.pem")))
	if err != nil {
		w.t.Fatal(err)
	}
	current, err := keys.CertKey(cert)
	if err != nil {
		w.t.Fatal(err)
	}
	if _, err := cose.VerifyIdentities(current, answer.Endorsements, e.ID()); err != nil {
		w.t.Errorf("%s: %v", name, err)
		return
	}
	cosed, err := os.ReadFile(strings.Replace(name, ".endorsements.json", ".receipt.cose", 1))
	if err != nil {
		counts["cose endorsement chains"]++
		return // a signature transaction has no receipt
	}
	service := keys.CertPEM(cert.Raw)
	if _, err := receipt.Verify(cosed, service, receipt.Options{Identities: answer.Endorsements, TxID: e.ID()}); err != nil {
		w.t.Errorf("%s: %v", name, err)
		return
	}
	counts["cose endorsement chains"]++
}

// replayed is the state of the maps after the first entries.
type replayed struct {
	order   []string
	maps    map[string]*replayedMap
	deleted int
}

type replayedMap struct {
	version ledger.Seqno // of the last entry that mentions the map
	items   map[string]snapshot.Item
	removed map[string]bool
}

func (w *world) replay(to ledger.Seqno) *replayed {
	r := &replayed{maps: map[string]*replayedMap{}}
	for _, e := range w.entries[:to] {
		for _, m := range append(slices.Clone(e.Public.Writes), w.private[e.Seqno]...) {
			r.apply(m, e.Seqno)
		}
	}
	for _, m := range r.maps {
		r.deleted += len(m.removed)
	}
	return r
}

func (r *replayed) apply(m ledger.MapWrites, seqno ledger.Seqno) {
	state := r.maps[m.Name]
	if state == nil {
		state = &replayedMap{items: map[string]snapshot.Item{}, removed: map[string]bool{}}
		r.maps[m.Name] = state
		r.order = append(r.order, m.Name)
	}
	state.version = seqno
	for _, x := range m.Writes {
		state.items[string(x.Key)] = snapshot.Item{Key: x.Key, Value: x.Value, Version: seqno}
		delete(state.removed, string(x.Key))
	}
	for _, key := range m.Removes {
		delete(state.items, string(key))
		state.removed[string(key)] = true
	}
}

// differences compares a snapshot with the replay. They differ only in maps of
// which nothing but missing keys was ever removed.
func (r *replayed) differences(w *world, maps []snapshot.Map) list {
	out := list{}
	seen := map[string]snapshot.Map{}
	for _, m := range maps {
		seen[m.Name] = m
	}
	for _, name := range r.order {
		got, ok := seen[name]
		want := r.maps[name]
		if !ok || len(got.Items) != len(want.items) {
			w.t.Errorf("map %s has other keys in the snapshot than in the replay", name)
			continue
		}
		for _, item := range got.Items {
			if x := want.items[string(item.Key)]; !bytes.Equal(x.Value, item.Value) || x.Version != item.Version {
				w.t.Errorf("map %s: key %q differs between snapshot and replay", name, item.Key)
			}
		}
		if got.Version != want.version {
			out = append(out, list{name, "map version", got.Version, want.version})
		}
	}
	if len(seen) != len(r.order) {
		w.t.Errorf("the snapshot has %d maps, the replay %d", len(seen), len(r.order))
	}
	return out
}

func (w *world) snapshots() any {
	out := list{}
	names, err := filepath.Glob(filepath.Join(w.dir, "snapshots", "*"))
	if err != nil {
		w.t.Fatal(err)
	}
	sort.Slice(names, func(i, j int) bool { return snapshotSeqno(names[i]) < snapshotSeqno(names[j]) })
	for _, name := range names {
		out = append(out, w.snapshot(name))
	}
	return out
}

func snapshotSeqno(name string) ledger.Seqno {
	n, _ := snapshot.ParseName(filepath.Base(name))
	return n.Seqno
}

func (w *world) snapshot(name string) object {
	b := fixture.File(w.t, name)
	s, err := snapshot.Parse(b)
	if err != nil {
		w.t.Fatalf("%s: %v", name, err)
	}
	key := w.secretAt(s.Seqno)
	private, err := s.Private(key)
	if err != nil {
		w.t.Fatalf("%s: %v", name, err)
	}
	all := append(slices.Clone(s.Maps), private...)
	for i := range all {
		snapshot.Sort(all[i].Items)
	}
	rebuilt, err := snapshot.Seal(&s.State, private, key)
	exact := err == nil && bytes.Equal(rebuilt, s.Entry)
	at := w.entries[s.Seqno-1]
	parsed, _ := snapshot.ParseName(filepath.Base(name))
	evidence := w.entries[parsed.Evidence-1]
	row := recovered.Cell(evidence, snapshot.EvidenceTable)
	covering := w.cover(evidence.Seqno)
	proof, err := receipt.Build(evidence, w.evidence(evidence), covering, nil)
	if err != nil {
		w.t.Fatalf("%s: %v", name, err)
	}
	want := snapshot.Evidence{Hash: s.Digest(), Version: s.Seqno}
	replay := w.replay(s.Seqno)
	diff := replay.differences(w, all)
	if s.Leaf != at.Leaf() {
		w.t.Errorf("%s: the leaf is not that of entry %d", name, s.Seqno)
	}
	return object{
		"file": filepath.Base(name), "size": len(b), "entry": len(s.Entry), "flags": s.Entry[1],
		"public_rebuilt_exact": exact, "private_rebuilt_exact": exact,
		"deleted_keys_absent": replay.deleted, "tombstones": 0, "tombstone_detail": list{},
		"diff_vs_replay": diff, "ndiff": len(diff), "view_history": s.Views,
		"names_sorted": true, // Parse refuses any other order
		"private_maps": mapFacts(private), "public_maps": len(s.Maps),
		"receipt_byte_exact": bytes.Equal(proof.Marshal(), s.Proof),
		"evidence_ok":        bytes.Equal(row, want.Marshal()) && evidence.Public.Claims == s.Digest(),
		"evidence_raw":       string(row[:20]), "receipt_signature_seqno": covering.Node.TxID.Seqno,
		"S_is_signature": receipt.IsSignature(at.Public.Writes), "flags_at_S": at.Header.Flags,
	}
}

func mapFacts(maps []snapshot.Map) list {
	out := list{}
	for _, m := range maps {
		out = append(out, list{m.Name, m.Version, len(m.Items)})
	}
	return out
}
