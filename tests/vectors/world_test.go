// Package vectors compares what this project makes of ledgers that real CCF
// services wrote with facts that an independent parser worked out from the same
// files.
package vectors

import (
	"encoding/base64"
	"encoding/binary"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"testing"

	"concordat/ledger"
	"concordat/ledger/fixture"
	"concordat/ledger/keys"
	"concordat/ledger/merkle"
	"concordat/ledger/receipt"
	"concordat/ledger/secret"
	"concordat/ledger/share"
)

// zeroKey is the key of a table with one row.
const zeroKey = "\x00\x00\x00\x00\x00\x00\x00\x00"

// chunkFile is what one file of a ledger holds.
type chunkFile struct {
	name     string
	complete bool
	torn     int
	table    uint64
	size     int
	entries  []*ledger.Entry
}

// world is a recorded service, read with the codecs of this project.
type world struct {
	t             *testing.T
	dir           string
	chunks        []chunkFile
	entries       []*ledger.Entry // entries[i] is seqno i+1
	leaves        []ledger.Digest
	tree          merkle.Frontier
	secrets       map[ledger.Seqno]*secret.Secret
	private       map[ledger.Seqno]ledger.WriteSet
	shares        []shareRow
	members       map[string]*keys.EncryptionKey // by member id
	samplesWanted []string
}

// shareRow is one row of recovery shares, opened with the members' keys.
type shareRow struct {
	entry     *ledger.Entry
	row       sharesTable
	threshold int
	start     ledger.Seqno
	opened    map[string][]byte
	key       share.WrappingKey
	secret    *secret.Secret
}

type sharesTable struct {
	Shares  map[string][]byte `json:"encrypted_shares"`
	Stored  *uint64           `json:"previous_secret_stored_version"`
	Wrapped []byte            `json:"wrapped_latest_ledger_secret"`
}

type historicalTable struct {
	Next     *uint64 `json:"next_version"`
	Previous *struct {
		Data    []byte  `json:"encrypted_data"`
		Stored  *uint64 `json:"previous_secret_stored_version"`
		Version uint64  `json:"version"`
	} `json:"previous_ledger_secret"`
}

func open(t *testing.T, dir string) *world {
	t.Helper()
	w := &world{t: t, dir: dir, tree: merkle.New(), secrets: map[ledger.Seqno]*secret.Secret{}, private: map[ledger.Seqno]ledger.WriteSet{}}
	names, err := filepath.Glob(filepath.Join(dir, "ledger", "ledger_*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if !strings.HasSuffix(name, ".ignored") {
			w.chunks = append(w.chunks, readChunk(t, name))
		}
	}
	sort.Slice(w.chunks, func(i, j int) bool { return w.chunks[i].entries[0].Seqno < w.chunks[j].entries[0].Seqno })
	for _, c := range w.chunks {
		for _, e := range c.entries {
			if e.Seqno != uint64(len(w.entries)+1) {
				t.Fatalf("%s: entry %d where %d belongs", c.name, e.Seqno, len(w.entries)+1)
			}
			w.entries = append(w.entries, e)
			w.leaves = append(w.leaves, e.Leaf())
			w.tree.Append(e.Leaf())
		}
	}
	w.readMembers()
	w.recover()
	for _, e := range w.entries {
		ws, err := w.secretAt(e.Seqno).Open(e)
		if err != nil {
			t.Fatal(err)
		}
		w.private[e.Seqno] = ws
	}
	return w
}

func readChunk(t *testing.T, name string) chunkFile {
	t.Helper()
	b := fixture.File(t, name)
	c := chunkFile{name: filepath.Base(name), table: binary.LittleEndian.Uint64(b), size: len(b)}
	end := len(b)
	if c.complete = c.table != 0; c.complete {
		end = int(c.table)
	}
	at := 8
	for at+ledger.HeaderSize <= end {
		h, err := ledger.ParseHeader(b[at:])
		if err != nil {
			t.Fatalf("%s at %d: %v", name, at, err)
		}
		if uint64(end-at) < h.Total() {
			break
		}
		e, err := ledger.ParseEntry(b[at : at+int(h.Total())])
		if err != nil {
			t.Fatalf("%s at %d: %v", name, at, err)
		}
		if c.complete && int(binary.LittleEndian.Uint32(b[end+4*len(c.entries):])) != at {
			t.Errorf("%s: positions table disagrees at entry %d", name, e.Seqno)
		}
		c.entries = append(c.entries, e)
		at += int(h.Total())
	}
	c.torn = end - at
	return c
}

// readMembers matches the members' encryption keys with their ids.
func (w *world) readMembers() {
	w.members = map[string]*keys.EncryptionKey{}
	names, err := filepath.Glob(filepath.Join(w.dir, "common", "member*_enc_privk.pem"))
	if err != nil {
		w.t.Fatal(err)
	}
	for _, name := range names {
		key, err := keys.ParseEncryptionKeyPEM(fixture.File(w.t, name))
		if err != nil {
			w.t.Fatal(err)
		}
		cert, err := keys.ParseCertPEM(fixture.File(w.t, strings.Replace(name, "_enc_privk", "_cert", 1)))
		if err != nil {
			w.t.Fatal(err)
		}
		w.members[keys.CertID(cert.Raw)] = key
	}
}

