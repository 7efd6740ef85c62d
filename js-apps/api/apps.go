package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"concordat/js-apps/runtime"
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
	// Version changes whenever the application does, views included: after a
	// rollback the same seqno can bring another application. Interpreters of
	// another version are never used.
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

func (l Limits) engine() runtime.Limits {
	return runtime.Limits{HeapBytes: l.HeapBytes, StackBytes: l.StackBytes, Time: l.Time}
}

// atLeast raises each limit to that of floor.
func (l Limits) atLeast(floor Limits) Limits {
	return Limits{max(l.HeapBytes, floor.HeapBytes), max(l.StackBytes, floor.StackBytes), max(l.Time, floor.Time)}
}

// DefaultLimits are in force until set_js_runtime_options says otherwise, and
// are the floor of governance scripts and of loading modules.
var DefaultLimits = Limits{
	HeapBytes:  100 << 20,
	StackBytes: 1 << 20,
	Time:       5 * time.Second,
}

// describeTime is what printing an exception may take beyond the time limit.
const describeTime = 50 * time.Millisecond

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

// Texts of failures that have no exception behind them.
const (
	messageThrown   = "Exception thrown while executing."
	messageTimedOut = "Operation took too long to complete."
	messageNoReuse  = "Cache failed to produce interpreter"
	messageCrashed  = "The JavaScript engine failed."
	outOfMemory     = "InternalError: out of memory"
)

// Call runs one request. The error is about the call itself (context ended, no
// memory), never about what the script did: that is in Response.Error.
func (a *Apps) Call(ctx context.Context, e Endpoint, m ModuleSource, o Options, req *Request, h *Host) (*Response, error) {
	start := time.Now()
	c := &call{ctx: ctx, host: h, req: req}
	l, failure, err := a.acquire(e, m, o, c)
	if err != nil || failure != nil {
		return &Response{Error: failure}, err
	}
	out := &Response{}
	err = l.it.serve(c, e, m, o, out)
	metrics := l.it.metrics
	a.release(l, o)
	switch {
	case errors.Is(err, runtime.ErrCrashed):
		c.log(slog.LevelError, "js", err.Error())
		return &Response{Error: &Failure{HTTPMessage: messageCrashed, DropWrites: true}}, nil
	case err != nil:
		return nil, err
	}
	out.ApplyWrites, out.Claims = c.applyWrites, c.claims
	if out.Error != nil && out.Error.Details != nil && o.LogDetails {
		c.log(slog.LevelError, "app", out.Error.Details.String())
	}
	if metrics && out.Error == nil {
		c.log(slog.LevelInfo, "js", fmt.Sprintf("JS execution complete: Method=%s, Path=%s, Status=%d, ExecMilliseconds=%d",
			e.Method, e.Route, out.Status, time.Since(start).Milliseconds()))
	}
	return out, nil
}

// serve loads the endpoint's module if need be and calls the handler.
func (it *interp) serve(c *call, e Endpoint, m ModuleSource, o Options, out *Response) error {
	it.call = c
	defer func() { it.call = nil }()
	if !it.sealed || it.bare {
		if err := it.load(c, e, m, o, out); err != nil || out.Error != nil {
			return err
		}
	}
	err := it.iso.Run(c.ctx, o.Limits.engine(), func() error {
		it.handle(e, o, out)
		return nil
	})
	if err == nil && it.iso.Canceled() {
		return c.ctx.Err()
	}
	return err
}

// load makes the globals of the request and loads the module, under limits that
// are never below the default ones: CCF has none at all here.
func (it *interp) load(c *call, e Endpoint, m ModuleSource, o Options, out *Response) error {
	return it.iso.Run(c.ctx, o.Limits.atLeast(DefaultLimits).engine(), func() error {
		if err := it.prepare(c); err != nil {
			return err
		}
		if _, ok := it.modules[e.Module]; ok {
			return nil
		}
		it.iso.SetModules(m.Module, it.code)
		defer it.iso.SetModules(nil, nil)
		module, complaint := it.loadModule(e.Module)
		switch {
		case c.hostError != "":
			out.Error = &Failure{HTTPMessage: c.hostError, DropWrites: true}
			return nil
		case it.iso.TimedOut():
			out.Error = &Failure{HTTPMessage: messageTimedOut, TimedOut: true}
			return nil
		case complaint != "":
			out.Error = &Failure{HTTPMessage: complaint}
			return nil
		}
		it.modules[e.Module] = module
		if it.impure || it.sealed || e.ReuseKey != nil {
			return nil // each request has to load for itself, or the interpreter goes on
		}
		return it.seal()
	})
}

