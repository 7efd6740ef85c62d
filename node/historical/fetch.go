package historical

import (
	"errors"
	"fmt"

	"concordat/ledger"
	"concordat/ledger/receipt"
	"concordat/ledger/secret"
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
	Cover   *receipt.Covering
	IsSig   bool // it is itself a signature transaction, and Cover is its own
	charged int  // bytes held
}

// Evidence is the commit evidence, which shows that the transaction committed.
func (t *Transaction) Evidence() string { return ledger.CommitEvidence(t.ID, t.Nonce) }

// Receipt is the transaction's JSON receipt.
func (t *Transaction) Receipt() (*receipt.Receipt, error) {
	return receipt.Build(t.Entry, t.Evidence(), t.Cover, nil)
}

// COSEReceipt is the transaction's COSE receipt; a signature transaction has none.
func (t *Transaction) COSEReceipt() ([]byte, error) {
	return receipt.BuildCOSE(t.Entry, t.Evidence(), t.Cover)
}

// ErrDamaged marks an entry whose bytes are not what the service once wrote.
var ErrDamaged = errors.New("the stored ledger is damaged")

// fetch reads and checks one transaction and the signature that covers it.
func fetch(src Source, secrets Secrets, seqno ledger.Seqno) (*Transaction, error) {
	t, err := open(src, secrets, seqno)
	if err != nil {
		return nil, err
	}
	cover := t
	for at := seqno + 1; !receipt.IsSignature(cover.Entry.Public.Writes); at++ {
		if at == seqno+maxSegment {
			return nil, fmt.Errorf("no signature within %d entries after %d: %w", maxSegment, seqno, ErrDamaged)
		}
		if cover, err = open(src, secrets, at); err != nil {
			return nil, err
		}
	}
	if t.Cover, err = receipt.ParseCovering(cover.Entry.Public.Writes); err != nil {
		return nil, fmt.Errorf("signature %s: %w: %w", cover.ID, ErrDamaged, err)
	}
	if t.Cover.Tree.Root() != t.Cover.Node.Root {
		return nil, fmt.Errorf("signature %s signs another root than its tree has: %w", cover.ID, ErrDamaged)
	}
	t.IsSig = cover == t
	return t, t.check()
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

// check ties the transaction to the tree that the signature covers.
func (t *Transaction) check() error {
	if t.IsSig {
		return nil
	}
	leaf, ok := t.Cover.Tree.Leaf(t.ID.Seqno)
	if !ok || leaf != t.Entry.Leaf() {
		return fmt.Errorf("entry %s is not what signature %s covers: %w", t.ID, t.Cover.Node.TxID, ErrDamaged)
	}
	return nil
}
