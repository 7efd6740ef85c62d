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

	"concordat/js-apps/api"
	"concordat/ledger"
	"concordat/node/frontend"
	"concordat/node/historical"
)

// Tables of the application, filled by set_js_app (ccf-formats 9).
const (
	mapEndpoints = "public:ccf.gov.endpoints"
	mapModules   = "public:ccf.gov.modules"
	mapFlush     = "public:ccf.gov.interpreter.flush"
	mapOptions   = "public:ccf.gov.js_runtime_options"
)

// singleton is the key of tables with one row: eight zero bytes.
var singleton = make([]byte, 8)

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

type routeCache struct {
	version ledger.Seqno
	routes  *frontend.Routes
}

type optionCache struct {
	version ledger.Seqno
	options api.Options
}

// New makes the application's frontend.
func New(cfg Config) *App { return &App{cfg: cfg} }

// Routes implements frontend.Dynamic.
func (a *App) Routes(c *frontend.Context) (*frontend.Routes, error) {
	m := c.Tx().Map(mapEndpoints)
	version := m.Modified()
	if cached := a.routes.Load(); cached != nil && cached.version == version {
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
	a.routes.Store(&routeCache{version, r})
	return r, nil
}

// Document implements frontend.Dynamic: the bundle's openapi objects go in as
// they are, and never over what is there already (ccf-http-api 8).
func (a *App) Document(c *frontend.Context, paths map[string]map[string]any) error {
	c.Tx().Map(mapEndpoints).ForEach(func(k, v []byte) bool {
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
	m := c.Tx().Map(mapOptions)
	version := m.Modified()
	if cached := a.options.Load(); cached != nil && cached.version == version {
		return cached.options, nil
	}
	o := api.DefaultOptions()
	if row, ok := m.Get(singleton); ok {
		var err error
		if o, err = ParseOptions(row); err != nil {
			return o, err
		}
	}
	a.options.Store(&optionCache{version, o})
	return o, nil
}

// modules is the deployed application as one transaction sees it.
type modules struct {
	c *frontend.Context
}

// Version implements api.ModuleSource. The flush row is written by each
// deployment; the modules table is asked too, since a constitution may forget it.
func (m modules) Version() string {
	flush, _ := m.c.Tx().Map(mapFlush).Version(singleton)
	changed := m.c.Tx().Map(mapModules).Modified()
	return strconv.FormatUint(flush, 10) + "/" + strconv.FormatUint(changed, 10)
}

// Module implements api.ModuleSource.
func (m modules) Module(name string) ([]byte, bool) {
	return m.c.Tx().Map(mapModules).Get([]byte(name))
}
