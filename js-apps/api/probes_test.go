package api_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"sort"
	"strings"
	"testing"

	"concordat/js-apps/api"
	"concordat/ledger"
	"concordat/ledger/fixture"
	"concordat/ledger/kv"
)

// The recorded answers of a running CCF node are replayed here against this
// package alone: routing is done by the test, there is no authentication, and
// what needs a network of nodes is left to the end-to-end tests.

type probeCall struct {
	ID, Probe, Kind, Note string
	Request               probeRequest
	Status                int
	Headers               [][2]string
	Body                  probeBody
	Outcome               *struct{ NodeDied bool }
	Volatile, Unordered   []string
	IterationOrder        any  `json:"iteration_order"`
	TraceCut              bool `json:"trace_cut"`
	Log                   []logLine
}

type probeRequest struct {
	Method, Target    string
	Headers           [][2]string
	Body              *probeBody
	RawB64            string  `json:"raw_b64"`
	ClientCertificate *string `json:"client_certificate"`
	Actions           []struct {
		Name string
		Args json.RawMessage
	}
}

type probeBody struct {
	Text *string
	B64  string
}

func (b *probeBody) bytes() []byte {
	if b == nil {
		return nil
	}
	if b.Text != nil {
		return []byte(*b.Text)
	}
	raw, _ := base64.StdEncoding.DecodeString(b.B64)
	return raw
}

type logLine struct{ Level, Tag, Line string }

// Reasons shared by several differences.
const (
	newer   = "the engine is two years newer than CCF's"
	words   = "the engine is two years newer than CCF's and words this error differently"
	harness = "needs tables or receipts that this test has not"
)

// differences are the probes where this package means to differ; see
// js-apps/DESIGN.md.
var differences = map[string]string{
	"kv-arguments/c.rename-handle":               "a handle stays bound to its table",
	"kv-borrowed-method/c.call-gov":              "rights are those of the table, not of the borrowed function",
	"kv-borrowed-method/c.renamed-gov":           "a handle stays bound to its table",
	"kv-borrowed-method/c.after":                 "nothing was written to a governance table",
	"kv-borrowed-method/c.cross-handle":          "rights are those of the table, not of the borrowed function",
	"kv-borrowed-method/c.private-internal-read": "a handle stays bound to its table",
	"kv-borrowed-method/ro.after":                "nothing was written to a governance table",
	"response-meta/h.crlf":                       "a line break in a header value is refused",
	"response-meta/h.badname":                    "a header name that is no token is refused",
	"response-meta/h.emptyname":                  "a header name that is no token is refused",
	"status-int-tag/c028":                        "Number(bigint) is an integer in the newer engine",
	"engine/c.vflag":                             newer,
	"engine/c.toSorted":                          newer,
	"engine/c.bignum":                            newer,
	"engine/c.number-format":                     newer,
	"engine/c.math":                              newer,
	"kv-arguments/c.detached-buffer":             newer,
	"kv-arguments/c.resizable":                   newer,
	"request-body/c042":                          words,
	"exceptions-shown/c.newx":                    words,
	"exceptions-shown/c.bigmix":                  words,
	"exceptions-shown/c.bigdiv":                  words,
	"exceptions-shown/c.json-big":                words,
	"exceptions-shown/c.weak":                    words,
	"kv-access/c.gov-read":                       harness,
	"kv-access/c.gov-bytecode":                   harness,
	"rpc-claims/claim-receipt":                   harness,
	"rpc-claims/twice-receipt":                   harness,
	"rpc-claims/plain-receipt":                   harness,
	"rpc-claims/signature-receipt":               harness,
	"response-meta/h.cl":                         "the server knows the length of the body",
}

// elsewhere are probes about other packages.
var elsewhere = map[string]bool{
	"auth-all-of": true, "auth-jwt": true, "bundle-validation": true, "bundle-inspect": true,
	"historical-range": true, "request-params": true,
}

