package vectors

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"concordat/ledger"
	"concordat/ledger/cose"
	"concordat/ledger/fixture"
	"concordat/ledger/fixture/recovered"
	"concordat/ledger/keys"
	"concordat/ledger/receipt"
	"concordat/ledger/secret"
	"concordat/ledger/share"
)

type list = []any
type object = map[string]any

// facts lists how each verified fact of a recorded service is worked out here.
var facts = map[string]func(*world) any{
	"entries":                  func(w *world) any { return len(w.entries) },
	"last":                     func(w *world) any { return w.entries[len(w.entries)-1].ID().String() },
	"views":                    (*world).views,
	"types":                    (*world).types,
	"signatures":               func(w *world) any { return w.count(receipt.SignaturesTable) },
	"cose_signatures":          (*world).coseSignatures,
	"root_over_all":            func(w *world) any { return w.tree.Root().Hex() },
	"nonzero_entry_flags":      (*world).flags,
	"chunks":                   (*world).chunkFacts,
	"tree_from":                (*world).treeFrom,
	"service_info":             (*world).serviceInfo,
	"identity_endorsements":    (*world).identities,
	"config":                   (*world).config,
	"secret_starts":            (*world).secretStarts,
	"secrets":                  (*world).secretBytes,
	"historical_rows":          (*world).historical,
	"recovery_share_rows":      (*world).shareRows,
	"gcm_verified":             func(w *world) any { return len(w.private) }, // open fails on a bad tag
	"commit_evidence_verified": (*world).commitEvidence,
	"private_entries":          (*world).privateEntries,
	"private_values":           (*world).privateValues,
	"tables":                   (*world).tables,
	"encrypted_ledger_secrets": (*world).encryptedSecrets,
	"submitted_shares":         (*world).submittedShares,
	"last_recovery_type":       (*world).lastRecoveryType,
	"receipt_checks":           (*world).receiptChecks,
	"snapshots":                (*world).snapshots,
}

func TestEveryRecordedFactIsReproduced(t *testing.T) {
	dirs, err := filepath.Glob(filepath.Join(fixture.Dir(t, "ccf-services"), "*", "ledger"))
	if err != nil || len(dirs) < 6 {
		t.Fatalf("%d services: %v", len(dirs), err)
	}
	for _, dir := range dirs {
		service := filepath.Dir(dir)
		t.Run(filepath.Base(service), func(t *testing.T) {
			w := open(t, service)
			var recorded struct{ Verified map[string]any }
			fixture.Decode(t, fixture.File(t, filepath.Join(service, "facts.json")), &recorded)
			for name, want := range recorded.Verified {
				compute, ok := facts[name]
				if !ok {
					t.Errorf("nothing works out %q", name)
					continue
				}
				if got := plain(t, compute(w)); !reflect.DeepEqual(got, want) {
					t.Errorf("%s:\ngot  %s\nwant %s", name, short(got), short(want))
				}
			}
		})
	}
}

// plain is the value as it comes out of JSON, to compare it with the facts.
func plain(t *testing.T, v any) any {
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var out any
	fixture.Decode(t, b, &out)
	return out
}

func short(v any) string {
	b, _ := json.Marshal(v)
	if len(b) > 1500 {
		b = append(b[:1500], "..."...)
	}
	return string(b)
}

func (w *world) views() any {
	out, last := list{}, ledger.View(0)
	for _, e := range w.entries {
		if e.View != last {
			out, last = append(out, list{e.View, e.Seqno}), e.View
		}
	}
	return out
}

func (w *world) types() any {
	out := object{}
	for _, e := range w.entries {
		name := fmt.Sprint(e.Public.Type)
		n, _ := out[name].(int)
		out[name] = n + 1
	}
	return out
}

func (w *world) count(name string) int {
	n := 0
	for _, e := range w.entries {
		if _, ok := e.Public.Writes.Map(name); ok {
			n++
		}
	}
	return n
}

// coseSignatures counts those that verify with the service of their time and are
// exactly as they would be written here.
func (w *world) coseSignatures() any {
	n := 0
	tree := treeOf()
	service := []byte(nil)
	for _, e := range w.entries {
		var info struct{ Cert string }
		if w.row(e, "public:ccf.gov.service.info", &info) {
			service = []byte(info.Cert)
		}
		if row := recovered.Cell(e, receipt.COSESignaturesTable); row != nil {
			message, err := receipt.ParseCOSERow(row)
			if err != nil {
				w.t.Fatal(err)
			}
			cert, err := keys.ParseCertPEM(service)
			if err != nil {
				w.t.Fatal(err)
			}
			pub, err := keys.CertKey(cert)
			if err != nil {
				w.t.Fatal(err)
			}
			r, err := cose.ParseRoot(message)
			if err != nil || !r.Exact(message) || r.TxID != e.ID() || !bytes.Equal(receipt.MarshalCOSERow(message), row) {
				w.t.Errorf("%v: COSE signature: %v", e.ID(), err)
			} else if err := r.Verify(pub, tree.Root()); err != nil {
				w.t.Errorf("%v: %v", e.ID(), err)
			} else {
				n++
			}
		}
		tree.Append(e.Leaf())
	}
	return n
}

