package badinput

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"concordat/governance/constitution"
	"concordat/js-apps/bundle"
	"concordat/ledger"
	"concordat/ledger/cose"
	"concordat/ledger/keys"
	"concordat/node/client"
	"concordat/node/sandbox"
)

const version = "?api-version=2024-07-01"

// running is a service of one member and one user, with the logging app on it.
type running struct {
	t       *testing.T
	dir     string
	sandbox *sandbox.Sandbox
	client  *client.Client // as user0
	key     *keys.PrivateKey
	member  string // id of member0
	log     *syncBuffer
}

type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

func start(t *testing.T) *running {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	r := &running{t: t, dir: filepath.Join(t.TempDir(), "ws"), log: &syncBuffer{}}
	var texts []string
	for _, file := range append(constitution.Files(), constitution.Virtual()) {
		texts = append(texts, file.Text)
	}
	logging := func() (*bundle.Bundle, error) {
		return bundle.Build(filepath.Join("..", "..", "..", "js-apps", "logging"))
	}
	r.sandbox, err = sandbox.Start(context.Background(), sandbox.Options{
		Workspace: r.dir, App: logging, Members: 1, Users: 1, Constitution: texts,
		SignatureDelay: "100ms", Binary: self, NodeLog: r.log, Progress: func(string, ...any) {},
	})
	if err != nil {
		t.Fatalf("%v\n%s", err, r.log)
	}
	t.Cleanup(func() {
		if err := r.sandbox.Stop(); err != nil {
			t.Errorf("the node ended badly: %v\n%s", err, r.log)
		}
	})
	id, err := client.Identity(r.read("user0_cert.pem"), r.read("user0_privk.pem"))
	if err != nil {
		t.Fatal(err)
	}
	if r.client, err = client.New(client.Options{URL: r.sandbox.URL, ServiceCert: r.read("service_cert.pem"), Identity: id}); err != nil {
		t.Fatal(err)
	}
	if r.key, err = keys.ParsePrivateKeyPEM(r.read("member0_privk.pem")); err != nil {
		t.Fatal(err)
	}
	cert, err := keys.ParseCertPEM(r.read("member0_cert.pem"))
	if err != nil {
		t.Fatal(err)
	}
	r.member = keys.CertID(cert.Raw)
	return r
}

func (r *running) read(name string) []byte {
	b, err := os.ReadFile(filepath.Join(r.dir, "sandbox_common", name))
	if err != nil {
		r.t.Fatal(err)
	}
	return b
}

// sign makes a signed request of member0, as far as change lets it be right.
func (r *running) sign(typ, payload string, change func(*cose.RequestHeader)) []byte {
	h := cose.RequestHeader{Kid: r.member, Type: typ, CreatedAt: cose.SecondsOf(time.Now())}
	if change != nil {
		change(&h)
	}
	b, err := cose.SignGov(rand.Reader, r.key, h, []byte(payload))
	if err != nil {
		r.t.Fatal(err)
	}
	return b
}

// last is the newest transaction, committed or not: what a read was answered from.
func (r *running) last() ledger.TxID {
	a, err := r.client.Do(context.Background(), http.MethodGet, "/gov/service/info"+version, nil, nil)
	if err == nil {
		err = a.Err()
	}
	if err != nil {
		r.t.Fatalf("the node is not well: %v\n%s", err, r.log)
	}
	return a.TxID()
}

// settled waits until everything is committed, so that no signature is under way.
func (r *running) settled() ledger.TxID {
	for end := time.Now().Add(commandLimit); ; time.Sleep(20 * time.Millisecond) {
		last := r.last()
		var s struct{ Status string }
		if err := r.client.GetJSON(context.Background(), "/node/tx?transaction_id="+last.String(), &s); err != nil {
			r.t.Fatal(err)
		}
		if s.Status == "Committed" && r.last() == last {
			return last
		}
		if time.Now().After(end) {
			r.t.Fatal("the service does not come to rest")
		}
	}
}

