package ledger_test

import (
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"concordat/ledger"
	"concordat/ledger/chunk"
	"concordat/ledger/fixture"
	"concordat/ledger/merkle"
	"concordat/ledger/secret"
	"concordat/ledger/share"
)

// The tables these tests look into.
const (
	tableSignatures = "public:ccf.internal.signatures"
	tableTree       = "public:ccf.internal.tree"
	tableShares     = "public:ccf.internal.recovery_shares"
	tableSecrets    = "public:ccf.internal.historical_encrypted_ledger_secret"
	tableConfig     = "public:ccf.gov.service.config"
)

// service is a ledger that CCF wrote, read whole, with every secret restored
// from the members' keys alone.
type service struct {
	name    string
	dir     string // of the service, above ledger/
	entries []*ledger.Entry
	secrets secret.Chain
	resets  []reshare
}

// reshare is one row of recovery_shares, decrypted.
type reshare struct {
	id        ledger.TxID
	threshold int
	shares    [][]byte // of participants by index; full keys last
	wrapped   []byte
	key       share.WrappingKey
	secret    *secret.Secret
}

// eachService runs f on every service among the fixtures.
func eachService(t *testing.T, f func(t *testing.T, s *service)) {
	for _, dir := range fixture.Glob(t, "ccf-*/*/ledger") {
		dir = filepath.Dir(dir)
		t.Run(filepath.Base(dir), func(t *testing.T) { f(t, loadService(t, dir)) })
	}
}

func loadService(t *testing.T, dir string) *service {
	t.Helper()
	s := &service{name: filepath.Base(dir), dir: dir}
	d, err := chunk.OpenDir(filepath.Join(dir, "ledger"))
	if err != nil {
		t.Fatal(err)
	}
	err = d.Entries(func(seqno uint64, raw []byte) error {
		e, err := ledger.ParseEntry(raw)
		if err == nil && e.Seqno != seqno {
			err = errors.New("wrong seqno")
		}
		s.entries = append(s.entries, e)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	s.restore(t)
	return s
}

// restore follows shares and wrapped secrets from the newest to the oldest.
func (s *service) restore(t *testing.T) {
	t.Helper()
	keys := memberKeys(t, filepath.Join(s.dir, "common"))
	threshold := 1
	var rows []secretRow
	for _, e := range s.entries {
		if b, ok := singleton(e, tableConfig); ok {
			var config struct {
				Threshold int `json:"recovery_threshold"`
			}
			fixture.Decode(t, b, &config)
			threshold = config.Threshold
		}
		if b, ok := singleton(e, tableShares); ok {
			s.resets = append(s.resets, openReshare(t, e.ID(), b, threshold, keys))
		}
		if b, ok := singleton(e, tableSecrets); ok {
			row := secretRow{at: e.Seqno}
			fixture.Decode(t, b, &row)
			rows = append(rows, row)
		}
	}
	latest := s.resets[len(s.resets)-1].secret
	for i := len(rows) - 1; i >= 0; i-- {
		latest = s.link(t, rows[i], latest)
	}
}

type secretRow struct {
	at       ledger.Seqno
	Next     *ledger.Seqno `json:"next_version"`
	Previous *struct {
		Data    []byte        `json:"encrypted_data"`
		Stored  *ledger.Seqno `json:"previous_secret_stored_version"`
		Version ledger.Seqno  `json:"version"`
	} `json:"previous_ledger_secret"`
}

// link adds the secret that a row announced and returns the one before it.
func (s *service) link(t *testing.T, row secretRow, newest *secret.Secret) *secret.Secret {
	t.Helper()
	if len(s.secrets.Links()) == 0 {
		start := row.at + 1
		if row.Next != nil {
			start = *row.Next
		}
		if err := s.secrets.Add(start, newest, nil); err != nil {
			t.Fatal(err)
		}
	}
	if row.Previous == nil {
		return newest
	}
	if slices.Contains(s.secrets.Starts(), row.Previous.Version) {
		return newest // two primaries opened the service; the newer row was enough
	}
	b, err := secret.OpenBlob(newest.Bytes(), row.Previous.Data)
	if err != nil {
		t.Fatalf("secret row at %d: %v", row.at, err)
	}
	older, err := secret.FromBytes(b)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.secrets.Add(row.Previous.Version, older, row.Previous.Stored); err != nil {
		t.Fatal(err)
	}
	return older
}

func openReshare(t *testing.T, id ledger.TxID, b []byte, threshold int, keys map[string]*rsa.PrivateKey) reshare {
	t.Helper()
	var row struct {
		Shares  map[string][]byte `json:"encrypted_shares"`
		Wrapped []byte            `json:"wrapped_latest_ledger_secret"`
	}
	fixture.Decode(t, b, &row)
	r := reshare{id: id, threshold: threshold, wrapped: row.Wrapped}
	var full [][]byte
	for member, sealed := range row.Shares {
		key := keys[member]
		if key == nil {
			t.Fatalf("%v: no key of member %s", id, member)
		}
		b, err := rsa.DecryptOAEP(sha256.New(), nil, key, sealed, nil)
		if err != nil {
			t.Fatalf("%v: share of %s: %v", id, member, err)
		}
		if share.IsFull(b) {
			full = append(full, b)
		} else {
			r.shares = append(r.shares, b)
		}
	}
	r.shares = append(r.shares, full...)
	var err error
	if r.key, err = share.Combine(r.shares, r.threshold); err != nil {
		t.Fatalf("%v: %v", id, err)
	}
	if r.secret, err = share.Unwrap(r.key, r.wrapped); err != nil {
		t.Fatalf("%v: %v", id, err)
	}
	return r
}

// memberKeys maps member ids to their encryption keys.
func memberKeys(t *testing.T, dir string) map[string]*rsa.PrivateKey {
	t.Helper()
	keys := map[string]*rsa.PrivateKey{}
	paths, _ := filepath.Glob(filepath.Join(dir, "member*_enc_privk.pem"))
	for _, path := range paths {
		cert := readPEM(t, strings.TrimSuffix(path, "_enc_privk.pem")+"_cert.pem")
		sum := sha256.Sum256(cert)
		der := readPEM(t, path)
		key, err := x509.ParsePKCS1PrivateKey(der)
		if err != nil {
			any, err := x509.ParsePKCS8PrivateKey(der)
			if err != nil {
				t.Fatal(err)
			}
			key = any.(*rsa.PrivateKey)
		}
		keys[hex.EncodeToString(sum[:])] = key
	}
	return keys
}

func readPEM(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(b)
	if block == nil {
		t.Fatalf("%s is not PEM", path)
	}
	return block.Bytes
}

// singleton returns what an entry writes to a table with a single row.
func singleton(e *ledger.Entry, table string) ([]byte, bool) {
	for _, m := range e.Public.Writes {
		if m.Name == table && len(m.Writes) == 1 {
			return m.Writes[0].Value, true
		}
	}
	return nil, false
}

// frontiers returns the trees over leaves 0..n-1 for every n up to all entries.
func (s *service) frontiers() []merkle.Frontier {
	f := merkle.New()
	all := []merkle.Frontier{{}, f}
	for _, e := range s.entries {
		f.Append(e.Leaf())
		all = append(all, f)
	}
	return all
}
