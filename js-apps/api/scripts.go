package api

import (
	"context"
	"errors"
	"fmt"
	goruntime "runtime"
	"slices"
	"sync"

	"concordat/js-apps/runtime"
)

// maxIdleScripts caps the interpreters kept with a script loaded.
const maxIdleScripts = 8

// Scripts runs governance scripts: each call starts from an interpreter with
// nothing but the script loaded, there is no module loader, and the limits never
// fall below DefaultLimits. It is safe for concurrent use.
type Scripts struct {
	mu struct {
		sync.Mutex
		idle []idleScript // sealed and reset, least recently used first
	}
}

// idleScript is an interpreter that has loaded a script for one kind of access.
type idleScript struct {
	name, source string
	access       Access
	it           *interp
	module       runtime.Value
}

// NewScripts returns a runner. Close gives its memory back; so does collecting it.
func NewScripts() *Scripts {
	s := &Scripts{}
	goruntime.SetFinalizer(s, (*Scripts).Close)
	return s
}

// Close ends the interpreters at rest.
func (s *Scripts) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, x := range s.mu.idle {
		x.it.close()
	}
	s.mu.idle = nil
}

// take finds an interpreter that has the script loaded.
func (s *Scripts) take(sc Script, access Access) (idleScript, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for k, x := range s.mu.idle {
		if x.access == access && x.name == sc.Name && x.source == sc.Source {
			s.mu.idle = slices.Delete(s.mu.idle, k, k+1)
			return x, true
		}
	}
	return idleScript{}, false
}

// put takes a used interpreter back.
func (s *Scripts) put(x idleScript) {
	if !x.it.sealed || x.it.iso.Dead() {
		x.it.close()
		return
	}
	x.it.reset()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.idle = append(s.mu.idle, x)
	if len(s.mu.idle) > maxIdleScripts {
		s.mu.idle[0].it.close()
		s.mu.idle = slices.Delete(s.mu.idle, 0, 1)
	}
}

// Script is one function of one module.
type Script struct {
	// Name appears in stack traces.
	Name   string
	Source string
	Export string
	// Fields are read from a result that is an object, in this order.
	Fields []string
}

// Undefined is the argument that becomes undefined; a nil argument becomes null.
type Undefined struct{}

// JSON is the argument that is parsed in the interpreter.
type JSON []byte

// Member is one property of an Object.
type Member struct {
	Name  string
	Value any
}

// Object is the argument that becomes a plain object with these properties.
type Object []Member

// Value is a script's result, read while its interpreter still lived.
type Value struct {
	// Kind is JavaScript's typeof, "null" for null.
	Kind string
	// Truthy is what an if statement would see.
	Truthy bool
	// Text is the result of String(value); HasText is false when that throws.
	Text    string
	HasText bool
	// Fields holds the properties named by Script.Fields, if Kind is "object".
	Fields map[string]Value
}

// ScriptError is a script that threw, ran into a limit or could not be loaded.
type ScriptError struct {
	Reason string
	// Trace is the stack; HasTrace is false for values that are no Error.
	Trace    string
	HasTrace bool
	// TimedOut tells that the time limit ended the call.
	TimedOut bool
	// Load tells that the script was never called: it does not compile or has no
	// such export.
	Load bool
	// Host tells that Reason is of the host and no script could have caught it.
	Host bool
}

func (e *ScriptError) Error() string { return e.Reason }

// Run calls the script's export. Arguments are nil, Undefined, bool, int, int64,
// uint64, float64, string, []byte (an ArrayBuffer), JSON, Object or []any of these.
// An error is a *ScriptError, or about the call itself.
func (s *Scripts) Run(ctx context.Context, sc Script, args []any, h *Host, l Limits) (Value, error) {
	x, loaded := s.take(sc, h.Access)
	if !loaded {
		it, err := newInterp(true)
		if err != nil {
			return Value{}, err
		}
		x = idleScript{name: sc.Name, source: sc.Source, access: h.Access, it: it}
	}
	it := x.it
	r := scriptRun{it: it, script: sc, args: args, module: x.module}
	it.call = &call{ctx: ctx, host: h, gov: true}
	limits := l.atLeast(DefaultLimits).engine()
	var err error
	if !loaded {
		err = it.iso.Run(ctx, limits, r.load)
	}
	if err == nil {
		err = it.iso.Run(ctx, limits, r.call)
	}
	if err == nil && it.iso.Canceled() {
		err = ctx.Err()
	}
	it.call, x.module = nil, r.module
	s.put(x)
	if errors.Is(err, runtime.ErrCrashed) {
		return Value{}, &ScriptError{Reason: err.Error(), Host: true}
	}
	return r.result, err
}

