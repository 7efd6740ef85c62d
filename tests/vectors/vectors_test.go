package vectors

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"maps"
	"path/filepath"
	"reflect"
	"slices"
	"testing"

	"concordat/ledger"
	"concordat/ledger/fixture"
	"concordat/ledger/fixture/recovered"
	"concordat/ledger/receipt"
	"concordat/ledger/secret"
	"concordat/ledger/share"
	"concordat/ledger/snapshot"
)

// vector lists how each fact about a ledger of CCF's test data is worked out.
var vector = map[string]func(*world) any{
	"entries":                          func(w *world) any { return len(w.entries) },
	"last_txid":                        func(w *world) any { return w.entries[len(w.entries)-1].ID().String() },
	"final_root_including_last_entry":  func(w *world) any { return w.tree.Root().Hex() },
	"entry_types":                      (*world).types,
	"entry_flags":                      (*world).flagCounts,
	"signature_count":                  func(w *world) any { return w.count(receipt.SignaturesTable) },
	"cose_signature_count":             (*world).coseSignatures,
	"signatures":                       (*world).signedRoots,
	"chunks":                           (*world).chunkVectors,
	"ledger_secrets":                   (*world).secretBytes,
	"historical_ledger_secret_entries": (*world).historicalVectors,
	"recovery_shares":                  (*world).shareVectors,
	"sample_entries":                   (*world).samples,
	"snapshots":                        (*world).snapshotVectors,
	"all_entries_gcm_verified":         func(w *world) any { return len(w.private) == len(w.entries) },
	"all_commit_evidence_verified":     func(w *world) any { return w.commitEvidence() == len(w.entries) },
	"all_entries_reencoded_byte_exact": (*world).reencodes,
}

// about other tools than this project.
var notOurs = map[string]bool{"ms_validator": true}

func TestEveryVectorIsReproduced(t *testing.T) {
	var recorded struct {
		Ledgers map[string]map[string]any
		Legacy  map[string]map[string]string `json:"legacy_shares_113"`
	}
	fixture.Decode(t, fixture.Read(t, "ccf-ledgers", "vectors.json"), &recorded)
	if len(recorded.Ledgers) == 0 {
		t.Fatal("no vectors")
	}
	for name, facts := range recorded.Ledgers {
		t.Run(name, func(t *testing.T) {
			w := open(t, fixture.Dir(t, "ccf-ledgers", name))
			w.samplesWanted = sampleIDs(facts["sample_entries"])
			for fact, want := range facts {
				compute, ok := vector[fact]
				if !ok {
					if !notOurs[fact] {
						t.Errorf("nothing works out %q", fact)
					}
					continue
				}
				if got := plain(t, compute(w)); !reflect.DeepEqual(got, want) {
					t.Errorf("%s:\ngot  %s\nwant %s", fact, short(got), short(want))
				}
			}
			for at, want := range recorded.Legacy[name] {
				w.legacyShares(at, want)
			}
		})
	}
}

func sampleIDs(v any) []string {
	samples, _ := v.(list)
	var ids []string
	for _, s := range samples {
		ids = append(ids, s.(object)["txid"].(string))
	}
	return ids
}

func (w *world) flagCounts() any {
	out := map[string]int{}
	for _, e := range w.entries {
		out[fmt.Sprint(e.Header.Flags)]++
	}
	return out
}

func (w *world) signedRoots() any {
	out := list{}
	tree := treeOf()
	for _, e := range w.entries {
		if receipt.IsSignature(e.Public.Writes) {
			c, err := receipt.ParseCovering(e.Public.Writes)
			if err != nil {
				w.t.Fatal(err)
			}
			if c.Node.Root != tree.Root() || c.Tree.Root() != tree.Root() {
				w.t.Errorf("%v: signs another root than the entries have", e.ID())
			}
			count := binary.BigEndian.Uint64(c.TreeRaw)
			out = append(out, list{e.ID().String(), c.Node.Root.Hex(), object{
				"cose": c.COSE != nil, "tree_leaves": count, "tree_flushed": c.Tree.From,
				"tree_extras": (uint64(len(c.TreeRaw)) - 16 - 32*count) / 32,
			}})
		}
		tree.Append(e.Leaf())
	}
	return out
}

