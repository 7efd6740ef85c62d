package sim

import (
	"bytes"
	"encoding/json"
	"fmt"

	"concordat/ledger"
	"concordat/ledger/merkle"
)

// verifier reads a ledger entry by entry and knows, without the code under test,
// what it must look like.
type verifier struct {
	secrets *lifeSecrets
	limit   uint64 // chunk size
	forced  map[ledger.TxID]bool

	tree       merkle.Frontier
	leaves     []ledger.Digest // since the last signature, that one included
	peaks      merkle.Frontier // before it
	last       ledger.TxID
	signature  ledger.TxID
	views      []ledger.Seqno
	chunk      uint64 // bytes since a flagged entry
	wantsChunk bool
	state      map[string]string // map and key
	roots      []ledger.Digest   // by seqno
	sums       []ledger.Digest   // of the bytes, by seqno
}

func newVerifier(secrets *lifeSecrets, limit uint64, forced map[ledger.TxID]bool) *verifier {
	v := &verifier{secrets: secrets, limit: limit, forced: forced, tree: merkle.New(), state: map[string]string{}}
	v.leaves = []ledger.Digest{{}}
	v.roots = []ledger.Digest{v.tree.Root()}
	v.sums = []ledger.Digest{{}}
	return v
}

// entry takes in the next one.
func (v *verifier) entry(raw []byte) error {
	e, err := ledger.ParseEntry(raw)
	if err != nil {
		return err
	}
	id := e.ID()
	if id.Seqno != v.last.Seqno+1 {
		return fmt.Errorf("I4: %v follows %v", id, v.last)
	}
	if id.View < v.last.View || id.View > v.last.View && v.last != v.signature {
		return fmt.Errorf("I7: %v follows %v, last signature %v", id, v.last, v.signature)
	}
	newView := id.View > v.last.View && e.Header.Flags&ledger.FlagChunkBefore == 0 && id.Seqno > 1
	for uint64(len(v.views)) < id.View {
		v.views = append(v.views, id.Seqno)
	}
	secret, _ := v.secrets.At(id.Seqno)
	private, err := secret.Open(e)
	if err != nil {
		return err
	}
	v.last = id
	v.wantsChunk = v.wantsChunk || v.forced[id]
	for _, ws := range []ledger.WriteSet{e.Public.Writes, private} {
		v.apply(ws)
	}
	if sig := table(e, "public:ccf.internal.signatures"); sig != nil {
		err = v.signed(e, sig)
	} else if e.Header.Flags&ledger.FlagChunkAfter != 0 {
		err = fmt.Errorf("%v ends a chunk and is no signature", id)
	} else if newView {
		err = fmt.Errorf("view %d starts with %v, which is no signature", id.View, id)
	}
	v.tree.Append(e.Leaf())
	v.leaves = append(v.leaves, e.Leaf())
	v.roots = append(v.roots, v.tree.Root())
	v.sums = append(v.sums, e.WriteSetDigest())
	v.chunk += e.Header.Total()
	if e.Header.Flags&ledger.FlagChunkAfter != 0 {
		v.chunk = 0
	}
	return err
}

// signed checks a signature transaction against the tree before it.
func (v *verifier) signed(e *ledger.Entry, sig []byte) error {
	var row struct {
		Root        string
		Seqno, View uint64
	}
	if err := json.Unmarshal(sig, &row); err != nil {
		return err
	}
	id := e.ID()
	if row.Root != v.tree.Root().Hex() || row.Seqno != id.Seqno || row.View != id.View {
		return fmt.Errorf("I4: the signature at %v is over another root", id)
	}
	if len(e.Public.Writes) != 3 || len(e.Sealed) != 0 || !e.Public.Claims.IsZero() {
		return fmt.Errorf("the signature at %v has other content", id)
	}
	want := merkle.MarshalTable(v.signature.Seqno, v.peaks, v.leaves)
	if !bytes.Equal(table(e, "public:ccf.internal.tree"), want) {
		return fmt.Errorf("I13: the tree stored at %v is not the tree since %v", id, v.signature)
	}
	if due := v.chunk >= v.limit || v.wantsChunk; due != (e.Header.Flags&ledger.FlagChunkAfter != 0) {
		return fmt.Errorf("the signature at %v has flags %d after %d bytes, forced %v", id, e.Header.Flags, v.chunk, v.wantsChunk)
	}
	v.wantsChunk = false
	v.signature, v.peaks, v.leaves = id, v.tree, nil
	return nil
}

func (v *verifier) apply(ws ledger.WriteSet) {
	for _, m := range ws {
		for _, w := range m.Writes {
			v.state[m.Name+"\x00"+string(w.Key)] = string(w.Value)
		}
		for _, key := range m.Removes {
			delete(v.state, m.Name+"\x00"+string(key))
		}
	}
}

func table(e *ledger.Entry, name string) []byte {
	for _, w := range e.Public.Writes {
		if w.Name == name && len(w.Writes) == 1 {
			return w.Writes[0].Value
		}
	}
	return nil
}
