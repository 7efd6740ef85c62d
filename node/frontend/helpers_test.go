package frontend

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"

	"concordat/ledger"
	"concordat/ledger/kv"
	"concordat/node/httpd"
)

// testLedger sequences transactions on a store in memory and commits when the test says so.
type testLedger struct {
	mu        sync.Mutex
	store     *kv.Store
	view      ledger.View
	seqno     ledger.Seqno
	committed ledger.Seqno
	changed   chan struct{}
	backup    bool
	refuse    error // what Submit returns instead of sequencing
	conflicts int   // how many submits conflict first
	claims    ledger.Digest
}

func newTestLedger(t testing.TB) *testLedger {
	l := &testLedger{store: kv.New(kv.NewMemBase(), kv.Options{}), view: 2, changed: make(chan struct{})}
	t.Cleanup(func() { l.store.Close() })
	return l
}

func (l *testLedger) Begin() *kv.Tx { return l.store.Begin() }

func (l *testLedger) BeginWithRoot(context.Context) (*kv.Tx, ledger.Digest, error) {
	return l.store.Begin(), ledger.Digest{7}, nil
}

func (l *testLedger) Submit(tx *kv.Tx, o SubmitOptions) (ledger.TxID, error) {
	defer tx.Release()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.refuse != nil {
		return ledger.TxID{}, l.refuse
	}
	if l.conflicts > 0 || l.store.Conflicts(tx) {
		l.conflicts--
		return ledger.TxID{}, ErrConflict
	}
	l.seqno++
	l.claims = o.Claims
	id := ledger.TxID{View: l.view, Seqno: l.seqno}
	l.store.Apply(id, tx.WriteSet())
	return id, nil
}

func (l *testLedger) commitAll() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.committed = l.seqno
	l.store.Commit(l.seqno)
	close(l.changed)
	l.changed = make(chan struct{})
}

func (l *testLedger) Committed() ledger.TxID {
	l.mu.Lock()
	defer l.mu.Unlock()
	return ledger.TxID{View: l.view, Seqno: l.committed}
}

func (l *testLedger) Last() ledger.TxID {
	l.mu.Lock()
	defer l.mu.Unlock()
	return ledger.TxID{View: l.view, Seqno: l.seqno}
}

func (l *testLedger) View() ledger.View {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.view
}

func (l *testLedger) TxStatus(id ledger.TxID) string {
	if id.View != l.View() {
		return "Invalid"
	}
	if id.Seqno <= l.Committed().Seqno {
		return "Committed"
	}
	return "Pending"
}

func (l *testLedger) ViewHistory() []ledger.Seqno { return []ledger.Seqno{1, 1} }

func (l *testLedger) CanReplicate() bool { return !l.backup }