func (w *world) chunkVectors() any {
	out := list{}
	for _, c := range w.chunks {
		sum := sha256.Sum256(fixture.File(w.t, filepath.Join(w.dir, "ledger", c.name)))
		out = append(out, object{
			"entries": len(c.entries), "file": c.name, "first": c.entries[0].Seqno, "last": c.entries[len(c.entries)-1].Seqno,
			"last_entry_flags": c.entries[len(c.entries)-1].Header.Flags, "positions_offset": c.table,
			"sha256": hex.EncodeToString(sum[:]), "size": c.size,
		})
	}
	return out
}

func (w *world) historicalVectors() any {
	out := list{}
	for _, e := range w.entries {
		var h recovered.SealedRow
		if !w.row(e, "public:ccf.internal.historical_encrypted_ledger_secret", &h) {
			continue
		}
		row := object{"at": e.ID().String(), "next_version": h.Next, "previous_version": nil, "previous_secret_stored_version": nil}
		if h.Previous != nil {
			row["previous_version"], row["previous_secret_stored_version"] = h.Previous.Version, h.Previous.Stored
		}
		out = append(out, row)
	}
	return out
}

const shareSize = 44

func (w *world) shareVectors() any {
	out := list{}
	for _, r := range w.secrets.Reshares {
		var shares list
		size := 0
		for _, id := range slices.Sorted(maps.Keys(r.Opened)) {
			size = len(r.Opened[id])
			shares = append(shares, hex.EncodeToString(r.Opened[id]))
		}
		if size != shareSize {
			continue // older shares have facts of their own
		}
		out = append(out, object{
			"at": r.Entry.ID().String(), "share_format": "44-byte", "shares": shares, "secret_limbs_le": w.limbs(r),
			"unwrapped_ledger_secret": hex.EncodeToString(r.Secret.Bytes()), "wrapping_key": hex.EncodeToString(r.Key[:]),
		})
	}
	return out
}

// limbs interpolates the secret apart from the share package, with plain
// arithmetic modulo 2^31-1.
func (w *world) limbs(r recovered.Reshare) string {
	const p = 1<<31 - 1
	var xs []uint64
	var ys [][10]uint64
	for _, id := range slices.Sorted(maps.Keys(r.Opened))[:r.Threshold] {
		b := r.Opened[id]
		xs = append(xs, uint64(binary.LittleEndian.Uint32(b)))
		var y [10]uint64
		for l := range y {
			y[l] = uint64(binary.LittleEndian.Uint32(b[4+4*l:]))
		}
		ys = append(ys, y)
	}
	out := make([]byte, 0, 40)
	for l := range 10 {
		sum := uint64(0)
		for i := range xs {
			term := ys[i][l]
			for j := range xs {
				if j != i {
					term = term * xs[j] % p * power((xs[j]+p-xs[i])%p, p-2, p) % p
				}
			}
			sum = (sum + term) % p
		}
		out = binary.LittleEndian.AppendUint32(out, uint32(sum))
	}
	return hex.EncodeToString(out)
}

func power(b, e, p uint64) uint64 {
	r := uint64(1)
	for ; e > 0; e >>= 1 {
		if e&1 == 1 {
			r = r * b % p
		}
		b = b * b % p
	}
	return r
}

func (w *world) samples() any {
	out := list{}
	for _, text := range w.samplesWanted {
		id, err := ledger.ParseTxID(text)
		if err != nil {
			w.t.Fatal(err)
		}
		out = append(out, w.sample(w.entries[id.Seqno-1]))
	}
	return out
}

func (w *world) sample(e *ledger.Entry) object {
	maps := list{}
	for _, m := range e.Public.Writes {
		maps = append(maps, m.Name)
	}
	s := w.secretAt(e.Seqno)
	mac := hmac.New(sha256.New, s.Bytes())
	mac.Write([]byte("Commit S"))
	row := object{
		"txid": e.ID().String(), "entry_type": e.Public.Type, "flags": e.Header.Flags, "size_field": e.Header.Size,
		"gcm_tag": hex.EncodeToString(e.Tag), "iv": hex.EncodeToString(e.IV), "leaf": e.Leaf().Hex(), "maps": maps,
		"private_domain_size": len(e.Sealed), "public_domain_size": len(e.PublicRaw), "write_set_digest": e.WriteSetDigest().Hex(),
		"commit_evidence": w.evidence(e), "commit_evidence_digest": e.Public.CommitEvidenceDigest.Hex(),
		"commit_secret": hex.EncodeToString(mac.Sum(nil)),
	}
	if e.Public.Type.HasClaims() {
		row["claims_digest"] = e.Public.Claims.Hex()
	}
	if len(e.Sealed) > 0 {
		w.privateSample(e, s, row)
	}
	return row
}

