package runtime

import (
	"modernc.org/libc"
	lib "modernc.org/libquickjs"
)

// ErrorClass is one of the engine's error constructors.
type ErrorClass uint8

// The classes host functions throw.
const (
	TypeError ErrorClass = iota
	RangeError
	SyntaxError
	ReferenceError
	InternalError
)

// formatText is the C format "%s": messages are never formats themselves.
var formatText = static.cstring("%s")

// Throw makes an error the pending exception. The engine keeps at most 255 bytes
// of the message, as CCF's does.
func (i *Isolate) Throw(class ErrorClass, message string) Value {
	if len(message) >= scratchBytes {
		message = message[:scratchBytes-1]
	}
	n := copy(i.scratch.mem, message)
	i.scratch.mem[n] = 0
	bp := i.tls.Alloc(16)
	defer i.tls.Free(16)
	args := libc.VaList(bp, i.scratch.base)
	var throw func(*libc.TLS, uintptr, uintptr, uintptr) lib.TJSValue
	switch class {
	case TypeError:
		throw = lib.XJS_ThrowTypeError
	case RangeError:
		throw = lib.XJS_ThrowRangeError
	case SyntaxError:
		throw = lib.XJS_ThrowSyntaxError
	case ReferenceError:
		throw = lib.XJS_ThrowReferenceError
	default:
		throw = lib.XJS_ThrowInternalError
	}
	return Value(throw(i.tls, i.ctx, formatText, args))
}

// ThrowOutOfMemory makes the engine's own error for that the pending exception.
func (i *Isolate) ThrowOutOfMemory() Value {
	return Value(lib.XJS_ThrowOutOfMemory(i.tls, i.ctx))
}

// ThrowUncatchable ends the script: no catch or finally clause sees it.
func (i *Isolate) ThrowUncatchable(message string) Value {
	v := i.Throw(InternalError, message)
	lib.XJS_SetUncatchableException(i.tls, i.ctx, 1)
	return v
}

// ThrowValue makes v the pending exception and takes it over.
func (i *Isolate) ThrowValue(v Value) Value {
	return Value(lib.XJS_Throw(i.tls, i.ctx, lib.TJSValue(v)))
}

// Exception takes the pending exception. When there is none, or the engine had
// no memory to make one, it is null.
func (i *Isolate) Exception() Value {
	v := Value(lib.XJS_GetException(i.tls, i.ctx))
	if v.isUnset() {
		return Null
	}
	return v
}

// DropException forgets the pending exception.
func (i *Isolate) DropException() { i.Free(i.Exception()) }
