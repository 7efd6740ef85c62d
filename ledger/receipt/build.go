package receipt

import (
	"errors"
	"fmt"

	"concordat/ledger"
	"concordat/ledger/cose"
)

// Reasons why there is no receipt.
var (
	ErrNotCovered = errors.New("the transaction is not in the tree of that signature")
	ErrNoEvidence = errors.New("the commit evidence is not that of the transaction")
	ErrNoCOSE     = errors.New("no COSE receipt")
)

// Build makes the JSON receipt of an entry from the signature transaction that
// covers it. evidence is the commit evidence, which takes the ledger secret; it
// is not used for entries that have none. endorsements is empty unless the
// service was recovered since.
func Build(e *ledger.Entry, evidence string, c *Covering, endorsements []string) (*Receipt, error) {
	if c.Node.Cert == "" {
		return nil, fmt.Errorf("%w: the signature carries no certificate", ErrNotCovered)
	}
	r := &Receipt{Cert: c.Node.Cert, NodeID: c.Node.NodeID, Signature: c.Node.Signature, Endorsements: endorsements}
	if IsSignature(e.Public.Writes) {
		return r, r.ofSignature(e)
	}
	path, err := path(e, c)
	if err != nil {
		return nil, err
	}
	r.Proof = path.Path
	if !e.Public.Type.HasEvidence() {
		leaf := e.Leaf()
		r.Leaf = &leaf
		return r, nil
	}
	if ledger.CommitEvidenceDigest(evidence) != e.Public.CommitEvidenceDigest {
		return nil, ErrNoEvidence
	}
	r.Components = &Components{WriteSetDigest: e.WriteSetDigest(), CommitEvidence: evidence}
	if e.Public.Type.HasClaims() {
		r.Components.Claims = &path.Claims
	}
	return r, nil
}

// ofSignature makes the receipt of a signature transaction: what it signed,
// without a proof, under its own signature.
func (r *Receipt) ofSignature(e *ledger.Entry) error {
	own, err := ParseCovering(e.Public.Writes)
	if err != nil {
		return err
	}
	r.Cert, r.NodeID, r.Signature, r.Leaf = own.Node.Cert, own.Node.NodeID, own.Node.Signature, &own.Node.Root
	return nil
}

// path is the proof of an entry without its evidence.
func path(e *ledger.Entry, c *Covering) (*cose.Proof, error) {
	leaf, ok := c.Tree.Leaf(e.Seqno)
	if !ok || leaf != e.Leaf() {
		return nil, fmt.Errorf("%w: %v under the signature at %v", ErrNotCovered, e.ID(), c.Node.TxID)
	}
	steps, err := c.Tree.Path(e.Seqno)
	if err != nil {
		return nil, fmt.Errorf("%w: %v under the signature at %v", ErrNotCovered, e.ID(), c.Node.TxID)
	}
	return &cose.Proof{WriteSetDigest: e.WriteSetDigest(), Claims: e.Public.Claims, Path: steps}, nil
}

// BuildProof makes the CBOR inclusion proof of an entry.
func BuildProof(e *ledger.Entry, evidence string, c *Covering) ([]byte, error) {
	switch {
	case IsSignature(e.Public.Writes):
		return nil, fmt.Errorf("%w: a signature transaction is not under its own signature", ErrNoCOSE)
	case e.Public.Type != ledger.TypeWriteSetWithCommitEvidenceAndClaims:
		return nil, fmt.Errorf("%w: an entry of type %d cannot be proven by one", ErrNoCOSE, e.Public.Type)
	}
	proof, err := path(e, c)
	if err != nil {
		return nil, err
	}
	if ledger.CommitEvidenceDigest(evidence) != e.Public.CommitEvidenceDigest {
		return nil, ErrNoEvidence
	}
	proof.CommitEvidence = evidence
	return proof.Marshal(), nil
}

// BuildCOSE makes the COSE receipt of an entry.
func BuildCOSE(e *ledger.Entry, evidence string, c *Covering) ([]byte, error) {
	if c.COSE == nil {
		return nil, fmt.Errorf("%w: the signature at %v has no COSE form", ErrNoCOSE, c.Node.TxID)
	}
	proof, err := BuildProof(e, evidence, c)
	if err != nil {
		return nil, err
	}
	return cose.BuildReceipt(c.COSE, proof)
}
