package cose

import (
	"crypto/ecdsa"
	"fmt"
	"unicode/utf8"

	"concordat/ledger"
	"concordat/ledger/merkle"
)

// Proof shows that one transaction is under a root: the three parts of its leaf
// and the path from there. (CDDL: ccf-inclusion-proof.)
type Proof struct {
	WriteSetDigest ledger.Digest
	CommitEvidence string
	Claims         ledger.Digest
	Path           []merkle.Step
}

// Labels of a proof.
const (
	proofLeaf = 1
	proofPath = 2
)

// Marshal writes the proof as CCF does.
func (p *Proof) Marshal() []byte {
	b := make([]byte, 0, 96+len(p.CommitEvidence)+36*len(p.Path))
	b = appendHead(b, majorMap, 2)
	b = appendHead(appendInt(b, proofLeaf), majorArray, 3)
	b = appendBytes(b, p.WriteSetDigest[:])
	b = appendText(b, p.CommitEvidence)
	b = appendBytes(b, p.Claims[:])
	b = appendHead(appendInt(b, proofPath), majorArray, uint64(len(p.Path)))
	for i := range p.Path {
		b = appendHead(b, majorArray, 2)
		if p.Path[i].Left {
			b = append(b, simpleTrue)
		} else {
			b = append(b, simpleFalse)
		}
		b = appendBytes(b, p.Path[i].Hash[:])
	}
	return b
}

// ParseProof reads a proof: both parts, in either order.
func ParseProof(b []byte) (*Proof, error) {
	c := &cursor{b: b}
	p := &Proof{}
	c.exactly(majorMap, 2)
	first := c.expect(majorUint)
	c.part(p, first)
	second := c.expect(majorUint)
	c.part(p, second)
	if !c.done() || first == second {
		return nil, fmt.Errorf("%w: not an inclusion proof of a CCF ledger", ErrMalformed)
	}
	return p, nil
}

func (c *cursor) part(p *Proof, label uint64) {
	switch label {
	case proofLeaf:
		c.exactly(majorArray, 3)
		c.fixed(p.WriteSetDigest[:])
		p.CommitEvidence = c.text()
		c.fixed(p.Claims[:])
		if n := len(p.CommitEvidence); n == 0 || n > MaxEvidence || !utf8.ValidString(p.CommitEvidence) {
			c.bad = true
		}
	case proofPath:
		n := c.expect(majorArray)
		if c.bad || n == 0 || n > MaxPath {
			c.bad = true
			return
		}
		p.Path = make([]merkle.Step, n)
		for i := range p.Path {
			c.step(&p.Path[i])
		}
	default:
		c.bad = true
	}
}

func (c *cursor) step(s *merkle.Step) {
	c.exactly(majorArray, 2)
	switch b := c.take(1); {
	case c.bad:
	case b[0] == simpleTrue:
		s.Left = true
	case b[0] != simpleFalse:
		c.bad = true
	}
	c.fixed(s.Hash[:])
}

// Root is the root the proof leads to.
func (p *Proof) Root() ledger.Digest {
	leaf := ledger.LeafOf(p.WriteSetDigest, ledger.CommitEvidenceDigest(p.CommitEvidence), p.Claims)
	return merkle.Fold(leaf, p.Path)
}

// Receipt is a ledger signature that carries inclusion proofs in its
// unprotected header.
type Receipt struct {
	RootSignature
	Proofs []Proof
}

// BuildReceipt puts a proof into the signature that covers it. Everything that
// is signed stays as it was.
func BuildReceipt(signature []byte, proof []byte) ([]byte, error) {
	s, err := ParseSign1(signature)
	if err != nil {
		return nil, err
	}
	if !s.Detached {
		return nil, fmt.Errorf("%w: a ledger signature has a detached payload", ErrMalformed)
	}
	u := appendHead(nil, majorMap, 1)
	u = appendHead(appendInt(u, labelVDP), majorMap, 1)
	u = appendHead(appendInt(u, labelInclusion), majorArray, 1)
	s.Unprotected = appendBytes(u, proof)
	return s.Marshal(), nil
}

// ParseReceipt reads a COSE receipt with at least one inclusion proof.
func ParseReceipt(b []byte) (*Receipt, error) {
	root, err := ParseRoot(b)
	if err != nil {
		return nil, err
	}
	r := &Receipt{RootSignature: *root}
	unprotected, err := parseHeader(root.Message.Unprotected)
	if err != nil {
		return nil, err
	}
	proofs, ok := unprotected.Map(labelVDP)
	if !ok {
		return nil, fmt.Errorf("%w: a receipt without proofs (label 396)", ErrMalformed)
	}
	c := &cursor{b: proofs.Raw(labelInclusion)}
	n := c.expect(majorArray)
	if c.bad || n == 0 || n > MaxProofs {
		return nil, fmt.Errorf("%w: a receipt without inclusion proofs", ErrMalformed)
	}
	for range n {
		p, err := ParseProof(c.bytes())
		if err != nil {
			return nil, err
		}
		r.Proofs = append(r.Proofs, *p)
	}
	if !c.done() {
		return nil, fmt.Errorf("%w: inclusion proofs", ErrMalformed)
	}
	return r, nil
}

// Verify checks every proof against the signature of the service.
func (r *Receipt) Verify(service *ecdsa.PublicKey) error {
	for i := range r.Proofs {
		if err := r.RootSignature.Verify(service, r.Proofs[i].Root()); err != nil {
			return err
		}
	}
	return nil
}
