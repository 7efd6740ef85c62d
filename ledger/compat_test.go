package ledger_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"concordat/ledger"
	"concordat/ledger/fixture"
	"concordat/ledger/fixture/recovered"
	"concordat/ledger/merkle"
	"concordat/ledger/share"
)

// Every entry CCF wrote opens under secrets restored from the members' keys,
// and comes out of our encoder byte for byte.
func TestEntriesOfCCFReencodeExactly(t *testing.T) {
	eachService(t, func(t *testing.T, s *service) {
		for _, e := range s.entries {
			reencode(t, s, e)
		}
	})
}

func reencode(t *testing.T, s *service, e *ledger.Entry) {
	t.Helper()
	key, ok := s.secrets.At(e.Seqno)
	if !ok {
		t.Fatalf("no secret for %v", e.ID())
	}
	private, err := key.Open(e)
	if err != nil {
		t.Fatal(err)
	}
	evidence := ledger.CommitEvidence(e.ID(), key.CommitNonce(e.ID()))
	if e.Public.Type.HasEvidence() && ledger.CommitEvidenceDigest(evidence) != e.Public.CommitEvidenceDigest {
		t.Errorf("%v: commit evidence differs", e.ID())
	}
	if public := ledger.AppendPublic(nil, e.Public); !bytes.Equal(public, e.PublicRaw) {
		t.Errorf("%v: public domain differs", e.ID())
	}
	plain := ledger.AppendMaps(nil, private, false)
	sealed := key.Seal(nil, e.IV, plain, e.PublicRaw)
	if !bytes.Equal(sealed, append(slices.Clone(e.Sealed), e.Tag...)) {
		t.Errorf("%v: private domain differs", e.ID())
	}
	if e.Public.Type != ledger.TypeWriteSetWithCommitEvidenceAndClaims {
		return
	}
	ws := slices.Concat(e.Public.Writes, private)
	slices.SortFunc(ws, func(a, b ledger.MapWrites) int { return bytes.Compare([]byte(a.Name), []byte(b.Name)) })
	raw, wsd, leaf, err := ledger.AppendEntry(nil, e.ID(), e.Header.Flags, e.Public.Claims, ws, key)
	if err != nil || !bytes.Equal(raw, e.Raw) {
		t.Errorf("%v: entry differs, %v", e.ID(), err)
	}
	if wsd != e.WriteSetDigest() || leaf != e.Leaf() {
		t.Errorf("%v: digests differ between writing and reading", e.ID())
	}
}

// Every tree table is what our tree writes, leads to the signed root, and gives
// a path for each of its leaves.
func TestTreesOfCCFRebuildExactly(t *testing.T) {
	eachService(t, func(t *testing.T, s *service) {
		trees := s.frontiers()
		signatures := 0
		for _, e := range s.entries {
			stored := recovered.Cell(e, tableTree)
			if stored == nil {
				continue
			}
			signatures++
			checkTree(t, s, trees, e, stored)
		}
		if signatures == 0 {
			t.Error("no signature in this ledger")
		}
	})
}

func checkTree(t *testing.T, s *service, trees []merkle.Frontier, e *ledger.Entry, stored []byte) {
	t.Helper()
	table, err := merkle.ParseTable(stored)
	if err != nil {
		t.Fatalf("%v: %v", e.ID(), err)
	}
	var leaves []ledger.Digest
	for n := table.From; n < e.Seqno; n++ {
		leaf := ledger.Digest{}
		if n > 0 {
			leaf = s.entries[n-1].Leaf()
		}
		leaves = append(leaves, leaf)
	}
	if own := merkle.MarshalTable(table.From, trees[table.From], leaves); !bytes.Equal(own, stored) {
		t.Errorf("%v: tree table differs", e.ID())
	}
	var signature struct {
		Root string `json:"root"`
	}
	recovered.Row(t, e, tableSignatures, &signature)
	root := trees[e.Seqno].Root()
	if root.Hex() != signature.Root || table.Root() != root {
		t.Errorf("%v: root %s, table %s, signed %s", e.ID(), root.Hex(), table.Root().Hex(), signature.Root)
	}
	for n := table.From; n <= table.To; n++ {
		path, err := table.Path(n)
		leaf, ok := table.Leaf(n)
		if err != nil || !ok || leaf != leaves[n-table.From] || merkle.Fold(leaf, path) != root {
			t.Errorf("%v: path of leaf %d does not lead to the root, %v", e.ID(), n, err)
		}
	}
	if f := table.Frontier(); f != trees[e.Seqno] {
		t.Errorf("%v: the tree restored from the table differs", e.ID())
	}
}

// facts are what an independent parser found in the same files.
type facts struct {
	root    string
	last    string
	secrets map[string]string
}

func (s *service) facts(t *testing.T) facts {
	t.Helper()
	var live struct {
		Verified struct {
			Root    string            `json:"root_over_all"`
			Last    string            `json:"last"`
			Secrets map[string]string `json:"secrets"`
		} `json:"verified"`
	}
	if b, err := os.ReadFile(filepath.Join(s.dir, "facts.json")); err == nil {
		fixture.Decode(t, b, &live)
		return facts{live.Verified.Root, live.Verified.Last, live.Verified.Secrets}
	}
	v := vectors(t, s.name)
	return facts{v.Root, v.Last, v.Secrets}
}

