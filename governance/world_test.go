package governance_test

import (
	"bytes"
	"context"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"sort"
	"strings"
	"testing"
	"time"

	"concordat/governance"
	"concordat/governance/auth"
	"concordat/governance/constitution"
	"concordat/governance/tables"
	"concordat/js-apps/api"
	"concordat/ledger"
	"concordat/ledger/cose"
	"concordat/ledger/jsondoc"
	"concordat/ledger/keys"
	"concordat/ledger/kv"
	"concordat/ledger/merkle"
	"concordat/ledger/secret"
)

// validity covers every certificate of these tests.
var validity = keys.Days(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), 365)

// person is somebody who signs requests.
type person struct {
	name, id string
	key      *keys.PrivateKey
	cert     []byte
	box      *keys.EncryptionKey // nil for members without a share
}

func newPerson(t *testing.T, name string, withKey bool) *person {
	t.Helper()
	key, cert, err := keys.NewIdentity(rand.Reader, elliptic.P384(), name, validity)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := keys.ParseCertPEM(cert)
	if err != nil {
		t.Fatal(err)
	}
	p := &person{name: name, id: keys.CertID(parsed.Raw), key: key, cert: cert}
	if withKey {
		if p.box, err = keys.GenerateEncryptionKey(rand.Reader); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

func (p *person) encryptionKey(t *testing.T) string {
	t.Helper()
	if p.box == nil {
		return ""
	}
	pem, err := p.box.PublicPEM()
	if err != nil {
		t.Fatal(err)
	}
	return string(pem)
}

// entry is one transaction of a world's ledger.
type entry struct {
	id     ledger.TxID
	writes ledger.WriteSet
}

// world is a service reduced to its state, without consensus and without disk.
type world struct {
	t       *testing.T
	engine  *governance.Engine
	store   *kv.Store
	tree    merkle.Frontier
	ledger  []entry
	people  map[string]*person
	cert    string // of the service
	clock   uint64
	names   map[string]string // what to print instead of an id
	flags   flags
	chain   *secret.Chain
	console bytes.Buffer
}

// flags notes what actions asked for.
type flags struct{ chunks, snapshots int }

func (f *flags) ForceChunk()    { f.chunks++ }
func (f *flags) ForceSnapshot() { f.snapshots++ }

// aliceAlone is a service with one member, who is active.
func aliceAlone(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	if err := w.genesis(1, []string{"alice"}, nil); err != nil {
		t.Fatal(err)
	}
	w.sign()
	digest, err := w.update("alice")
	if err == nil {
		err = w.ack("alice", digest)
	}
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func newWorld(t *testing.T) *world {
	t.Helper()
	serviceKey, err := keys.Generate(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := keys.ServiceCert(rand.Reader, serviceKey, "CN=Test Service", validity)
	if err != nil {
		t.Fatal(err)
	}
	first, err := secret.Generate(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, tree: merkle.New(), people: map[string]*person{}, cert: string(cert), clock: 1000, names: map[string]string{}, chain: &secret.Chain{}}
	if err := w.chain.Add(1, first, nil); err != nil {
		t.Fatal(err)
	}
	w.store = kv.New(kv.NewMemBase(), kv.Options{})
	rekeys := &governance.Rekeys{Secrets: w.chain}
	w.store.OnApply(tables.EncryptedSecretsTable, rekeys.Applied)
	w.engine = &governance.Engine{
		Scripts: api.NewScripts(),
		Node:    &governance.Node{ServiceKey: serviceKey, Secrets: w.chain, Rekeys: rekeys, Rand: rand.Reader, Now: func() time.Time { return validity.NotBefore }},
		Log:     func(_ slog.Level, tag, msg string) { fmt.Fprintf(&w.console, "[%s] %s\n", tag, msg) },
	}
	t.Cleanup(func() { _ = w.store.Close() })
	return w
}

// commit runs f as one transaction and appends what it wrote, as the frontend
// does: nothing of a failure is kept unless it says so.
func (w *world) commit(f func(tx *kv.Tx) error) error {
	tx := w.store.Begin()
	defer tx.Release()
	err := f(tx)
	var refused *governance.Error
	if err != nil && !(errors.As(err, &refused) && refused.Keep) {
		return err
	}
	w.append(tx.WriteSet())
	return err
}

func (w *world) append(ws ledger.WriteSet) {
	if len(ws) == 0 {
		return
	}
	id := ledger.TxID{View: 2, Seqno: uint64(len(w.ledger)) + 1}
	w.store.Apply(id, ws)
	w.ledger = append(w.ledger, entry{id, ws})
	w.tree.Append(sha256.Sum256(ledger.AppendMaps(nil, ws, true)))
}

// sign appends a signature transaction: the root that members acknowledge.
func (w *world) sign() {
	err := w.commit(func(tx *kv.Tx) error {
		return tables.Signatures.Put(tx, tables.Signature{Root: w.tree.Root().Hex(), Sig: []byte{0}})
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) person(name string) *person {
	p := w.people[name]
	if p == nil {
		w.t.Fatalf("nobody is called %s", name)
	}
	return p
}

// sends signs a request as a client does and authenticates it as the frontend does.
func (w *world) sends(tx *kv.Tx, name, messageType string, at uint64, proposal string, payload []byte) (*auth.Request, error) {
	p := w.person(name)
	h := cose.RequestHeader{Kid: p.id, Type: messageType, CreatedAt: at, ProposalID: proposal}
	body, err := cose.SignGov(rand.Reader, p.key, h, payload)
	if err != nil {
		w.t.Fatal(err)
	}
	contentType := auth.ContentType
	policy := auth.Policy{Type: messageType, Active: messageType != cose.TypeAck && messageType != cose.TypeStateDigest}
	return auth.Authenticate(tx, &contentType, body, policy)
}

func (w *world) propose(name string, at uint64, text string) (*governance.Proposal, error) {
	var p *governance.Proposal
	err := w.commit(func(tx *kv.Tx) error {
		req, err := w.sends(tx, name, cose.TypeProposal, at, "", []byte(text))
		if err != nil {
			return err
		}
		p, err = w.engine.Propose(context.Background(), tx, w.tree.Root(), req, &w.flags)
		return err
	})
	return p, err
}

func (w *world) vote(name, proposal, ballot string) (*governance.Proposal, error) {
	var p *governance.Proposal
	payload, err := jsondoc.Marshal(map[string]string{"ballot": ballot})
	if err != nil {
		w.t.Fatal(err)
	}
	err = w.commit(func(tx *kv.Tx) error {
		req, err := w.sends(tx, name, cose.TypeBallot, w.clock, proposal, payload)
		if err != nil {
			return err
		}
		p, err = w.engine.Vote(context.Background(), tx, req, proposal, &w.flags)
		return err
	})
	return p, err
}

func (w *world) withdraw(name, proposal string) (*governance.Proposal, error) {
	var p *governance.Proposal
	err := w.commit(func(tx *kv.Tx) error {
		req, err := w.sends(tx, name, cose.TypeWithdrawal, w.clock, proposal, nil)
		if err != nil {
			return err
		}
		p, err = w.engine.Withdraw(tx, req, proposal)
		return err
	})
	return p, err
}

func (w *world) update(name string) (string, error) {
	var digest string
	err := w.commit(func(tx *kv.Tx) error {
		req, err := w.sends(tx, name, cose.TypeStateDigest, w.clock, "", nil)
		if err != nil {
			return err
		}
		digest, err = governance.UpdateStateDigest(tx, req)
		return err
	})
	return digest, err
}

func (w *world) ack(name, digest string) error {
	payload, err := jsondoc.Marshal(map[string]string{"stateDigest": digest})
	if err != nil {
		w.t.Fatal(err)
	}
	return w.commit(func(tx *kv.Tx) error {
		req, err := w.sends(tx, name, cose.TypeAck, w.clock, "", payload)
		if err != nil {
			return err
		}
		return w.engine.Ack(tx, req)
	})
}

// genesis founds the service; members with a key take part in recovery.
func (w *world) genesis(threshold uint64, withKey, without []string) error {
	g := governance.Genesis{
		Constitution: constitution.Development(),
		Config:       tables.ServiceConfig{RecoveryThreshold: threshold},
		ServiceCert:  w.cert,
		NodeID:       strings.Repeat("a", 64),
		Trust:        governance.Trust{VirtualMeasurement: tables.VirtualMeasurement, VirtualHostData: strings.Repeat("1", 64)},
	}
	node, err := keys.GenerateEncryptionKey(rand.Reader)
	if err != nil {
		w.t.Fatal(err)
	}
	pem, err := node.PublicPEM()
	if err != nil {
		w.t.Fatal(err)
	}
	g.Node = tables.NodeInfo{EncryptionPubKey: string(pem), Status: tables.NodeTrusted, QuoteInfo: tables.QuoteInfo{Format: tables.QuoteVirtual}}
	w.names[g.NodeID] = "node0"
	for i, name := range append(append([]string{}, withKey...), without...) {
		p := w.meet(name, i < len(withKey))
		g.Members = append(g.Members, governance.FoundingMember{Name: name, CertPEM: string(p.cert), EncryptionKey: p.encryptionKey(w.t)})
	}
	return w.commit(g.Write)
}

// meet makes somebody known to the test, not to the service.
func (w *world) meet(name string, withKey bool) *person {
	p := newPerson(w.t, name, withKey)
	w.people[name], w.names[p.id] = p, name
	return p
}

// plain replaces ids by names.
func (w *world) plain(s string) string {
	ids := make([]string, 0, len(w.names))
	for id := range w.names {
		ids = append(ids, id)
	}
	sort.Strings(ids)
	for _, id := range ids {
		s = strings.ReplaceAll(s, id, w.names[id])
	}
	return strings.ReplaceAll(s, w.cert, "SERVICE-CERT")
}

const (
	yes = "export function vote (proposal, proposerId) { return true }"
	no  = "export function vote (proposal, proposerId) { return false }"
)