func loadProbes(t *testing.T) []probeCall {
	t.Helper()
	var all struct{ Calls []probeCall }
	fixture.JSON(t, &all, "js-probes", "calls.json")
	return all.Calls
}

func TestRecordedProbes(t *testing.T) {
	byProbe := map[string][]probeCall{}
	var order []string
	for _, c := range loadProbes(t) {
		if elsewhere[c.Probe] {
			continue
		}
		if byProbe[c.Probe] == nil {
			order = append(order, c.Probe)
		}
		byProbe[c.Probe] = append(byProbe[c.Probe], c)
	}
	matched, differ := 0, 0
	for _, name := range order {
		t.Run(name, func(t *testing.T) {
			n := newProbeNode(t)
			for _, c := range byProbe[name] {
				problem := n.step(c)
				switch {
				case problem == "":
					matched++
				case differences[c.ID] != "":
					differ++
				default:
					t.Errorf("%s %s: %s", c.ID, c.Note, problem)
				}
			}
		})
	}
	t.Logf("%d answers match, %d differ on purpose", matched, differ)
}

// probeNode is a node reduced to tables and scripts.
type probeNode struct {
	t     *testing.T
	store *kv.Store
	last  ledger.TxID
	apps  *api.Apps
	opts  api.Options
	logs  []logLine
	app   map[string]probeEndpoint // "VERB /path"
	ids   map[string]ledger.TxID
}

type probeEndpoint struct {
	JSModule   string `json:"js_module"`
	JSFunction string `json:"js_function"`
	Mode       string
	Reuse      *struct{ Key string } `json:"interpreter_reuse"`
}

func newProbeNode(t *testing.T) *probeNode {
	n := &probeNode{t: t, store: kv.New(kv.NewMemBase(), kv.Options{}), apps: api.NewApps(), opts: api.DefaultOptions(), ids: map[string]ledger.TxID{}}
	t.Cleanup(n.apps.Close)
	// What a real node has written before it runs an application.
	for range 9 {
		n.write(func(tx *kv.Tx) { tx.Map("public:ccf.gov.service.info").Put(make([]byte, 8), []byte("{}")) })
	}
	return n
}

func (n *probeNode) write(f func(tx *kv.Tx)) {
	tx := n.store.Begin()
	defer tx.Release()
	f(tx)
	n.commit(tx)
}

func (n *probeNode) commit(tx *kv.Tx) ledger.TxID {
	n.last = ledger.TxID{View: 2, Seqno: n.last.Seqno + 1}
	n.store.Apply(n.last, tx.WriteSet())
	n.store.Commit(n.last.Seqno)
	return n.last
}

// step replays one step and answers what is wrong with the result.
func (n *probeNode) step(c probeCall) string {
	switch c.Kind {
	case "deploy":
		n.deploy(c.Probe)
	case "proposal":
		for _, a := range c.Request.Actions {
			n.act(a.Name, a.Args)
		}
	case "call":
		return n.call(c)
	}
	return ""
}

func (n *probeNode) act(name string, args json.RawMessage) {
	if name != "set_js_runtime_options" {
		return
	}
	var o struct {
		Return bool `json:"return_exception_details"`
		Log    bool `json:"log_exception_details"`
		Max    int  `json:"max_cached_interpreters"`
	}
	if err := json.Unmarshal(args, &o); err != nil {
		n.t.Fatal(err)
	}
	n.opts.ReturnDetails, n.opts.LogDetails, n.opts.CachedInterpreters = o.Return, o.Log, o.Max
}

