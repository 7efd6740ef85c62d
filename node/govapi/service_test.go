package govapi_test

import (
	"context"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"sort"
	"testing"
	"time"

	"concordat/governance"
	"concordat/governance/constitution"
	"concordat/governance/tables"
	"concordat/js-apps/api"
	"concordat/ledger"
	"concordat/ledger/cose"
	"concordat/ledger/fixture"
	"concordat/ledger/jsondoc"
	"concordat/ledger/keys"
	"concordat/ledger/kv"
	"concordat/ledger/merkle"
	"concordat/ledger/secret"
	"concordat/node/frontend"
	"concordat/node/govapi"
	"concordat/node/httpd"
)

// What the recorded service called its node and its host.
const (
	recordedNode = "7964b868dcd407bb0786c0f257e8b2c4cd482ac134e4daa839ff34704d12fb9d"
	recordedHost = "84f12c936e7955c5aa6750cdcbb96abd77289614554700c9e1ec93d075283481"
)

// signer is an identity of the recordings.
type signer struct {
	id        string
	cert, enc string
	key       *keys.PrivateKey
}

// service is governance behind the real pipeline, on a ledger without consensus
// and without disk: every transaction commits at once.
type service struct {
	t      *testing.T
	store  *kv.Store
	tree   merkle.Frontier
	last   ledger.TxID
	front  *frontend.Frontend
	people map[string]*signer
	cert   string
}

