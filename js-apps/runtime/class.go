package runtime

import (
	"unsafe"

	"modernc.org/libc"
	lib "modernc.org/libquickjs"
)

// Two classes of host objects exist.
//
// A slot object carries a Go value that scripts can neither see nor change: the
// engine keeps a number, the isolate a table. It is what makes a KV handle keep
// its table name whatever a script does to its properties.
//
// An exotic object has a property for every name, made when it is asked for by a
// function in its slot.

// classID numbers are process-wide in the engine.
var (
	slotClassID   = newClassID()
	exoticClassID = newClassID()
)

func newClassID() lib.TJSClassID {
	tls := libc.NewTLS()
	defer tls.Close()
	return lib.XJS_NewClassID(tls, static.reserve(8))
}

var slotClassDef = func() uintptr {
	p := static.reserve(40)
	*at[lib.TJSClassDef](p) = lib.TJSClassDef{
		Fclass_name: static.cstring("Object"),
		Ffinalizer:  funcPointer(engineFreeSlot),
	}
	return p
}()

var exoticClassDef = func() uintptr {
	m := static.reserve(88)
	*at[lib.TJSClassExoticMethods](m) = lib.TJSClassExoticMethods{Fget_own_property: funcPointer(engineExoticGet)}
	p := static.reserve(40)
	*at[lib.TJSClassDef](p) = lib.TJSClassDef{
		Fclass_name: static.cstring("Object"),
		Ffinalizer:  funcPointer(engineFreeSlot),
		Fexotic:     m,
	}
	return p
}()

func (i *Isolate) registerClasses() error {
	if lib.XJS_NewClass(i.tls, i.rt, slotClassID, slotClassDef) < 0 ||
		lib.XJS_NewClass(i.tls, i.rt, exoticClassID, exoticClassDef) < 0 {
		return ErrNoMemory
	}
	return nil
}

// slots is the table behind slot objects. The engine's opaque value is the index
// plus one.
type slots struct {
	values []any
	free   []int
	sealed int
}

func (s *slots) put(v any) int {
	if n := len(s.free); n > 0 {
		k := s.free[n-1]
		s.free = s.free[:n-1]
		s.values[k] = v
		return k
	}
	s.values = append(s.values, v)
	return len(s.values) - 1
}

// drop frees a slot. Those of a snapshot stay: the object comes back with it.
func (s *slots) drop(k int) {
	if k < s.sealed {
		return
	}
	s.values[k] = nil
	s.free = append(s.free, k)
}

// seal keeps the present slots for good.
func (s *slots) seal() { s.sealed, s.free = len(s.values), nil }

// reset keeps only what was there at seal.
func (s *slots) reset() {
	clear(s.values[s.sealed:])
	s.values = s.values[:s.sealed]
	s.free = s.free[:0]
}

// NewSlot makes an object without a prototype that carries v.
func (i *Isolate) NewSlot(v any) Value {
	return i.carry(Value(lib.XJS_NewObjectProtoClass(i.tls, i.ctx, lib.TJSValue(Null), slotClassID)), v)
}

func (i *Isolate) carry(obj Value, v any) Value {
	if !obj.IsException() {
		*opaque(obj) = uintptr(i.slots.put(v) + 1)
	}
	return obj
}

// Slot is what NewSlot put into obj.
func (i *Isolate) Slot(obj Value) (any, bool) { return i.slotOf(obj, slotClassID) }

func (i *Isolate) slotOf(obj Value, class lib.TJSClassID) (any, bool) {
	if !obj.IsObject() || uint32(at[lib.TJSObject](obj.ptr()).Fclass_id) != class {
		return nil, false
	}
	p := *opaque(obj)
	if p == 0 {
		return nil, false
	}
	return i.slots.values[p-1], true
}

// opaque is the engine's number in an object of a host class.
func opaque(obj Value) *uintptr {
	return at[uintptr](obj.ptr() + unsafe.Offsetof(lib.TJSObject{}.Fu))
}

// engineFreeSlot is called when an object with a slot dies.
func engineFreeSlot(_ *libc.TLS, rt uintptr, obj lib.TJSValue) {
	if p := *opaque(Value(obj)); p != 0 {
		isolateAt(at[lib.TJSRuntime](rt).Fuser_opaque).slots.drop(int(p - 1))
	}
}

// GetFunc makes the property of an exotic object.
type GetFunc func(name string) Value

// NewExotic makes an object whose properties come from get: not enumerable, not
// writable, not configurable, and made anew at each access.
func (i *Isolate) NewExotic(get GetFunc) Value {
	return i.carry(Value(lib.XJS_NewObjectProtoClass(i.tls, i.ctx, lib.TJSValue(Null), exoticClassID)), get)
}

// engineExoticGet answers 1 and a descriptor, 0 for "no such property" or -1
// with an exception. The engine passes no descriptor when it only asks whether
// the property exists.
func engineExoticGet(_ *libc.TLS, ctx, desc uintptr, obj lib.TJSValue, atom lib.TJSAtom) int32 {
	i := isolateOf(ctx)
	get, ok := i.slotOf(Value(obj), exoticClassID)
	if !ok {
		return 0
	}
	if desc == 0 {
		return 1
	}
	name, ok := i.atomText(atom)
	if !ok {
		return -1
	}
	v := get.(GetFunc)(name)
	if v.IsException() {
		return -1
	}
	*at[lib.TJSPropertyDescriptor](desc) = lib.TJSPropertyDescriptor{
		Fvalue:  lib.TJSValue(v),
		Fgetter: lib.TJSValue(Undefined),
		Fsetter: lib.TJSValue(Undefined),
	}
	return 1
}