func (n *probeNode) deploy(probe string) {
	dir := fixture.Dir(n.t, "js-probes", "bundles", probe)
	raw, err := os.ReadFile(filepath.Join(dir, "app.json"))
	if err != nil {
		n.t.Fatal(err)
	}
	var app struct {
		Endpoints map[string]map[string]json.RawMessage
	}
	if err := json.Unmarshal(raw, &app); err != nil {
		n.t.Fatal(err)
	}
	n.app = map[string]probeEndpoint{}
	n.write(func(tx *kv.Tx) {
		for path, verbs := range app.Endpoints {
			for verb, props := range verbs {
				var e probeEndpoint
				if err := json.Unmarshal(props, &e); err != nil {
					n.t.Fatal(err)
				}
				key := strings.ToUpper(verb) + " " + path
				n.app[key] = e
				tx.Map("public:ccf.gov.endpoints").Put([]byte(key), props)
			}
		}
		src := filepath.Join(dir, "src")
		_ = filepath.WalkDir(src, func(path string, d os.DirEntry, err error) error {
			if err == nil && !d.IsDir() {
				text, _ := os.ReadFile(path)
				name, _ := filepath.Rel(src, path)
				tx.Map("public:ccf.gov.modules").Put([]byte("/"+name), text)
			}
			return err
		})
		tx.Map("public:ccf.gov.interpreter.flush").Put(make([]byte, 8), []byte("true"))
	})
}

// deployed is the application as one transaction sees it.
type deployed struct{ tx *kv.Tx }

func (d deployed) Version() string {
	n, _ := d.tx.Map("public:ccf.gov.interpreter.flush").Version(make([]byte, 8))
	return fmt.Sprint(n)
}

func (d deployed) Module(name string) ([]byte, bool) {
	return d.tx.Map("public:ccf.gov.modules").Get([]byte(name))
}

func (n *probeNode) call(c probeCall) string {
	target := n.expand(c.Request.Target)
	path, query, _ := strings.Cut(target, "?")
	query, _, _ = strings.Cut(query, "#")
	e, route, params, found := n.route(c.Request.Method, strings.TrimPrefix(path, "/app"))
	if !found {
		return "" // routing is not tested here
	}
	if c.Request.RawB64 != "" {
		return ""
	}
	req := &api.Request{Method: c.Request.Method, Path: path, Route: "/app" + route, Query: decodeQuery(query), Params: params, Body: c.Request.Body.bytes()}
	req.URL = path
	if strings.Contains(target, "?") && req.Query != "" {
		req.URL += "?" + req.Query
	}
	req.Caller = &api.Caller{Policy: "no_auth"}
	headers := map[string]string{}
	for _, h := range c.Request.Headers {
		name := strings.ToLower(h[0])
		if _, dup := headers[name]; !dup {
			headers[name] = latin1(strings.TrimLeft(h[1], " "))
		}
	}
	if len(req.Body) > 0 || c.Request.Body != nil {
		headers["content-length"] = fmt.Sprint(len(req.Body))
	}
	if host, ok := headers["host"]; ok {
		req.Hostname = &host
	}
	if len(headers) == 0 {
		headers[""] = ""
	}
	for name, value := range headers {
		req.Headers = append(req.Headers, api.Header{Name: name, Value: value})
	}
	sort.Slice(req.Headers, func(x, y int) bool { return req.Headers[x].Name < req.Headers[y].Name })
	return n.execute(c, e, req)
}

func (n *probeNode) execute(c probeCall, e probeEndpoint, req *api.Request) string {
	tx := n.store.Begin()
	defer tx.Release()
	n.logs = nil
	h := &api.Host{Tx: tx, Consensus: n, Historical: n, Log: func(level slog.Level, tag, msg string) {
		name := map[slog.Level]string{slog.LevelInfo: "info", slog.LevelError: "fail", api.LevelFatal: "fatal"}[level]
		n.logs = append(n.logs, logLine{name, tag, msg})
	}}
	if e.Mode != "readwrite" {
		h.Access = api.AppRO
	}
	if e.Mode == "historical" {
		h.HistoricalState = &api.State{ID: n.ids["w"], Tx: tx}
	}
	ep := api.Endpoint{Module: "/" + e.JSModule, Function: e.JSFunction, Method: req.Method, Route: req.Route}
	if e.Reuse != nil {
		ep.ReuseKey = &e.Reuse.Key
	}
	out, err := n.apps.Call(context.Background(), ep, deployed{tx}, n.opts, req, h)
	if err != nil {
		return err.Error()
	}
	keep := out.Error == nil && out.Status >= 200 && out.Status < 300
	if out.ApplyWrites != nil {
		keep = *out.ApplyWrites
	}
	if out.Error != nil && out.Error.DropWrites {
		keep = false
	}
	if keep && tx.Wrote() {
		n.ids[strings.Split(c.ID, "/")[1]] = n.commit(tx)
	}
	return n.compare(c, out)
}

