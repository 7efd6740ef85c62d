package audit

import (
	"crypto/ecdsa"
	"crypto/x509"
	"errors"
	"fmt"

	"concordat/ledger"
	"concordat/ledger/merkle"
	"concordat/ledger/receipt"
)

// checker carries what the ledger has said so far from entry to entry.
type checker struct {
	report  *Report
	trusted *x509.Certificate // what the auditor was given, or nil
	partial bool              // the beginning is missing, and may be
	told    map[string]bool   // remarks that are made once

	// Owned by entry: where we are.
	at       place
	id       ledger.TxID // of the current entry
	next     ledger.Seqno
	view     ledger.View
	previous struct {
		flags     ledger.Flags
		signature bool
		file      *file
	}

	// Owned by tree.go: the Merkle tree over everything so far.
	tree   merkle.Frontier
	lost   bool       // an entry could not be read, so the tree is not known
	window []leafAt   // leaves since the last signature
	signed *signature // the last good one

	// Owned by service.go, nodes.go, members.go, secrets.go, snapshots.go.
	service  serviceState
	nodes    map[string]*nodeState
	members  map[string]*ecdsa.PublicKey
	secrets  secretState
	evidence map[ledger.Digest]evidenceAt // snapshots the ledger vouches for
	byPlace  map[ledger.Seqno]signedLeaf  // leaves of signature transactions
	roots    map[ledger.Digest]bool       // that were signed
}

// leafAt is a leaf and where its entry is.
type leafAt struct {
	leaf ledger.Digest
	id   ledger.TxID
	at   place
}

func newChecker(r *Report) *checker {
	return &checker{
		report: r, next: 1, told: map[string]bool{}, tree: merkle.New(), nodes: map[string]*nodeState{}, members: map[string]*ecdsa.PublicKey{},
		evidence: map[ledger.Digest]evidenceAt{}, byPlace: map[ledger.Seqno]signedLeaf{}, roots: map[ledger.Digest]bool{},
	}
}

func (c *checker) invalid(format string, args ...any) { c.find(Invalid, format, args...) }
func (c *checker) odd(format string, args ...any)     { c.find(Odd, format, args...) }

// once is odd, but says each thing only once in a ledger.
func (c *checker) once(text string) {
	if !c.told[text] {
		c.told[text] = true
		c.odd("%s", text)
	}
}

func (c *checker) find(s Severity, format string, args ...any) {
	c.report.add(Finding{Severity: s, File: c.at.file.name, Offset: c.at.offset, TxID: c.id, Text: fmt.Sprintf(format, args...)})
}

// begin implements visitor: files must follow each other without a gap.
func (c *checker) begin(f *file) {
	if f.first != c.next {
		c.at, c.id = place{file: f}, ledger.TxID{}
		switch {
		case c.report.Entries == 0 && c.partial:
			c.odd("the ledger is checked from %d on: the files before it are missing", f.first)
		case c.report.Entries == 0:
			c.invalid("the ledger begins at %d here: the files before it are missing", f.first)
		case f.first > c.next:
			c.invalid("entries %d to %d are missing before this file", c.next, f.first-1)
		default:
			c.invalid("the file begins at %d, though the entries before it reach to %d", f.first, c.next-1)
		}
		c.lost = true
	}
	c.next = f.first
}

// entry implements visitor.
func (c *checker) entry(raw []byte, at place) bool {
	c.at, c.id = at, ledger.TxID{Seqno: c.next, View: c.view}
	e, err := ledger.ParseEntry(raw)
	if err != nil {
		c.unreadable(err)
		return false
	}
	if e.Seqno != c.next {
		c.invalid("it says it is entry %d, but its place is that of entry %d", e.Seqno, c.next)
		c.lose()
		return false
	}
	c.id = e.ID()
	c.frame(e)
	c.count(e)
	ws := e.Public.Writes
	signs := receipt.IsSignature(ws)
	c.serviceTables(e)
	c.nodeTables(ws)
	c.secretTables(ws)
	c.memberTables(ws)
	c.snapshotEvidence(e)
	if signs {
		c.signature(e)
	} else if half(ws) {
		c.invalid("it holds a part of a signature, but no signature")
	}
	c.flags(e, signs)
	if e.View != c.view && !signs && !c.service.created(e.Seqno) && c.view != 0 {
		c.odd("the first entry of view %d is neither a signature nor the start of a recovered service", e.View)
	}
	c.append(e.Leaf())
	c.previous.flags, c.previous.signature, c.previous.file = e.Header.Flags, signs, at.file
	c.view, c.next = e.View, e.Seqno+1
	return true
}

