package frontend

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"concordat/ledger"
	"concordat/node/httpd"
)

const notFound = `{"error":{"code":"ResourceNotFound","message":`

func TestRouting(t *testing.T) {
	w := newWorld(t, nil)
	w.call("POST", "/app/put", "first") // there is a state to name
	for _, tt := range []struct{ method, target, want string }{
		{"GET", "/node/state", `200 {"ok":true}`},
		{"GET", "/node/state?x=1#f", `200 {"ok":true}`},
		{"GET", "/node/state#f", `404 ` + notFound + `"Unknown path: /state#f."}}`},
		{"GET", "/node/nope", `404 ` + notFound + `"Unknown path: /nope."}}`},
		{"GET", "/node/", `404 ` + notFound + `"Unknown path: /."}}`},
		{"GET", "/node", `404 ` + notFound + `"Unknown path: /node."}}`},
		{"GET", "//node/state", `404 ` + notFound + `"Unknown path: //node/state."}}`},
		{"GET", "/NODE/state", `404 ` + notFound + `"Unknown path: /NODE/state."}}`},
		{"GET", "/node/%73tate", `404 ` + notFound + `"Unknown path: /%73tate."}}`},
		{"GET", "/node/gov/root", `404 ` + notFound + `"Unknown path: /gov/root."}}`},
		{"OPTIONS", "*", `404 ` + notFound + `"Unknown path: *."}}`},
		{"CONNECT", "example.com:443", `404 ` + notFound + `"Unknown path: example.com:443."}}`},
		{"GET", "http://h/node/state", `404 ` + notFound + `"Unknown path: http://h/node/state."}}`},
		{"GET", "", `404 ` + notFound + `"Unknown path: ."}}`},
		{"POST", "/node/state", `405 allow=OPTIONS, GET {"error":{"code":"UnsupportedHttpVerb","message":"Allowed methods for '/state' are: OPTIONS, GET."}}`},
		{"OPTIONS", "/node/state", `204 allow=OPTIONS, GET`},
		{"HEAD", "/node/nodes/self", `405 allow=OPTIONS, DELETE, GET {"error":{"code":"UnsupportedHttpVerb","message":"Allowed methods for '/nodes/self' are: OPTIONS, DELETE, GET."}}`},
		{"GET", "/node/nodes/self", `200 {"ok":true}`},
		{"GET", "/node/null", `204`},
		{"GET", "/gov/root", `200 {"root":7}`},
		{"GET", "/js", `200 x-ms-ccf-transaction-id=2.1 /app/js`},
		{"GET", "/app/js", `200 x-ms-ccf-transaction-id=2.1 /app/js`},
		{"GET", "/js/1", `200 x-ms-ccf-transaction-id=2.1 /app/js/{a}`},
		{"GET", "/opt", `200 x-ms-ccf-transaction-id=2.1 /app/opt`},
		{"OPTIONS", "/opt", `200 x-ms-ccf-transaction-id=2.1 /app/opt`},
		{"POST", "/opt", `405 allow=OPTIONS, GET, OPTIONS {"error":{"code":"UnsupportedHttpVerb","message":"Allowed methods for '/opt' are: OPTIONS, GET, OPTIONS."}}`},
	} {
		if got := show(w.call(tt.method, tt.target, "")); got != tt.want {
			t.Errorf("%s %s\n got %s\nwant %s", tt.method, tt.target, got, tt.want)
		}
	}
	w.open = false
	const closed = `404 {"error":{"code":"FrontendNotOpen","message":"Frontend is not open."}}`
	for _, target := range []string{"/app/js", "/gov/nope", "/foo/bar"} {
		if got := show(w.call("GET", target, "")); got != closed {
			t.Errorf("closed: GET %s: %s", target, got)
		}
	}
}

