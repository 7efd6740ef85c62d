package policy

import (
	"context"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"

	"concordat/governance/tables"
	"concordat/ledger"
	"concordat/ledger/keys"
	"concordat/ledger/kv"
	"concordat/node/frontend"
	"concordat/node/httpd"
)

// state is a ledger whose transactions only read what the test put in.
type state struct {
	frontend.Ledger
	store *kv.Store
}

func (s state) Begin() *kv.Tx      { return s.store.Begin() }
func (s state) View() ledger.View  { return 2 }
func (s state) CanReplicate() bool { return true }
func (s state) put(f func(tx *kv.Tx)) {
	tx := s.store.Begin()
	defer tx.Release()
	f(tx)
	s.store.Apply(ledger.TxID{View: 2, Seqno: s.store.Head().Seqno + 1}, tx.WriteSet())
}

var now = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// person is a key and a certificate.
type person struct {
	key *keys.PrivateKey
	der []byte
}

func (p *person) id() string  { return keys.CertID(p.der) }
func (p *person) pem() []byte { return keys.CertPEM(p.der) }

func newPerson(t *testing.T, curve elliptic.Curve, from, to time.Time) *person {
	t.Helper()
	key, err := keys.Generate(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: from, NotAfter: to}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key.ECDSA())
	if err != nil {
		t.Fatal(err)
	}
	return &person{key, der}
}

// world has registered users, a member and a node, and one endpoint for each list of policies.
type world struct {
	t                                         *testing.T
	state                                     state
	user, expired, future, member, node, none *person
	front                                     *frontend.Frontend
}

