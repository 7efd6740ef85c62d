package audit

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/x509"
	"fmt"

	"concordat/ledger"
	"concordat/ledger/cose"
	"concordat/ledger/keys"
	"concordat/ledger/merkle"
	"concordat/ledger/receipt"
)

// signature is a checked signature transaction.
type signature struct {
	id   ledger.TxID
	root ledger.Digest // signed: over everything before it
	at   place
	kind ledger.EntryType
	// public is the size of the public domain.
	public int64
}

func (c *checker) append(leaf ledger.Digest) {
	if !c.lost {
		c.tree.Append(leaf)
	}
	if c.signed != nil && c.signed.id == c.id {
		return // its own window begins behind it
	}
	if len(c.window) < maxWindow {
		c.window = append(c.window, leafAt{leaf, c.id, c.at})
	}
}

// signature checks a signature transaction: that nothing else is in it, that
// each value is written the only way it may be, that the signatures are right,
// and that all of it is about the entries before it.
func (c *checker) signature(e *ledger.Entry) {
	c.report.Signatures++
	if !c.onlySignatureTables(e) {
		return
	}
	s, err := receipt.ParseCovering(e.Public.Writes)
	if err != nil {
		c.invalid("%v", err)
		return
	}
	good := c.nodeRow(e, s) && c.nodeSignature(s.Node)
	good = c.coseSignature(s) && good
	good = c.covers(s) && good
	if good {
		c.signed = &signature{id: c.id, root: s.Node.Root, at: c.at, kind: e.Public.Type, public: int64(len(e.PublicRaw))}
		c.window = c.window[:0]
		c.roots[s.Node.Root] = true
	}
}

// half reports whether a write set holds the companions of a signature without
// one.
func half(ws ledger.WriteSet) bool {
	_, tree := ws.Map(receipt.TreeTable)
	_, cose := ws.Map(receipt.COSESignaturesTable)
	_, node := ws.Map(receipt.SignaturesTable)
	return tree || cose || node
}

// onlySignatureTables checks that the transaction holds the two or three tables
// of a signature, one row each, and nothing else.
func (c *checker) onlySignatureTables(e *ledger.Entry) bool {
	for _, m := range e.Public.Writes {
		switch m.Name {
		case receipt.SignaturesTable, receipt.TreeTable, receipt.COSESignaturesTable:
		default:
			c.invalid("a signature transaction that also changes %s", m.Name)
			return false
		}
		if len(m.Writes) != 1 || len(m.Removes) != 0 || string(m.Writes[0].Key) != ledger.SingleKey {
			c.invalid("a signature transaction with other than one row in %s", m.Name)
			return false
		}
	}
	switch {
	case len(e.Sealed) != 0:
		c.invalid("a signature transaction with a private part")
	case !e.Public.Claims.IsZero():
		c.invalid("a signature transaction with application claims")
	default:
		return true
	}
	return false
}

// nodeRow checks the row of the node's signature, apart from the signature.
func (c *checker) nodeRow(e *ledger.Entry, s *receipt.Covering) bool {
	n := s.Node
	row, _ := e.Public.Writes.Single(receipt.SignaturesTable)
	switch {
	case !bytes.Equal(n.Marshal(), row):
		c.invalid("%s is not written as a service writes it", receipt.SignaturesTable)
	case n.TxID != c.id:
		c.invalid("its signature says it is of %v", n.TxID)
	case e.Public.Type == ledger.TypeWriteSetWithCommitEvidenceAndClaims && !n.Unused():
		c.invalid("fields of its signature that are always zero are not")
	default:
		return true
	}
	return false
}

// nodeSignature checks the signing node and its signature over the root.
func (c *checker) nodeSignature(n *receipt.NodeSignature) bool {
	node := c.nodes[n.NodeID]
	if node == nil && c.partial {
		node = c.adopt(n)
	}
	switch {
	case node == nil && c.service.cert == nil && c.partial:
		c.once(noCertificate)
		return false
	case node == nil || node.removed:
		c.invalid("signed by node %.64q, which is not part of the service", n.NodeID)
		return false
	case node.status != statusTrusted && node.status != statusRetired:
		c.invalid("signed by node %s, which is %s", n.NodeID, node.status)
		return false
	}
	cert, err := c.signerCert(n, node)
	if err != nil {
		c.invalid("%v", err)
		return false
	}
	pub, err := keys.CertKey(cert)
	if err != nil {
		c.invalid("the certificate of node %s: %v", n.NodeID, err)
		return false
	}
	if !keys.VerifyDigestDER(pub, n.Root[:], n.Signature) {
		c.invalid("the signature of node %s over root %s does not verify", n.NodeID, n.Root.Hex())
		return false
	}
	return true
}

// adopt takes a node for one that joined before the ledger at hand begins: its
// certificate is signed by the service.
func (c *checker) adopt(n *receipt.NodeSignature) *nodeState {
	service := c.service.cert
	if service == nil {
		service = c.trusted
	}
	cert, err := keys.ParseCertPEM([]byte(n.Cert))
	if err != nil || service == nil || keys.CertKeyID(cert) != n.NodeID || cert.CheckSignatureFrom(service) != nil {
		return nil
	}
	node := c.node(n.NodeID)
	node.status, node.trusted, node.certs = statusTrusted, true, []string{n.Cert}
	return node
}

// noCertificate is said of signatures before a partial ledger names its service.
const noCertificate = "signed by a node of a service whose certificate is not at hand; later signatures cover it"

