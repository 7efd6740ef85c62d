package runtime

import (
	lib "modernc.org/libquickjs"
)

// Name is a property name known before the first isolate exists; each isolate
// holds its atom, so that using it costs no look-up.
type Name uint16

// names holds every Name; it only grows during package initialisation.
var names []string

// NewName registers a property name. It must be called during package
// initialisation.
func NewName(text string) Name {
	names = append(names, text)
	return Name(len(names) - 1)
}

// String is the text of the name.
func (n Name) String() string { return names[n] }

func (i *Isolate) internNames() {
	i.atoms = make([]lib.TJSAtom, len(names))
	for k, text := range names {
		n := copy(i.scratch.mem, text)
		i.atoms[k] = lib.XJS_NewAtomLen(i.tls, i.ctx, i.scratch.base, lib.Tsize_t(n))
	}
}

// atomOf is the atom of a text; the caller frees it.
func (i *Isolate) atomOf(text string) lib.TJSAtom {
	var atom lib.TJSAtom
	i.borrow([]byte(text), func(addr uintptr) {
		atom = lib.XJS_NewAtomLen(i.tls, i.ctx, addr, lib.Tsize_t(len(text)))
	})
	return atom
}

// Flags of a property.
const (
	Configurable = lib.MJS_PROP_CONFIGURABLE
	Writable     = lib.MJS_PROP_WRITABLE
	Enumerable   = lib.MJS_PROP_ENUMERABLE
	// Plain is what assignment makes.
	Plain = lib.MJS_PROP_C_W_E
)

// NewObject is {}.
func (i *Isolate) NewObject() Value { return Value(lib.XJS_NewObject(i.tls, i.ctx)) }

// NewBareObject is Object.create(null).
func (i *Isolate) NewBareObject() Value {
	return Value(lib.XJS_NewObjectProto(i.tls, i.ctx, lib.TJSValue(Null)))
}

// NewArray is [].
func (i *Isolate) NewArray() Value { return Value(lib.XJS_NewArray(i.tls, i.ctx)) }

// Global is the global object.
func (i *Isolate) Global() Value { return Value(lib.XJS_GetGlobalObject(i.tls, i.ctx)) }

// Get reads a property; the result is Exception if a getter threw.
func (i *Isolate) Get(obj Value, name Name) Value {
	return Value(lib.XJS_GetPropertyInternal(i.tls, i.ctx, lib.TJSValue(obj), i.atoms[name], lib.TJSValue(obj), 0))
}

// GetText reads a property by a name of the moment.
func (i *Isolate) GetText(obj Value, name string) Value {
	atom := i.atomOf(name)
	if atom == lib.MJS_ATOM_NULL {
		return Exception
	}
	defer lib.XJS_FreeAtom(i.tls, i.ctx, atom)
	return Value(lib.XJS_GetPropertyInternal(i.tls, i.ctx, lib.TJSValue(obj), atom, lib.TJSValue(obj), 0))
}

// HasText reports whether a property exists. A trap that throws counts as no.
func (i *Isolate) HasText(obj Value, name string) bool {
	atom := i.atomOf(name)
	if atom == lib.MJS_ATOM_NULL {
		i.DropException()
		return false
	}
	defer lib.XJS_FreeAtom(i.tls, i.ctx, atom)
	n := lib.XJS_HasProperty(i.tls, i.ctx, lib.TJSValue(obj), atom)
	if n < 0 {
		i.DropException()
	}
	return n > 0
}

// Define makes an own property and takes v over. It reports failure only when
// an exception is pending.
func (i *Isolate) Define(obj Value, name Name, v Value, flags int32) bool {
	return i.define(obj, i.atoms[name], v, flags)
}

// Set is Define with the flags of an assignment.
func (i *Isolate) Set(obj Value, name Name, v Value) bool {
	return i.define(obj, i.atoms[name], v, Plain)
}

// SetText defines a property by a name of the moment and takes v over.
// "__proto__" goes where assignment sends it: into the prototype.
func (i *Isolate) SetText(obj Value, name string, v Value) bool {
	atom := i.atomOf(name)
	if atom == lib.MJS_ATOM_NULL {
		i.Free(v)
		return false
	}
	defer lib.XJS_FreeAtom(i.tls, i.ctx, atom)
	if name == "__proto__" {
		return lib.XSetProperty(i.tls, i.ctx, lib.TJSValue(obj), atom, lib.TJSValue(v)) >= 0
	}
	return i.define(obj, atom, v, Plain)
}

