// Package receipt builds and checks receipts: proof, for whoever holds the
// certificate of a service, that a transaction is in its ledger.
//
// There are two forms. A JSON receipt carries a signature of the node that
// signed the covering Merkle root and the certificate that ties the node to the
// service. A COSE receipt carries a signature of the service itself.
//
// The package is pure and small enough to embed: it links neither consensus nor
// storage nor HTTP.
package receipt

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	"concordat/ledger"
	"concordat/ledger/cose"
	"concordat/ledger/jsondoc"
	"concordat/ledger/merkle"
)

// Limits of what is read.
const (
	// MaxReceipt bounds a receipt of either form.
	MaxReceipt = 1 << 20
	// MaxEndorsements bounds the certificates or identities a receipt may bring.
	MaxEndorsements = 64
)

// ErrMalformed is returned for bytes that are not a receipt.
var ErrMalformed = errors.New("malformed receipt")

// Receipt is a JSON receipt. Exactly one of Leaf and Components is set.
type Receipt struct {
	Cert         string         // PEM of the signing node, endorsed by the service
	Leaf         *ledger.Digest // of a signature transaction, or one without evidence
	Components   *Components
	NodeID       string
	Proof        []merkle.Step
	Endorsements []string // PEM, each signed by the next, the last by the service
	Signature    []byte   // ASN.1 ECDSA over the root, which is not hashed again
}

// Components are the parts a leaf is hashed from.
type Components struct {
	WriteSetDigest ledger.Digest
	CommitEvidence string
	Claims         *ledger.Digest // absent in entries of type 3
}

// wire is the JSON form; fields are in the byte order of their keys, since
// receipts are compared byte for byte.
type wire struct {
	Cert         string          `json:"cert"`
	Leaf         *string         `json:"leaf,omitempty"`
	Components   *wireComponents `json:"leaf_components,omitempty"`
	NodeID       string          `json:"node_id"`
	Proof        []wireStep      `json:"proof"`
	Endorsements []string        `json:"service_endorsements,omitempty"`
	Signature    *string         `json:"signature"`
}

type wireComponents struct {
	Claims         *string `json:"claims_digest,omitempty"`
	CommitEvidence *string `json:"commit_evidence"`
	WriteSetDigest *string `json:"write_set_digest"`
}

type wireStep struct {
	Left  *string `json:"left,omitempty"`
	Right *string `json:"right,omitempty"`
}

// Marshal writes the receipt as CCF does: sorted keys, no blanks.
func (r *Receipt) Marshal() []byte {
	signature := base64.StdEncoding.EncodeToString(r.Signature)
	w := wire{
		Cert: r.Cert, NodeID: r.NodeID, Endorsements: r.Endorsements,
		Signature: &signature, Proof: make([]wireStep, 0, len(r.Proof)),
	}
	if r.Leaf != nil {
		w.Leaf = hexOf(*r.Leaf)
	}
	if c := r.Components; c != nil {
		w.Components = &wireComponents{CommitEvidence: &c.CommitEvidence, WriteSetDigest: hexOf(c.WriteSetDigest)}
		if c.Claims != nil {
			w.Components.Claims = hexOf(*c.Claims)
		}
	}
	for _, s := range r.Proof {
		if s.Left {
			w.Proof = append(w.Proof, wireStep{Left: hexOf(s.Hash)})
		} else {
			w.Proof = append(w.Proof, wireStep{Right: hexOf(s.Hash)})
		}
	}
	return marshal(w)
}

// MarshalJSON makes a receipt usable inside other JSON values.
func (r *Receipt) MarshalJSON() ([]byte, error) { return r.Marshal(), nil }