// probe is a request that must be refused.
type probe struct {
	name, method, path string
	content            string // content type
	body               []byte
	status             int
	code               string // of the OData error, or "" for none
	text               string // in the body
}

// check sends it, and looks at the answer and at what was written: nothing.
func (r *running) check(t *testing.T, p probe, before ledger.TxID) {
	t.Helper()
	h := http.Header{}
	if p.content != "" {
		h.Set("content-type", p.content)
	}
	a, err := r.client.Do(context.Background(), p.method, p.path, h, p.body)
	if err != nil {
		t.Errorf("%s: %v", p.name, err)
		return
	}
	var body struct {
		Error struct{ Code, Message string }
	}
	if p.code != "" {
		if err := json.Unmarshal(a.Body, &body); err != nil {
			t.Errorf("%s: %.200q: %v", p.name, a.Body, err)
		}
	}
	if a.Status != p.status || body.Error.Code != p.code || !strings.Contains(string(a.Body), p.text) {
		t.Errorf("%s: %d %.300s\nwant %d %s %s", p.name, a.Status, a.Body, p.status, p.code, p.text)
	}
	if after := r.last(); after != before {
		t.Errorf("%s: something was written: %s, was %s", p.name, after, before)
	}
}

// TestNothingIsWritten sends what must be refused to one service, and compares
// the newest transaction before and after each.
func TestNothingIsWritten(t *testing.T) {
	r := start(t)
	open, err := r.openProposal()
	if err != nil {
		t.Fatal(err)
	}
	groups := map[string][]probe{
		"signatures": r.signatures(), "proposals": r.proposals(), "ballots": r.ballots(open), "resources": r.resources(), "requests": r.requests(),
	}
	before := r.settled()
	for name, probes := range groups {
		t.Run(name, func(t *testing.T) {
			for _, p := range probes {
				r.check(t, p, before)
			}
		})
	}
	t.Run("wire", func(t *testing.T) { r.wire(t, before) })
	if log := r.log.String(); strings.Contains(log, "panic") || strings.Contains(log, "goroutine ") {
		t.Errorf("the node's log:\n%s", log)
	}
	select {
	case <-r.sandbox.Exited():
		t.Error("the node ended")
	default:
	}
}

func (r *running) openProposal() (string, error) {
	body := r.sign(cose.TypeProposal, `{"actions":[{"name":"set_user_data","args":{"user_id":"`+strings.Repeat("a", 64)+`"}}]}`, nil)
	a, err := r.client.Do(context.Background(), http.MethodPost, "/gov/members/proposals:create"+version, http.Header{"Content-Type": {"application/cose"}}, body)
	if err == nil {
		err = a.Err()
	}
	var p struct{ ProposalID, ProposalState string }
	if err == nil {
		err = json.Unmarshal(a.Body, &p)
	}
	if err == nil && p.ProposalState != "Open" {
		err = fmt.Errorf("the proposal is %s", p.ProposalState)
	}
	return p.ProposalID, err
}