// scriptRun is one Run. Loading and calling have the time limit each.
type scriptRun struct {
	it     *interp
	script Script
	args   []any
	module runtime.Value
	result Value
}

func (r *scriptRun) load() error {
	it, i := r.it, r.it.iso
	if !it.installRequestGlobals(it.call) {
		return runtime.ErrNoMemory
	}
	r.module = i.CompileModule(r.script.Name, []byte(r.script.Source))
	if r.module.IsException() {
		return r.failed("Failed to compile module '" + r.script.Name + "': ")
	}
	if done := i.Evaluate(r.module); done.IsException() {
		return r.failed("Failed to execute " + r.script.Name + ": ")
	}
	if it.call.hostError != "" || i.TimedOut() {
		return r.failed("Failed to execute " + r.script.Name + ": ")
	}
	if it.impure {
		return nil
	}
	it.sealed = true
	return i.Seal()
}

// failed is the pending exception as the reason why a script cannot be called.
func (r *scriptRun) failed(what string) error {
	if r.it.call.hostError != "" {
		return &ScriptError{Reason: r.it.call.hostError, Host: true}
	}
	timedOut := r.it.iso.TimedOut()
	d := r.it.describe(r.it.iso.Exception())
	return &ScriptError{Reason: what + d.Reason, Load: true, TimedOut: timedOut}
}

func (r *scriptRun) call() error {
	it, i := r.it, r.it.iso
	f, complaint := exported(i, r.module, r.script.Name, r.script.Export)
	if complaint != "" {
		return &ScriptError{Reason: complaint, Load: true}
	}
	args := make([]runtime.Value, len(r.args))
	for k, a := range r.args {
		if args[k] = argument(i, a); args[k].IsException() {
			return r.threw()
		}
	}
	v := i.Call(f, runtime.Undefined, args...)
	if v.IsException() {
		return r.threw()
	}
	r.result = it.value(v, r.script.Fields)
	if it.call.hostError != "" {
		return &ScriptError{Reason: it.call.hostError, Host: true}
	}
	return nil
}

// threw is the pending exception.
func (r *scriptRun) threw() error {
	if r.it.call.hostError != "" {
		return &ScriptError{Reason: r.it.call.hostError, Host: true}
	}
	e := &ScriptError{TimedOut: r.it.iso.TimedOut()}
	d := r.it.describe(r.it.iso.Exception())
	e.Reason = d.Reason
	if d.Trace != nil {
		e.Trace, e.HasTrace = *d.Trace, true
	}
	return e
}

// value reads a result.
func (it *interp) value(v runtime.Value, fields []string) Value {
	i := it.iso
	out := Value{Kind: i.TypeOf(v), Truthy: i.ToBool(v)}
	if out.Text, out.HasText = cText(i, v); !out.HasText {
		i.DropException()
	}
	if out.Kind != "object" {
		return out
	}
	out.Fields = map[string]Value{}
	for _, name := range fields {
		f := i.GetText(v, name)
		if f.IsException() {
			i.DropException()
			continue
		}
		out.Fields[name] = it.value(f, nil)
		i.Free(f)
	}
	return out
}

// argument converts an argument of Run.
func argument(i *runtime.Isolate, a any) runtime.Value {
	switch a := a.(type) {
	case nil:
		return runtime.Null
	case Undefined:
		return runtime.Undefined
	case bool:
		return runtime.Bool(a)
	case int:
		return runtime.Int64(int64(a))
	case int64:
		return runtime.Int64(a)
	case uint64:
		if a < 1<<31 {
			return runtime.Int(int32(a))
		}
		return runtime.Float(float64(a))
	case float64:
		return runtime.Float(a)
	case string:
		return i.String(a)
	case []byte:
		return i.NewBuffer(a)
	case JSON:
		return i.ParseJSON(a, "<argument>")
	case Object:
		return objectArgument(i, a)
	case []any:
		return arrayArgument(i, a)
	}
	return i.Throw(runtime.InternalError, fmt.Sprintf("a script cannot take a %T", a))
}

func objectArgument(i *runtime.Isolate, members Object) runtime.Value {
	obj := i.NewObject()
	for _, m := range members {
		if !i.SetText(obj, m.Name, argument(i, m.Value)) {
			return runtime.Exception
		}
	}
	return obj
}

func arrayArgument(i *runtime.Isolate, elements []any) runtime.Value {
	array := i.NewArray()
	for k, e := range elements {
		if !i.Append(array, k, argument(i, e)) {
			return runtime.Exception
		}
	}
	return array
}
