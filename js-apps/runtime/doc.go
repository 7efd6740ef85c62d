// Package runtime is a thin binding of the JavaScript engine, QuickJS
// 2026-06-04 as modernc.org/libquickjs translates it to Go. No other package
// imports the engine.
//
// # Isolates
//
// An Isolate is one interpreter: its own heap, its own globals. All of its
// memory lies in one Arena, so that it can be snapshotted after its modules are
// loaded and put back to that state by a copy: every request of a pool starts
// from the same bytes, whatever the one before did. Dropping an isolate is
// unmapping its arena; nothing is ever freed piece by piece.
//
// # Limits
//
// Run bounds heap, stack and time of what it runs. The heap is counted by the
// arena's allocator and capped once more by its mapped size; the stack is
// counted in engine frames; time is polled by the engine at branches and calls
// and in regular expressions, and a watchdog makes the engine poll at every
// call once the deadline has passed, which stops loops of slow builtins. One
// single slow builtin cannot be stopped; the heap limit bounds it.
//
// # Faults
//
// The translated engine is as unsafe as C. A fault inside it is a Go panic
// here: Run recovers it, marks the isolate dead and returns ErrCrashed. The
// isolate must then be closed; no other isolate is touched.
//
// # Goroutines
//
// None. An isolate is used by one goroutine at a time, its caller's. A timer
// per isolate runs the watchdog for the length of an overdue call.
package runtime