// signatures are COSE messages that are malformed or not signed as they must be (ccf-governance 4.1).
func (r *running) signatures() []probe {
	const create = "/gov/members/proposals:create" + version
	good := r.sign(cose.TypeProposal, `{"actions":[]}`, nil)
	flipped := bytes.Clone(good)
	flipped[len(flipped)-1] ^= 1
	stranger := func(h *cose.RequestHeader) { h.Kid = strings.Repeat("0", 64) }
	list := []probe{
		{name: "empty", body: nil, status: 500, code: "InternalError", text: "Failed to parse COSE_Sign1 outer array"},
		{name: "words", body: []byte("propose this!"), status: 500, code: "InternalError", text: "Failed to parse COSE_Sign1 outer array"},
		{name: "JSON", body: []byte(`{"actions":[]}`), status: 500, code: "InternalError", text: "Failed to parse COSE_Sign1 outer array"},
		{name: "untagged", body: good[1:], status: 500, code: "InternalError", text: "COSE_Sign1 is not tagged"},
		{name: "cut short", body: good[:len(good)-5], status: 500, code: "InternalError", text: "Failed to decode COSE_Sign1"},
		{name: "byte too many", body: append(bytes.Clone(good), 0), status: 500, code: "InternalError", text: "Failed to decode COSE_Sign1"},
		{name: "huge claims", body: []byte{0xd2, 0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, status: 500, code: "InternalError"},
		{name: "header of 4 GiB", body: []byte{0xd2, 0x84, 0x5a, 0xff, 0xff, 0xff, 0xff}, status: 500, code: "InternalError", text: "Failed to decode protected header"},
		{name: "nested", body: append([]byte{0xd2, 0x84}, bytes.Repeat([]byte{0x81}, 100000)...), status: 500, code: "InternalError"},
		{name: "empty header", body: []byte{0xd2, 0x84, 0x40, 0xa0, 0x40, 0x40}, status: 500, code: "InternalError", text: "Failed to decode protected header: 67"},
		{name: "other signature", body: flipped, status: 401, code: "InvalidAuthenticationInfo", text: "Failed to validate COSE Sign1"},
		{name: "stranger", body: r.sign(cose.TypeProposal, `{}`, stranger), status: 401, code: "InvalidAuthenticationInfo", text: "Signer is not a known member"},
		{name: "other type", body: r.sign(cose.TypeBallot, `{}`, nil), status: 401, code: "InvalidAuthenticationInfo", text: "ccf.gov.msg.type"},
	}
	for i := range list {
		list[i].method, list[i].path, list[i].content = http.MethodPost, create, "application/cose"
	}
	return append(list,
		probe{name: "no content type", method: http.MethodPost, path: create, body: good, status: 401, code: "InvalidAuthenticationInfo", text: "Missing content-type header"},
		probe{name: "other content type", method: http.MethodPost, path: create, content: "application/json", body: good, status: 401, code: "InvalidAuthenticationInfo", text: "Content type is not set to application/cose"},
		probe{name: "no version", method: http.MethodPost, path: "/gov/members/proposals:create", content: "application/cose", body: good, status: 400, code: "MissingApiVersionParameter"},
		probe{name: "strange version", method: http.MethodPost, path: "/gov/members/proposals:create?api-version=9", content: "application/cose", body: good, status: 400, code: "UnsupportedApiVersionValue"},
		probe{name: "far future", method: http.MethodPost, path: create, content: "application/cose", status: 400, code: "InvalidCreatedAt",
			body: r.sign(cose.TypeProposal, `{"actions":[{"name":"trigger_ledger_chunk"}]}`, func(h *cose.RequestHeader) { h.CreatedAt = 10000000000 })},
		probe{name: "long ago", method: http.MethodPost, path: create, content: "application/cose", status: 400, code: "ProposalCreatedTooLongAgo",
			body: r.sign(cose.TypeProposal, `{"actions":[{"name":"trigger_ledger_chunk"}]}`, func(h *cose.RequestHeader) { h.CreatedAt = 1 })},
	)
}

// proposals are signed well and say what cannot be done: JSON, actions, certificates and bundles.
func (r *running) proposals() []probe {
	cert := func(text string) string { b, _ := json.Marshal(text); return string(b) }
	action := func(name, args string) string {
		return `{"actions":[{"name":"` + name + `","args":` + args + `}]}`
	}
	endpoint := func(body string) string {
		return action("set_js_app", `{"bundle":{"metadata":{"endpoints":{"/a":{"get":`+body+`}}},"modules":[{"name":"a.js","module":"export function f() {}"}]}}`)
	}
	member := string(r.read("member0_cert.pem"))
	// What the constitution's own parsing throws at is a 500, as in CCF.
	thrown := map[string]bool{"nothing": true, "words": true, "cut short": true, "a list": true, "null": true, "no actions": true, "actions no list": true}
	var list []probe
	for name, text := range map[string]string{
		"nothing":             ``,
		"words":               `propose`,
		"cut short":           `{"actions":[`,
		"a list":              `[]`,
		"null":                `null`,
		"no actions":          `{}`,
		"actions no list":     `{"actions":{}}`,
		"action no object":    `{"actions":[7]}`,
		"action without name": `{"actions":[{"args":{}}]}`,
		"unknown action":      action("set_nothing", `{}`),
		"no arguments":        `{"actions":[{"name":"set_user"}]}`,
		"null arguments":      action("set_user", `null`),
		"no certificate":      action("set_user", `{}`),
		"certificate: number": action("set_user", `{"cert":7}`),
		"certificate: words":  action("set_user", `{"cert":"me"}`),
		"certificate: hollow": action("set_user", `{"cert":"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"}`),
		"certificate: cut":    action("set_user", `{"cert":`+cert(member[:len(member)/2])+`}`),
		"certificate: key":    action("set_user", `{"cert":`+cert(string(r.read("member0_enc_pubk.pem")))+`}`),
		"user id":             action("remove_user", `{"user_id":"short"}`),
		"bundle: none":        action("set_js_app", `{}`),
		"bundle: text":        action("set_js_app", `{"bundle":"x"}`),
		"bundle: no modules":  action("set_js_app", `{"bundle":{"metadata":{"endpoints":{}}}}`),
		"bundle: no metadata": action("set_js_app", `{"bundle":{"modules":[]}}`),
		"bundle: module name": action("set_js_app", `{"bundle":{"metadata":{"endpoints":{}},"modules":[{"module":"x"}]}}`),
		"bundle: bad module":  action("set_js_app", `{"bundle":{"metadata":{"endpoints":{}},"modules":[{"name":7,"module":"x"}]}}`),
		"endpoint: empty":     endpoint(`{}`),
		"endpoint: text":      endpoint(`"x"`),
		"endpoint: mode":      endpoint(`{"js_module":"a.js","js_function":"f","forwarding_required":"never","authn_policies":[],"mode":"sometimes"}`),
		"endpoint: module":    endpoint(`{"js_module":"b.js","js_function":"f","forwarding_required":"never","authn_policies":[],"mode":"readonly"}`),
		"endpoint: policies":  endpoint(`{"js_module":"a.js","js_function":"f","forwarding_required":"never","authn_policies":"no_auth","mode":"readonly"}`),
		"constitution":        action("set_constitution", `{"constitution":"export function ("}`),
		"threshold":           action("set_recovery_threshold", `{"recovery_threshold":0}`),
		"threshold: text":     action("set_recovery_threshold", `{"recovery_threshold":"two"}`),
		"runtime options":     action("set_js_runtime_options", `{"max_heap_bytes":"lots"}`),
		"other service":       action("assert_service_identity", `{"service_identity":"other"}`),
		"jwks":                action("set_jwt_public_signing_keys", `{"issuer":"i","jwks":{"keys":[{"kid":"k","kty":"RSA","x5c":["AAAA"]}]}}`),
	} {
		p := probe{
			name: name, method: http.MethodPost, path: "/gov/members/proposals:create" + version, content: "application/cose",
			body: r.sign(cose.TypeProposal, text, nil), status: 400, code: "ProposalFailedToValidate",
		}
		if thrown[name] {
			p.status, p.code, p.text = 500, "InternalError", "Failed to execute validation: "
		}
		list = append(list, p)
	}
	return list
}

// ballots are about an open proposal and cannot count.
func (r *running) ballots(open string) []probe {
	at := func(id, member string) string {
		return "/gov/members/proposals/" + id + "/ballots/" + member + ":submit" + version
	}
	ballot := func(payload, id string) []byte {
		return r.sign(cose.TypeBallot, payload, func(h *cose.RequestHeader) { h.ProposalID = id })
	}
	const yes = `{"ballot":"export function vote() { return true }"}`
	other := strings.Repeat("b", 64)
	list := []probe{
		{name: "no JSON", path: at(open, r.member), body: ballot(`yes`, open), status: 400, code: "InvalidInput"},
		{name: "no ballot", path: at(open, r.member), body: ballot(`{}`, open), status: 400, code: "InvalidInput"},
		{name: "ballot of numbers", path: at(open, r.member), body: ballot(`{"ballot":7}`, open), status: 400, code: "InvalidInput"},
		{name: "no script", path: at(open, r.member), body: ballot(`{"ballot":"export function ("}`, open), status: 500, code: "InternalError"},
		{name: "no vote", path: at(open, r.member), body: ballot(`{"ballot":"export function f() {}"}`, open), status: 500, code: "InternalError"},
		{name: "unknown proposal", path: at(other, r.member), body: ballot(yes, other), status: 404, code: "ProposalNotFound"},
		{name: "signed for another", path: at(open, r.member), body: ballot(yes, other), status: 400, code: "InvalidResourceName"},
		{name: "of another member", path: at(open, other), body: ballot(yes, open), status: 400, code: "InvalidResourceName"},
		{name: "short id", path: at("abc", r.member), body: ballot(yes, "abc"), status: 400, code: "InvalidResourceName"},
		{name: "withdraws another", path: "/gov/members/proposals/" + open + ":withdraw" + version, status: 400, code: "InvalidResourceName",
			body: r.sign(cose.TypeWithdrawal, "", func(h *cose.RequestHeader) { h.ProposalID = other })},
		{name: "withdraws none", path: "/gov/members/proposals/" + other + ":withdraw" + version, status: 204,
			body: r.sign(cose.TypeWithdrawal, "", func(h *cose.RequestHeader) { h.ProposalID = other })},
		{name: "ack of nonsense", path: "/gov/members/state-digests/" + r.member + ":ack" + version, status: 400, code: "StateDigestMismatch",
			body: r.sign(cose.TypeAck, `{"stateDigest":"`+other+`"}`, nil)},
		{name: "ack for another", path: "/gov/members/state-digests/" + other + ":ack" + version, status: 400, code: "InvalidAuthenticationInfo",
			body: r.sign(cose.TypeAck, `{"stateDigest":"`+other+`"}`, nil)},
		{name: "share too early", path: "/gov/recovery/members/" + r.member + ":recover" + version, status: 403, code: "ServiceNotWaitingForRecoveryShares",
			body: r.sign(cose.TypeRecoveryShare, `{"share":"AAAA"}`, nil)},
	}
	for i := range list {
		list[i].method, list[i].content = http.MethodPost, "application/cose"
	}
	return list
}

// resources do not exist, or their names are no names.
func (r *running) resources() []probe {
	none := strings.Repeat("c", 64)
	list := []probe{
		{name: "unknown actor", path: "/nowhere", status: 404, code: "ResourceNotFound"},
		{name: "unknown path", path: "/app/nowhere", status: 404, code: "ResourceNotFound"},
		{name: "unknown proposal", path: "/gov/members/proposals/" + none + version, status: 404, code: "ProposalNotFound"},
		{name: "no proposal id", path: "/gov/members/proposals/xyz" + version, status: 400, code: "InvalidResourceName"},
		{name: "unknown member", path: "/gov/service/members/" + none + version, status: 404, code: "ResourceNotFound"},
		{name: "unknown node", path: "/node/network/nodes/" + none, status: 404, code: "ResourceNotFound"},
		{name: "transaction: words", path: "/node/tx?transaction_id=first", status: 400, code: "InvalidQueryParameterValue"},
		{name: "transaction: zero", path: "/node/tx?transaction_id=2.0", status: 400, code: "InvalidQueryParameterValue"},
		{name: "transaction: huge", path: "/node/tx?transaction_id=2.99999999999999999999999", status: 400, code: "InvalidQueryParameterValue"},
		{name: "no transaction", path: "/node/tx", status: 400, code: "InvalidQueryParameterValue"},
		{name: "receipt: words", path: "/node/receipt?transaction_id=first", status: 404, code: "TransactionInvalid"},
		{name: "history: words", path: "/node/commit?view_history=perhaps", status: 400, code: "InvalidQueryParameterValue"},
	}
	for i := range list {
		list[i].method = http.MethodGet
	}
	return append(list, probe{name: "other method", method: http.MethodDelete, path: "/node/commit", status: 405, code: "UnsupportedHttpVerb"})
}

// requests to the app that it, or the node for it, refuses.
func (r *running) requests() []probe {
	const path = "/app/log/private"
	return []probe{
		{name: "body over the limit", method: http.MethodPost, path: path, content: "application/json", body: make([]byte, 1<<20+1), status: 413, code: "RequestBodyTooLarge"},
		{name: "body that throws", method: http.MethodPost, path: path, content: "application/json", body: []byte(`{"id":`), status: 500, code: "InternalError"},
	}
}

// wire sends bytes that are no HTTP.
func (r *running) wire(t *testing.T, before ledger.TxID) {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(r.read("service_cert.pem"))
	address := strings.TrimPrefix(r.sandbox.URL, "https://")
	for name, tt := range map[string]struct{ send, want string }{
		"words":           {"hello there\r\n\r\n", "HTTP/1.1 400 Bad Request\r\n"},
		"bytes":           {"\x00\x01\x02\x03\r\n\r\n", "HTTP/1.1 400 Bad Request\r\n"},
		"old version":     {"GET / HTTP/9.9\r\n\r\n", "HTTP/1.1 400 Bad Request\r\n"},
		"no colon":        {"GET /node/commit HTTP/1.1\r\nhost\r\n\r\n", "HTTP/1.1 400 Bad Request\r\n"},
		"length: words":   {"POST /app/log/private HTTP/1.1\r\ncontent-length: ten\r\n\r\n", "HTTP/1.1 400 Bad Request\r\n"},
		"length: two":     {"POST /app/log/private HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab", "HTTP/1.1 400 Bad Request\r\n"},
		"length: huge":    {"POST /app/log/private HTTP/1.1\r\ncontent-length: 99999999999999999999\r\n\r\n", "HTTP/1.1 400 Bad Request\r\n"},
		"both lengths":    {"POST /app/log/private HTTP/1.1\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", "HTTP/1.1 400 Bad Request\r\n"},
		"chunk: words":    {"POST /app/log/private HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n", "HTTP/1.1 400 Bad Request\r\n"},
		"header too long": {"GET /node/commit HTTP/1.1\r\na: " + strings.Repeat("x", 17<<10) + "\r\n\r\n", "HTTP/1.1 431 Request Header Fields Too Large\r\n"},
		"headers: many":   {"GET /node/commit HTTP/1.1\r\n" + manyHeaders(300) + "\r\n", "HTTP/1.1 431 Request Header Fields Too Large\r\n"},
		"half a request":  {"POST /app/log/private HTTP/1.1\r\ncontent-length: 100\r\n\r\nabc", ""},
	} {
		conn, err := tls.Dial("tcp", address, &tls.Config{RootCAs: roots})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		_ = conn.SetDeadline(time.Now().Add(commandLimit))
		_, _ = io.WriteString(conn, tt.send)
		if tt.want == "" {
			_ = conn.CloseWrite()
		}
		got, err := io.ReadAll(conn)
		if err != nil && len(got) == 0 && tt.want != "" || !strings.HasPrefix(string(got), tt.want) {
			t.Errorf("%s: %.200q %v, want %q and the end of the connection", name, got, err, tt.want)
		}
		conn.Close()
		if after := r.last(); after != before {
			t.Errorf("%s: something was written: %s, was %s", name, after, before)
		}
	}
}

func manyHeaders(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "h%d: x\r\n", i)
	}
	return b.String()
}