// TestBadTables checks what CCF does with endpoints an application should not have.
func TestBadTables(t *testing.T) {
	w := newWorld(t, nil)
	w.call("POST", "/app/put", "first") // there is a state to name
	exception := func(text string) string {
		return `500 close {"error":{"code":"InternalError","message":"Exception: ` + text + `"}}`
	}
	w.app.install("GET /amb/{a}/z", "GET /amb/z/{b}", "GET /ok")
	if got, want := show(w.call("GET", "/app/amb/z/z", "")), exception(`Multiple potential matches for path: /amb/z/z\n  /amb/z/{b}\n  /amb/{a}/z`); got != want {
		t.Errorf("ambiguous\n got %s\nwant %s", got, want)
	}
	w.app.install("GET /f/{x", "GET /ok", "POST /ok/{y}")
	missing := exception("Invalid templated path - missing closing curly bracket: /f/{x")
	for _, tt := range []struct{ method, target, want string }{
		{"GET", "/app/f/1", missing},
		{"GET", "/app/ok", "200 x-ms-ccf-transaction-id=2.1 /app/ok"},        // exact paths go on working
		{"POST", "/app/ok/1", "200 x-ms-ccf-transaction-id=2.1 /app/ok/{y}"}, // and other verbs
		{"PUT", "/app/ok", missing},                                          // the list of allowed verbs needs every template
	} {
		if got := show(w.call(tt.method, tt.target, "")); got != tt.want {
			t.Errorf("%s %s\n got %s\nwant %s", tt.method, tt.target, got, tt.want)
		}
	}
	w.app.install("BREW /x", "GET /ok")
	if got, want := show(w.call("GET", "/app/ok", "")), exception("Unknown HTTP method 'BREW'"); got != want {
		t.Errorf("unknown verb: %s", got)
	}
	w.app.routes = NewRoutes("app", []Endpoint{{Verb: "GET", Path: "/p", Broken: errors.New("Unknown auth policy: nope")}})
	if got, want := show(w.call("GET", "/app/p", "")), exception("Unknown auth policy: nope"); got != want {
		t.Errorf("bad policy: %s", got)
	}
	w.app.err = errors.New("table")
	if got, want := show(w.call("GET", "/app/p", "")), exception("table"); got != want {
		t.Errorf("bad table: %s", got)
	}
}

func TestTransactions(t *testing.T) {
	w := newWorld(t, nil)
	w.app.install()
	const id = " x-ms-ccf-transaction-id="
	for i, tt := range []struct{ method, target, want string }{
		{"POST", "/app/put", "200" + id + "2.1 true"},
		{"GET", "/app/get", "200" + id + "2.1 x"},
		{"POST", "/app/fail", "404 " + notFound + `"no"}}`},
		{"POST", "/app/plain", `500 {"error":{"code":"InternalError","message":"what went wrong"}}`},
		{"POST", "/app/dropped", "200 true"},
		{"POST", "/app/badresponse", `500 {"error":{"code":"InternalError","message":"response header \"x-a\" has a control character in its value"}}`},
		{"POST", "/app/sneaky", `500 {"error":{"code":"InternalError","message":"endpoint /app/sneaky is read-only but wrote"}}`},
		{"GET", "/app/get", "200" + id + "2.1 x"}, // none of those wrote
		{"POST", "/app/kept", "500" + id + `2.2 {"error":{"code":"InternalError","message":"kept"}}`},
		{"GET", "/app/get", "200" + id + "2.2 xx"},
		{"POST", "/app/callback", "500" + id + `2.3 {"error":{"code":"InternalError","message":"Failed to execute local commit handler func: callback"}}`},
		{"GET", "/app/get", "200" + id + "2.3 xxx"},
		{"GET", "/node/state", `200 {"ok":true}`}, // looks at no map
		{"GET", "/node/panic", `500 {"error":{"code":"InternalError","message":"Internal error."}}`},
		{"POST", "/app/claims", "200" + id + "2.4 true"},
	} {
		if got := show(w.call(tt.method, tt.target, "x")); got != tt.want {
			t.Errorf("%d: %s %s\n got %s\nwant %s", i, tt.method, tt.target, got, tt.want)
		}
	}
	if w.ledger.claims != (ledger.Digest{9}) {
		t.Errorf("claims %v", w.ledger.claims)
	}
}