func newService(t *testing.T) *service {
	t.Helper()
	key, err := keys.Generate(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	days := keys.Days(time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC), 90)
	cert, err := keys.ServiceCert(rand.Reader, key, "CN=Transcript Service", days)
	if err != nil {
		t.Fatal(err)
	}
	first, err := secret.Generate(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	chain := &secret.Chain{}
	if err := chain.Add(1, first, nil); err != nil {
		t.Fatal(err)
	}
	s := &service{t: t, tree: merkle.New(), people: identities(t), cert: string(cert), store: kv.New(kv.NewMemBase(), kv.Options{})}
	t.Cleanup(func() { _ = s.store.Close() })
	rekeys := &governance.Rekeys{Secrets: chain}
	s.store.OnApply(tables.EncryptedSecretsTable, rekeys.Applied)
	engine := &governance.Engine{
		Scripts: api.NewScripts(),
		Node:    &governance.Node{ServiceKey: key, Secrets: chain, Rekeys: rekeys, Rand: rand.Reader, Now: func() time.Time { return days.NotBefore }},
	}
	s.found(key, cert, days)
	s.front, err = frontend.New(frontend.Config{
		Actors: []frontend.Actor{{Name: "gov", Endpoints: append(govapi.New(engine, nil).Endpoints(), apiEndpoint())}, {Name: "app"}, {Name: "node"}},
		Ledger: func() frontend.Ledger { return s },
		Log:    slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func identities(t *testing.T) map[string]*signer {
	t.Helper()
	var file struct {
		Files map[string]string `json:"files"`
	}
	fixture.JSON(t, &file, "http-transcripts", "identities.json")
	people := map[string]*signer{}
	for _, name := range []string{"member0", "member1", "member2", "member3", "member4", "user0", "user1", "user_expired", "user_future", "stranger"} {
		cert, err := keys.ParseCertPEM([]byte(file.Files[name+"_cert.pem"]))
		if err != nil {
			t.Fatal(name, err)
		}
		key, err := keys.ParsePrivateKeyPEM([]byte(file.Files[name+"_privk.pem"]))
		if err != nil {
			t.Fatal(name, err)
		}
		people[name] = &signer{id: keys.CertID(cert.Raw), cert: file.Files[name+"_cert.pem"], enc: file.Files[name+"_enc_pubk.pem"], key: key}
	}
	return people
}

// found starts the service as the recorded one was configured.
func (s *service) found(key *keys.PrivateKey, cert []byte, days keys.Window) {
	node, err := keys.Generate(elliptic.P384(), rand.Reader)
	if err != nil {
		s.t.Fatal(err)
	}
	csr, err := keys.NodeCSR(rand.Reader, node, "CN=CCF Node", []keys.SAN{keys.HostSAN("127.0.0.1")})
	if err != nil {
		s.t.Fatal(err)
	}
	issuer, err := keys.ParseCertPEM(cert)
	if err != nil {
		s.t.Fatal(err)
	}
	endorsed, err := keys.EndorseNode(rand.Reader, csr, keys.Issuer{Key: key, Cert: issuer}, days)
	if err != nil {
		s.t.Fatal(err)
	}
	box, err := keys.GenerateEncryptionKey(rand.Reader)
	if err != nil {
		s.t.Fatal(err)
	}
	pem, err := box.PublicPEM()
	if err != nil {
		s.t.Fatal(err)
	}
	serviceDays := uint64(100)
	nodeDays := uint64(365)
	g := governance.Genesis{
		Constitution: constitution.Development(), ServiceCert: s.cert, NodeID: recordedNode, EndorsedCert: string(endorsed),
		Config: tables.ServiceConfig{
			RecoveryThreshold: 2, MaximumNodeCertificateValidityDays: &nodeDays, MaximumServiceCertificateValidityDays: &serviceDays,
		},
		ServiceData: jsondoc.Opaque(`{"name":"transcript service","nested":{"a":[1,2,3]}}`),
		Trust:       governance.Trust{VirtualMeasurement: tables.VirtualMeasurement, VirtualHostData: recordedHost},
		Node: tables.NodeInfo{
			CertificateSigningRequest: string(csr), EncryptionPubKey: string(pem), Status: tables.NodeTrusted, NodeData: jsondoc.Opaque(`{"n":0,"node_name":"n0"}`),
			QuoteInfo: tables.QuoteInfo{Format: tables.QuoteVirtual, Quote: quote(s.t)}, RPCInterfaces: interfaces(s.t),
		},
	}
	for _, name := range []string{"member0", "member1", "member2"} {
		p := s.people[name]
		m := governance.FoundingMember{Name: name, CertPEM: p.cert, EncryptionKey: p.enc}
		if name == "member0" {
			m.Data = jsondoc.Opaque(`{"is_operator":true,"name":"zero"}`)
		}
		g.Members = append(g.Members, m)
	}
	tx := s.store.Begin()
	if err := g.Write(tx); err != nil {
		s.t.Fatal(err)
	}
	if _, err := s.Submit(tx, frontend.SubmitOptions{}); err != nil {
		s.t.Fatal(err)
	}
}

func quote(t *testing.T) []byte {
	t.Helper()
	digest := sha256.Sum256([]byte("node key"))
	b, err := jsondoc.Marshal(tables.VirtualQuote{HostData: recordedHost, Measurement: tables.VirtualMeasurement, ReportData: digest[:]})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func interfaces(t *testing.T) map[string]jsondoc.Opaque {
	t.Helper()
	var config struct {
		Network struct {
			Interfaces map[string]jsondoc.Opaque `json:"rpc_interfaces"`
		} `json:"network"`
	}
	fixture.JSON(t, &config, "http-transcripts", "config-n0.json")
	return config.Network.Interfaces
}

func (s *service) currentCert() string {
	tx := s.store.Begin()
	defer tx.Release()
	info, _, err := tables.Service.Get(tx)
	if err != nil {
		s.t.Fatal(err)
	}
	return info.Cert
}

func (s *service) sign(t *testing.T, name, messageType string, at uint64, proposal, payload string) []byte {
	t.Helper()
	p := s.people[name]
	b, err := cose.SignGov(rand.Reader, p.key, cose.RequestHeader{Kid: p.id, Type: messageType, CreatedAt: at, ProposalID: proposal}, []byte(payload))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func (s *service) call(method, target string, body []byte, headers map[string]any) *httpd.Response {
	req := &httpd.Request{Method: method, Target: target, Proto: "HTTP/1.1", Body: body}
	for name, value := range headers {
		req.Fields = append(req.Fields, httpd.Field{Name: name, Value: fmt.Sprint(value)})
	}
	sort.Slice(req.Fields, func(i, j int) bool { return req.Fields[i].Name < req.Fields[j].Name })
	var resp httpd.Response
	resp.Reset()
	s.front.Handle(context.Background(), httpd.NewSession(&httpd.Interface{Name: "main"}, "", nil), req, &resp)
	return &resp
}

// ---- the ledger under the pipeline

// Begin implements frontend.Ledger.
func (s *service) Begin() *kv.Tx { return s.store.Begin() }

// BeginWithRoot implements frontend.Ledger.
func (s *service) BeginWithRoot(context.Context) (*kv.Tx, ledger.Digest, error) {
	return s.store.Begin(), s.tree.Root(), nil
}

// Submit implements frontend.Ledger. A signature follows every transaction.
func (s *service) Submit(tx *kv.Tx, _ frontend.SubmitOptions) (ledger.TxID, error) {
	id := s.append(tx.WriteSet())
	tx.Release()
	sig := s.store.Begin()
	defer sig.Release()
	if err := tables.Signatures.Put(sig, tables.Signature{Root: s.tree.Root().Hex(), Sig: []byte{0}}); err != nil {
		return id, err
	}
	s.append(sig.WriteSet())
	return id, nil
}

func (s *service) append(ws ledger.WriteSet) ledger.TxID {
	s.last = ledger.TxID{View: 2, Seqno: s.last.Seqno + 1}
	s.store.Apply(s.last, ws)
	s.tree.Append(sha256.Sum256(ledger.AppendMaps(nil, ws, true)))
	return s.last
}

// TxStatus implements frontend.Ledger.
func (s *service) TxStatus(id ledger.TxID) string {
	if id.View == 2 && id.Seqno <= s.last.Seqno {
		return "Committed"
	}
	return "Unknown"
}

// Committed implements frontend.Ledger.
func (s *service) Committed() ledger.TxID { return s.last }

// Last implements frontend.Ledger.
func (s *service) Last() ledger.TxID { return s.last }

// View implements frontend.Ledger.
func (s *service) View() ledger.View { return 2 }

// ViewHistory implements frontend.Ledger.
func (s *service) ViewHistory() []ledger.Seqno { return []ledger.Seqno{1, 1} }

// WaitCommitted implements frontend.Ledger.
func (s *service) WaitCommitted(context.Context, ledger.TxID) error { return nil }

// CanReplicate implements frontend.Ledger.
func (s *service) CanReplicate() bool { return true }