func (n *probeNode) compare(c probeCall, out *api.Response) string {
	if c.Outcome != nil {
		return "" // not dying is all that is asked
	}
	status, headers, body := out.Status, out.Headers, string(out.Body)
	if out.Error != nil {
		status, headers, body = 500, []api.Header{{Name: "content-type", Value: "application/json"}}, n.errorBody(out.Error)
	}
	if c.Request.Method == "HEAD" {
		body = ""
	}
	if status != c.Status {
		return fmt.Sprintf("status %d, want %d; %s", status, c.Status, body)
	}
	for _, v := range c.Volatile {
		if v == "body" {
			return ""
		}
	}
	if got, want := loosely(body, c), loosely(string(c.Body.bytes()), c); got != want {
		return fmt.Sprintf("\n got %q\nwant %q", got, want)
	}
	if got, want := fmt.Sprint(headerList(headers)), fmt.Sprint(recordedHeaders(c.Headers)); got != want {
		return fmt.Sprintf("headers %s, want %s", got, want)
	}
	return n.compareLogs(c)
}

var millis = regexp.MustCompile(`ExecMilliseconds=\d+`)

func (n *probeNode) compareLogs(c probeCall) string {
	if c.Log == nil {
		return ""
	}
	for k := range n.logs {
		n.logs[k].Line = millis.ReplaceAllString(n.logs[k].Line, "ExecMilliseconds=<n>")
	}
	want := append([]logLine(nil), c.Log...)
	for _, lines := range [][]logLine{n.logs, want} {
		for k := range lines {
			lines[k].Line = strings.TrimSpace(position.ReplaceAllString(lines[k].Line, "$1"))
		}
	}
	if got, want := fmt.Sprintf("%q", n.logs), fmt.Sprintf("%q", want); got != want {
		return fmt.Sprintf("\n logged %s\nwant %s", got, want)
	}
	return ""
}

func (n *probeNode) errorBody(f *api.Failure) string {
	e := map[string]any{"code": "InternalError", "message": f.HTTPMessage}
	if f.Details != nil && n.opts.ReturnDetails {
		d := map[string]any{"code": "JSException", "message": f.Details.Reason}
		if f.Details.Trace != nil {
			d["trace"] = *f.Details.Trace
		}
		e["details"] = []any{d}
	}
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(map[string]any{"error": e})
	return strings.TrimSuffix(b.String(), "\n")
}

func headerList(hs []api.Header) []string {
	out := []string{}
	for _, h := range hs {
		out = append(out, h.Name+": "+h.Value)
	}
	return out
}

func recordedHeaders(hs [][2]string) []string {
	out := []string{}
	for _, h := range hs {
		if h[0] == "content-length" || h[0] == "x-ms-ccf-transaction-id" {
			continue
		}
		out = append(out, h[0]+": "+latin1(h[1]))
	}
	sort.Strings(out)
	return out
}

// latin1 undoes the recorder's reading of header bytes.
func latin1(s string) string {
	b := make([]byte, 0, len(s))
	for _, r := range s {
		if r > 255 {
			return s
		}
		b = append(b, byte(r))
	}
	return string(b)
}

var (
	position = regexp.MustCompile(`(\.js|<input>|<body>|<json>)(:\d+)*`)
	openssl  = regexp.MustCompile(`OpenSSL error:[^"]*`)
	traces   = regexp.MustCompile(`"trace":"[^"]*"`)
)

