package api

import (
	"context"
	"time"
)

// Endpoint names the handler of a request.
type Endpoint struct {
	// Module is the name as stored, with its leading slash; Function is one of
	// its exports.
	Module, Function string
	// Method and Route are for the line logged after the request.
	Method, Route string
	// ReuseKey, when set, lets the interpreter live on for the next request with
	// the same key and access.
	ReuseKey *string
}

// ModuleSource is the deployed application as of one transaction.
type ModuleSource interface {
	// Version changes whenever the application does. Interpreters of another
	// version are never used.
	Version() string
	// Module is the source of a module, by its stored name ("/dir/file.js").
	Module(name string) ([]byte, bool)
}

// Limits bound one call.
type Limits struct {
	HeapBytes  uint64
	StackBytes uint64
	Time       time.Duration
}

// DefaultLimits are in force until set_js_runtime_options says otherwise, and
// are the floor of governance scripts.
var DefaultLimits = Limits{
	HeapBytes:  100 << 20,
	StackBytes: 1 << 20,
	Time:       5 * time.Second,
}

// Options is the content of the table js_runtime_options.
type Options struct {
	Limits
	// LogDetails and ReturnDetails are for whoever answers the request.
	LogDetails, ReturnDetails bool
	// CachedInterpreters caps the interpreters kept for Endpoint.ReuseKey.
	CachedInterpreters int
}

// DefaultCachedInterpreters is the cap of Options.CachedInterpreters unless set.
const DefaultCachedInterpreters = 10

// DefaultOptions are in force until set_js_runtime_options says otherwise.
func DefaultOptions() Options {
	return Options{Limits: DefaultLimits, CachedInterpreters: DefaultCachedInterpreters}
}

// Apps runs application endpoints. It is safe for concurrent use.
type Apps struct {
	images *imagePool
	reused *reuseCache
}

// NewApps returns an empty set of interpreters.
func NewApps() *Apps { return &Apps{} }

// Call runs one request. The error is about the call itself (context ended),
// never about what the script did: that is in Response.Error.
func (a *Apps) Call(ctx context.Context, e Endpoint, m ModuleSource, o Options, req *Request, h *Host) (*Response, error) {
	panic("not yet")
}

// Flush forgets every interpreter.
func (a *Apps) Flush() {}

// Close ends every interpreter.
func (a *Apps) Close() {}