func (w *world) flags() any {
	out := object{}
	for _, e := range w.entries {
		if e.Header.Flags != 0 {
			out[fmt.Sprint(e.Seqno)] = e.Header.Flags
		}
	}
	return out
}

func (w *world) chunkFacts() any {
	out := list{}
	for _, c := range w.chunks {
		first, last := c.entries[0], c.entries[len(c.entries)-1]
		out = append(out, object{
			"file": c.name, "entries": len(c.entries), "complete": c.complete, "torn_bytes": c.torn,
			"first_flags": first.Header.Flags, "last_flags": last.Header.Flags,
			"last_is_signature": receipt.IsSignature(last.Public.Writes),
		})
	}
	return out
}

// treeFrom also checks that every stored tree is what this project would store.
func (w *world) treeFrom() any {
	out := list{}
	for _, e := range w.entries {
		if recovered.Cell(e, receipt.TreeTable) == nil {
			continue
		}
		c, err := receipt.ParseCovering(e.Public.Writes)
		if err != nil {
			w.t.Fatal(err)
		}
		out = append(out, list{e.Seqno, c.Tree.From})
		if got := w.treeTable(c.Tree.From, e.Seqno-1); !bytes.Equal(got, c.TreeRaw) {
			w.t.Errorf("%v: the tree is rebuilt differently", e.ID())
		}
		if row := recovered.Cell(e, receipt.SignaturesTable); !bytes.Equal(c.Node.Marshal(), row) {
			w.t.Errorf("%v: the signature row is rebuilt differently", e.ID())
		}
	}
	return out
}

func (w *world) serviceInfo() any {
	out := list{}
	for _, e := range w.entries {
		var info object
		if !w.row(e, "public:ccf.gov.service.info", &info) {
			continue
		}
		cert, err := keys.ParseCertPEM([]byte(info["cert"].(string)))
		if err != nil {
			w.t.Fatal(err)
		}
		delete(info, "cert")
		out = append(out, list{e.ID().String(), info, keys.CertKeyID(cert)})
	}
	return out
}

func (w *world) identities() any {
	out := list{}
	for _, e := range w.entries {
		var row object
		if !w.row(e, "public:ccf.internal.previous_service_identity_endorsement", &row) {
			continue
		}
		message := fromBase64(w.t, row["endorsement"].(string))
		id, err := cose.ParseIdentity(message)
		if err != nil || !id.Exact(message) {
			w.t.Fatalf("%v: %v", e.ID(), err)
		}
		key, err := keys.ParseSPKI(fromBase64(w.t, row["endorsing_key"].(string)))
		if err != nil || id.Verify(key) != nil {
			w.t.Errorf("%v: the endorsement does not verify: %v", e.ID(), err)
		}
		delete(row, "endorsement")
		delete(row, "endorsing_key")
		own := list{"epoch.start.txid"}
		if !id.End.IsZero() {
			own = append(own, "epoch.end.txid", "epoch.end.merkle.root")
		}
		out = append(out, list{e.ID().String(), row, list{"1", "15", "ccf.v1"}, own})
	}
	return out
}

func (w *world) config() any {
	var last object
	for _, e := range w.entries {
		if row := recovered.Cell(e, "public:ccf.gov.service.config"); row != nil {
			last = nil
			fixture.Decode(w.t, row, &last)
		}
	}
	return last
}

func (w *world) secretStarts() any {
	return w.secrets.Starts()
}

func (w *world) secretBytes() any {
	out := object{}
	for _, l := range w.secrets.Links() {
		out[fmt.Sprint(l.Start)] = hex.EncodeToString(l.Secret.Bytes())
	}
	return out
}

func (w *world) historical() any {
	out := list{}
	for _, e := range w.entries {
		var h recovered.SealedRow
		if !w.row(e, "public:ccf.internal.historical_encrypted_ledger_secret", &h) {
			continue
		}
		row := object{"next_version": h.Next}
		if h.Previous != nil {
			row["prev_version"], row["prev_stored"] = h.Previous.Version, h.Previous.Stored
		}
		out = append(out, list{e.ID().String(), row})
	}
	return out
}

func (w *world) shareRows() any {
	out := list{}
	for _, r := range w.secrets.Reshares {
		xs, owners := list{}, 0
		for _, id := range slices.Sorted(maps.Keys(r.Opened)) {
			if x := binary.LittleEndian.Uint32(r.Opened[id]); x == 0 {
				owners++
			} else {
				xs = append(xs, x)
			}
		}
		out = append(out, object{
			"txid": r.Entry.ID().String(), "secret_start": r.Start, "previous_secret_stored_version": r.Row.Stored,
			"threshold": r.Threshold, "participant_x_in_member_id_order": xs, "owners": owners, "shares": len(r.Opened),
		})
		if !bytes.Equal(share.Wrap(r.Key, r.Secret), r.Row.Wrapped) {
			w.t.Errorf("%v: the secret is wrapped differently", r.Entry.ID())
		}
	}
	return out
}