// loosely drops what the recordings themselves call engine detail.
func loosely(body string, c probeCall) string {
	body = position.ReplaceAllString(body, "$1")
	body = openssl.ReplaceAllString(body, "OpenSSL error:")
	body = traces.ReplaceAllString(body, `"trace":"…"`)
	for _, v := range c.Volatile {
		if p, ok := strings.CutPrefix(v, "body."); ok {
			body = dropPointer(body, p)
		}
	}
	if c.IterationOrder != nil || len(c.Unordered) > 0 {
		return sorted(body)
	}
	return body
}

// sorted is for bodies whose arrays are sets.
func sorted(body string) string {
	parts := strings.FieldsFunc(body, func(r rune) bool { return strings.ContainsRune(`,[]"`, r) })
	sort.Strings(parts)
	return strings.Join(parts, ",")
}

func dropPointer(body, pointer string) string {
	var v any
	if json.Unmarshal([]byte(body), &v) != nil {
		return body
	}
	steps := strings.Split(strings.TrimPrefix(pointer, "/"), "/")
	blank(v, steps)
	out, _ := json.Marshal(v)
	return string(out)
}

func blank(v any, steps []string) {
	switch v := v.(type) {
	case map[string]any:
		if len(steps) == 1 {
			if _, ok := v[steps[0]]; ok {
				v[steps[0]] = "…"
			}
			return
		}
		blank(v[steps[0]], steps[1:])
	case []any:
		var k int
		if _, err := fmt.Sscan(steps[0], &k); err != nil || k >= len(v) {
			return
		}
		if len(steps) == 1 {
			v[k] = "…"
			return
		}
		blank(v[k], steps[1:])
	}
}

var placeholder = regexp.MustCompile(`\{\{(txid|seqno|next):([^}]*)\}\}`)

func (n *probeNode) expand(s string) string {
	return placeholder.ReplaceAllStringFunc(s, func(m string) string {
		p := placeholder.FindStringSubmatch(m)
		return fmt.Sprint(n.ids[p[2]].Seqno)
	})
}

// route finds the endpoint; the templates of these probes are simple.
func (n *probeNode) route(verb, path string) (probeEndpoint, string, []api.Param, bool) {
	if e, ok := n.app[verb+" "+path]; ok {
		return e, path, nil, true
	}
	for key, e := range n.app {
		v, template, _ := strings.Cut(key, " ")
		if v != verb || !strings.Contains(template, "{") {
			continue
		}
		var names []string
		re := regexp.MustCompile(`\{([^}]*)\}`).ReplaceAllStringFunc(template, func(m string) string {
			names = append(names, m[1:len(m)-1])
			return `([^/]+)`
		})
		m := regexp.MustCompile("^" + re + "$").FindStringSubmatch(path)
		if m == nil {
			continue
		}
		var params []api.Param
		for k, name := range names {
			params = append(params, api.Param{Name: name, Value: m[k+1]})
		}
		sort.Slice(params, func(x, y int) bool { return params[x].Name < params[y].Name })
		return e, template, params, true
	}
	return probeEndpoint{}, "", nil, false
}

// decodeQuery is the node's: bad escapes stay as they are.
func decodeQuery(q string) string {
	var b strings.Builder
	for k := 0; k < len(q); k++ {
		switch {
		case q[k] == '+':
			b.WriteByte(' ')
		case q[k] == '%' && k+2 < len(q):
			if s, err := url.PathUnescape(q[k : k+3]); err == nil {
				b.WriteString(s)
				k += 2
				continue
			}
			b.WriteByte('%')
		default:
			b.WriteByte(q[k])
		}
	}
	return b.String()
}

// A node of one, all of whose transactions are committed.

func (n *probeNode) LastCommitted() ledger.TxID { return n.last }

func (n *probeNode) Status(id ledger.TxID) (string, error) { return "Committed", nil }

func (n *probeNode) ViewAt(s ledger.Seqno) (ledger.View, bool) { return 2, s <= n.last.Seqno }

func (n *probeNode) StateRange(context.Context, api.RangeRequest) ([]*api.State, error) {
	return nil, nil
}

func (n *probeNode) Drop(uint64) bool { return false }
