package api

import (
	"strings"

	"concordat/js-apps/runtime"
)

// rights are what a context may do with a table.
type rights struct {
	read, write bool
	// why ends the message of a refused call.
	why string
}

// Prefixes that decide the class of a table (ccf-governance 2.5).
const (
	prefixPublic   = "public:"
	prefixReserved = "ccf."
	prefixInternal = "ccf.internal."
	prefixGov      = "ccf.gov."
)

const restrictionsPage = "https://microsoft.github.io/CCF/main/audit/read_write_restrictions.html"

// contextNames are the words for each Access in messages.
var contextNames = [...]string{
	AppRW: "application", AppRO: "read-only application",
	GovRO: "read-only governance", GovRW: "read-write governance",
}

// reserved tells whether the name may not be used at all, and gives the text
// CCF has for that.
func reserved(name string) (string, bool) {
	bare := strings.TrimPrefix(name, prefixPublic)
	if !strings.HasPrefix(bare, prefixReserved) || strings.HasPrefix(bare, prefixInternal) || strings.HasPrefix(bare, prefixGov) {
		return "", false
	}
	return "Map name '" + bare + "' includes disallowed reserved prefix 'ccf.'", true
}

// matrix is the access matrix of the CCF documentation.
func matrix(a Access, name string) rights {
	bare, public := strings.CutPrefix(name, prefixPublic)
	switch {
	case strings.HasPrefix(bare, prefixInternal):
		return rights{read: public}
	case strings.HasPrefix(bare, prefixGov):
		return rights{read: public, write: public && a == GovRW}
	case a == AppRW:
		return rights{read: true, write: true}
	case a == AppRO:
		return rights{read: true}
	case a == GovRW:
		return rights{write: true}
	}
	return rights{}
}

// rightsOf is the matrix, narrowed by the host.
func (h *Host) rightsOf(name string) rights {
	r := matrix(h.Access, name)
	r.why = explain(h.Access, r)
	if h.Restrict == nil {
		return r
	}
	if x := h.Restrict(name); x.NoRead && r.read || x.NoWrite && r.write {
		r.read, r.write, r.why = r.read && !x.NoRead, r.write && !x.NoWrite, x.Explanation
	}
	return r
}

func explain(a Access, r rights) string {
	word := "inaccessible"
	switch {
	case r.read && r.write:
		return ""
	case r.read:
		word = "read-only"
	case r.write:
		word = "write-only"
	}
	return "This table is " + word + " in current (" + contextNames[a] + ") execution context. See " +
		restrictionsPage + " for more detail."
}

// historicalWhy is the explanation for every table of a historical state.
const historicalWhy = "All tables are read-only during historical transaction."

// historicalRights are those to a table of a historical state: the public ones
// can be read, and so can the private ones of the application.
func (h *Host) historicalRights(name string) rights {
	r := matrix(AppRO, name)
	if !r.read {
		r.why = explain(h.Access, r)
		return r
	}
	r.write, r.why = false, historicalWhy
	return r
}

// handle is what a KV handle carries out of reach of scripts: its table. Rights
// are looked up at each call, so that a handle kept from an earlier request has
// those of the present one.
type handle struct {
	name string
	// state is set for the tables of a historical state, with the call it was
	// made for.
	state *State
	call  *call
}

// open is the table behind a handle in the present call.
func (c *call) open(h *handle) *table {
	if h.state != nil {
		return &table{name: h.name, m: h.state.Tx.Map(h.name), rights: c.host.historicalRights(h.name)}
	}
	for k := range c.tables {
		if c.tables[k].name == h.name {
			return &c.tables[k]
		}
	}
	c.tables = append(c.tables, table{name: h.name, rights: c.host.rightsOf(h.name)})
	return &c.tables[len(c.tables)-1]
}

var (
	nameKV           = runtime.NewName("kv")
	nameMapName      = runtime.NewName("_map_name")
	nameSize         = runtime.NewName("size")
	nameErrorMessage = runtime.NewName("_error_msg")
)

// method is one method of a KV handle. The order is that of the properties.
type method struct {
	name   runtime.Name
	args   int
	writes bool
	id     runtime.FuncID // the method
	denied runtime.FuncID // what stands in for it where it is not allowed
}

