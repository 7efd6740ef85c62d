package sim

import (
	"bytes"
	"crypto/sha256"
	"fmt"

	"concordat/consensus/core"
	"concordat/ledger"
	"concordat/ledger/secret"
)

// sealRecord is everything sealed in a run, whether it ever left the node or not:
// an IV may stand for one plaintext only (I3).
type sealRecord struct {
	seen map[string][32]byte // key and IV
	bad  string
}

// recorder is a ledger secret that notes what it seals.
type recorder struct {
	*secret.Secret
	life int
	rec  *sealRecord
}

func (r recorder) Seal(dst, iv, plaintext, aad []byte) []byte {
	h := sha256.New()
	h.Write(aad)
	h.Write([]byte{0})
	h.Write(plaintext)
	var sum [32]byte
	h.Sum(sum[:0])
	key := fmt.Sprintf("%d %x", r.life, iv)
	if before, ok := r.rec.seen[key]; ok && before != sum {
		r.rec.bad = fmt.Sprintf("I3: two entries sealed in life %d under IV %x", r.life, iv)
	}
	r.rec.seen[key] = sum
	return r.Secret.Seal(dst, iv, plaintext, aad)
}

// lifeSecrets is the chain of secrets: a new one for each life of the ledger.
type lifeSecrets struct {
	starts  []ledger.Seqno
	secrets []recorder
}

func (l *lifeSecrets) add(start ledger.Seqno, rec *sealRecord) {
	life := len(l.starts)
	key, err := secret.FromBytes(bytes.Repeat([]byte{byte(life + 1)}, secret.Size))
	if err != nil {
		panic(err)
	}
	l.starts, l.secrets = append(l.starts, start), append(l.secrets, recorder{key, life, rec})
}

func (l *lifeSecrets) At(s ledger.Seqno) (core.Secret, bool) {
	for i := len(l.starts) - 1; i >= 0; i-- {
		if l.starts[i] <= s {
			return l.secrets[i], true
		}
	}
	return nil, false
}

// sign makes signatures that depend on what is signed, and on nothing else.
func sign(j *core.SignJob) error {
	node := sha256.Sum256(append([]byte("node"), j.Root[:]...))
	service := sha256.Sum256(append([]byte("service"+j.ID.String()), j.Root[:]...))
	return j.Seal(core.NodeSignature{NodeID: "n", CertPEM: "-----BEGIN CERTIFICATE-----\n", DER: node[:]}, service[:])
}