func (i *Isolate) define(obj Value, atom lib.TJSAtom, v Value, flags int32) bool {
	if v.IsException() {
		return false
	}
	return lib.XJS_DefinePropertyValue(i.tls, i.ctx, lib.TJSValue(obj), atom, lib.TJSValue(v), flags) >= 0
}

// Append puts v at index n of an array and takes it over.
func (i *Isolate) Append(array Value, n int, v Value) bool {
	if v.IsException() {
		return false
	}
	return lib.XJS_DefinePropertyValueUint32(i.tls, i.ctx, lib.TJSValue(array), uint32(n), lib.TJSValue(v), Plain) >= 0
}

// DefineGetter makes an accessor without a setter and takes getter over.
func (i *Isolate) DefineGetter(obj Value, name Name, getter Value, flags int32) bool {
	if getter.IsException() {
		return false
	}
	return lib.XJS_DefinePropertyGetSet(i.tls, i.ctx, lib.TJSValue(obj), i.atoms[name],
		lib.TJSValue(getter), lib.TJSValue(Undefined), flags) >= 0
}

// Index reads an element.
func (i *Isolate) Index(array Value, n int) Value {
	return Value(lib.XJS_GetPropertyUint32(i.tls, i.ctx, lib.TJSValue(array), uint32(n)))
}

// Each visits the own enumerable string-named properties in their order until
// visit is false. The value is visit's to free. It reports false when an
// exception is pending; a value that threw is Exception.
func (i *Isolate) Each(obj Value, visit func(name string, v Value) bool) bool {
	out := i.tls.Alloc(16)
	defer i.tls.Free(16)
	const which = lib.MJS_GPN_STRING_MASK | lib.MJS_GPN_ENUM_ONLY
	if lib.XJS_GetOwnPropertyNames(i.tls, i.ctx, out, out+8, lib.TJSValue(obj), which) < 0 {
		return false
	}
	tab, n := *at[uintptr](out), *at[uint32](out + 8)
	defer lib.XJS_FreePropertyEnum(i.tls, i.ctx, tab, n)
	for k := range uintptr(n) {
		atom := at[lib.TJSPropertyEnum](tab + 8*k).Fatom
		name, ok := i.atomText(atom)
		if !ok {
			return false
		}
		v := Value(lib.XJS_GetPropertyInternal(i.tls, i.ctx, lib.TJSValue(obj), atom, lib.TJSValue(obj), 0))
		if !visit(name, v) {
			return true
		}
	}
	return true
}

func (i *Isolate) atomText(atom lib.TJSAtom) (string, bool) {
	s := Value(lib.XJS_AtomToString(i.tls, i.ctx, atom))
	if s.IsException() {
		return "", false
	}
	defer i.Free(s)
	return i.Text(s)
}

// Call calls fn. Arguments stay the caller's.
func (i *Isolate) Call(fn, this Value, args ...Value) Value {
	n := 16 * max(len(args), 1)
	argv := i.tls.Alloc(n)
	defer i.tls.Free(n)
	for k, a := range args {
		*at[Value](argv + uintptr(16*k)) = a
	}
	return Value(lib.XJS_Call(i.tls, i.ctx, lib.TJSValue(fn), lib.TJSValue(this), int32(len(args)), argv))
}

// IsPromise reports a promise.
func (i *Isolate) IsPromise(v Value) bool {
	return v.IsObject() && lib.XJS_PromiseState(i.tls, i.ctx, lib.TJSValue(v)) >= 0
}

// keptValues is how many values Keep can hold.
const keptValues = 16

// Keep holds a value for the host, out of reach of scripts, and takes it over.
// It is for what an isolate is made with: a snapshot includes it.
func (i *Isolate) Keep(n int, v Value) bool {
	i.kept[n] = v
	return !v.IsException()
}

// Kept is what Keep holds; the count stays with the isolate.
func (i *Isolate) Kept(n int) Value { return i.kept[n] }
