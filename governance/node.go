package governance

import (
	"crypto/sha256"
	"io"
	"sync"
	"time"

	"concordat/governance/tables"
	"concordat/ledger"
	"concordat/ledger/keys"
	"concordat/ledger/kv"
	"concordat/ledger/secret"
)

// Node is what governance reaches of the node it runs on. All of it is set
// before the first request and never changed.
type Node struct {
	// ServiceKey is the identity of the service: it endorses nodes, renews its
	// own certificate and vouches for identities of the past.
	ServiceKey *keys.PrivateKey
	// Secrets are the ledger secrets this node knows.
	Secrets *secret.Chain
	// Rekeys carries new ledger secrets into Secrets.
	Rekeys *Rekeys
	// Recover starts the recovery of the private ledger under a recovered
	// wrapping key; nil where that is not offered.
	Recover func(tx *kv.Tx, shares [][]byte, threshold int) error
	Rand    io.Reader
	Now     func() time.Time
}

// Rekeys holds the ledger secrets of transactions that are not sequenced yet: a
// secret becomes valid with the seqno after its transaction, which only then is
// known. Register Applied as the hook of tables.EncryptedSecretsTable. It is safe
// for concurrent use.
type Rekeys struct {
	Secrets *secret.Chain

	mu     sync.Mutex
	staged []stagedSecret // oldest first
}

type stagedSecret struct {
	row    [sha256.Size]byte // digest of the row that announces it
	secret *secret.Secret
}

// maxStaged bounds what transactions that were never sequenced leave behind.
const maxStaged = 16

// stage remembers the secret that a row of the transaction announces. The row
// holds fresh ciphertext, so no two transactions share it.
func (r *Rekeys) stage(row []byte, s *secret.Secret) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.staged) == maxStaged {
		r.staged = r.staged[1:]
	}
	r.staged = append(r.staged, stagedSecret{row: sha256.Sum256(row), secret: s})
}

// Applied puts a staged secret into force, from the seqno after id.
func (r *Rekeys) Applied(id ledger.TxID, w ledger.MapWrites) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, write := range w.Writes {
		row := sha256.Sum256(write.Value)
		for i, staged := range r.staged {
			if staged.row != row {
				continue
			}
			r.staged = append(r.staged[:i:i], r.staged[i+1:]...)
			stored := id.Seqno
			if err := r.Secrets.Add(id.Seqno+1, staged.secret, &stored); err != nil {
				panic("governance: broken invariant: a new ledger secret is already known: " + err.Error())
			}
			break
		}
	}
}

// recipients are the nodes that get new ledger secrets: the trusted ones. CCF
// adds nodes that are retired but still replicating; those that were only ever
// pending when a disaster struck look the same, and must not get any.
func recipients(tx *kv.Tx) (map[string]string, error) {
	pems := map[string]string{}
	err := tables.Nodes.Each(tx, func(id string, n tables.NodeInfo) bool {
		retiring := n.Status == tables.NodeRetired && !n.RetiredCommitted && n.LedgerSecretSeqno != nil
		if n.Status == tables.NodeTrusted || retiring {
			pems[id] = n.EncryptionPubKey
		}
		return true
	})
	return pems, err
}