func TestConflicts(t *testing.T) {
	w := newWorld(t, nil)
	other := httpd.NewSession(w.session.Interface, "", nil)
	w.before = func() { w.callOn(other, "POST", "/app/put", "b") } // between the read and the submit
	if got := show(w.call("POST", "/app/put", "a")); got != "200 x-ms-ccf-transaction-id=2.2 true" {
		t.Errorf("a conflicting request: %s", got)
	}
	if got := string(w.call("GET", "/app/get", "").Body); got != "ba" {
		t.Errorf("value %q, want the second run to have seen the first write", got)
	}
	w.ledger.conflicts = maxAttempts - 1
	if got := show(w.call("POST", "/app/put", "c")); got != "200 x-ms-ccf-transaction-id=2.3 true" {
		t.Errorf("at the last attempt: %s", got)
	}
	w.ledger.conflicts = maxAttempts
	want := `503 retry-after=3 {"error":{"code":"TransactionCommitAttemptsExceedLimit","message":"Transaction continued to conflict after 30 attempts. Retry later."}}`
	if got := show(w.call("POST", "/app/put", "d")); got != want {
		t.Errorf("one attempt too few: %s", got)
	}
	w.ledger.conflicts = 0
	for err, want := range map[error]string{
		ErrNotPrimary:              `503 {"error":{"code":"TransactionReplicationFailed","message":"Transaction failed to replicate."}}`,
		ErrTooManyPending:          `503 {"error":{"code":"TooManyPendingTransactions","message":"Too many transactions pending commit on the service."}}`,
		errors.New("disk is full"): `500 {"error":{"code":"InternalError","message":"disk is full"}}`,
	} {
		w.ledger.refuse = err
		if got := show(w.call("POST", "/app/put", "d")); got != want {
			t.Errorf("%v: %s", err, got)
		}
	}
}

// TestParallelIncrements loses no update although every request reads and writes one key.
func TestParallelIncrements(t *testing.T) {
	w := newWorld(t, nil)
	var wg sync.WaitGroup
	var ok, gaveUp sync.Map
	for i := range 8 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			s := httpd.NewSession(w.session.Interface, "", nil)
			for j := range 25 {
				if r := w.callOn(s, "POST", "/app/put", "x"); r.Status == 200 {
					ok.Store([2]int{i, j}, true)
				} else if r.Status == 503 {
					gaveUp.Store([2]int{i, j}, true)
				} else {
					t.Errorf("%s", show(r))
				}
			}
		}()
	}
	wg.Wait()
	count := func(m *sync.Map) (n int) { m.Range(func(_, _ any) bool { n++; return true }); return n }
	if got := len(w.call("GET", "/app/get", "").Body); got != count(&ok) || count(&ok)+count(&gaveUp) != 200 {
		t.Errorf("%d increments kept, %d answered 200, %d gave up", got, count(&ok), count(&gaveUp))
	}
}

func TestBackPressure(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.MaxUncommitted = 2 })
	for i := range 2 {
		if r := w.call("POST", "/app/put", "x"); r.Status != 200 {
			t.Fatalf("%d: %s", i, show(r))
		}
	}
	const full = `503 {"error":{"code":"TooManyPendingTransactions","message":"Too many transactions pending commit on the service."}}`
	for _, target := range []string{"/app/get", "/gov/root"} {
		if got := show(w.call("GET", target, "")); got != full {
			t.Errorf("%s: %s", target, got)
		}
	}
	if r := w.call("GET", "/node/state", ""); r.Status != 200 {
		t.Errorf("exempt actor: %s", show(r))
	}
	w.ledger.commitAll()
	if r := w.call("POST", "/app/put", "x"); r.Status != 200 {
		t.Errorf("after commit: %s", show(r))
	}
}

