// Package appapi serves the JavaScript application: it turns the tables that
// governance filled (endpoints, modules, runtime options) into routes, builds the
// request object of each call, runs the handler, and answers with what came back.
//
// The tables are read in the request's own transaction, so that a request that
// races with a deployment conflicts and runs again on the new application. What
// they compile to is cached by the versions of the rows read.
package appapi

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"strconv"
	"sync/atomic"

	"concordat/governance/tables"
	"concordat/js-apps/api"
	"concordat/ledger"
	"concordat/ledger/kv"
	"concordat/node/frontend"
	"concordat/node/historical"
)

// Config is what the application runs on.
type Config struct {
	Apps       *api.Apps
	Policies   map[string]frontend.Policy // those app.json may name
	AllOf      func([]frontend.Policy) (frontend.Policy, error)
	Consensus  api.ConsensusView
	Historical *historical.Cache
	SNP        api.SNPVerifier
	Log        *slog.Logger
}

// App implements frontend.Dynamic. It is safe for concurrent use; the caches are
// replaced whole.
type App struct {
	cfg     Config
	routes  atomic.Pointer[routeCache]
	options atomic.Pointer[optionCache]
}

// stamp says which content of a map something was compiled from: the newest write
// to it, and the view, since an election can put other writes at the same seqno.
type stamp struct {
	view    ledger.View
	changed ledger.Seqno
}

func stampOf(c *frontend.Context, m *kv.Map) (s stamp, known bool) {
	changed, known := m.Modified()
	return stamp{c.Tx().SnapshotID().View, changed}, known
}

type routeCache struct {
	version stamp
	routes  *frontend.Routes
}

type optionCache struct {
	version stamp
	options api.Options
}

// New makes the application's frontend.
func New(cfg Config) *App { return &App{cfg: cfg} }

// Routes implements frontend.Dynamic.
func (a *App) Routes(c *frontend.Context) (*frontend.Routes, error) {
	m := c.Tx().Map(tables.EndpointsTable)
	version, known := stampOf(c, m)
	if cached := a.routes.Load(); known && cached != nil && cached.version == version {
		return cached.routes, nil
	}
	var list []frontend.Endpoint
	m.ForEach(func(k, v []byte) bool {
		if e, ok := a.endpoint(string(k), bytes.Clone(v)); ok {
			list = append(list, e)
		}
		return true
	})
	r := frontend.NewRoutes("app", list)
	if known {
		a.routes.Store(&routeCache{version, r})
	}
	return r, nil
}

// Document implements frontend.Dynamic: the bundle's openapi objects go in as
// they are, and never over what is there already (ccf-http-api 8).
func (a *App) Document(c *frontend.Context, paths map[string]map[string]any) error {
	c.Tx().Map(tables.EndpointsTable).ForEach(func(k, v []byte) bool {
		e, ok := a.endpoint(string(k), v)
		if !ok || e.Hidden {
			return true
		}
		m, ok := e.Data.(*metadata)
		if !ok || len(m.OpenAPI) == 0 || string(m.OpenAPI) == "null" {
			m = &metadata{OpenAPI: json.RawMessage("{}")}
		}
		path := "/app" + e.Path
		if paths[path] == nil {
			paths[path] = map[string]any{}
		}
		if verb := lower(e.Verb); paths[path][verb] == nil {
			paths[path][verb] = m.OpenAPI
		}
		return true
	})
	return nil
}

// lower folds a verb's ASCII letters.
func lower(verb string) string { return string(bytes.ToLower([]byte(verb))) }

// Options are the runtime limits in force for the request (ccf-js-api 7).
func (a *App) Options(c *frontend.Context) (api.Options, error) {
	m := c.Tx().Map(tables.JSRuntimeOptions)
	version, known := stampOf(c, m)
	if cached := a.options.Load(); known && cached != nil && cached.version == version {
		return cached.options, nil
	}
	o := api.DefaultOptions()
	if row, ok := m.Get(tables.Z8); ok {
		var err error
		if o, err = ParseOptions(row); err != nil {
			return o, err
		}
	}
	if known {
		a.options.Store(&optionCache{version, o})
	}
	return o, nil
}

// modules is the deployed application as one transaction sees it.
type modules struct {
	c *frontend.Context
}

// Version implements api.ModuleSource: the newest write to the modules, or to the
// table that each deployment writes to say that interpreters are stale. The view
// tells apart what an election put in the place of the same seqno.
func (m modules) Version() string {
	tx := m.c.Tx()
	changed, known := tx.Map(tables.ModulesTable).Modified()
	flushed, flushKnown := tx.Map(tables.InterpreterFlush).Modified()
	if !known || !flushKnown {
		// Deployed again since the snapshot: a version of its own, used once.
		changed, flushed = tx.Snapshot(), tx.Snapshot()+1
	}
	b := make([]byte, 0, 3*20)
	for _, n := range []uint64{tx.SnapshotID().View, changed, flushed} {
		b = append(strconv.AppendUint(b, n, 10), '/')
	}
	return string(b)
}

// Module implements api.ModuleSource.
func (m modules) Module(name string) ([]byte, bool) {
	return m.c.Tx().Map(tables.ModulesTable).Get([]byte(name))
}
