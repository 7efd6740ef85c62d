package historical

import (
	"encoding/json"
	"errors"
	"fmt"

	"concordat/ledger"
	"concordat/ledger/merkle"
	"concordat/ledger/secret"
)

// Tables of a signature transaction (ccf-formats 3).
const (
	mapSignatures = "public:ccf.internal.signatures"
	mapCOSE       = "public:ccf.internal.cose_signatures"
	mapTree       = "public:ccf.internal.tree"
)

// maxSegment bounds how far past a transaction its signature is looked for: no
// segment of this service is longer, and CCF signs every 5,000 by default.
const maxSegment = 20_000

// Source is where entries are read from: memory, or files that anybody may have
// touched. Everything it returns is checked here.
type Source interface {
	ReadEntry(seqno ledger.Seqno) ([]byte, error)
}

// Secrets says which ledger secret sealed an entry.
type Secrets interface {
	At(seqno ledger.Seqno) (*secret.Secret, bool)
}

// Transaction is one committed transaction with the signature over it, both
// authenticated.
type Transaction struct {
	ID      ledger.TxID
	Entry   *ledger.Entry
	Writes  ledger.WriteSet // public and private, in order of map name
	Nonce   [32]byte        // of the commit evidence
	Signed  *Signature      // the covering signature, itself for a signature transaction
	IsSig   bool
	charged int // bytes held
}

// Signature is a signature transaction, read.
type Signature struct {
	ID    ledger.TxID
	Entry *ledger.Entry
	Row   SignatureRow
	COSE  []byte // nil when the transaction has none
	Table *merkle.Table
}

// SignatureRow is the JSON of the signatures table.
type SignatureRow struct {
	Cert  string `json:"cert"`
	Node  string `json:"node"`
	Root  string `json:"root"`
	Seqno uint64 `json:"seqno"`
	Sig   []byte `json:"sig"`
	View  uint64 `json:"view"`
}

// ErrDamaged marks an entry whose bytes are not what the service once wrote.
var ErrDamaged = errors.New("the stored ledger is damaged")

// fetch reads and checks one transaction and the signature that covers it.
func fetch(src Source, secrets Secrets, seqno ledger.Seqno) (*Transaction, error) {
	t, err := open(src, secrets, seqno)
	if err != nil {
		return nil, err
	}
	for at := seqno; at < seqno+maxSegment; at++ {
		cover := t
		if at != seqno {
			if cover, err = open(src, secrets, at); err != nil {
				return nil, err
			}
		}
		if !isSignature(cover.Entry.Public.Writes) {
			continue
		}
		if t.Signed, err = readSignature(cover); err != nil {
			return nil, err
		}
		t.IsSig = at == seqno
		return t, t.check()
	}
	return nil, fmt.Errorf("no signature within %d entries after %d: %w", maxSegment, seqno, ErrDamaged)
}

// open authenticates one entry by its GCM tag and decodes both domains.
func open(src Source, secrets Secrets, seqno ledger.Seqno) (*Transaction, error) {
	raw, err := src.ReadEntry(seqno)
	if err != nil {
		return nil, fmt.Errorf("reading entry %d: %w", seqno, err)
	}
	e, err := ledger.ParseEntry(raw)
	if err != nil {
		return nil, fmt.Errorf("entry %d: %w: %w", seqno, ErrDamaged, err)
	}
	if e.Seqno != seqno {
		return nil, fmt.Errorf("entry %d says it is %d: %w", seqno, e.Seqno, ErrDamaged)
	}
	s, ok := secrets.At(seqno)
	if !ok {
		return nil, fmt.Errorf("no ledger secret is known for entry %d", seqno)
	}
	private, err := s.Open(e)
	if err != nil {
		return nil, fmt.Errorf("entry %d: %w: %w", seqno, ErrDamaged, err)
	}
	return &Transaction{
		ID: e.ID(), Entry: e, Writes: merge(e.Public.Writes, private), Nonce: s.CommitNonce(e.ID()), charged: 2 * len(raw),
	}, nil
}

// merge puts two write sets of distinct maps in order of name.
func merge(a, b ledger.WriteSet) ledger.WriteSet {
	out := make(ledger.WriteSet, 0, len(a)+len(b))
	for len(a) > 0 && len(b) > 0 {
		if a[0].Name < b[0].Name {
			out, a = append(out, a[0]), a[1:]
		} else {
			out, b = append(out, b[0]), b[1:]
		}
	}
	return append(append(out, a...), b...)
}

func isSignature(ws ledger.WriteSet) bool {
	_, ok := row(ws, mapSignatures)
	return ok
}

// row is the value of a one-row table written by a write set.
func row(ws ledger.WriteSet, mapName string) ([]byte, bool) {
	for _, m := range ws {
		if m.Name == mapName && len(m.Writes) == 1 {
			return m.Writes[0].Value, true
		}
	}
	return nil, false
}

func readSignature(t *Transaction) (*Signature, error) {
	s := &Signature{ID: t.ID, Entry: t.Entry}
	value, _ := row(t.Writes, mapSignatures)
	if err := json.Unmarshal(value, &s.Row); err != nil {
		return nil, fmt.Errorf("signature %s: %w", t.ID, err)
	}
	if value, ok := row(t.Writes, mapCOSE); ok {
		if err := json.Unmarshal(value, &s.COSE); err != nil {
			return nil, fmt.Errorf("COSE signature %s: %w", t.ID, err)
		}
	}
	value, ok := row(t.Writes, mapTree)
	if !ok {
		return nil, fmt.Errorf("signature %s has no tree: %w", t.ID, ErrDamaged)
	}
	var err error
	if s.Table, err = merkle.ParseTable(value); err != nil {
		return nil, fmt.Errorf("tree of %s: %w", t.ID, err)
	}
	if s.Table.Root().Hex() != s.Row.Root {
		return nil, fmt.Errorf("signature %s signs another root than its tree has: %w", t.ID, ErrDamaged)
	}
	return s, nil
}

// check ties the transaction to the tree that the signature covers.
func (t *Transaction) check() error {
	if t.IsSig {
		return nil
	}
	leaf, ok := t.Signed.Table.Leaf(t.ID.Seqno)
	if !ok || leaf != t.Entry.Leaf() {
		return fmt.Errorf("entry %s is not what signature %s covers: %w", t.ID, t.Signed.ID, ErrDamaged)
	}
	return nil
}
