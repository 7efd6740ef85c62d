package runtime

import (
	"strings"

	"modernc.org/libc"
	lib "modernc.org/libquickjs"
)

// Source yields the source of a module by its absolute name ("/dir/file.js").
type Source func(name string) ([]byte, bool)

// Bytecode keeps compiled modules of one application, by absolute name, so that
// further isolates need not compile. It is filled and read by Load only: the
// engine trusts what it is given, so bytecode never comes from elsewhere.
type Bytecode interface {
	Get(name string) ([]byte, bool)
	Put(name string, code []byte)
}

// modules is what an isolate needs to load modules.
type modules struct {
	source Source
	code   Bytecode
}

// SetModules says where imports come from. code may be nil.
func (i *Isolate) SetModules(source Source, code Bytecode) {
	i.modules = modules{source: source, code: code}
}

// Normalize resolves a module name as it is written in the module base. Only
// names with a leading dot are relative; only leading "./" and "../" are
// resolved, and "../" above the root is kept, which then names nothing. This is
// the engine's own rule, with one form for "x.js" and "/x.js".
func Normalize(base, name string) string {
	if !strings.HasPrefix(name, ".") {
		return rooted(name)
	}
	dir := base[:max(strings.LastIndexByte(base, '/'), 0)]
	for {
		if rest, ok := strings.CutPrefix(name, "./"); ok {
			name = rest
			continue
		}
		rest, ok := strings.CutPrefix(name, "../")
		if !ok || dir == "" {
			break
		}
		cut := strings.LastIndexByte(dir, '/')
		if last := dir[cut+1:]; last == "." || last == ".." {
			break
		}
		dir, name = dir[:max(cut, 0)], rest
	}
	if dir == "" {
		return rooted(name)
	}
	return rooted(dir + "/" + name)
}

func rooted(name string) string {
	if strings.HasPrefix(name, "/") {
		return name
	}
	return "/" + name
}

var (
	normalizePointer = funcPointer(engineNormalize)
	loadPointer      = funcPointer(engineLoad)
)

func goString(p uintptr) string {
	n := 0
	for *at[byte](p + uintptr(n)) != 0 {
		n++
	}
	return string(view(p, n))
}

func engineNormalize(_ *libc.TLS, ctx, base, name, _ uintptr) uintptr {
	return isolateOf(ctx).cstring(Normalize(goString(base), goString(name)))
}

// engineLoad answers an import. When it cannot, it leaves no exception, as CCF's
// loader does: the importing module then "fails to compile" with null.
func engineLoad(_ *libc.TLS, ctx, name, _ uintptr) uintptr {
	i := isolateOf(ctx)
	m, ok := i.LoadModule(goString(name))
	if !ok || m.IsException() {
		i.DropException()
		return 0
	}
	defer i.Free(m) // the context's list of modules holds it
	return m.ptr()
}

// LoadModule compiles a module and everything it imports; !ok means that there
// is no such module. Nothing is run yet.
func (i *Isolate) LoadModule(name string) (m Value, ok bool) {
	if i.modules.code != nil {
		if code, ok := i.modules.code.Get(name); ok {
			return i.readModule(code), true
		}
	}
	if i.modules.source == nil {
		return Undefined, false
	}
	source, ok := i.modules.source(name)
	if !ok {
		return Undefined, false
	}
	m = i.CompileModule(name, source)
	if !m.IsException() && i.modules.code != nil {
		if code, ok := i.WriteModule(m); ok {
			i.modules.code.Put(name, code)
		}
	}
	return m, true
}

// CompileModule compiles source and loads what it imports.
func (i *Isolate) CompileModule(name string, source []byte) Value {
	return i.eval(name, source, lib.MJS_EVAL_TYPE_MODULE|lib.MJS_EVAL_FLAG_COMPILE_ONLY)
}

// Eval runs a script in the global scope.
func (i *Isolate) Eval(name, source string) Value {
	return i.eval(name, []byte(source), lib.MJS_EVAL_TYPE_GLOBAL)
}

func (i *Isolate) eval(name string, source []byte, flags int32) Value {
	cname := i.cstring(name)
	if cname == 0 {
		return Exception
	}
	defer lib.Xjs_free(i.tls, i.ctx, cname)
	// Not borrow: compiling loads other modules, which would overwrite it.
	text, err := mapMemory(roundUp(len(source)+1, pageSize))
	if err != nil {
		return i.ThrowOutOfMemory()
	}
	defer text.unmap()
	copy(text.mem, source)
	return Value(lib.XJS_Eval(i.tls, i.ctx, text.base, lib.Tsize_t(len(source)), cname, flags))
}

// WriteModule is the bytecode of a compiled module.
func (i *Isolate) WriteModule(m Value) ([]byte, bool) {
	size := i.tls.Alloc(16)
	defer i.tls.Free(16)
	p := lib.XJS_WriteObject(i.tls, i.ctx, size, lib.TJSValue(m), lib.MJS_WRITE_OBJ_BYTECODE)
	if p == 0 {
		i.DropException()
		return nil, false
	}
	defer lib.Xjs_free(i.tls, i.ctx, p)
	return append([]byte(nil), view(p, int(*at[lib.Tsize_t](size)))...), true
}

// readModule loads bytecode that WriteModule made in this process.
func (i *Isolate) readModule(code []byte) Value {
	p := lib.Xjs_malloc(i.tls, i.ctx, lib.Tsize_t(len(code)))
	if p == 0 {
		return Exception
	}
	defer lib.Xjs_free(i.tls, i.ctx, p)
	copy(view(p, len(code)), code)
	m := Value(lib.XJS_ReadObject(i.tls, i.ctx, p, lib.Tsize_t(len(code)), lib.MJS_READ_OBJ_BYTECODE))
	if m.IsException() {
		return m
	}
	if lib.XJS_ResolveModule(i.tls, i.ctx, lib.TJSValue(m)) < 0 {
		i.Free(m)
		return Exception
	}
	return m
}

// Evaluate links a module and runs its top level. The result is a promise, which
// is rejected if the top level threw, or Exception if linking failed.
func (i *Isolate) Evaluate(m Value) Value {
	return Value(lib.XJS_EvalFunction(i.tls, i.ctx, lib.TJSValue(Dup(m))))
}

// Namespace is the object of a module's exports.
func (i *Isolate) Namespace(m Value) Value {
	return Value(lib.XJS_GetModuleNamespace(i.tls, i.ctx, m.ptr()))
}
