package runtime

import (
	"math"

	lib "modernc.org/libquickjs"
)

// Value is a JavaScript value of one isolate. Strings, objects and symbols are
// counted: a function that returns a Value gives its caller one count, which
// Free returns; functions that store a value say whether they take it over.
type Value lib.TJSValue

// Constants of the language.
var (
	Undefined = tagged(lib.EJS_TAG_UNDEFINED, 0)
	Null      = tagged(lib.EJS_TAG_NULL, 0)
	True      = tagged(lib.EJS_TAG_BOOL, 1)
	False     = tagged(lib.EJS_TAG_BOOL, 0)
	// Exception says that an exception is pending; see Isolate.Exception.
	Exception = tagged(lib.EJS_TAG_EXCEPTION, 0)
)

func tagged(tag int64, bits uint64) Value {
	return Value{Fu: lib.TJSValueUnion{Fuint641: bits}, Ftag: tag}
}

// Bool is true or false.
func Bool(b bool) Value {
	if b {
		return True
	}
	return False
}

// Int is a number of the engine's integer kind.
func Int(n int32) Value { return tagged(lib.EJS_TAG_INT, uint64(uint32(n))) }

// Float is a number.
func Float(f float64) Value { return tagged(lib.EJS_TAG_FLOAT64, math.Float64bits(f)) }

// Int64 is a number, of the integer kind if it fits.
func Int64(n int64) Value {
	if n == int64(int32(n)) {
		return Int(int32(n))
	}
	return Float(float64(n))
}

func (v Value) tag() int32 { return int32(v.Ftag) }

func (v Value) ptr() uintptr { return uintptr(v.Fu.Fuint641) }

func (v Value) counted() bool { return v.tag() < 0 && v.tag() >= lib.EJS_TAG_FIRST }

// IsUndefined reports undefined.
func (v Value) IsUndefined() bool { return v.tag() == lib.EJS_TAG_UNDEFINED }

// IsNull reports null.
func (v Value) IsNull() bool { return v.tag() == lib.EJS_TAG_NULL }

// IsException reports that an exception is pending.
func (v Value) IsException() bool { return v.tag() == lib.EJS_TAG_EXCEPTION }

// IsObject reports an object, functions included.
func (v Value) IsObject() bool { return v.tag() == lib.EJS_TAG_OBJECT }

// IsString reports a primitive string.
func (v Value) IsString() bool {
	return v.tag() == lib.EJS_TAG_STRING || v.tag() == lib.EJS_TAG_STRING_ROPE
}

// IsBool reports a primitive boolean.
func (v Value) IsBool() bool { return v.tag() == lib.EJS_TAG_BOOL }

// Truth is the value of a primitive boolean.
func (v Value) Truth() bool { return v.Fu.Fuint641 != 0 }

// EngineInt is the number if the engine holds it as an integer, which is not the
// same as having an integral value.
func (v Value) EngineInt() (int32, bool) {
	return int32(uint32(v.Fu.Fuint641)), v.tag() == lib.EJS_TAG_INT
}

// isUnset reports the engine's own mark for "nothing", which it uses when no
// exception could be made.
func (v Value) isUnset() bool { return v.tag() == lib.EJS_TAG_UNINITIALIZED }

// Dup adds a count.
func Dup(v Value) Value {
	if v.counted() {
		*at[int32](v.ptr() - 4)++
	}
	return v
}

// Free returns a count.
func (i *Isolate) Free(v Value) {
	if !v.counted() {
		return
	}
	if count := at[int32](v.ptr() - 4); *count > 1 {
		*count--
		return
	}
	lib.XFreeValue(i.tls, i.ctx, lib.TJSValue(v))
}

// TypeOf is what the typeof operator answers, except "null" for null.
func (i *Isolate) TypeOf(v Value) string {
	switch v.tag() {
	case lib.EJS_TAG_INT, lib.EJS_TAG_FLOAT64:
		return "number"
	case lib.EJS_TAG_BOOL:
		return "boolean"
	case lib.EJS_TAG_STRING, lib.EJS_TAG_STRING_ROPE:
		return "string"
	case lib.EJS_TAG_SYMBOL:
		return "symbol"
	case lib.EJS_TAG_BIG_INT, lib.EJS_TAG_SHORT_BIG_INT:
		return "bigint"
	case lib.EJS_TAG_NULL:
		return "null"
	case lib.EJS_TAG_OBJECT:
		if i.IsFunction(v) {
			return "function"
		}
		return "object"
	}
	return "undefined"
}

// IsFunction reports a callable object.
func (i *Isolate) IsFunction(v Value) bool {
	return lib.XJS_IsFunction(i.tls, i.ctx, lib.TJSValue(v)) != 0
}

// IsError reports an instance made by an Error constructor.
func (i *Isolate) IsError(v Value) bool {
	return lib.XJS_IsError(i.tls, i.ctx, lib.TJSValue(v)) != 0
}

// IsSymbol reports a symbol.
func (v Value) IsSymbol() bool { return v.tag() == lib.EJS_TAG_SYMBOL }

// ToBool is what an if statement sees. It never throws.
func (i *Isolate) ToBool(v Value) bool {
	return lib.XJS_ToBool(i.tls, i.ctx, lib.TJSValue(v)) > 0
}

// ToInt64 converts as the engine does for its own functions, fractions towards
// zero; !ok means that an exception is pending.
func (i *Isolate) ToInt64(v Value) (n int64, ok bool) {
	if n, ok := v.EngineInt(); ok {
		return int64(n), true
	}
	p := i.tls.Alloc(16)
	defer i.tls.Free(16)
	ok = lib.XJS_ToInt64(i.tls, i.ctx, p, lib.TJSValue(v)) == 0
	return *at[int64](p), ok
}

// ToInt32 converts modulo 2^32; !ok means that an exception is pending.
func (i *Isolate) ToInt32(v Value) (n int32, ok bool) {
	if n, ok := v.EngineInt(); ok {
		return n, true
	}
	p := i.tls.Alloc(16)
	defer i.tls.Free(16)
	ok = lib.XJS_ToInt32(i.tls, i.ctx, p, lib.TJSValue(v)) == 0
	return *at[int32](p), ok
}
