package audit

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"concordat/ledger"
	"concordat/ledger/receipt"
	"concordat/ledger/snapshot"
)

// evidenceAt is a snapshot the ledger vouches for.
type evidenceAt struct {
	id      ledger.TxID
	version ledger.Seqno
}

// signedLeaf is the leaf of a signature transaction, which a snapshot repeats.
type signedLeaf struct {
	leaf  ledger.Digest
	views int // views begun so far
}

// snapshotEvidence checks the transaction that vouches for a snapshot.
func (c *checker) snapshotEvidence(e *ledger.Entry) {
	if receipt.IsSignature(e.Public.Writes) {
		c.byPlace[e.Seqno] = signedLeaf{leaf: e.Leaf(), views: len(c.report.Views)}
	}
	row, ok := e.Public.Writes.Single(snapshot.EvidenceTable)
	if !ok {
		return
	}
	evidence, err := snapshot.ParseEvidence(row)
	if err != nil {
		c.invalid("%v", err)
		return
	}
	c.report.SnapshotsSeen++
	c.evidence[evidence.Hash] = evidenceAt{id: e.ID(), version: evidence.Version}
	_, signs := c.byPlace[evidence.Version]
	switch {
	case !bytes.Equal(evidence.Marshal(), row):
		c.invalid("%s is not written as a service writes it", snapshot.EvidenceTable)
	case e.Public.Type.HasClaims() && e.Public.Claims != evidence.Hash:
		c.invalid("it vouches for snapshot %s but claims %s", evidence.Hash.Hex(), e.Public.Claims.Hex())
	case !signs && !c.lost && (!c.partial || evidence.Version >= c.report.First.Seqno):
		c.invalid("it vouches for a snapshot at %d, which is no signature transaction before it", evidence.Version)
	}
}

// snapshots compares snapshot files with the ledger. A file is read whole.
func (c *checker) snapshots(paths []string) error {
	for _, path := range paths {
		b, err := os.ReadFile(path)
		if errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("a snapshot file: %w", err)
		}
		if err != nil {
			return fmt.Errorf("reading a snapshot: %w", err)
		}
		if reason := c.snapshot(path, b); reason != "" {
			c.report.add(Finding{Severity: Invalid, File: filepath.Base(path), Text: reason})
			continue
		}
		c.report.Snapshots++
	}
	return nil
}

// snapshot says what is wrong with a snapshot, or nothing. The evidence in the
// ledger is what proves it; its own receipt is checked where a service
// certificate is at hand and is still the one that signed.
func (c *checker) snapshot(path string, b []byte) string {
	s, err := snapshot.Parse(b)
	if err != nil {
		return err.Error()
	}
	evidence, ok := c.evidence[s.Digest()]
	if !ok {
		return fmt.Sprintf("the ledger vouches for no snapshot with digest %s", s.Digest().Hex())
	}
	if evidence.version != s.Seqno {
		return fmt.Sprintf("it is of %d, the ledger vouches for it at %d", s.Seqno, evidence.version)
	}
	name, ok := snapshot.ParseName(filepath.Base(path))
	if !ok || name.Seqno != s.Seqno || name.Evidence != evidence.id.Seqno {
		return fmt.Sprintf("its name is not that of the snapshot at %d proven at %d", s.Seqno, evidence.id.Seqno)
	}
	signed, ok := c.byPlace[s.Seqno]
	if !ok || signed.leaf != s.Leaf {
		return fmt.Sprintf("the leaf in it is not that of entry %d", s.Seqno)
	}
	if views := c.viewHistory(signed.views); !slices.Equal(views, s.Views) {
		return fmt.Sprintf("its history of views is %v, the ledger's %v", s.Views, views)
	}
	if name.Committed {
		return c.snapshotProof(s)
	}
	return ""
}

// snapshotProof checks the receipt in the file: it must lead to a root that the
// ledger's signatures cover, by way of the evidence.
func (c *checker) snapshotProof(s *snapshot.Snapshot) string {
	r, err := receipt.Parse(s.Proof)
	if err != nil {
		return err.Error()
	}
	if r.Components == nil || r.Components.Claims == nil || *r.Components.Claims != s.Digest() {
		return "its receipt is not about it"
	}
	if !c.roots[r.Root()] {
		return fmt.Sprintf("its receipt leads to root %s, which no signature in the ledger is over", r.Root().Hex())
	}
	return ""
}

// viewHistory is the first seqno of every view from 1 on: views that were never
// used begin where the next used one does.
func (c *checker) viewHistory(n int) []ledger.Seqno {
	var out []ledger.Seqno
	for _, v := range c.report.Views[:n] {
		for uint64(len(out)) < v.View && len(out) < snapshot.MaxViews {
			out = append(out, v.First)
		}
	}
	return out
}
