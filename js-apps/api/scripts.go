package api

import (
	"context"
)

// Scripts runs governance scripts: each call has an interpreter of its own and
// no module loader, and its limits never fall below DefaultLimits.
// It is safe for concurrent use.
type Scripts struct{}

// NewScripts returns a runner.
func NewScripts() *Scripts { return &Scripts{} }

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

// Run calls the script's export. Arguments are nil, Undefined, bool, int, int64,
// uint64, float64, string, []byte (an ArrayBuffer), JSON, Object or []any of these.
// An error is a *ScriptError or the context's.
func (s *Scripts) Run(ctx context.Context, sc Script, args []any, h *Host, l Limits) (Value, error) {
	panic("not yet")
}

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
	// Trace is the stack, empty for values that are no Error.
	Trace string
	// TimedOut tells that the time limit ended the call.
	TimedOut bool
	// Load tells that the script was never called: it does not compile or has no
	// such export.
	Load bool
}

func (e *ScriptError) Error() string { return e.Reason }