func newWorld(t *testing.T, endpoints map[string][]frontend.Policy) *world {
	t.Helper()
	day := 24 * time.Hour
	w := &world{
		t: t, state: state{store: kv.New(kv.NewMemBase(), kv.Options{})},
		user:    newPerson(t, elliptic.P384(), now.Add(-day), now.Add(day)),
		expired: newPerson(t, elliptic.P256(), now.Add(-2*day), now.Add(-day)),
		future:  newPerson(t, elliptic.P521(), now.Add(day), now.Add(2*day)),
		member:  newPerson(t, elliptic.P256(), now.Add(-2*day), now.Add(-day)),
		node:    newPerson(t, elliptic.P384(), now.Add(-day), now.Add(day)),
		none:    newPerson(t, elliptic.P256(), now.Add(-day), now.Add(day)),
	}
	t.Cleanup(func() { w.state.store.Close() })
	w.state.put(func(tx *kv.Tx) {
		for _, p := range []*person{w.user, w.expired, w.future} {
			tables.UserCerts.Put(tx, p.id(), p.pem())
		}
		tables.MemberCerts.Put(tx, w.member.id(), w.member.pem())
		must(t, tables.Users.Put(tx, w.user.id(), tables.UserInfo{UserData: []byte(`{"a":1}`)}))
		must(t, tables.Members.Put(tx, w.member.id(), tables.MemberInfo{MemberData: []byte(`"m"`), Status: tables.MemberActive}))
		must(t, tables.Nodes.Put(tx, w.node.key.ID(), tables.NodeInfo{}))
	})
	var list []frontend.Endpoint
	for path, policies := range endpoints {
		for _, verb := range []string{"GET", "POST"} {
			list = append(list, frontend.Endpoint{Verb: verb, Path: path, Mode: frontend.NoTx, Auth: policies, Handler: func(c *frontend.Context) error {
				return c.JSON(brief(c.Caller))
			}})
		}
	}
	var err error
	w.front, err = frontend.New(frontend.Config{
		Actors: []frontend.Actor{{Name: "app", Endpoints: list}}, Ledger: func() frontend.Ledger { return w.state },
		Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	must(t, err)
	return w
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// brief shows an identity without its certificate.
func brief(id *frontend.Identity) any {
	if id == nil {
		return "nobody"
	}
	m := map[string]any{"policy": id.Policy}
	if id.ID != "" {
		m["id"] = id.ID[:8]
	}
	if id.Data != nil {
		m["data"] = json.RawMessage(id.Data)
	}
	if id.CertPEM != "" {
		m["cert"] = strings.HasPrefix(id.CertPEM, "-----BEGIN CERTIFICATE-----\n")
	}
	if id.Signed != nil {
		m["content"] = string(id.Signed.Content)
	}
	for _, name := range id.Names {
		m["has "+name] = brief(id.Each[name])
	}
	return m
}

func (w *world) call(path string, as *person, body []byte, header ...string) string {
	w.t.Helper()
	var der []byte
	if as != nil {
		der = as.der
	}
	req := &httpd.Request{Method: "POST", Target: path, Proto: "HTTP/1.1", Body: body}
	for i := 0; i < len(header); i += 2 {
		req.Fields = append(req.Fields, httpd.Field{Name: header[i], Value: header[i+1]})
	}
	var resp httpd.Response
	resp.Reset()
	w.front.Handle(context.Background(), httpd.NewSession(&httpd.Interface{Name: "main"}, "", der), req, &resp)
	out := fmt.Sprint(resp.Status)
	if c := resp.Get("www-authenticate"); c != "" {
		out += " " + c
	}
	var e struct {
		Error struct {
			Message string
			Details []frontend.Detail
		}
	}
	if json.Unmarshal(resp.Body, &e) == nil && e.Error.Message != "" {
		if len(e.Error.Details) == 0 {
			return out + " " + e.Error.Message
		}
		for _, d := range e.Error.Details {
			out += " " + d.AuthPolicy + "=" + d.Message
		}
		return out
	}
	return out + " " + string(resp.Body)
}

func TestCertificates(t *testing.T) {
	s := Set{Now: func() time.Time { return now }}
	w := newWorld(t, map[string][]frontend.Policy{
		"/user": {s.UserCert()}, "/member": {s.MemberCert()}, "/any": {s.AnyCert()}, "/node": {s.NodeCert()}, "/none": {s.NoAuth()}, "/open": nil,
		"/or": {s.UserCert(), s.NoAuth()},
	})
	for _, tt := range []struct {
		path string
		as   *person
		want string
	}{
		{"/user", nil, "401 user_cert=No caller user certificate"},
		{"/user", w.none, "401 user_cert=Could not find matching user certificate"},
		{"/user", w.member, "401 user_cert=Could not find matching user certificate"},
		{"/user", w.user, `200 {"cert":true,"data":{"a":1},"id":"` + w.user.id()[:8] + `","policy":"user_cert"}`},
		{"/user", w.expired, fmt.Sprintf("401 user_cert=Current time %d is after certificate's Not After validity period %d", now.Unix(), now.Add(-24*time.Hour).Unix())},
		{"/user", w.future, fmt.Sprintf("401 user_cert=Current time %d is before certificate's Not Before validity period %d", now.Unix(), now.Add(24*time.Hour).Unix())},
		{"/member", nil, "401 member_cert=No caller member certificate"},
		{"/member", w.user, "401 member_cert=Could not find matching member certificate"},
		{"/member", w.member, `200 {"cert":true,"data":"m","id":"` + w.member.id()[:8] + `","policy":"member_cert"}`}, // although expired
		{"/any", nil, "401 any_cert=No caller certificate"},
		{"/any", w.none, `200 {"cert":true,"policy":"any_cert"}`},
		{"/any", w.expired, fmt.Sprintf("401 any_cert=Current time %d is after certificate's Not After validity period %d", now.Unix(), now.Add(-24*time.Hour).Unix())},
		{"/node", nil, "401 node_cert=No caller node certificate"},
		{"/node", w.user, "401 node_cert=Could not find matching node certificate"},
		{"/node", w.node, `200 {"cert":true,"id":"` + w.node.key.ID()[:8] + `","policy":"node_cert"}`},
		{"/none", w.none, `200 {"policy":"no_auth"}`},
		{"/open", w.user, `200 "nobody"`},
		{"/or", nil, `200 {"policy":"no_auth"}`},
	} {
		if got := w.call(tt.path, tt.as, nil); got != tt.want {
			t.Errorf("%s\n got %s\nwant %s", tt.path, got, tt.want)
		}
	}
	garbage := &person{der: []byte("no certificate")}
	if got := w.call("/any", garbage, nil); got != "401 any_cert=Could not parse caller certificate" {
		t.Errorf("garbage: %s", got)
	}
}

// TestAllOf follows the recorded answers about conjunctions.
func TestAllOf(t *testing.T) {
	s := Set{Now: func() time.Time { return now }}
	all := func(parts ...frontend.Policy) frontend.Policy {
		p, err := AllOf(parts)
		must(t, err)
		return p
	}
	w := newWorld(t, map[string][]frontend.Policy{
		"/uj": {all(s.UserCert(), s.JWT())}, "/ju": {all(s.JWT(), s.UserCert())}, "/ua": {all(s.UserCert(), s.AnyCert())}, "/one": {all(s.UserCert())},
		"/un": {all(s.UserCert(), s.NoAuth())}, "/or2": {s.JWT(), all(s.UserCert(), s.AnyCert())},
	})
	bearer := `Bearer realm="JWT bearer token access", error="invalid_token"`
	user := `"has user_cert":{"cert":true,"data":{"a":1},"id":"` + w.user.id()[:8] + `","policy":"user_cert"}`
	for _, tt := range []struct {
		path string
		as   *person
		want string
	}{
		{"/uj", nil, "401 " + bearer + " jwt+user_cert=jwt:Missing authorization header"},
		{"/ju", w.user, "401 " + bearer + " jwt+user_cert=jwt:Missing authorization header"},
		{"/ua", nil, "401 any_cert+user_cert=any_cert:No caller certificate"},
		{"/ua", w.user, `200 {"has any_cert":{"cert":true,"policy":"any_cert"},` + user + `,"policy":"any_cert+user_cert"}`},
		{"/one", nil, "401 user_cert=user_cert:No caller user certificate"},
		{"/one", w.user, `200 {` + user + `,"policy":"user_cert"}`},
		{"/un", nil, "401 no_auth+user_cert=user_cert:No caller user certificate"},
		{"/or2", nil, "401 jwt=Missing authorization header any_cert+user_cert=any_cert:No caller certificate"},
	} {
		if got := w.call(tt.path, tt.as, nil); got != tt.want {
			t.Errorf("%s\n got %s\nwant %s", tt.path, got, tt.want)
		}
	}
	if _, err := AllOf([]frontend.Policy{s.UserCert(), s.JWT(), s.UserCert()}); err == nil ||
		err.Error() != "AND authentication policy contains duplicate policies identified by user_cert (policy = )" {
		t.Errorf("duplicates: %v", err)
	}
	if _, err := AllOf(nil); err == nil {
		t.Error("a conjunction of nothing was made")
	}
}

// envelope signs content as a COSE_Sign1 with the headers CCF asks of users.
func envelope(t *testing.T, p *person, alg int64, curve elliptic.Curve, content string) []byte {
	t.Helper()
	protected, err := cbor.Marshal(map[int]any{1: alg, 4: []byte(p.id())})
	must(t, err)
	tbs, err := cbor.Marshal([]any{"Signature1", protected, []byte{}, []byte(content)})
	must(t, err)
	h := keys.Hash(curve).New()
	h.Write(tbs)
	sig, err := p.key.SignRaw(rand.Reader, h.Sum(nil))
	must(t, err)
	b, err := cbor.Marshal(cbor.Tag{Number: 18, Content: []any{protected, map[int]any{}, []byte(content), sig}})
	must(t, err)
	return b
}

func TestUserCOSE(t *testing.T) {
	s := Set{Now: func() time.Time { return now }}
	w := newWorld(t, map[string][]frontend.Policy{"/c": {s.UserCOSE()}, "/or": {s.UserCOSE(), s.NoAuth()}})
	const challenge = `401 COSE-SIGN1 realm="Signed request access" user_cose_sign1=`
	good := envelope(t, w.user, -35, elliptic.P384(), "hello")
	bad := append([]byte(nil), good...)
	bad[len(bad)-1] ^= 1
	for _, tt := range []struct {
		name, path string
		body       []byte
		mime       string
		want       string
	}{
		{"good", "/c", good, "application/cose", `200 {"cert":true,"content":"hello","data":{"a":1},"id":"` + w.user.id()[:8] + `","policy":"user_cose_sign1"}`},
		{"expired signer", "/c", envelope(t, w.expired, -7, elliptic.P256(), "x"), "application/cose",
			`200 {"cert":true,"content":"x","id":"` + w.expired.id()[:8] + `","policy":"user_cose_sign1"}`},
		{"content type", "/c", good, "application/cose; x=1", challenge + "Content type is not set to application/cose"},
		{"bad signature", "/c", bad, "application/cose", challenge + "Failed to validate COSE Sign1"},
		{"unknown signer", "/c", envelope(t, w.none, -7, elliptic.P256(), "x"), "application/cose", challenge + "Signer is not a known user"},
		{"member signs", "/c", envelope(t, w.member, -7, elliptic.P256(), "x"), "application/cose", challenge + "Signer is not a known user"},
		{"algorithm", "/c", envelope(t, w.user, -37, elliptic.P384(), "x"), "application/cose", challenge + "Unsupported algorithm: -37"},
		{"garbage", "/c", []byte{1, 2, 3}, "application/cose", "500 Failed to parse COSE_Sign1 outer array"},
		{"garbage does not fall through", "/or", []byte{1, 2, 3}, "application/cose", "500 Failed to parse COSE_Sign1 outer array"},
		{"wrong type falls through", "/or", good, "text/plain", `200 {"policy":"no_auth"}`},
	} {
		if got := w.call(tt.path, nil, tt.body, "content-type", tt.mime); got != tt.want {
			t.Errorf("%s\n got %s\nwant %s", tt.name, got, tt.want)
		}
	}
	if got := w.call("/c", nil, good); got != challenge+"Missing content-type header" {
		t.Errorf("no content type: %s", got)
	}
}

// TestNames checks what an application may name, and that policies without a ledger refuse instead of failing.
func TestNames(t *testing.T) {
	s := Set{Now: func() time.Time { return now }}
	for _, name := range []string{"no_auth", "user_cert", "member_cert", "any_cert", "jwt", "user_cose_sign1"} {
		if p := s.ForApps()[name]; p == nil || p.Name() != name {
			t.Errorf("%s: %v", name, p)
		}
	}
	if len(s.ForApps()) != 6 {
		t.Errorf("%d policies", len(s.ForApps()))
	}
	front, err := frontend.New(frontend.Config{Actors: []frontend.Actor{{Name: "app", Endpoints: []frontend.Endpoint{{
		Verb: "GET", Path: "/x", Auth: []frontend.Policy{s.UserCert(), s.MemberCert(), s.NodeCert(), s.JWT(), s.UserCOSE()},
		Handler: func(*frontend.Context) error { return nil },
	}}}}})
	must(t, err)
	p := newPerson(t, elliptic.P256(), now, now)
	var resp httpd.Response
	resp.Reset()
	front.Handle(context.Background(), httpd.NewSession(&httpd.Interface{}, "", p.der), &httpd.Request{Method: "GET", Target: "/x"}, &resp)
	if resp.Status != 401 {
		t.Errorf("without a ledger: %d %s", resp.Status, resp.Body)
	}
}
