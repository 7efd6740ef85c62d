// Package audit checks ledger directories offline and on its own: it reads the
// files a service wrote and derives everything again, sharing only the codecs
// with the code that writes. An auditor needs the files and the service
// certificate; with a ledger secret, or the recovery keys of enough members, the
// private part is checked too.
//
// What it proves. Every entry up to the last signature is covered by that
// signature's Merkle root: a changed byte anywhere before it is found and
// pinned to its entry. The positions table and header of a chunk are compared
// with the entries. The last signature entry itself is covered by no root yet;
// its tables are covered by their signatures and by rules that leave one way to
// write them, but three things in it are not: its two flag bits, its GCM tag and
// the digest of its commit evidence. The last two are checked when the ledger
// secret is known. The report lists these bytes as Uncovered, and entries after
// the last signature as Unsigned.
package audit

import (
	"errors"
	"fmt"

	"concordat/ledger"
	"concordat/ledger/keys"
	"concordat/ledger/secret"
)

// Limits of what is kept and reported.
const (
	// DefaultMaxFindings bounds a report; findings beyond it are counted.
	DefaultMaxFindings = 100
	// maxWindow bounds how many entries between two signatures can be told apart
	// when their root does not match.
	maxWindow = 1 << 20
	// maxCerts bounds the remembered certificates of one node.
	maxCerts = 1 << 10
	// progressEvery is the distance between two calls of Progress, in bytes.
	progressEvery = 16 << 20
)

// maxAttempts bounds how often an audit starts over because a running node
// renamed a file when its entries were committed.
const maxAttempts = 3

// errGone says that a file was there when the directory was listed, and is not
// any more.
var errGone = errors.New("the file was renamed or removed")

// ErrNoLedger is returned when the directories hold no chunk file at all, and
// ErrEmpty when those there are hold no whole entry: nothing would be verified.
var (
	ErrNoLedger = errors.New("no ledger files found")
	ErrEmpty    = errors.New("the ledger files hold no whole entry: there is nothing to verify")
)

// Options is what the auditor knows besides the files.
type Options struct {
	// ServiceCert is the PEM certificate of the service as it is now. Without it
	// the ledger is only checked to be consistent with itself.
	ServiceCert []byte
	// Secrets are ledger secrets by the seqno they are valid from.
	Secrets map[ledger.Seqno]*secret.Secret
	// RecoveryKeys are PEM private keys of members. When they are enough to meet
	// the threshold, the ledger secrets are recovered from the ledger.
	RecoveryKeys [][]byte
	// Snapshots are paths of snapshot files to be checked against the ledger.
	Snapshots []string
	// AtLeast, unless zero, is a transaction known to be committed: the ledger must
	// hold it, under a signature.
	AtLeast ledger.TxID
	// Receipts are paths of receipts that clients hold: the ledger must be the one
	// they are of.
	Receipts []string
	// Partial accepts a ledger whose beginning is missing, e.g. because older
	// files are archived elsewhere. It is checked from its first file on: the tree
	// of the first signature stands for what came before, and nodes are known by
	// certificates that the given service signed.
	Partial bool
	// CommittedOnly leaves out files that are not marked as committed.
	CommittedOnly bool
	// MaxFindings bounds the findings of the report, 0 for the default.
	MaxFindings int
	// Progress, if given, is called now and then.
	Progress func(Progress)
}

// Progress says how far the audit is.
type Progress struct {
	Read, Total int64 // bytes
	Seqno       ledger.Seqno
}

// Verify audits the ledger in the directories. The error is about the
// environment, e.g. an unreadable file; what is wrong with the ledger is in the
// report. A node may be writing meanwhile: then the last file can seem torn, and
// CommittedOnly is the safer choice.
func Verify(dirs []string, o Options) (*Report, error) {
	if o.MaxFindings <= 0 {
		o.MaxFindings = DefaultMaxFindings
	}
	for attempt := 1; ; attempt++ {
		r, err := verify(dirs, o)
		if err == nil || attempt == maxAttempts || !errors.Is(err, errGone) {
			return r, err
		}
	}
}

func verify(dirs []string, o Options) (*Report, error) {
	r := &Report{Types: map[ledger.EntryType]int{}, max: o.MaxFindings}
	files, err := gather(dirs, o.CommittedOnly, r)
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, ErrNoLedger
	}
	w := &walker{report: r, progress: o.Progress}
	for _, f := range files {
		w.total += f.size
	}
	c := newChecker(r)
	c.partial = o.Partial && files[0].first > 1
	if err := c.anchor(o.ServiceCert); err != nil {
		return nil, err
	}
	if err := w.walk(files, c); err != nil {
		return nil, err
	}
	if r.Entries == 0 && len(r.Findings) == 0 {
		return nil, fmt.Errorf("%s: %w", files[0].name, ErrEmpty)
	}
	c.finish()
	if err := c.private(files, w, o); err != nil {
		return nil, err
	}
	if err := c.snapshots(o.Snapshots); err != nil {
		return nil, err
	}
	if err := c.known(o); err != nil {
		return nil, err
	}
	r.conclude()
	return r, nil
}

// anchor reads the certificate the auditor trusts.
func (c *checker) anchor(pem []byte) error {
	if len(pem) == 0 {
		return nil
	}
	cert, err := keys.ParseCertPEM(pem)
	if err != nil {
		return fmt.Errorf("the service certificate: %w", err)
	}
	c.trusted = cert
	return nil
}
