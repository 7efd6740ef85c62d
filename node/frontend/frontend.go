package frontend

import (
	"context"
	"log/slog"

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
	// Receipt renders the receipt of a committed transaction for x-concordat-wait: committed+receipt; nil when not offered.
	Receipt func(ctx context.Context, c *Context) ([]byte, error)
	Log     *slog.Logger
}

// Frontend answers requests. It is immutable after New and safe for concurrent use.
type Frontend struct {
	cfg    Config
	actors map[string]*actor
}

type actor struct {
	Actor
	routes *Routes
}

func (f *Frontend) ledger() Ledger {
	if f.cfg.Ledger == nil {
		return nil
	}
	return f.cfg.Ledger()
}

// New compiles the fixed endpoints. It fails on a malformed template.
func New(cfg Config) (*Frontend, error) {
	f := &Frontend{cfg: cfg, actors: map[string]*actor{}}
	return f, nil
}

// Handle is the httpd.Handler.
func (f *Frontend) Handle(ctx context.Context, s *httpd.Session, req *httpd.Request, resp *httpd.Response) {
}

// InterfaceRules are the parts of an interface's configuration that act on requests.
type InterfaceRules struct {
	// Accepted are the regular expressions of accepted_endpoints; nil when the key is absent (everything is accepted).
	Accepted []string
	// Unsecured interfaces accept nothing unless Accepted says so.
	Unsecured bool
	ToPrimary *Redirection
	ToBackup  *Redirection
	Features  []string
}

// Redirection is one entry of an interface's redirections.
type Redirection struct {
	Static    string // StaticAddress target; "" for NodeByRole
	Interface string // NodeByRole: interface of the target; "" for the one the request came in on
	Role      string // NodeByRole: "primary" or "backup"; "" for the entry's own
}