func (l *testLedger) WaitCommitted(ctx context.Context, id ledger.TxID) error {
	for {
		l.mu.Lock()
		done, changed := l.committed >= id.Seqno, l.changed
		valid := id.View == l.view
		l.mu.Unlock()
		switch {
		case !valid:
			return errors.New("rolled back")
		case done:
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// fixed is a policy that always gives the same answer.
type fixed struct {
	name, challenge string
	err             error
}

func (p fixed) Name() string { return p.name }
func (p fixed) Authenticate(*Context) (*Identity, error) {
	if p.err != nil {
		return nil, p.err
	}
	return &Identity{Policy: p.name, ID: "somebody"}, nil
}
func (p fixed) Challenge() string         { return p.challenge }
func (p fixed) Security() *SecurityScheme { return nil }

// dynamic is an application whose table is given.
type dynamic struct {
	routes *Routes
	err    error
}

func (d *dynamic) Routes(c *Context) (*Routes, error) {
	c.Tx().Map("public:ccf.gov.endpoints").Size()
	return d.routes, d.err
}
func (d *dynamic) Document(*Context, map[string]map[string]any) error { return nil }

func (d *dynamic) install(paths ...string) {
	var list []Endpoint
	for _, p := range paths {
		verb, path, _ := strings.Cut(p, " ")
		list = append(list, Endpoint{Verb: verb, Path: path, Handler: func(c *Context) error {
			return c.Raw(200, "text/plain", []byte(c.Endpoint.FullPath()))
		}})
	}
	d.routes = NewRoutes("app", list)
}

// world is a frontend with one endpoint of each kind.
type world struct {
	t       testing.TB
	ledger  *testLedger
	app     *dynamic
	front   *Frontend
	session *httpd.Session
	open    bool
	joined  bool
	before  func() // runs inside the handler of POST /app/put, once
	primary string
	ifaces  map[string]*httpd.Interface
}

func newWorld(t testing.TB, change func(*Config)) *world {
	t.Helper()
	w := &world{t: t, ledger: newTestLedger(t), app: &dynamic{}, open: true, joined: true, ifaces: map[string]*httpd.Interface{}}
	w.app.install("GET /js", "GET /js/{a}", "GET /commit", "OPTIONS /opt", "GET /opt")
	cfg := Config{
		Actors: []Actor{
			{Name: "node", Exempt: true, Endpoints: w.nodeEndpoints()},
			{Name: "gov", Open: func() bool { return w.open }, Endpoints: []Endpoint{{Verb: "GET", Path: "/root", NeedsRoot: true, Handler: func(c *Context) error {
				return c.JSON(map[string]any{"root": c.Root()[0]})
			}}}},
			{Name: "app", Open: func() bool { return w.open }, Endpoints: w.appEndpoints(), Dynamic: w.app},
		},
		Ledger: func() Ledger {
			if !w.joined {
				return nil
			}
			return w.ledger
		},
		Topology: w, Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
	}
	if change != nil {
		change(&cfg)
	}
	var err error
	if w.front, err = New(cfg); err != nil {
		t.Fatal(err)
	}
	w.session = httpd.NewSession(&httpd.Interface{Name: "main"}, "", nil)
	return w
}

func (w *world) Primary(iface string) (string, bool) { return w.primary + "/" + iface, w.primary != "" }
func (w *world) Backup(string) (string, bool)        { return "", false }

func (w *world) nodeEndpoints() []Endpoint {
	ok := func(c *Context) error { return c.JSON(map[string]any{"ok": true}) }
	return []Endpoint{
		{Verb: "GET", Path: "/state", Mode: NoTx, Forwarding: ForwardNever, Handler: ok},
		{Verb: "GET", Path: "/nodes/{node_id}", Mode: ReadOnly, Handler: ok},
		{Verb: "DELETE", Path: "/nodes/{node_id}", Handler: ok},
		{Verb: "GET", Path: "/nodes/self", Mode: ReadOnly, Handler: ok},
		{Verb: "GET", Path: "/feature", Mode: NoTx, Feature: "SnapshotRead", Handler: ok},
		{Verb: "GET", Path: "/null", Mode: NoTx, Handler: func(c *Context) error { return c.JSON(nil) }},
		{Verb: "GET", Path: "/panic", Mode: NoTx, Handler: func(*Context) error { panic("a defect") }},
		{Verb: "GET", Path: "/decode", Mode: NoTx, Handler: decodeBody}, {Verb: "POST", Path: "/decode", Mode: NoTx, Handler: decodeBody},
	}
}

func decodeBody(c *Context) error {
	var v struct{ N uint64 }
	if err := c.Decode(&v); err != nil {
		return err
	}
	return c.JSON(v)
}

func (w *world) appEndpoints() []Endpoint {
	value := func(c *Context) []byte { v, _ := c.Tx().Map("m").Get([]byte("k")); return v }
	put := func(c *Context) { c.Tx().Map("m").Put([]byte("k"), append(value(c), c.Req.Body...)) }
	return []Endpoint{
		{Verb: "GET", Path: "/get", Mode: ReadOnly, Handler: func(c *Context) error { return c.Raw(200, "text/plain", value(c)) }},
		{Verb: "GET", Path: "/backup", Mode: ReadOnly, Redirect: RedirectToBackup, Handler: func(c *Context) error { return c.Raw(200, "", nil) }},
		{Verb: "POST", Path: "/put", Handler: func(c *Context) error {
			put(c)
			if f := w.before; f != nil {
				w.before = nil
				f()
			}
			return c.JSON(true)
		}},
		{Verb: "POST", Path: "/claims", Handler: func(c *Context) error { put(c); c.SetClaims(ledger.Digest{9}); return c.JSON(true) }},
		{Verb: "POST", Path: "/fail", Handler: func(c *Context) error { put(c); return Errorf(404, CodeResourceNotFound, "no") }},
		{Verb: "POST", Path: "/kept", Handler: func(c *Context) error {
			put(c)
			c.SetApplyWrites(true)
			return Errorf(500, CodeInternalError, "kept")
		}},
		{Verb: "POST", Path: "/dropped", Handler: func(c *Context) error { put(c); c.SetApplyWrites(false); return c.JSON(true) }},
		{Verb: "POST", Path: "/plain", Handler: func(c *Context) error { put(c); return errors.New("what went wrong") }},
		{Verb: "POST", Path: "/sneaky", Mode: ReadOnly, Handler: func(c *Context) error { put(c); return c.JSON(true) }},
		{Verb: "POST", Path: "/badresponse", Handler: func(c *Context) error { put(c); c.Resp.Set("x-a", "\r\n"); return c.JSON(true) }},
		{Verb: "POST", Path: "/callback", Handler: func(c *Context) error {
			put(c)
			c.OnLocalCommit(func(ledger.TxID) error { return errors.New("callback") })
			return c.JSON(true)
		}},
		{Verb: "GET", Path: "/auth", Mode: NoTx, Auth: []Policy{
			fixed{name: "a", challenge: "A", err: Deny("first")}, fixed{name: "b", err: Deny("second")},
		}, Handler: func(c *Context) error { return c.JSON(true) }},
		{Verb: "GET", Path: "/challenge", Mode: NoTx, Auth: []Policy{
			fixed{name: "b", err: Deny("second")}, fixed{name: "a", challenge: "A", err: Deny("first")},
		}, Handler: func(c *Context) error { return c.JSON(true) }},
		{Verb: "GET", Path: "/second", Mode: NoTx, Auth: []Policy{fixed{name: "a", err: Deny("no")}, fixed{name: "b"}}, Handler: func(c *Context) error {
			return c.JSON(c.Caller.Policy)
		}},
		{Verb: "GET", Path: "/broken", Mode: NoTx, Auth: []Policy{fixed{name: "a", err: errors.New("not decodable")}, fixed{name: "b"}}, Handler: nil},
	}
}

// call sends one request through the pipeline.
func (w *world) call(method, target, body string, header ...string) *httpd.Response {
	w.t.Helper()
	return w.callOn(w.session, method, target, body, header...)
}

func (w *world) callOn(s *httpd.Session, method, target, body string, header ...string) *httpd.Response {
	w.t.Helper()
	req := &httpd.Request{Method: method, Target: target, Proto: "HTTP/1.1", Body: []byte(body)}
	for i := 0; i < len(header); i += 2 {
		req.Fields = append(req.Fields, httpd.Field{Name: header[i], Value: header[i+1]})
	}
	var resp httpd.Response
	resp.Reset()
	w.front.Handle(context.Background(), s, req, &resp)
	if later := resp.Later; later != nil {
		later(&resp)
	}
	return &resp
}

// show is a response on one line: status, headers but content-type, body.
func show(r *httpd.Response) string {
	var b strings.Builder
	status, _ := json.Marshal(r.Status)
	b.Write(status)
	fields := slices.Clone(r.Fields)
	slices.SortFunc(fields, func(x, y httpd.Field) int { return strings.Compare(x.Name, y.Name) })
	for _, f := range fields {
		if f.Name != "content-type" {
			b.WriteString(" " + f.Name + "=" + f.Value)
		}
	}
	if r.Close {
		b.WriteString(" close")
	}
	if len(r.Body) > 0 {
		b.WriteString(" " + string(r.Body))
	}
	return b.String()
}