func TestAuthentication(t *testing.T) {
	w := newWorld(t, nil)
	w.call("POST", "/app/put", "first") // there is a state to name
	w.app.install()
	const prefix = `{"error":{"code":"InvalidAuthenticationInfo","details":[`
	const a, b = `{"auth_policy":"a","code":"InvalidAuthenticationInfo","message":"first"}`, `{"auth_policy":"b","code":"InvalidAuthenticationInfo","message":"second"}`
	const suffix = `],"message":"Invalid authentication credentials."}}`
	for target, want := range map[string]string{
		"/app/auth":      "401 " + prefix + a + "," + b + suffix,
		"/app/challenge": "401 www-authenticate=A " + prefix + b + "," + a + suffix,
		"/app/second":    `200 x-ms-ccf-transaction-id=2.1 "b"`,
		"/app/broken":    `500 {"error":{"code":"InternalError","message":"not decodable"}}`, // later policies are not tried
	} {
		if got := show(w.call("GET", target, "")); got != want {
			t.Errorf("%s\n got %s\nwant %s", target, got, want)
		}
	}
}

func TestSessionConsistency(t *testing.T) {
	w := newWorld(t, nil)
	if r := w.call("GET", "/node/state", ""); r.Status != 200 {
		t.Fatal(show(r))
	}
	w.ledger.view = 3
	want := fmt.Sprintf(`500 close {"error":{"code":"SessionConsistencyLost","message":"Potential loss of session consistency on session %d. Started in view 2, now in view 3. Closing session."}}`, w.session.ID)
	if got := show(w.call("GET", "/node/state", "")); got != want {
		t.Errorf("got %s", got)
	}
	if got := show(w.callOn(httpd.NewSession(w.session.Interface, "", nil), "GET", "/node/state", "")); got != `200 {"ok":true}` {
		t.Errorf("a new session: %s", got)
	}
}

