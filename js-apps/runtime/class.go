package runtime

import (
	"modernc.org/libc"
	lib "modernc.org/libquickjs"
)

// Two classes of host objects exist.
//
// A slot object carries a Go value that scripts can neither see nor change: the
// engine keeps a number, the isolate a table. It is what makes a KV handle keep
// its table name whatever a script does to its properties.
//
// An exotic object has a property for every name, made when it is asked for.

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
	*at[lib.TJSClassExoticMethods](m) = lib.TJSClassExoticMethods{Fget_own_property: ownGetterPointer}
	p := static.reserve(40)
	*at[lib.TJSClassDef](p) = lib.TJSClassDef{Fclass_name: static.cstring("Object"), Fexotic: m}
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

func (s *slots) drop(k int) {
	s.values[k] = nil
	s.free = append(s.free, k)
}

// seal keeps the slots of a snapshot: those freed before it stay unused, so that
// no index of the snapshot can be handed out again.
func (s *slots) seal() { s.sealed, s.free = len(s.values), nil }

// reset keeps only what was there at seal. A slot of the snapshot that died in
// between is gone from the table for good, which only costs its memory: modules
// that make slot objects while loading are not sealed.
func (s *slots) reset() {
	clear(s.values[s.sealed:])
	s.values = s.values[:s.sealed]
	s.free = s.free[:0]
}

// NewSlot makes an object without a prototype that carries v.
func (i *Isolate) NewSlot(v any) Value {
	obj := Value(lib.XJS_NewObjectProtoClass(i.tls, i.ctx, lib.TJSValue(Null), slotClassID))
	if obj.IsException() {
		return obj
	}
	lib.XJS_SetOpaque(i.tls, lib.TJSValue(obj), uintptr(i.slots.put(v)+1))
	return obj
}

// Slot is what NewSlot put into obj.
func (i *Isolate) Slot(obj Value) (any, bool) {
	p := lib.XJS_GetOpaque(i.tls, lib.TJSValue(obj), slotClassID)
	if p == 0 {
		return nil, false
	}
	return i.slots.values[p-1], true
}

// engineFreeSlot is called when a slot object dies.
func engineFreeSlot(tls *libc.TLS, rt uintptr, obj lib.TJSValue) {
	p := lib.XJS_GetOpaque(tls, obj, slotClassID)
	if p != 0 {
		isolateAt(at[lib.TJSRuntime](rt).Fuser_opaque).slots.drop(int(p - 1))
	}
}

// GetFunc makes the property of an exotic object.
type GetFunc func(i *Isolate, name string) Value

// ExoticID is a registered GetFunc.
type ExoticID int

var exotics []GetFunc

// RegisterExotic makes f known to the engine. It must be called during package
// initialisation.
func RegisterExotic(f GetFunc) ExoticID {
	exotics = append(exotics, f)
	return ExoticID(len(exotics) - 1)
}

// NewExotic makes an object whose properties come from f: not enumerable, not
// writable, not configurable, and made anew at each access.
func (i *Isolate) NewExotic(id ExoticID) Value {
	obj := Value(lib.XJS_NewObjectClass(i.tls, i.ctx, int32(exoticClassID)))
	if !obj.IsException() {
		lib.XJS_SetOpaque(i.tls, lib.TJSValue(obj), uintptr(id+1))
	}
	return obj
}

// engineExoticGet answers 1 and a descriptor, 0 for "no such property" or -1
// with an exception. The engine passes no descriptor when it only asks whether
// the property exists.
func engineExoticGet(tls *libc.TLS, ctx, desc uintptr, obj lib.TJSValue, atom lib.TJSAtom) int32 {
	i := isolateOf(ctx)
	id := lib.XJS_GetOpaque(tls, obj, exoticClassID)
	if id == 0 {
		return 0
	}
	if desc == 0 {
		return 1
	}
	name, ok := i.atomText(atom)
	if !ok {
		return -1
	}
	v := exotics[id-1](i, name)
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
