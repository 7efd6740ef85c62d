package audit

import (
	"bytes"
	"fmt"
	"slices"

	"concordat/ledger"
	"concordat/ledger/keys"
	"concordat/ledger/secret"
	"concordat/ledger/share"
)

// private checks what takes ledger secrets: the tag of every entry, its private
// domain, and its commit evidence. It reads the files a second time.
func (c *checker) private(files []file, w *walker, o Options) error {
	chain := map[ledger.Seqno]*secret.Secret{}
	for start, s := range o.Secrets {
		chain[start] = s
	}
	if len(o.RecoveryKeys) > 0 {
		if err := c.recoverSecrets(chain, o.RecoveryKeys); err != nil {
			return err
		}
	}
	if len(chain) == 0 {
		return nil
	}
	v := &opener{checker: c, chain: secretChain{bytes: chain}, known: c.secrets.known}
	for start := range chain {
		v.chain.starts = append(v.chain.starts, start)
	}
	slices.Sort(v.chain.starts)
	c.report.SecretsKnown = v.chain.starts
	again := &walker{report: c.report, silent: true, progress: w.progress, total: w.total}
	if err := again.walk(files, v); err != nil {
		return err
	}
	v.coverLast()
	return nil
}

// secretChain finds the secret for an entry.
type secretChain struct {
	starts []ledger.Seqno
	bytes  map[ledger.Seqno]*secret.Secret
}

// recoverSecrets does what a recovery does: combine shares, unwrap the newest
// secret, and walk back through the sealed older ones.
func (c *checker) recoverSecrets(chain map[ledger.Seqno]*secret.Secret, pems [][]byte) error {
	var members []*keys.EncryptionKey
	for _, text := range pems {
		key, err := keys.ParseEncryptionKeyPEM(text)
		if err != nil {
			return fmt.Errorf("a recovery key: %w", err)
		}
		members = append(members, key)
	}
	s := c.secrets.shares
	if s == nil {
		c.odd("the ledger holds no recovery shares")
		return nil
	}
	newest, err := s.unwrap(members)
	if err != nil {
		c.odd("the recovery keys do not restore the ledger secret: %v", err)
		return nil
	}
	if given, ok := chain[s.start]; ok && !given.Equal(newest) {
		c.invalid("the recovery shares lead to another ledger secret from %d than the one given", s.start)
	}
	chain[s.start] = newest
	c.walkBack(chain)
	return nil
}

// unwrap opens as many shares as it needs and combines them.
func (s *sharesAt) unwrap(members []*keys.EncryptionKey) (*secret.Secret, error) {
	var shares [][]byte
	for _, sealed := range s.shares {
		for _, key := range members {
			if plain, err := key.Decrypt(sealed); err == nil {
				shares = append(shares, plain)
				break
			}
		}
	}
	key, err := share.Combine(shares, s.threshold)
	if err != nil {
		return nil, err
	}
	return share.Unwrap(key, s.wrapped)
}

// walkBack opens the sealed older secrets, newest first. Rows about a secret
// already known are skipped, since a service may have sealed one twice, the
// second time under a secret that was then thrown away.
func (c *checker) walkBack(chain map[ledger.Seqno]*secret.Secret) {
	for i := len(c.secrets.rows) - 1; i >= 0; i-- {
		row := &c.secrets.rows[i]
		by, ok := chain[row.start]
		if !ok || row.sealed == nil || chain[row.Previous.Version] != nil {
			continue
		}
		plain, err := secret.OpenBlob(by.Bytes(), row.sealed)
		if err != nil {
			c.invalid("the ledger secret from %d, stored at %d, does not open with the one from %d", row.Previous.Version, row.seqno, row.start)
			continue
		}
		if chain[row.Previous.Version], err = secret.FromBytes(plain); err != nil {
			c.invalid("the ledger secret stored at %d: %v", row.seqno, err)
			delete(chain, row.Previous.Version)
		}
	}
}

// opener is the second visitor: it opens every entry it has the secret of.
type opener struct {
	*checker
	chain secretChain
	known []ledger.Seqno // starts of all secrets the ledger speaks of
	last  bool           // the last signature entry was opened
}

// at finds the secret valid at a seqno: the one with the highest start not above
// it, if that one is at hand.
func (o *opener) secretFor(seqno ledger.Seqno) *secret.Secret {
	start := ledger.Seqno(0)
	for _, list := range [][]ledger.Seqno{o.known, o.chain.starts} {
		for _, s := range list {
			if s <= seqno && s > start {
				start = s
			}
		}
	}
	return o.chain.bytes[start]
}

func (o *opener) begin(f *file)   { o.next = f.first }
func (o *opener) end(*file, bool) {}

func (o *opener) entry(raw []byte, at place) bool {
	e, err := ledger.ParseEntry(raw)
	if err != nil || e.Seqno != o.next {
		return false // reported the first time
	}
	o.at, o.id, o.next = at, e.ID(), e.Seqno+1
	key := o.secretFor(e.Seqno)
	if key == nil {
		return true
	}
	plain, err := key.OpenBytes(e)
	if err != nil {
		o.invalid("its GCM tag does not verify with the ledger secret")
		return true
	}
	o.report.Opened++
	o.privatePart(plain)
	o.commitEvidence(e, key)
	if o.signed != nil && o.signed.id == e.ID() {
		o.last = true
	}
	return true
}

func (o *opener) privatePart(plain []byte) {
	if len(plain) == 0 {
		return
	}
	o.report.PrivateEntries++
	ws, err := ledger.ParseMaps(plain)
	if err != nil {
		o.invalid("its private part: %v", err)
		return
	}
	if !bytes.Equal(ledger.AppendMaps(nil, ws, false), plain) {
		o.invalid("its private part is not written as a service writes it")
	}
}

func (o *opener) commitEvidence(e *ledger.Entry, key *secret.Secret) {
	if !e.Public.Type.HasEvidence() {
		return
	}
	evidence := ledger.CommitEvidence(e.ID(), key.CommitNonce(e.ID()))
	if ledger.CommitEvidenceDigest(evidence) != e.Public.CommitEvidenceDigest {
		o.invalid("its commit evidence digest is not the one the ledger secret gives")
		return
	}
	o.report.Evidence++
}

// coverLast takes back what the opened last signature entry proves.
func (o *opener) coverLast() {
	if !o.last {
		return
	}
	kept := o.report.Uncovered[:0]
	for _, u := range o.report.Uncovered {
		if u.What == uncoveredFlags {
			kept = append(kept, u)
		}
	}
	o.report.Uncovered = kept
}

var _ visitor = (*opener)(nil)
var _ visitor = (*checker)(nil)