func (w *world) commitEvidence() any {
	n := 0
	for _, e := range w.entries {
		if ledger.CommitEvidenceDigest(w.evidence(e)) == e.Public.CommitEvidenceDigest {
			n++
		}
	}
	return n
}

func (w *world) privateEntries() any {
	n := 0
	for _, ws := range w.private {
		if len(ws) > 0 {
			n++
		}
	}
	return n
}

func (w *world) privateValues() any {
	out := object{}
	for seqno, ws := range w.private {
		maps := list{}
		for _, m := range ws {
			writes, removes := list{}, list{}
			for _, x := range m.Writes {
				writes = append(writes, list{string(x.Key), string(x.Value)})
			}
			for _, key := range m.Removes {
				removes = append(removes, string(key))
			}
			maps = append(maps, list{m.Name, writes, removes})
		}
		if len(maps) > 0 {
			out[w.entries[seqno-1].ID().String()] = maps
		}
	}
	return out
}

func (w *world) tables() any {
	out := map[string]int{}
	for _, e := range w.entries {
		for _, m := range e.Public.Writes {
			out[m.Name]++
		}
		for _, m := range w.private[e.Seqno] {
			out["(private) "+m.Name]++
		}
	}
	return out
}

// encryptedSecrets also opens what is encrypted to a node whose key is known.
func (w *world) encryptedSecrets() any {
	out := list{}
	for _, e := range w.entries {
		raw := recovered.Cell(e, "public:ccf.internal.encrypted_ledger_secrets")
		if raw == nil {
			continue
		}
		var row map[string][]object
		fixture.Decode(w.t, raw, &row)
		nodes := object{}
		for id, elements := range row {
			shown := list{}
			for _, element := range elements {
				sealed := fromBase64(w.t, element["encrypted_secret"].(string))
				element["encrypted_secret"] = fmt.Sprintf("b64[%d]", len(sealed))
				shown = append(shown, element)
				if start := w.openedBy(id, sealed); start != 0 {
					shown = append(shown, fmt.Sprintf("decrypts to secret starting %d", start))
				}
			}
			nodes[id[:8]] = shown
		}
		order := "unsorted"
		if sorted, err := json.Marshal(json.RawMessage(raw)); err == nil && bytes.Equal(sorted, raw) && sortedJSON(w.t, raw) {
			order = "sorted-compact"
		}
		out = append(out, list{e.ID().String(), nodes, order})
	}
	return out
}

func sortedJSON(t *testing.T, raw []byte) bool {
	var v any
	fixture.Decode(t, raw, &v)
	b, err := json.Marshal(v)
	return err == nil && bytes.Equal(b, raw)
}

// openedBy decrypts a secret for a node whose test key is recorded.
func (w *world) openedBy(node string, sealed []byte) ledger.Seqno {
	certs, err := filepath.Glob(filepath.Join(w.dir, "common", "fakenode_cert.pem"))
	if err != nil || len(certs) == 0 {
		return 0
	}
	cert, err := keys.ParseCertPEM(fixture.File(w.t, certs[0]))
	if err != nil {
		w.t.Fatal(err)
	}
	if keys.CertKeyID(cert) != node {
		return 0
	}
	key, err := keys.ParseEncryptionKeyPEM(fixture.File(w.t, strings.Replace(certs[0], "_cert", "_enc_privk", 1)))
	if err != nil {
		w.t.Fatal(err)
	}
	plain, err := key.Decrypt(sealed)
	if err != nil {
		w.t.Fatal(err)
	}
	s, err := secret.FromBytes(plain)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, known := range w.secrets.Links() {
		if known.Secret.Equal(s) {
			return known.Start
		}
	}
	return 0
}

func (w *world) submittedShares() any {
	out := list{}
	for _, e := range w.entries {
		m, _ := e.Public.Writes.Map("public:ccf.internal.encrypted_submitted_shares")
		for _, x := range m.Writes {
			var sealed []byte
			fixture.Decode(w.t, x.Value, &sealed)
			plain, err := secret.OpenBlob(w.secretAt(e.Seqno).Bytes(), sealed)
			if err != nil {
				w.t.Fatalf("%v: %v", e.ID(), err)
			}
			out = append(out, list{e.ID().String(), string(x.Key[:8]), len(sealed), len(plain), binary.LittleEndian.Uint32(plain)})
		}
		if len(m.Removes) > 0 {
			ids := list{}
			for _, key := range m.Removes {
				ids = append(ids, string(key[:8]))
			}
			out = append(out, list{e.ID().String(), "removes", ids})
		}
	}
	return out
}

func (w *world) lastRecoveryType() any {
	out := list{}
	for _, e := range w.entries {
		if row := recovered.Cell(e, "public:ccf.internal.last_recovery_type"); row != nil {
			out = append(out, list{e.ID().String(), string(row)})
		}
	}
	return out
}
