package frontend

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"

	"concordat/ledger"
	"concordat/node/httpd"
)

// Actor is one family of endpoints, named by the first segment of a path.
type Actor struct {
	Name string // "node", "gov" or "app"
	// Open reports whether the frontend serves yet; nil means always.
	Open func() bool
	// Exempt actors ignore back-pressure (the node's own endpoints).
	Exempt bool
	// Endpoints are fixed at construction.
	Endpoints []Endpoint
	// Dynamic routes win over Endpoints of the same path; nil for none.
	Dynamic Dynamic
	Info    Info
}

// Info heads an actor's OpenAPI document.
type Info struct {
	Title, Description, Version string
}

// Dynamic supplies endpoints that live in the store: those of the JavaScript application.
type Dynamic interface {
	// Routes returns the table as the transaction of c sees it. It must read the store through c.Tx (so the response carries a transaction id),
	// and should cache the compiled table by the version of what it read.
	Routes(c *Context) (*Routes, error)
	// Document adds the dynamic endpoints to the OpenAPI document's paths.
	Document(c *Context, paths map[string]map[string]any) error
}

// Config makes a Frontend.
type Config struct {
	Actors []Actor
	// Ledger returns consensus, nil before there is one.
	Ledger   func() Ledger
	Topology Topology
	// Interfaces holds the rules of each interface by name.
	Interfaces map[string]*InterfaceRules
	// MaxUncommitted is consensus.max_uncommitted_tx_count; 0 turns back-pressure off.
	MaxUncommitted uint64
	// Receipt renders the receipt of a committed transaction as JSON for "x-concordat-wait: committed+receipt"; nil when not offered.
	Receipt func(ctx context.Context, id ledger.TxID) ([]byte, error)
	Log     *slog.Logger
}

// Frontend answers requests. It is immutable after New and safe for concurrent use.
type Frontend struct {
	cfg    Config
	actors map[string]*actor
	rules  map[string]*rules
}

type actor struct {
	Actor
	routes *Routes
}

// appActor takes every path that names no other actor.
const appActor = "app"

// New compiles the fixed endpoints and the interfaces' rules.
func New(cfg Config) (*Frontend, error) {
	f := &Frontend{cfg: cfg, actors: map[string]*actor{}, rules: map[string]*rules{}}
	for _, a := range cfg.Actors {
		routes := newRoutes(a.Name, a.Endpoints, false)
		if routes.err != nil {
			return nil, fmt.Errorf("actor %s: %w", a.Name, routes.err)
		}
		for _, t := range routes.templates {
			if t.err != nil {
				return nil, fmt.Errorf("actor %s: %w", a.Name, t.err)
			}
		}
		a.Endpoints = routes.all
		f.actors[a.Name] = &actor{a, routes}
	}
	if f.actors[appActor] == nil {
		return nil, fmt.Errorf("there is no %q actor to take unknown paths", appActor)
	}
	for name, r := range cfg.Interfaces {
		compiled, err := compileRules(name, r)
		if err != nil {
			return nil, err
		}
		f.rules[name] = compiled
	}
	return f, nil
}

// Actor returns an actor as configured, for the OpenAPI document.
func (f *Frontend) Actor(name string) (Actor, bool) {
	a, ok := f.actors[name]
	if !ok {
		return Actor{}, false
	}
	return a.Actor, true
}

func (f *Frontend) ledger() Ledger {
	if f.cfg.Ledger == nil {
		return nil
	}
	return f.cfg.Ledger()
}

func (f *Frontend) log() *slog.Logger {
	if f.cfg.Log != nil {
		return f.cfg.Log
	}
	return slog.Default()
}

// maxAttempts bounds how often a request runs again after a conflict.
const maxAttempts = 30

// Handle is the httpd.Handler.
func (f *Frontend) Handle(ctx context.Context, s *httpd.Session, req *httpd.Request, resp *httpd.Response) {
	c := &Context{Ctx: ctx, Session: s, Req: req, Resp: resp, Frontend: f}
	path, query := splitTarget(req.Target)
	a, local := f.dispatch(path)
	c.Actor, c.Path, c.Local, c.Query = a.Name, path, local, parseQuery(query)
	var err error
	if c.wait, err = parseWait(req); err != nil {
		c.fail(err)
		return
	}
	for c.Attempt = 1; c.Attempt <= maxAttempts; c.Attempt++ {
		if done := c.run(a); done {
			return
		}
		c.again()
	}
	c.fail(&Error{
		Status: http.StatusServiceUnavailable, Code: CodeTransactionCommitAttemptsExceeded,
		Message: fmt.Sprintf("Transaction continued to conflict after %d attempts. Retry later.", maxAttempts),
		Header:  []httpd.Field{{Name: "retry-after", Value: "3"}},
	})
}

// dispatch finds the actor of a path and what remains of it. Paths that name no actor belong to the application, whole.
func (f *Frontend) dispatch(path string) (*actor, string) {
	if len(path) > 1 && path[0] == '/' {
		if i := strings.IndexByte(path[1:], '/'); i >= 0 {
			if a, ok := f.actors[path[1:1+i]]; ok {
				return a, path[1+i:]
			}
		}
	}
	return f.actors[appActor], path
}
