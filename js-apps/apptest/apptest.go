// Package apptest runs an application folder on the real engine and store,
// without a node around them: requests go in, responses come out, and writes
// are kept or dropped by the service's rule. It is for tests of applications.
package apptest

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/url"
	"sort"
	"strings"
	"testing"
	"time"

	"concordat/js-apps/api"
	"concordat/js-apps/bundle"
	"concordat/ledger"
	"concordat/ledger/kv"
)

const view = 2

// App is a deployed application. It is used by one goroutine.
type App struct {
	t       testing.TB
	store   *kv.Store
	apps    *api.Apps
	version string
	modules map[string]string
	routes  []route
	head    ledger.TxID
	// Consensus and Historical are what ccf.consensus and ccf.historical show.
	Consensus  api.ConsensusView
	Historical api.HistoricalView
}

// route is one endpoint of app.json.
type route struct {
	Verb, Path string
	Module     string                `json:"js_module"`
	Function   string                `json:"js_function"`
	Mode       string                `json:"mode"`
	Reuse      *struct{ Key string } `json:"interpreter_reuse"`
}

// Request is one call; the query of Target is decoded before the application
// sees it, the path is not.
type Request struct {
	Method, Target string
	Body           string
	Headers        map[string]string
	Caller         *api.Caller
	// Past is the historical state of a historical endpoint.
	Past *api.State
}

// Response is the answer and the id of the newest transaction after it.
type Response struct {
	*api.Response
	ID ledger.TxID
}

// Text is the body, or the text of the failure.
func (r *Response) Text() string {
	if r.Error != nil {
		return r.Error.HTTPMessage
	}
	return string(r.Body)
}

// New deploys an application on an empty store.
func New(t testing.TB, app fs.FS) *App {
	t.Helper()
	b, err := bundle.Read(app)
	if err != nil {
		t.Fatal(err)
	}
	a := &App{t: t, store: kv.New(kv.NewMemBase(), kv.Options{}), apps: api.NewApps(), version: b.Hash(), modules: map[string]string{}}
	t.Cleanup(a.apps.Close)
	for _, m := range b.Modules {
		a.modules["/"+m.Name] = m.Module
	}
	var metadata struct {
		Endpoints map[string]map[string]route
	}
	if err := json.Unmarshal(b.Metadata, &metadata); err != nil {
		t.Fatal(err)
	}
	for path, verbs := range metadata.Endpoints {
		for verb, r := range verbs {
			r.Verb, r.Path = strings.ToUpper(verb), path
			a.routes = append(a.routes, r)
		}
	}
	return a
}

// Version and Module make App the source of its modules.
func (a *App) Version() string { return a.version }

// Module is the source of a module by its stored name.
func (a *App) Module(name string) ([]byte, bool) {
	source, ok := a.modules[name]
	return []byte(source), ok
}

// Put writes a row past the application, as governance would.
func (a *App) Put(table, key, value string) {
	tx := a.store.Begin()
	defer tx.Release()
	tx.Map(table).Put([]byte(key), []byte(value))
	a.submit(tx)
}

// Begin is a transaction on the present state, for looking around and for
// historical states. The caller releases it.
func (a *App) Begin() *kv.Tx { return a.store.Begin() }

// Head is the id of the last transaction that wrote something.
func (a *App) Head() ledger.TxID { return a.head }

func (a *App) submit(tx *kv.Tx) {
	a.head = ledger.TxID{View: view, Seqno: a.head.Seqno + 1}
	a.store.Apply(a.head, tx.WriteSet())
}

// Do runs one request.
func (a *App) Do(r Request) *Response {
	a.t.Helper()
	path, query, _ := strings.Cut(r.Target, "?")
	if decoded, err := url.QueryUnescape(query); err == nil {
		query = decoded
	}
	e, params := a.match(r.Method, path)
	tx := a.store.Begin()
	defer tx.Release()
	host := &api.Host{Tx: tx, Access: api.AppRO, Consensus: a.Consensus, Historical: a.Historical, HistoricalState: r.Past}
	if e.Mode == "readwrite" {
		host.Access = api.AppRW
	}
	endpoint := api.Endpoint{Module: "/" + e.Module, Function: e.Function, Method: r.Method, Route: "/app" + e.Path}
	if e.Reuse != nil {
		endpoint.ReuseKey = &e.Reuse.Key
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	out, err := a.apps.Call(ctx, endpoint, a, api.DefaultOptions(), a.request(r, e, path, query, params), host)
	if err != nil {
		a.t.Fatalf("%s %s: %v", r.Method, r.Target, err)
	}
	if keeps(out) && tx.Wrote() {
		a.submit(tx)
	}
	return &Response{Response: out, ID: a.head}
}

func (a *App) request(r Request, e route, path, query string, params []api.Param) *api.Request {
	full := "/app" + path
	if query != "" {
		full += "?" + query
	}
	headers := []api.Header{}
	for name, value := range r.Headers {
		headers = append(headers, api.Header{Name: name, Value: value})
	}
	sort.Slice(headers, func(i, j int) bool { return headers[i].Name < headers[j].Name })
	return &api.Request{
		Method: r.Method, Path: "/app" + path, Route: "/app" + e.Path, URL: full, Query: query,
		Headers: headers, Params: params, Body: []byte(r.Body), Caller: r.Caller,
	}
}

// keeps is the rule about writes: 2xx, or what the handler said.
func keeps(r *api.Response) bool {
	switch {
	case r.Error != nil && r.Error.DropWrites:
		return false
	case r.ApplyWrites != nil:
		return *r.ApplyWrites
	}
	return r.Error == nil && r.Status >= 200 && r.Status <= 299
}

// match finds the endpoint: the exact path first, then templates segment by
// segment, which is all that sample applications use.
func (a *App) match(verb, path string) (route, []api.Param) {
	a.t.Helper()
	for _, r := range a.routes {
		if r.Verb == verb && r.Path == path {
			return r, nil
		}
	}
	for _, r := range a.routes {
		if params, ok := fit(r.Path, path); ok && r.Verb == verb {
			return r, params
		}
	}
	a.t.Fatal(fmt.Errorf("no endpoint %s %s", verb, path))
	return route{}, nil
}

func fit(template, path string) ([]api.Param, bool) {
	want, got := strings.Split(template, "/"), strings.Split(path, "/")
	if len(want) != len(got) {
		return nil, false
	}
	var params []api.Param
	for i, w := range want {
		switch {
		case strings.HasPrefix(w, "{"):
			params = append(params, api.Param{Name: strings.Trim(w, "{}"), Value: got[i]})
		case w != got[i]:
			return nil, false
		}
	}
	sort.Slice(params, func(i, j int) bool { return params[i].Name < params[j].Name })
	return params, true
}