type kvFunc func(i *runtime.Isolate, c *call, this runtime.Value, t *table, args []runtime.Value) runtime.Value

var methods = []method{
	kvMethod("has", 1, false, keyed(kvHas)),
	kvMethod("get", 1, false, keyed(kvGet)),
	kvMethod("forEach", 1, false, kvForEach),
	kvMethod("getVersionOfPreviousWrite", 1, false, keyed(kvVersion)),
	kvMethod("set", 2, true, kvSet),
	kvMethod("delete", 1, true, keyed(kvDelete)),
	kvMethod("clear", 0, true, kvClear),
}

var sizeGetter = runtime.Register(guarded("size", 0, false, kvSize))

func kvMethod(name string, args int, writes bool, f kvFunc) method {
	m := method{name: runtime.NewName(name), args: args, writes: writes}
	m.id = runtime.Register(guarded(name, args, writes, f))
	m.denied = runtime.Register(denied(m.name, name))
	return m
}

// guarded resolves the table behind this and checks the right to it, whatever
// handle the function was taken from.
func guarded(name string, args int, writes bool, f kvFunc) runtime.HostFunc {
	return func(i *runtime.Isolate, this runtime.Value, argv []runtime.Value) runtime.Value {
		it := of(i)
		h, ok := it.handleOf(this)
		if !ok {
			return runtime.Exception
		}
		if h.state != nil && h.call != it.call {
			return i.Throw(runtime.TypeError, "Historical state of an earlier request is no longer available")
		}
		t := it.call.open(h)
		if writes && !t.rights.write || !writes && !t.rights.read {
			why := t.rights.why
			if name == "size" {
				why = "" // CCF keeps no explanation with the accessor
			}
			return i.Throw(runtime.TypeError, refusal(name, t.name, why))
		}
		if len(argv) != args {
			return i.Throw(runtime.TypeError, countError(len(argv), args, args))
		}
		it.impure = true
		if t.m == nil { // only now: a handle that is never used leaves no trace
			t.m = it.call.host.Tx.Map(t.name)
		}
		return f(i, it.call, this, t, argv)
	}
}

func refusal(method, table, why string) string {
	return `Cannot call "` + method + `" on table named ` + table + ". " + why
}

// handleOf is the handle behind an object. A plain object with a _map_name
// stands for that table, as in CCF; it gives no right that ccf.kv does not.
func (it *interp) handleOf(this runtime.Value) (*handle, bool) {
	i := it.iso
	if v, ok := i.Slot(this); ok {
		return v.(*handle), true
	}
	if !this.IsObject() {
		i.Throw(runtime.InternalError, "Internal: Unable to access MapHandle")
		return nil, false
	}
	v := i.Get(this, nameMapName)
	defer i.Free(v)
	if v.IsException() {
		return nil, false
	}
	name, ok := cText(i, v)
	if !ok {
		return nil, false
	}
	if text, bad := reserved(name); bad {
		it.fatal(text)
		return nil, false
	}
	return &handle{name: name}, true
}

// denied throws what the handle says about the method.
func denied(prop runtime.Name, name string) runtime.HostFunc {
	return func(i *runtime.Isolate, this runtime.Value, _ []runtime.Value) runtime.Value {
		h, ok := of(i).handleOf(this)
		if !ok {
			return runtime.Exception
		}
		return i.Throw(runtime.TypeError, refusal(name, h.name, deniedReason(i, this, prop)))
	}
}

func deniedReason(i *runtime.Isolate, this runtime.Value, prop runtime.Name) string {
	f := i.Get(this, prop)
	defer i.Free(f)
	if !f.IsObject() {
		return ""
	}
	why := i.Get(f, nameErrorMessage)
	defer i.Free(why)
	if !why.IsString() {
		return ""
	}
	text, _ := cText(i, why)
	return text
}

// tables is the object behind ccf.kv.
func (it *interp) tables() runtime.Value {
	return it.iso.NewExotic(func(name string) runtime.Value {
		return it.tableNamed(name, func(name string) (*handle, rights) {
			return &handle{name: name}, it.call.host.rightsOf(name)
		})
	})
}

// tableNamed is the handle for a name. Names that may not be used end the call.
func (it *interp) tableNamed(name string, open func(name string) (*handle, rights)) runtime.Value {
	if k := strings.IndexByte(name, 0); k >= 0 {
		name = name[:k]
	}
	if text, bad := reserved(name); bad {
		return it.fatal(text)
	}
	return it.newHandle(open(name))
}