// Parse reads a JSON receipt, of the first or second version of the format, or
// as applications see it. Keys it does not know are ignored.
func Parse(b []byte) (*Receipt, error) {
	if len(b) > MaxReceipt {
		return nil, fmt.Errorf("%w: %d bytes are more than the limit of %d", ErrMalformed, len(b), MaxReceipt)
	}
	var w wire
	if err := json.Unmarshal(b, &w); err != nil {
		return nil, fmt.Errorf("%w: not the JSON of a receipt", ErrMalformed)
	}
	if w.Cert == "" || w.NodeID == "" || w.Signature == nil || w.Proof == nil {
		return nil, fmt.Errorf("%w: cert, node_id, proof and signature are all needed", ErrMalformed)
	}
	if (w.Leaf == nil) == (w.Components == nil) {
		return nil, fmt.Errorf("%w: exactly one of leaf and leaf_components is needed", ErrMalformed)
	}
	if len(w.Endorsements) > MaxEndorsements {
		return nil, fmt.Errorf("%w: %d service endorsements are more than the limit of %d", ErrMalformed, len(w.Endorsements), MaxEndorsements)
	}
	r := &Receipt{Cert: w.Cert, NodeID: w.NodeID, Endorsements: w.Endorsements}
	var err error
	if r.Signature, err = base64.StdEncoding.Strict().DecodeString(*w.Signature); err != nil {
		return nil, fmt.Errorf("%w: signature is not base64", ErrMalformed)
	}
	if err := r.readLeaf(&w); err != nil {
		return nil, err
	}
	return r, r.readProof(w.Proof)
}

func (r *Receipt) readLeaf(w *wire) (err error) {
	if w.Leaf != nil {
		r.Leaf, err = digestOf(w.Leaf, "leaf")
		return err
	}
	c := w.Components
	if c.CommitEvidence == nil || len(*c.CommitEvidence) > cose.MaxEvidence {
		return fmt.Errorf("%w: leaf_components needs a commit_evidence of at most %d bytes", ErrMalformed, cose.MaxEvidence)
	}
	r.Components = &Components{CommitEvidence: *c.CommitEvidence}
	wsd, err := digestOf(c.WriteSetDigest, "write_set_digest")
	if err != nil {
		return err
	}
	r.Components.WriteSetDigest = *wsd
	if c.Claims != nil {
		r.Components.Claims, err = digestOf(c.Claims, "claims_digest")
	}
	return err
}

func (r *Receipt) readProof(steps []wireStep) error {
	if len(steps) > cose.MaxPath {
		return fmt.Errorf("%w: a proof of %d steps is above the limit of %d", ErrMalformed, len(steps), cose.MaxPath)
	}
	r.Proof = make([]merkle.Step, len(steps))
	for i, s := range steps {
		side, left := s.Right, false
		if s.Left != nil {
			side, left = s.Left, true
		}
		if (s.Left == nil) == (s.Right == nil) {
			return fmt.Errorf("%w: step %d of the proof needs exactly one of left and right", ErrMalformed, i)
		}
		hash, err := digestOf(side, "a step of the proof")
		if err != nil {
			return err
		}
		r.Proof[i] = merkle.Step{Left: left, Hash: *hash}
	}
	return nil
}

// Root is the Merkle root the receipt leads to.
func (r *Receipt) Root() ledger.Digest {
	if r.Leaf != nil {
		return merkle.Fold(*r.Leaf, r.Proof)
	}
	return merkle.Fold(r.Components.leaf(), r.Proof)
}

func (c *Components) leaf() ledger.Digest {
	evidence := ledger.CommitEvidenceDigest(c.CommitEvidence)
	if c.Claims == nil {
		return leafWithoutClaims(c.WriteSetDigest, evidence)
	}
	return ledger.LeafOf(c.WriteSetDigest, evidence, *c.Claims)
}

func hexOf(d ledger.Digest) *string {
	s := d.Hex()
	return &s
}

func digestOf(s *string, what string) (*ledger.Digest, error) {
	var d ledger.Digest
	if s == nil || len(*s) != 2*len(d) {
		return nil, fmt.Errorf("%w: %s is not a SHA-256 digest in hexadecimal", ErrMalformed, what)
	}
	if _, err := hex.Decode(d[:], []byte(*s)); err != nil {
		return nil, fmt.Errorf("%w: %s is not a SHA-256 digest in hexadecimal", ErrMalformed, what)
	}
	return &d, nil
}

// marshal writes JSON as CCF does. Fields are declared in the order of their keys.
func marshal(v any) []byte {
	b, _ := jsondoc.Plain(v) // only texts, numbers and lists of them come here
	return b
}