// signerCert is the certificate to check with: the one in the row, which must
// be one the ledger gave the node; in the oldest ledgers, the node's own.
func (c *checker) signerCert(n *receipt.NodeSignature, node *nodeState) (*x509.Certificate, error) {
	text := n.Cert
	if text == "" {
		if text = node.anyCert(); text == "" {
			return nil, fmt.Errorf("the ledger has no certificate of node %s", n.NodeID)
		}
	} else if !node.hasCert(text) {
		return nil, fmt.Errorf("the certificate in the signature is not one that the ledger gave node %s", n.NodeID)
	}
	return keys.ParseCertPEM([]byte(text))
}

// coseSignature checks the service's own signature, where there is one.
func (c *checker) coseSignature(s *receipt.Covering) bool {
	if s.COSE == nil {
		if c.report.COSESignatures > 0 {
			c.once("the service stopped adding COSE signatures here")
		}
		return true
	}
	c.report.COSESignatures++
	r, err := cose.ParseRoot(s.COSE)
	if err != nil {
		c.invalid("%v", err)
		return false
	}
	service := c.service.key()
	switch {
	case !r.Exact(s.COSE):
		c.invalid("its COSE signature is not written as a service writes it")
	case r.TxID != c.id:
		c.invalid("its COSE signature says it is of %v", r.TxID)
	case service == nil && c.partial:
		return c.trusted != nil && r.Verify(publicKey(c.trusted), s.Node.Root) == nil
	case service == nil:
		c.invalid("a COSE signature before the ledger names its service")
	default:
		return c.coseVerifies(r, service, s.Node.Root)
	}
	return false
}

func (c *checker) coseVerifies(r *cose.RootSignature, service *ecdsa.PublicKey, root ledger.Digest) bool {
	if err := r.Verify(service, root); err != nil {
		c.invalid("its COSE signature over root %s: %v", root.Hex(), err)
		return false
	}
	return true
}

// covers compares the signed root and the stored tree with the entries. When
// they differ, the stored tree, which the root vouches for, says which entry was
// changed; the check then goes on from the signed tree.
func (c *checker) covers(s *receipt.Covering) bool {
	t := s.Tree
	switch {
	case t.To != c.id.Seqno-1:
		c.invalid("its tree reaches to entry %d, not to the one before it", t.To)
		return false
	case t.Root() != s.Node.Root:
		c.invalid("its tree leads to root %s, it signs root %s", t.Root().Hex(), s.Node.Root.Hex())
		return false
	case !bytes.Equal(merkle.MarshalTable(t.From, t.Peaks(), leaves(t)), s.TreeRaw):
		c.invalid("%s is not written as a service writes it", receipt.TreeTable)
		return false
	}
	if c.signed != nil && t.From > c.signed.id.Seqno {
		c.odd("its tree begins at entry %d: there can be no receipts for %d to %d", t.From, c.signed.id.Seqno+1, t.From-1)
	}
	switch {
	case c.lost:
		c.blame(t)
	case c.tree.Root() == s.Node.Root:
		return true
	case c.blame(t) == 0:
		c.invalid("it signs root %s, the entries before it have root %s", t.Root().Hex(), c.tree.Root().Hex())
	}
	c.tree, c.lost = t.Frontier(), false
	return true
}

// blame names the entries whose leaf is not the signed one, and counts them.
func (c *checker) blame(t *merkle.Table) (named int) {
	name := func(l leafAt, format string, args ...any) {
		named++
		c.report.add(Finding{Severity: Invalid, File: l.at.file.name, Offset: l.at.offset, TxID: l.id, Text: fmt.Sprintf(format, args...)})
	}
	for _, l := range c.window {
		switch signed, ok := t.Leaf(l.id.Seqno); {
		case ok && signed != l.leaf:
			name(l, "its content is not what was signed at %v: its Merkle leaf is %s, the signed one %s", c.id, l.leaf.Hex(), signed.Hex())
		case !ok && c.lost:
			name(l, "it cannot be checked: an entry near it is unreadable, and the next tree, at %v, begins behind it", c.id)
		}
	}
	return named
}

func leaves(t *merkle.Table) []ledger.Digest {
	out := make([]ledger.Digest, 0, t.To-t.From+1)
	for i := t.From; i <= t.To; i++ {
		leaf, _ := t.Leaf(i)
		out = append(out, leaf)
	}
	return out
}

// uncovered lists the bytes of the last signature entry that no signature and no
// rule covers. A later root would cover them, and so, but for the flags, does
// the ledger secret.
func (c *checker) uncovered() {
	s := c.signed
	add := func(offset, length int64, what string) {
		c.report.Uncovered = append(c.report.Uncovered, Uncovered{File: s.at.file.name, Offset: s.at.offset + offset, Length: length, What: what})
	}
	const publicDomain = ledger.HeaderSize + ledger.TagSize + ledger.IVSize + 8
	add(1, 1, uncoveredFlags)
	add(ledger.HeaderSize, ledger.TagSize, uncoveredTag)
	evidence := int64(publicDomain + 1 + 8)
	if s.kind.HasClaims() {
		evidence += int64(len(ledger.Digest{}))
	}
	if s.kind.HasEvidence() {
		add(evidence, int64(len(ledger.Digest{})), uncoveredEvidence)
	}
	if s.kind != ledger.TypeWriteSetWithCommitEvidenceAndClaims {
		add(publicDomain, s.public, uncoveredCommit)
	}
}

// What may stay uncovered in the last signature entry.
const (
	uncoveredFlags    = "the two flag bits of the last signature entry"
	uncoveredTag      = "the GCM tag of the last signature entry"
	uncoveredEvidence = "the commit evidence digest of the last signature entry"
	uncoveredCommit   = "the commit position and nonce in the last signature entry, as written by CCF before 3.0, somewhere"
)
