package governance_test

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"

	"concordat/governance"
	"concordat/governance/tables"
	"concordat/ledger"
	"concordat/ledger/chunk"
	"concordat/ledger/fixture"
	"concordat/ledger/jsondoc"
	"concordat/ledger/kv"
)

// founding reads the first entry that a CCF service wrote.
func founding(t *testing.T, dir string) ledger.WriteSet {
	t.Helper()
	d, err := chunk.OpenDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := d.ReadEntry(1)
	if err != nil {
		t.Fatal(err)
	}
	e, err := ledger.ParseEntry(raw)
	if err != nil {
		t.Fatal(err)
	}
	return e.Public.Writes
}

// TestGenesisIsThatOfCCF takes what an operator configured from the first entry
// of recorded services and founds the same service: the writes must be the same,
// byte for byte.
func TestGenesisIsThatOfCCF(t *testing.T) {
	for _, name := range []string{"solo_js", "trio_log", "owner_p256", "rollback_trio"} {
		t.Run(name, func(t *testing.T) {
			want := founding(t, filepath.Join(fixture.Dir(t, "ccf-services"), name, "ledger"))
			store := kv.New(kv.NewMemBase(), kv.Options{})
			defer store.Close()
			store.Apply(governance.GenesisID, want)
			recorded := store.Begin()
			defer recorded.Release()
			g := configurationOf(t, recorded)

			empty := kv.New(kv.NewMemBase(), kv.Options{})
			defer empty.Close()
			tx := empty.Begin()
			defer tx.Release()
			if err := g.Write(tx); err != nil {
				t.Fatal(err)
			}
			compare(t, tx.WriteSet(), want)
		})
	}
}

func configurationOf(t *testing.T, tx *kv.Tx) governance.Genesis {
	t.Helper()
	service, _, err := tables.Service.Get(tx)
	if err != nil {
		t.Fatal(err)
	}
	config, _, err := tables.Config.Get(tx)
	if err != nil {
		t.Fatal(err)
	}
	text, _, err := tables.ConstitutionText.Get(tx)
	if err != nil {
		t.Fatal(err)
	}
	g := governance.Genesis{
		Constitution: text, Config: config, ServiceCert: service.Cert, ServiceData: service.ServiceData,
		Trust: governance.Trust{VirtualMeasurement: tables.VirtualMeasurement},
	}
	for _, digest := range tables.VirtualHosts.Keys(tx) {
		g.Trust.VirtualHostData = digest
	}
	err = tables.Nodes.Each(tx, func(id string, info tables.NodeInfo) bool {
		g.NodeID, g.Node = id, info
		g.EndorsedCert, _ = tables.EndorsedCerts.PEM(tx, id)
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	err = tables.Members.Each(tx, func(id string, info tables.MemberInfo) bool {
		cert, _ := tables.MemberCerts.PEM(tx, id)
		key, _ := tables.MemberKeys.PEM(tx, id)
		g.Members = append(g.Members, governance.FoundingMember{Name: id, CertPEM: cert, EncryptionKey: key, Data: info.MemberData, Role: info.RecoveryRole})
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func compare(t *testing.T, got, want ledger.WriteSet) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("wrote %d tables, want %d", len(got), len(want))
	}
	for i := range min(len(got), len(want)) {
		a, b := ledger.AppendMaps(nil, got[i:i+1], true), ledger.AppendMaps(nil, want[i:i+1], true)
		if !bytes.Equal(a, b) {
			t.Errorf("table %s differs from %s:\n%q\n%q", got[i].Name, want[i].Name, a, b)
		}
	}
}

// TestFoundingMistakes: a configuration that cannot work is refused in one sentence.
func TestFoundingMistakes(t *testing.T) {
	alice, keyless := newPerson(t, "alice", true), newPerson(t, "bob", false)
	with := governance.FoundingMember{Name: "alice", CertPEM: string(alice.cert), EncryptionKey: alice.encryptionKey(t)}
	without := governance.FoundingMember{Name: "bob", CertPEM: string(keyless.cert)}
	as := func(m governance.FoundingMember, role tables.RecoveryRole) governance.FoundingMember {
		m.Role = role
		return m
	}
	for name, c := range map[string]struct {
		members   []governance.FoundingMember
		threshold uint64
		want      string
	}{
		"no certificate":      {[]governance.FoundingMember{{Name: "x", CertPEM: "nope"}}, 0, "member x: certificate"},
		"same member twice":   {[]governance.FoundingMember{with, with}, 0, "another member has the same certificate"},
		"bad encryption key":  {[]governance.FoundingMember{{Name: "x", CertPEM: string(alice.cert), EncryptionKey: "nope"}}, 0, "member x: encryption public key"},
		"role without key":    {[]governance.FoundingMember{as(without, tables.Owner)}, 0, "needs an encryption public key"},
		"key without role":    {[]governance.FoundingMember{as(with, tables.NonParticipant)}, 0, "must be Participant or Owner"},
		"unknown role":        {[]governance.FoundingMember{as(with, "King")}, 0, "must be Participant or Owner"},
		"threshold too high":  {[]governance.FoundingMember{with, without}, 2, "the recovery threshold (2) cannot be met"},
		"owners need just 1":  {[]governance.FoundingMember{as(with, tables.Owner)}, 2, "the recovery threshold (2) cannot be met"},
		"nobody can recover":  {[]governance.FoundingMember{without}, 1, "the recovery threshold (1) cannot be met"},
		"member data no JSON": {[]governance.FoundingMember{{Name: "x", CertPEM: string(alice.cert), Data: jsondoc.Opaque("{")}}, 0, "member x: data"},
	} {
		t.Run(name, func(t *testing.T) {
			store := kv.New(kv.NewMemBase(), kv.Options{})
			defer store.Close()
			tx := store.Begin()
			defer tx.Release()
			g := governance.Genesis{Members: c.members, Constitution: "x", Config: tables.ServiceConfig{RecoveryThreshold: c.threshold}}
			if err := g.Write(tx); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want …%s…", err, c.want)
			}
		})
	}
}

// TestThresholdDefault: without a threshold everybody who takes part is needed.
func TestThresholdDefault(t *testing.T) {
	a, b, c := newPerson(t, "a", true), newPerson(t, "b", true), newPerson(t, "c", false)
	member := func(p *person, role tables.RecoveryRole) governance.FoundingMember {
		return governance.FoundingMember{Name: p.name, CertPEM: string(p.cert), EncryptionKey: p.encryptionKey(t), Role: role}
	}
	for name, test := range map[string]struct {
		members []governance.FoundingMember
		want    uint64
	}{
		"two participants": {[]governance.FoundingMember{member(a, ""), member(b, tables.Participant), member(c, "")}, 2},
		"one and an owner": {[]governance.FoundingMember{member(a, ""), member(b, tables.Owner)}, 1},
		"only owners":      {[]governance.FoundingMember{member(a, tables.Owner), member(b, tables.Owner)}, 1},
		"nobody":           {[]governance.FoundingMember{member(c, "")}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			store := kv.New(kv.NewMemBase(), kv.Options{})
			defer store.Close()
			tx := store.Begin()
			defer tx.Release()
			g := governance.Genesis{Members: test.members, Constitution: "x"}
			if err := g.Write(tx); err != nil {
				t.Fatal(err)
			}
			config, _, err := tables.Config.Get(tx)
			if err != nil || config.RecoveryThreshold != test.want {
				t.Errorf("threshold %d, %v; want %d", config.RecoveryThreshold, err, test.want)
			}
		})
	}
}
