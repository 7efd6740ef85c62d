package audit

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"sort"

	"concordat/ledger"
	"concordat/ledger/cose"
	"concordat/ledger/receipt"
)

// known compares the ledger with what the auditor knows from elsewhere. A ledger
// that was cut short, or that is one of two histories, is consistent with
// itself: only a receipt or a transaction id from outside can tell.
func (c *checker) known(o Options) error {
	if id := o.AtLeast; !id.IsZero() {
		if reason := c.contains(id); reason != "" {
			c.report.add(Finding{Severity: Invalid, File: c.at.file.name, Text: reason})
		}
	}
	for _, path := range o.Receipts {
		b, err := os.ReadFile(path)
		if err != nil {
			return fmt.Errorf("reading a receipt: %w", err)
		}
		if reason := c.knownReceipt(b); reason != "" {
			c.report.add(Finding{Severity: Invalid, File: filepath.Base(path), Text: reason})
			continue
		}
		c.report.Receipts++
	}
	return nil
}

// contains says why a committed transaction is not in the ledger, or nothing.
func (c *checker) contains(id ledger.TxID) string {
	if id.Seqno > c.report.LastSigned.Seqno {
		return fmt.Sprintf("transaction %v is known to be committed, yet the ledger is signed up to %v only", id, c.report.LastSigned)
	}
	if view := c.viewOf(id.Seqno); view != id.View && view != 0 {
		return fmt.Sprintf("transaction %v is known to be committed, yet the ledger has %d.%d in its place", id, view, id.Seqno)
	}
	return ""
}

// viewOf is the view of an entry, 0 for one before the ledger at hand.
func (c *checker) viewOf(seqno ledger.Seqno) ledger.View {
	views := c.report.Views
	i := sort.Search(len(views), func(i int) bool { return views[i].First > seqno })
	if i == 0 {
		return 0
	}
	return views[i-1].View
}

// knownReceipt says why a receipt is not of this ledger, or nothing. Whether the
// receipt is valid is for receipt.Verify to say.
func (c *checker) knownReceipt(b []byte) string {
	root, err := rootOf(b)
	if err != nil {
		return err.Error()
	}
	if !c.roots[root] {
		return fmt.Sprintf("it leads to root %s, which no signature in the ledger is over: it is of another history, or of a part that is missing", root.Hex())
	}
	return ""
}

func rootOf(b []byte) (ledger.Digest, error) {
	if t := bytes.TrimSpace(b); len(t) > 0 && t[0] == '{' {
		r, err := receipt.Parse(t)
		if err != nil {
			return ledger.Digest{}, err
		}
		return r.Root(), nil
	}
	r, err := cose.ParseReceipt(b)
	if err != nil {
		return ledger.Digest{}, err
	}
	return r.Proofs[0].Root(), nil
}