// newHandle makes the object a script knows a table by. Its properties are the
// script's to change; what they do is decided by the slot.
func (it *interp) newHandle(h *handle, r rights) runtime.Value {
	i := it.iso
	obj := i.NewSlot(h)
	if obj.IsException() {
		return obj
	}
	ok := i.Set(obj, nameMapName, i.String(h.name))
	for k := range methods {
		m := &methods[k]
		allowed := r.read && !m.writes || r.write && m.writes
		ok = ok && i.Set(obj, m.name, it.methodFunction(k, allowed, r.why))
	}
	ok = ok && i.DefineGetter(obj, nameSize, runtime.Dup(i.Kept(keptSize)), 0)
	if !ok {
		i.Free(obj)
		return runtime.Exception
	}
	return obj
}

func (it *interp) methodFunction(k int, allowed bool, why string) runtime.Value {
	i, m := it.iso, &methods[k]
	if allowed {
		return runtime.Dup(i.Kept(keptMethods + k))
	}
	f := i.NewFunction(m.denied, m.name, m.args)
	i.Set(f, nameErrorMessage, i.String(why))
	return f
}

// keyed serves the methods whose one argument is a key.
func keyed(f func(i *runtime.Isolate, c *call, t *table, key []byte) runtime.Value) kvFunc {
	return func(i *runtime.Isolate, c *call, _ runtime.Value, t *table, args []runtime.Value) runtime.Value {
		key, ok := i.Buffer(args[0])
		if !ok {
			return i.Throw(runtime.TypeError, wantBuffer)
		}
		return f(i, c, t, key)
	}
}

func kvHas(_ *runtime.Isolate, _ *call, t *table, key []byte) runtime.Value {
	return runtime.Bool(t.m.Has(key))
}

func kvGet(i *runtime.Isolate, c *call, t *table, key []byte) runtime.Value {
	value, ok := t.m.GetInto(c.buf[:], key)
	if !ok {
		return runtime.Undefined
	}
	return i.NewBuffer(value)
}

func kvVersion(_ *runtime.Isolate, _ *call, t *table, key []byte) runtime.Value {
	seqno, ok := t.m.Version(key)
	if !ok {
		return runtime.Undefined
	}
	return runtime.Int64(int64(seqno))
}

func kvSet(i *runtime.Isolate, _ *call, this runtime.Value, t *table, args []runtime.Value) runtime.Value {
	key, ok1 := i.Buffer(args[0])
	value, ok2 := i.Buffer(args[1])
	if !ok1 || !ok2 {
		return i.Throw(runtime.TypeError, wantBuffers)
	}
	t.m.Put(key, value)
	return runtime.Dup(this)
}

func kvDelete(_ *runtime.Isolate, _ *call, t *table, key []byte) runtime.Value {
	t.m.Delete(key)
	return runtime.Undefined
}

func kvClear(_ *runtime.Isolate, _ *call, _ runtime.Value, t *table, _ []runtime.Value) runtime.Value {
	t.m.Clear()
	return runtime.Undefined
}

func kvSize(_ *runtime.Isolate, _ *call, _ runtime.Value, t *table, _ []runtime.Value) runtime.Value {
	return runtime.Int64(int64(t.m.Size()))
}

// kvForEach visits the entries as they are now: what the callback changes is not
// seen by it.
func kvForEach(i *runtime.Isolate, _ *call, this runtime.Value, t *table, args []runtime.Value) runtime.Value {
	if !i.IsFunction(args[0]) {
		return i.Throw(runtime.TypeError, "Argument must be a function")
	}
	callback, m := args[0], t.m // args and t may not outlive the first call back
	result := runtime.Undefined
	m.ForEach(func(key, value []byte) bool {
		k, v := i.NewBuffer(key), i.NewBuffer(value)
		defer i.Free(k)
		defer i.Free(v)
		if k.IsException() || v.IsException() {
			result = runtime.Exception
			return false
		}
		r := i.Call(callback, runtime.Undefined, v, k, this)
		if r.IsException() {
			result = r
			return false
		}
		i.Free(r)
		return true
	})
	return result
}