type vector struct {
	Root    string            `json:"final_root_including_last_entry"`
	Last    string            `json:"last_txid"`
	Secrets map[string]string `json:"ledger_secrets"`
	Shares  []struct {
		At     string   `json:"at"`
		Key    string   `json:"wrapping_key"`
		Secret string   `json:"unwrapped_ledger_secret"`
		Shares []string `json:"shares"`
	} `json:"recovery_shares"`
	Samples []struct {
		TxID     string `json:"txid"`
		Evidence string `json:"commit_evidence"`
		WSD      string `json:"write_set_digest"`
		Leaf     string `json:"leaf"`
	} `json:"sample_entries"`
}

func vectors(t *testing.T, name string) vector {
	t.Helper()
	var all struct {
		Ledgers map[string]vector `json:"ledgers"`
	}
	fixture.JSON(t, &all, "ccf-ledgers", "vectors.json")
	return all.Ledgers[name]
}

func TestRootsAndSecretsMatchTheFacts(t *testing.T) {
	eachService(t, func(t *testing.T, s *service) {
		want := s.facts(t)
		trees := s.frontiers()
		root, last := trees[len(trees)-1].Root().Hex(), s.entries[len(s.entries)-1].ID().String()
		if root != want.root || last != want.last {
			t.Errorf("root %s at %s, want %s at %s", root, last, want.root, want.last)
		}
		if links := s.secrets.Links(); len(links) != len(want.secrets) {
			t.Errorf("%d secrets, want %d", len(links), len(want.secrets))
		}
		for _, link := range s.secrets.Links() {
			key, ok := want.secrets[strconv.FormatUint(link.Start, 10)]
			if !ok || !link.Secret.Equal(newSecret(t, key)) {
				t.Errorf("secret from %d differs", link.Start)
			}
		}
	})
}

func TestSampleEntriesMatchTheVectors(t *testing.T) {
	eachService(t, func(t *testing.T, s *service) {
		for _, want := range vectors(t, s.name).Samples {
			id, err := ledger.ParseTxID(want.TxID)
			if err != nil {
				t.Fatal(err)
			}
			e := s.entries[id.Seqno-1]
			key, _ := s.secrets.At(id.Seqno)
			if e.WriteSetDigest().Hex() != want.WSD || e.Leaf().Hex() != want.Leaf {
				t.Errorf("%v: digests differ", id)
			}
			if got := ledger.CommitEvidence(id, key.CommitNonce(id)); want.Evidence != "" && got != want.Evidence {
				t.Errorf("%v: evidence %s, want %s", id, got, want.Evidence)
			}
		}
	})
}

// Every set of shares CCF ever made restores the secret that was the latest one
// after that entry, from any threshold of them and from a full key alone.
func TestSharesOfCCFRestoreTheirSecret(t *testing.T) {
	eachService(t, func(t *testing.T, s *service) {
		for _, r := range s.secrets.Reshares {
			checkReshare(t, s, r)
		}
		for _, want := range vectors(t, s.name).Shares {
			i := slices.IndexFunc(s.secrets.Reshares, func(r recovered.Reshare) bool { return r.Entry.ID().String() == want.At })
			r := s.secrets.Reshares[i]
			if ledger.Digest(r.Key).Hex() != want.Key || !r.Secret.Equal(newSecret(t, want.Secret)) {
				t.Errorf("%s: wrapping key or secret differs", want.At)
			}
		}
	})
}

func checkReshare(t *testing.T, s *service, r recovered.Reshare) {
	t.Helper()
	id, last := r.Entry.ID(), s.entries[len(s.entries)-1].Seqno
	latest, _ := s.secrets.At(min(id.Seqno+1, last))
	if !latest.Equal(r.Secret) {
		t.Errorf("%v: restored secret is not the one in use after it", id)
	}
	if !bytes.Equal(share.Wrap(r.Key, r.Secret), r.Row.Wrapped) {
		t.Errorf("%v: wrapping it again gives other bytes", id)
	}
	parts, _ := r.Shares()
	for i := range parts {
		rotated := slices.Concat(parts[i:], parts[:i])
		if key, err := share.Combine(rotated, r.Threshold); err != nil || key != r.Key {
			t.Errorf("%v: shares from %d on give another key, %v", id, i, err)
		}
	}
}

// A snapshot file starts with an entry of its own type, sealed like any other;
// its digest is the claim of the evidence entry that the file is named for.
func TestSnapshotEntriesOfCCF(t *testing.T) {
	found := 0
	eachService(t, func(t *testing.T, s *service) {
		paths, _ := filepath.Glob(filepath.Join(s.dir, "snapshots", "snapshot_*.committed"))
		for _, path := range paths {
			found++
			checkSnapshot(t, s, path)
		}
	})
	if found == 0 {
		t.Error("no snapshot among the fixtures")
	}
}

func checkSnapshot(t *testing.T, s *service, path string) {
	t.Helper()
	var at, evidence ledger.Seqno
	if _, err := fmt.Sscanf(filepath.Base(path), "snapshot_%d_%d.committed", &at, &evidence); err != nil {
		t.Fatal(err)
	}
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	h, err := ledger.ParseHeader(file)
	if err != nil {
		t.Fatal(err)
	}
	e, err := ledger.ParseEntry(file[:h.Total()])
	if err != nil || !e.IsSnapshot || e.Seqno != at || e.View != 0 || e.Public.Type != ledger.TypeSnapshot {
		t.Fatalf("%s: %+v %v", path, e, err)
	}
	key, _ := s.secrets.At(at)
	if _, err := key.OpenBytes(e); err != nil {
		t.Errorf("%s: %v", path, err)
	}
	if claims := s.entries[evidence-1].Public.Claims; e.Leaf() != claims {
		t.Errorf("%s: digest %s, evidence claims %s", path, e.Leaf().Hex(), claims.Hex())
	}
}
