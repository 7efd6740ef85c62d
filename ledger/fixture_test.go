package ledger_test

import (
	"errors"
	"path/filepath"
	"testing"

	"concordat/ledger"
	"concordat/ledger/chunk"
	"concordat/ledger/fixture"
	"concordat/ledger/fixture/recovered"
	"concordat/ledger/merkle"
)

// The tables these tests look into.
const (
	tableSignatures = "public:ccf.internal.signatures"
	tableTree       = "public:ccf.internal.tree"
)

// service is a ledger that CCF wrote, read whole, with every secret restored
// from the members' keys alone.
type service struct {
	name    string
	dir     string // of the service, above ledger/
	entries []*ledger.Entry
	secrets *recovered.Secrets
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
	s.secrets = recovered.Open(t, dir, s.entries)
	return s
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
