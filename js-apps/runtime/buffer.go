package runtime

import (
	"modernc.org/libc"
	lib "modernc.org/libquickjs"
)

var freeBufferPointer = funcPointer(engineFreeBuffer)

// engineFreeBuffer is called when an ArrayBuffer made here dies.
func engineFreeBuffer(tls *libc.TLS, rt, _, p uintptr) { lib.Xjs_free_rt(tls, rt, p) }

// NewBuffer makes an ArrayBuffer holding a copy of data.
func (i *Isolate) NewBuffer(data []byte) Value {
	p := lib.Xjs_malloc(i.tls, i.ctx, lib.Tsize_t(max(len(data), 1)))
	if p == 0 {
		return Exception
	}
	copy(view(p, len(data)), data)
	v := Value(lib.XJS_NewArrayBuffer(i.tls, i.ctx, p, lib.Tsize_t(len(data)), freeBufferPointer, 0, 0))
	if v.IsException() {
		lib.Xjs_free(i.tls, i.ctx, p)
	}
	return v
}

// Buffer is the memory of an ArrayBuffer or SharedArrayBuffer. It is valid until
// the script runs again. !ok leaves no exception pending.
func (i *Isolate) Buffer(v Value) (data []byte, ok bool) {
	if !v.IsObject() {
		return nil, false
	}
	switch class := at[lib.TJSObject](v.ptr()).Fclass_id; class {
	case lib.EJS_CLASS_ARRAY_BUFFER, lib.EJS_CLASS_SHARED_ARRAY_BUFFER:
	default:
		return nil, false
	}
	n := i.tls.Alloc(16)
	defer i.tls.Free(16)
	p := lib.XJS_GetArrayBuffer(i.tls, i.ctx, n, lib.TJSValue(v))
	size := int(*at[lib.Tsize_t](n))
	if p == 0 {
		if size == 0 { // detached, which throws
			i.DropException()
		}
		return nil, false
	}
	return view(p, size), true
}

// TypedArray is the memory a typed array shows. It is valid until the script
// runs again. !ok leaves no exception pending.
func (i *Isolate) TypedArray(v Value) (data []byte, ok bool) {
	if !v.IsObject() {
		return nil, false
	}
	class := at[lib.TJSObject](v.ptr()).Fclass_id
	if class < lib.EJS_CLASS_UINT8C_ARRAY || class > lib.EJS_CLASS_FLOAT64_ARRAY {
		return nil, false
	}
	out := i.tls.Alloc(16)
	defer i.tls.Free(16)
	b := Value(lib.XJS_GetTypedArrayBuffer(i.tls, i.ctx, lib.TJSValue(v), out, out+8, 0))
	if b.IsException() {
		i.DropException()
		return nil, false
	}
	defer i.Free(b)
	whole, ok := i.Buffer(b)
	offset, size := *at[lib.Tsize_t](out), *at[lib.Tsize_t](out + 8)
	if !ok || offset+size > uint64(len(whole)) {
		return nil, false
	}
	return whole[offset : offset+size], true
}
