package runtime

import (
	"unsafe"

	"modernc.org/libc"
	lib "modernc.org/libquickjs"
)

// HostFunc is a function of the host. args is only valid during the call; its
// values stay the caller's. A host function must not call Run, and reports
// errors by returning what a Throw method returned.
type HostFunc func(i *Isolate, this Value, args []Value) Value

// FuncID is a registered HostFunc. The same FuncID may be installed in any
// number of isolates and under different names.
type FuncID int16

// funcs holds every registered function; it only grows during package
// initialisation.
var funcs []HostFunc

// Register makes f known to the engine. It must be called during package
// initialisation.
func Register(f HostFunc) FuncID {
	funcs = append(funcs, f)
	return FuncID(len(funcs) - 1)
}

var callPointer = funcPointer(engineCall)

// engineCall is the one C function behind every host function.
func engineCall(_ *libc.TLS, ctx uintptr, this lib.TJSValue, argc int32, argv uintptr, magic int32) lib.TJSValue {
	var args []Value
	if argc > 0 {
		args = unsafe.Slice(at[Value](argv), int(argc))
	}
	return lib.TJSValue(funcs[magic](isolateOf(ctx), Value(this), args))
}

// NewFunction makes a function object.
func (i *Isolate) NewFunction(id FuncID, name Name, length int) Value {
	return i.newFunction(id, name.String(), length, lib.EJS_CFUNC_generic_magic)
}

// NewConstructor makes a function that also works with new; this is then
// new.target, and undefined when the function is called without new.
func (i *Isolate) NewConstructor(id FuncID, name Name, length int) Value {
	return i.newFunction(id, name.String(), length, lib.EJS_CFUNC_constructor_or_func_magic)
}

func (i *Isolate) newFunction(id FuncID, name string, length int, kind int32) Value {
	v := Exception
	i.borrow([]byte(name), func(addr uintptr) {
		v = Value(lib.XJS_NewCFunction2(i.tls, i.ctx, callPointer, addr, int32(length), kind, int32(id)))
	})
	return v
}

// Construct is new fn(...args) with a given new.target.
func (i *Isolate) Construct(fn, newTarget Value, args []Value) Value {
	n := 16 * max(len(args), 1)
	argv := i.tls.Alloc(n)
	defer i.tls.Free(n)
	for k, a := range args {
		*at[Value](argv + uintptr(16*k)) = a
	}
	return Value(lib.XJS_CallConstructor2(i.tls, i.ctx, lib.TJSValue(fn), lib.TJSValue(newTarget), int32(len(args)), argv))
}
