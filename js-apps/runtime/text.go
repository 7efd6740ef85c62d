package runtime

import (
	"unicode/utf8"

	lib "modernc.org/libquickjs"
)

// scratchBytes is what an isolate keeps for handing texts to the engine. Longer
// ones get memory of their own for the length of one call.
const scratchBytes = 64 << 10

// borrow puts text and a NUL where the engine can read it and calls use.
func (i *Isolate) borrow(text []byte, use func(addr uintptr)) bool {
	m := i.scratch
	if len(text) >= scratchBytes {
		var err error
		if m, err = mapMemory(roundUp(len(text)+1, pageSize)); err != nil {
			return false
		}
		defer m.unmap()
	}
	copy(m.mem, text)
	m.mem[len(text)] = 0
	use(m.base)
	return true
}

// String makes a string of UTF-8 text. Surrogates written as three bytes become
// lone surrogates; other invalid bytes become U+FFFD.
func (i *Isolate) String(text string) Value {
	if len(text) < scratchBytes {
		n := copy(i.scratch.mem, text)
		return Value(lib.XJS_NewStringLen(i.tls, i.ctx, i.scratch.base, lib.Tsize_t(n)))
	}
	return i.StringOf([]byte(text))
}

// StringOf is String for bytes.
func (i *Isolate) StringOf(text []byte) Value {
	v := Exception
	if !i.borrow(text, func(addr uintptr) {
		v = Value(lib.XJS_NewStringLen(i.tls, i.ctx, addr, lib.Tsize_t(len(text))))
	}) {
		return i.ThrowOutOfMemory()
	}
	return v
}

// Text is ToString(v) as UTF-8, lone surrogates as three bytes; !ok means that
// the conversion threw and the exception is pending.
func (i *Isolate) Text(v Value) (text string, ok bool) {
	b, ok := i.AppendText(nil, v)
	return string(b), ok
}

// AppendText appends Text(v) to dst.
func (i *Isolate) AppendText(dst []byte, v Value) ([]byte, bool) {
	if v.tag() == lib.EJS_TAG_STRING {
		return appendString(dst, v.ptr()), true
	}
	s := Value(lib.XJS_ToString(i.tls, i.ctx, lib.TJSValue(v)))
	if s.IsException() {
		return dst, false
	}
	if s.tag() == lib.EJS_TAG_STRING {
		dst = appendString(dst, s.ptr())
		i.Free(s)
		return dst, true
	}
	defer i.Free(s)
	return i.appendRope(dst, s)
}

// appendRope lets the engine flatten a string it still holds in pieces.
func (i *Isolate) appendRope(dst []byte, s Value) ([]byte, bool) {
	n := i.tls.Alloc(16)
	defer i.tls.Free(16)
	p := lib.XJS_ToCStringLen2(i.tls, i.ctx, n, lib.TJSValue(s), 0)
	if p == 0 {
		return dst, false
	}
	dst = append(dst, view(p, int(*at[lib.Tsize_t](n)))...)
	lib.XJS_FreeCString(i.tls, i.ctx, p)
	return dst, true
}

// Layout of the engine's strings.
const (
	stringWide   = 1 << 31 // of the first word: 16-bit units, else Latin-1
	stringLength = stringWide - 1
	stringData   = 12
)

// appendString reads a flat string without the engine's intermediate copy.
func appendString(dst []byte, p uintptr) []byte {
	head := *at[uint32](p)
	n := int(head & stringLength)
	if head&stringWide == 0 {
		return appendLatin1(dst, view(p+stringData, n))
	}
	return appendUTF16(dst, p+stringData, n)
}

func appendLatin1(dst, src []byte) []byte {
	for k, c := range src {
		if c >= utf8.RuneSelf {
			dst = append(dst, src[:k]...)
			for _, c := range src[k:] {
				dst = utf8.AppendRune(dst, rune(c))
			}
			return dst
		}
	}
	return append(dst, src...)
}

func appendUTF16(dst []byte, p uintptr, n int) []byte {
	for k := 0; k < n; k++ {
		u := *at[uint16](p + uintptr(2*k))
		switch {
		case u < utf8.RuneSelf:
			dst = append(dst, byte(u))
		case u>>10 == 0xD800>>10 && k+1 < n && *at[uint16](p + uintptr(2*k+2))>>10 == 0xDC00>>10:
			k++
			low := *at[uint16](p + uintptr(2*k))
			dst = utf8.AppendRune(dst, 0x10000+rune(u-0xD800)<<10+rune(low-0xDC00))
		case u>>11 == 0xD800>>11: // utf8.AppendRune would replace it
			dst = append(dst, 0xE0|byte(u>>12), 0x80|byte(u>>6)&0xBF, 0x80|byte(u)&0xBF)
		default:
			dst = utf8.AppendRune(dst, rune(u))
		}
	}
	return dst
}

// ParseJSON is JSON.parse; name appears in the stack of a SyntaxError.
func (i *Isolate) ParseJSON(text []byte, name string) Value {
	v := Exception
	cname := i.cstring(name)
	if cname == 0 {
		return Exception
	}
	defer lib.Xjs_free(i.tls, i.ctx, cname)
	if !i.borrow(text, func(addr uintptr) {
		v = Value(lib.XJS_ParseJSON(i.tls, i.ctx, addr, lib.Tsize_t(len(text)), cname))
	}) {
		return i.ThrowOutOfMemory()
	}
	return v
}

// cstring copies text into the engine's heap; 0 means that an exception is pending.
func (i *Isolate) cstring(text string) uintptr {
	p := lib.Xjs_malloc(i.tls, i.ctx, lib.Tsize_t(len(text)+1))
	if p != 0 {
		mem := view(p, len(text)+1)
		copy(mem, text)
		mem[len(text)] = 0
	}
	return p
}

// Stringify is JSON.stringify(v); the result is undefined for what has no JSON.
func (i *Isolate) Stringify(v Value) Value {
	return Value(lib.XJS_JSONStringify(i.tls, i.ctx, lib.TJSValue(v), lib.TJSValue(Undefined), lib.TJSValue(Undefined)))
}