func (w *world) privateSample(e *ledger.Entry, s *secret.Secret, row object) {
	text, err := s.OpenBytes(e)
	if err != nil {
		w.t.Fatal(err)
	}
	maps := list{}
	for _, m := range w.private[e.Seqno] {
		rows := list{}
		for _, x := range m.Writes {
			rows = append(rows, list{string(x.Key), string(x.Value)})
		}
		maps = append(maps, list{m.Name, rows})
	}
	row["private_plaintext"], row["private_maps"] = hex.EncodeToString(text), maps
}

func (w *world) snapshotVectors() any {
	out := list{}
	names, err := filepath.Glob(filepath.Join(w.dir, "snapshots", "*"))
	if err != nil {
		w.t.Fatal(err)
	}
	for _, name := range names {
		w.snapshot(name) // checks it against a replay of the ledger
		s, err := snapshot.Parse(fixture.File(w.t, name))
		if err != nil {
			w.t.Fatal(err)
		}
		private, err := s.Private(w.secretAt(s.Seqno))
		if err != nil {
			w.t.Fatal(err)
		}
		parsed, _ := snapshot.ParseName(filepath.Base(name))
		evidence := w.entries[parsed.Evidence-1]
		out = append(out, object{
			"file": filepath.Base(name), "digest": s.Digest().Hex(), "entry_bytes": len(s.Entry), "receipt_bytes": len(s.Proof),
			"hash_at_snapshot": s.Leaf.Hex(), "iv": hex.EncodeToString(s.Entry[24:36]), "view_history": s.Views,
			"public_maps": mapSizes(s.Maps), "private_maps": mapSizes(private),
			"commit_evidence": w.evidence(evidence), "write_set_digest": evidence.WriteSetDigest().Hex(),
		})
	}
	return out
}

func mapSizes(maps []snapshot.Map) object {
	out := object{}
	for _, m := range maps {
		out[m.Name] = list{m.Version, len(m.Items)}
	}
	return out
}

// reencodes writes every entry again from its parsed form, sealing included.
func (w *world) reencodes() any {
	for _, e := range w.entries {
		s := w.secretAt(e.Seqno)
		public := ledger.AppendPublic(nil, e.Public)
		sealed := s.Seal(nil, e.IV, ledger.AppendMaps(nil, w.private[e.Seqno], false), public)
		if string(public) != string(e.PublicRaw) || string(sealed) != string(e.Sealed)+string(e.Tag) {
			w.t.Errorf("%v is encoded differently", e.ID())
			return false
		}
		if e.Public.Type == ledger.TypeWriteSetWithCommitEvidenceAndClaims && !w.appended(e, s) {
			return false
		}
	}
	return true
}

// appended writes an entry the way a running service does.
func (w *world) appended(e *ledger.Entry, s *secret.Secret) bool {
	ws := merge(e.Public.Writes, w.private[e.Seqno])
	out, wsd, leaf, err := ledger.AppendEntry(nil, e.ID(), e.Header.Flags, e.Public.Claims, ws, s)
	if err != nil || string(out) != string(e.Raw) || wsd != e.WriteSetDigest() || leaf != e.Leaf() {
		w.t.Errorf("%v is written differently: %v", e.ID(), err)
		return false
	}
	return true
}

func merge(a, b ledger.WriteSet) ledger.WriteSet {
	var out ledger.WriteSet
	for len(a) > 0 && len(b) > 0 {
		if a[0].Name < b[0].Name {
			out, a = append(out, a[0]), a[1:]
		} else {
			out, b = append(out, b[0]), b[1:]
		}
	}
	return append(append(out, a...), b...)
}

// legacyShares checks shares of the form written before CCF 4.0.9.
func (w *world) legacyShares(at, want string) {
	for _, r := range w.secrets.Reshares {
		if r.Entry.ID().String() != at {
			continue
		}
		if got := hex.EncodeToString(r.Secret.Bytes()); got != want {
			w.t.Errorf("legacy shares at %s lead to another secret", at)
		}
		for _, b := range r.Opened {
			if share.IsFull(b) || len(b) == shareSize {
				w.t.Errorf("shares at %s are not of the old form", at)
			}
		}
		return
	}
	w.t.Errorf("no shares at %s", at)
}