// unreadable reports an entry that does not parse. What follows it in the file
// cannot be placed with certainty, so the tree starts again at the next
// signature that can be trusted.
func (c *checker) unreadable(err error) {
	var p *ledger.ParseError
	if errors.As(err, &p) {
		c.invalid("%s, at byte %d of the file", p.Reason, c.at.offset+int64(p.Offset))
	} else {
		c.invalid("%v", err)
	}
	c.lose()
}

// lose gives up the tree until the next signature. The window is kept: the tree
// stored in that signature will say whether its entries are the signed ones.
func (c *checker) lose() { c.lost = true }

// frame checks what the entry says of itself.
func (c *checker) frame(e *ledger.Entry) {
	p := &e.Public
	switch {
	case e.IsSnapshot:
		c.invalid("a snapshot inside a ledger")
	case e.View == 0:
		c.invalid("its view is 0")
	case e.View < c.view:
		c.invalid("its view %d is below the view %d of the entry before it", e.View, c.view)
	}
	if p.MaxConflict != 0 && p.Type != ledger.TypeWriteSet {
		c.invalid("its max conflict version is %d, which only the oldest entries may have", p.MaxConflict)
	}
	if len(p.Writes) == 0 && len(e.Sealed) == 0 {
		c.invalid("it changes nothing")
	}
	if e.View != c.view {
		c.report.Views = append(c.report.Views, ViewStart{View: e.View, First: e.Seqno})
	}
}

// flags checks the orders to end chunks against where chunks ended.
func (c *checker) flags(e *ledger.Entry, signs bool) {
	sameFile := c.previous.file == c.at.file
	if sameFile && c.previous.flags&ledger.FlagChunkAfter != 0 {
		c.invalid("the entry before it orders the chunk to end, but the file goes on")
	}
	if sameFile && e.Header.Flags&ledger.FlagChunkBefore != 0 {
		c.invalid("it orders a new chunk before itself, but is not the first of its file")
	}
	if e.Header.Flags&ledger.FlagChunkAfter != 0 && !signs {
		c.invalid("it orders the chunk to end, but is not a signature transaction")
	}
	if e.Header.Flags&ledger.FlagChunkBefore != 0 && !c.service.created(e.Seqno) {
		c.invalid("it orders a new chunk before itself, but does not start a recovered service")
	}
}

func (c *checker) count(e *ledger.Entry) {
	r := c.report
	r.Entries++
	r.Types[e.Public.Type]++
	if r.First.IsZero() {
		r.First = e.ID()
	}
	r.Last = e.ID()
}

// end implements visitor.
func (c *checker) end(f *file, complete bool) {
	if complete && c.previous.file == f && !c.previous.signature {
		c.invalid("the chunk ends here, but not with a signature transaction")
	}
}

// finish draws the conclusions that need the whole ledger.
func (c *checker) finish() {
	r := c.report
	if !c.lost {
		r.Root = c.tree.Root()
	}
	if c.signed == nil {
		if r.Entries > 0 {
			c.invalid("the ledger holds no good signature")
		}
	} else {
		r.LastSigned, r.SignedRoot = c.signed.id, c.signed.root
		c.uncovered()
	}
	if len(c.window) > 0 {
		r.Unsigned = &Span{First: c.window[0].id, Last: r.Last, File: c.window[0].at.file.name, Offset: c.window[0].at.offset}
	}
	c.serviceConclusion()
	r.SecretStarts = c.secrets.starts()
}