// prepare makes the globals of the request. A bare interpreter is sealed with
// them, but for the historical state, the first time.
func (it *interp) prepare(c *call) error {
	if it.bare && it.sealed {
		return it.installState(c)
	}
	if !it.installRequestGlobals(c) {
		return runtime.ErrNoMemory
	}
	if it.bare {
		if err := it.seal(); err != nil {
			return err
		}
	}
	return it.installState(c)
}

func (it *interp) installState(c *call) error {
	s := c.host.HistoricalState
	if s == nil || it.iso.Set(it.ccf, nameHistoricalState, it.stateObject(s)) {
		return nil
	}
	return runtime.ErrNoMemory
}

// seal makes the present state the one that later requests start from.
func (it *interp) seal() error {
	if err := it.iso.Seal(); err != nil {
		return err
	}
	it.sealed = true
	return nil
}

// loadModule compiles and evaluates a module. What its top level throws is not
// noticed: the handler is called all the same, as in CCF.
func (it *interp) loadModule(name string) (m runtime.Value, complaint string) {
	i := it.iso
	m, ok := i.LoadModule(name)
	switch {
	case !ok:
		return m, "Module '" + name + "' could not be loaded"
	case m.IsException():
		return m, "Failed to compile module '" + name + "': " + it.describe(i.Exception()).Reason
	}
	result := i.Evaluate(m)
	defer i.Free(result)
	if result.IsException() {
		return m, "Failed to execute " + name + ": " + it.describe(i.Exception()).Reason
	}
	return m, ""
}

// exported finds a function among the exports of a module.
func exported(i *runtime.Isolate, m runtime.Value, module, name string) (f runtime.Value, complaint string) {
	ns := i.Namespace(m)
	defer i.Free(ns)
	f = i.GetText(ns, name)
	switch {
	case f.IsException():
		i.DropException()
	case f.IsUndefined() && !i.HasText(ns, name):
		return f, "Failed to find export '" + name + "' in module '" + module + "'"
	case i.IsFunction(f):
		return f, ""
	}
	i.Free(f)
	return f, "Export '" + name + "' of module '" + module + "' is not a function"
}

// handle calls the handler and turns its result into out.
func (it *interp) handle(e Endpoint, o Options, out *Response) {
	i := it.iso
	if i.HeapFull() {
		out.Error = &Failure{HTTPMessage: messageThrown, Details: &Details{Reason: outOfMemory}}
		return
	}
	f, complaint := exported(i, it.modules[e.Module], e.Module, e.Function)
	if complaint != "" {
		out.Error = &Failure{HTTPMessage: complaint}
		return
	}
	defer i.Free(f)
	result := requestObject(i, it.call.req)
	if !result.IsException() {
		request := result
		result = i.Call(f, runtime.Undefined, request)
		i.Free(request)
	}
	if result.IsException() {
		out.Error = it.thrown()
	} else {
		it.convert(result, out)
		i.Free(result)
	}
	it.finish(o, out)
}

// thrown is the failure for the pending exception.
func (it *interp) thrown() *Failure {
	f := &Failure{HTTPMessage: messageThrown, TimedOut: it.iso.TimedOut()}
	f.Details = it.describe(it.iso.Exception())
	if f.TimedOut {
		f.HTTPMessage = messageTimedOut
	}
	return f
}

// finish has the last word on a response: what ended the call as a whole
// replaces whatever else went wrong.
func (it *interp) finish(o Options, out *Response) {
	f := out.Error
	switch {
	case it.call.hostError != "":
		out.Error = &Failure{HTTPMessage: it.call.hostError, DropWrites: true}
	case f == nil:
	case it.iso.TimedOut() && !f.TimedOut:
		f.HTTPMessage, f.TimedOut = messageTimedOut, true
	case f.Details != nil && f.HTTPMessage != messageThrown && !f.TimedOut && !o.ReturnDetails:
		f.HTTPMessage += "." // CCF's text depends on the option
	}
	if out.Error != nil {
		out.Status, out.Headers, out.Body, out.HasBody = 0, nil, nil, false
	}
}
