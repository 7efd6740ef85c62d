package receipt

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"

	"concordat/ledger"
	"concordat/ledger/merkle"
)

// The tables of a signature transaction. All have one row, under eight zero
// bytes.
const (
	SignaturesTable     = "public:ccf.internal.signatures"
	TreeTable           = "public:ccf.internal.tree"
	COSESignaturesTable = "public:ccf.internal.cose_signatures"
)

// ErrNotSignature is returned for an entry that is no signature transaction.
var ErrNotSignature = errors.New("not a signature transaction")

// NodeSignature is the row of SignaturesTable: a node's signature over the root
// of everything before it.
type NodeSignature struct {
	Cert        string // PEM; absent in ledgers of CCF 1.x
	NodeID      string
	Root        ledger.Digest
	TxID        ledger.TxID // of this signature transaction
	Signature   []byte      // ASN.1
	CommitSeqno uint64      // always 0 today; see Unused
	CommitView  uint64      // always 0 today
	Nonce       string      // always zeros
}

type wireSignature struct {
	Cert        string `json:"cert,omitempty"`
	CommitSeqno uint64 `json:"commit_seqno"`
	CommitView  uint64 `json:"commit_view"`
	Nonce       string `json:"hashed_nonce"`
	Node        string `json:"node"`
	Root        string `json:"root"`
	Seqno       uint64 `json:"seqno"`
	Sig         string `json:"sig"`
	View        uint64 `json:"view"`
}

// Unused reports whether the fields that CCF no longer uses are zero.
func (s *NodeSignature) Unused() bool {
	return s.CommitSeqno == 0 && s.CommitView == 0 && s.Nonce == ledger.Digest{}.Hex()
}

// Marshal writes the row as CCF does.
func (s *NodeSignature) Marshal() []byte {
	nonce := s.Nonce
	if nonce == "" {
		nonce = ledger.Digest{}.Hex()
	}
	return marshal(wireSignature{
		Cert: s.Cert, CommitSeqno: s.CommitSeqno, CommitView: s.CommitView, Nonce: nonce, Node: s.NodeID, Root: s.Root.Hex(),
		Seqno: s.TxID.Seqno, Sig: base64.StdEncoding.EncodeToString(s.Signature), View: s.TxID.View,
	})
}

// ParseNodeSignature reads the row.
func ParseNodeSignature(b []byte) (*NodeSignature, error) {
	var w wireSignature
	if err := json.Unmarshal(b, &w); err != nil {
		return nil, fmt.Errorf("%w: %s is not the JSON of a signature", ErrNotSignature, SignaturesTable)
	}
	root, err := digestOf(&w.Root, "root")
	if err != nil {
		return nil, err
	}
	sig, err := base64.StdEncoding.Strict().DecodeString(w.Sig)
	if err != nil {
		return nil, fmt.Errorf("%w: the signature is not base64", ErrNotSignature)
	}
	return &NodeSignature{
		Cert: w.Cert, NodeID: w.Node, Root: *root, TxID: ledger.TxID{View: w.View, Seqno: w.Seqno}, Signature: sig,
		CommitSeqno: w.CommitSeqno, CommitView: w.CommitView, Nonce: w.Nonce,
	}, nil
}

// Covering is what a signature transaction holds: enough to make receipts for
// the transactions in its tree.
type Covering struct {
	Node *NodeSignature
	COSE []byte // nil where the ledger has none
	Tree *merkle.Table
	// TreeRaw is the serialised tree as stored.
	TreeRaw []byte
}

// IsSignature reports whether a write set is that of a signature transaction.
func IsSignature(ws ledger.WriteSet) bool {
	_, ok := ws.Single(SignaturesTable)
	return ok
}

// ParseCovering reads the tables of a signature transaction.
func ParseCovering(ws ledger.WriteSet) (*Covering, error) {
	node, signed := ws.Single(SignaturesTable)
	tree, ok := ws.Single(TreeTable)
	if !signed || !ok {
		return nil, ErrNotSignature
	}
	c := &Covering{TreeRaw: tree}
	var err error
	if c.Node, err = ParseNodeSignature(node); err != nil {
		return nil, err
	}
	if c.Tree, err = merkle.ParseTable(tree); err != nil {
		return nil, fmt.Errorf("%s: %w", TreeTable, err)
	}
	if row, ok := ws.Single(COSESignaturesTable); ok {
		c.COSE, err = ParseCOSERow(row)
	}
	return c, err
}

// ParseCOSERow reads the row of COSESignaturesTable: a JSON string that holds
// base64.
func ParseCOSERow(row []byte) ([]byte, error) {
	var text string
	if err := json.Unmarshal(row, &text); err != nil {
		return nil, fmt.Errorf("%w: %s is not a JSON string", ErrNotSignature, COSESignaturesTable)
	}
	b, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil {
		return nil, fmt.Errorf("%w: %s is not base64", ErrNotSignature, COSESignaturesTable)
	}
	return b, nil
}

// MarshalCOSERow writes the row of COSESignaturesTable.
func MarshalCOSERow(signature []byte) []byte {
	return marshal(base64.StdEncoding.EncodeToString(signature))
}

// leafWithoutClaims is the leaf of an entry of type 3.
func leafWithoutClaims(wsd, evidence ledger.Digest) ledger.Digest {
	return sha256.Sum256(append(wsd[:], evidence[:]...))
}