func TestInterfaceRules(t *testing.T) {
	w := newWorld(t, func(c *Config) {
		c.Interfaces = map[string]*InterfaceRules{
			"restricted": {Accepted: []string{"/node/state", `/node/nodes/\{node_id\}`, "/app/js.*"}},
			"unsecured":  {Unsecured: true},
			"features":   {Features: []string{"SnapshotRead"}},
			"redir":      {ToPrimary: &Redirection{}, ToBackup: &Redirection{}},
			"static":     {ToPrimary: &Redirection{Static: "p.example:1"}, ToBackup: &Redirection{Static: "b.example:2"}},
			"named":      {ToPrimary: &Redirection{Interface: "other"}},
		}
	})
	on := func(iface, method, target string) string {
		t.Helper()
		return show(w.callOn(httpd.NewSession(&httpd.Interface{Name: iface}, "", nil), method, target, "x"))
	}
	check := func(got, want string) {
		t.Helper()
		if !strings.HasPrefix(got, want) || want == "503" && got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	check(on("restricted", "GET", "/node/state"), "200")
	check(on("restricted", "GET", "/node/nodes/abc"), "200")
	check(on("restricted", "GET", "/node/nodes/self"), "503")
	check(on("restricted", "GET", "/js/1"), "200")
	check(on("restricted", "GET", "/app/get"), "503")
	check(on("restricted", "GET", "/node/nope"), "404 {")
	check(on("restricted", "OPTIONS", "/node/null"), "204")
	check(on("unsecured", "GET", "/node/state"), "503")
	check(on("main", "GET", "/node/feature"), "404")
	check(on("features", "GET", "/node/feature"), "200")

	check(on("redir", "POST", "/app/put"), "200")
	check(on("redir", "GET", "/app/backup"), `503 {"error":{"code":"BackupNotFound"`)
	check(on("static", "GET", "/backup?id=80"), "307 location=https://b.example:2/backup?id=80")
	w.ledger.backup = true
	check(on("redir", "GET", "/app/get"), "200")
	check(on("redir", "GET", "/app/backup"), "200")
	check(on("redir", "POST", "/app/put"),
		`503 {"error":{"code":"PrimaryNotFound","message":"Request should be redirected to primary, but receiving node does not know current primary address"}}`)
	w.primary = "primary:1"
	check(on("redir", "POST", "/app/put?x=%20"), "307 location=https://primary:1/redir/app/put?x=%20")
	check(on("named", "POST", "/app/put"), "307 location=https://primary:1/other/app/put")
	check(on("main", "POST", "/app/put"), `503 {"error":{"code":"InternalError","message":"RPC could not be forwarded to unknown primary."}}`)
	check(on("main", "GET", "/app/get"), "200")

	w.joined = false // a node that is not part of a service yet enforces none of it
	check(on("restricted", "GET", "/node/null"), "204")
	check(on("unsecured", "GET", "/node/state"), "200")

	if _, err := New(Config{Actors: []Actor{{Name: "app"}}, Interfaces: map[string]*InterfaceRules{"x": {Accepted: []string{"("}}}}); err == nil {
		t.Error("an invalid expression was taken")
	}
}

func TestHTTP2CannotForward(t *testing.T) {
	w := newWorld(t, nil)
	w.ledger.backup = true
	var resp httpd.Response
	resp.Reset()
	w.front.Handle(context.Background(), w.session, &httpd.Request{Method: "POST", Target: "/app/put", Proto: "HTTP/2"}, &resp)
	if got := show(&resp); got != `501 {"error":{"code":"NotImplemented","message":"Request cannot be forwarded to primary on HTTP/2 interface."}}` {
		t.Errorf("got %s", got)
	}
}

func TestWait(t *testing.T) {
	w := newWorld(t, func(c *Config) {
		c.Receipt = func(_ context.Context, id ledger.TxID) ([]byte, error) {
			return []byte(`{"id":"` + id.String() + `"}`), nil
		}
	})
	w.app.install()
	got := show(w.call("POST", "/app/put", "a", "x-concordat-wait", "committed;timeout=10ms"))
	if want := `504 x-ms-ccf-transaction-id=2.1 {"error":{"code":"CommitTimeout","message":"Transaction 2.1 did not commit within 10ms. It may still commit."}}`; got != want {
		t.Errorf("timeout: %s", got)
	}
	answered := make(chan string)
	go func() { answered <- show(w.call("POST", "/app/put", "b", "x-concordat-wait", "committed+receipt")) }()
	for w.ledger.Last().Seqno < 2 {
		select {
		case r := <-answered:
			t.Fatalf("answered before commit: %s", r)
		default:
		}
	}
	w.ledger.commitAll()
	if got, want := <-answered, "200 x-concordat-receipt=eyJpZCI6IjIuMiJ9 x-ms-ccf-transaction-id=2.2 true"; got != want {
		t.Errorf("committed+receipt\n got %s\nwant %s", got, want)
	}
	if got := show(w.call("GET", "/app/get", "", "x-concordat-wait", "committed")); got != "200 x-ms-ccf-transaction-id=2.2 ab" {
		t.Errorf("a read of committed state: %s", got)
	}
	for _, value := range []string{"", "commit", "committed;", "committed;timeout=0s", "committed;timeout=61s", "committed;x=1", "committed+receipt;timeout=5"} {
		ok := value == "committed;"
		if r := w.call("GET", "/app/get", "", "x-concordat-wait", value); (r.Status == 200) != ok || !ok && r.Status != 400 {
			t.Errorf("%q: %s", value, show(r))
		}
	}
}

func TestWaitRolledBack(t *testing.T) {
	w := newWorld(t, nil)
	w.before = func() {}
	go func() {
		for w.ledger.Last().Seqno < 1 {
		}
		w.ledger.mu.Lock()
		w.ledger.view = 3
		w.ledger.mu.Unlock()
		w.ledger.mu.Lock()
		close(w.ledger.changed)
		w.ledger.changed = make(chan struct{})
		w.ledger.mu.Unlock()
	}()
	got := show(w.call("POST", "/app/put", "a", "x-concordat-wait", "committed"))
	if !strings.HasPrefix(got, "503 x-ms-ccf-transaction-id=") || !strings.Contains(got, "was rolled back") {
		t.Errorf("got %s", got)
	}
}

func TestNewRefuses(t *testing.T) {
	for _, actors := range [][]Actor{
		{{Name: "node"}},
		{{Name: "app", Endpoints: []Endpoint{{Verb: "GET", Path: "/{x"}}}},
		{{Name: "app", Endpoints: []Endpoint{{Verb: "BREW", Path: "/x"}}}},
	} {
		if _, err := New(Config{Actors: actors}); err == nil {
			t.Errorf("%+v was taken", actors)
		}
	}
}
