// Package vectors compares what this project makes of ledgers that real CCF
// services wrote with facts that an independent parser worked out from the same
// files.
package vectors

import (
	"encoding/base64"
	"encoding/binary"
	"path/filepath"
	"sort"
	"strings"
	"testing"

	"concordat/ledger"
	"concordat/ledger/fixture"
	"concordat/ledger/fixture/recovered"
	"concordat/ledger/merkle"
	"concordat/ledger/receipt"
	"concordat/ledger/secret"
)

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
	secrets       *recovered.Secrets
	private       map[ledger.Seqno]ledger.WriteSet
	samplesWanted []string
}

func open(t *testing.T, dir string) *world {
	t.Helper()
	w := &world{t: t, dir: dir, tree: merkle.New(), private: map[ledger.Seqno]ledger.WriteSet{}}
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
	w.secrets = recovered.Open(t, dir, w.entries)
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

func (w *world) secretAt(seqno ledger.Seqno) *secret.Secret {
	found, _ := w.secrets.At(seqno)
	return found
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

func (w *world) row(e *ledger.Entry, name string, v any) bool { return recovered.Row(w.t, e, name, v) }

func fromBase64(t *testing.T, s string) []byte {
	t.Helper()
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