// recover opens every row of recovery shares and the whole chain of secrets.
func (w *world) recover() {
	threshold, latest := 0, ledger.Seqno(1)
	var sealed []sealedSecret
	for _, e := range w.entries {
		var config struct {
			Threshold int `json:"recovery_threshold"`
		}
		if w.row(e, "public:ccf.gov.service.config", &config) {
			threshold = config.Threshold
		}
		var h historicalTable
		if w.row(e, "public:ccf.internal.historical_encrypted_ledger_secret", &h) {
			latest = e.Seqno + 1
			if h.Next != nil {
				latest = *h.Next
			}
			if h.Previous != nil {
				sealed = append(sealed, sealedSecret{by: latest, of: h.Previous.Version, data: h.Previous.Data})
			}
		}
		var row sharesTable
		if w.row(e, "public:ccf.internal.recovery_shares", &row) {
			w.shares = append(w.shares, w.openShares(shareRow{entry: e, row: row, threshold: threshold, start: latest}))
		}
	}
	for _, s := range slices.Backward(sealed) {
		if w.secrets[s.of] != nil {
			continue // a service that was opened twice seals a secret twice
		}
		plain, err := secret.OpenBlob(w.secrets[s.by].Bytes(), s.data)
		if err != nil {
			w.t.Fatalf("the secret from %d does not open with the one from %d: %v", s.of, s.by, err)
		}
		if w.secrets[s.of], err = secret.FromBytes(plain); err != nil {
			w.t.Fatal(err)
		}
	}
}

type sealedSecret struct {
	by, of ledger.Seqno
	data   []byte
}

func (w *world) openShares(r shareRow) shareRow {
	r.opened = map[string][]byte{}
	var participants [][]byte
	for _, id := range sortedKeys(r.row.Shares) {
		plain, err := w.members[id].Decrypt(r.row.Shares[id])
		if err != nil {
			w.t.Fatalf("share of %s at %v: %v", id, r.entry.ID(), err)
		}
		r.opened[id] = plain
		if !share.IsFull(plain) {
			participants = append(participants, plain)
		}
	}
	if len(participants) == 0 {
		for _, full := range r.opened {
			participants = append(participants, full)
		}
	}
	var err error
	if r.key, err = share.Combine(participants, r.threshold); err != nil {
		w.t.Fatalf("shares at %v: %v", r.entry.ID(), err)
	}
	if r.secret, err = share.Unwrap(r.key, r.row.Wrapped); err != nil {
		w.t.Fatalf("shares at %v: %v", r.entry.ID(), err)
	}
	for _, full := range r.opened {
		if share.IsFull(full) {
			if key, err := share.Combine([][]byte{full}, 1); err != nil || key != r.key {
				w.t.Errorf("the full key at %v is not what the shares combine to: %v", r.entry.ID(), err)
			}
		}
	}
	if old := w.secrets[r.start]; old != nil && !old.Equal(r.secret) {
		w.t.Errorf("shares at %v lead to another secret than earlier ones", r.entry.ID())
	}
	w.secrets[r.start] = r.secret
	return r
}

func (w *world) secretAt(seqno ledger.Seqno) *secret.Secret {
	best := ledger.Seqno(0)
	for start := range w.secrets {
		if start <= seqno && start > best {
			best = start
		}
	}
	return w.secrets[best]
}

func (w *world) evidence(e *ledger.Entry) string {
	return ledger.CommitEvidence(e.ID(), w.secretAt(e.Seqno).CommitNonce(e.ID()))
}

// cover returns the first signature transaction after an entry.
func (w *world) cover(seqno ledger.Seqno) *receipt.Covering {
	for _, e := range w.entries[seqno:] {
		if receipt.IsSignature(e.Public.Writes) {
			c, err := receipt.ParseCovering(e.Public.Writes)
			if err != nil {
				w.t.Fatal(err)
			}
			return c
		}
	}
	return nil
}

func table(ws ledger.WriteSet, name string) (ledger.MapWrites, bool) {
	for _, m := range ws {
		if m.Name == name {
			return m, true
		}
	}
	return ledger.MapWrites{}, false
}

func cell(e *ledger.Entry, name string) []byte {
	m, _ := table(e.Public.Writes, name)
	for _, x := range m.Writes {
		if string(x.Key) == zeroKey {
			return x.Value
		}
	}
	return nil
}

func (w *world) row(e *ledger.Entry, name string, v any) bool {
	b := cell(e, name)
	if b != nil {
		fixture.Decode(w.t, b, v)
	}
	return b != nil
}

func sortedKeys[V any](m map[string]V) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	sort.Strings(out)
	return out
}

func fromBase64(t *testing.T, s string) []byte {
	t.Helper()
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
