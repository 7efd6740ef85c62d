package runtime

import (
	"unsafe"

	lib "modernc.org/libquickjs"

	"modernc.org/libc"
)

// The engine's allocator. It asks for arenas of 4 KiB, which it divides among
// small objects itself, and for anything above 512 bytes.

// countedOverhead is added to each block when the heap is counted, as the
// engine's own allocator does.
const countedOverhead = 8

var mallocFunctions = func() uintptr {
	p := static.reserve(32)
	*at[lib.TJSMallocFunctions](p) = lib.TJSMallocFunctions{
		Fjs_malloc:             funcPointer(engineMalloc),
		Fjs_free:               funcPointer(engineFree),
		Fjs_realloc:            funcPointer(engineRealloc),
		Fjs_malloc_usable_size: funcPointer(engineUsable),
	}
	return p
}()

func engineMalloc(_ *libc.TLS, state uintptr, size lib.Tsize_t) uintptr {
	s := at[lib.TJSMallocState](state)
	// The bound on size alone keeps the sum from wrapping.
	if size > maxHeapBytes || s.Fmalloc_size+size > s.Fmalloc_limit && !reserved(state, size) {
		return 0
	}
	a := &isolateAt(s.Fopaque).arena
	p := a.alloc(int(size))
	if p != 0 {
		s.Fmalloc_count++
		s.Fmalloc_size += lib.Tsize_t(blockSize(p)) + countedOverhead
	}
	return p
}

// errorReserve may be used beyond the limit while the engine makes the error
// that says so; without it the script and its caller see null instead.
const errorReserve = 32 << 10

// reserved reports whether the engine is making its out of memory error.
func reserved(state uintptr, size lib.Tsize_t) bool {
	const stateOffset = unsafe.Offsetof(lib.TJSRuntime{}.Fmalloc_ctx) + unsafe.Offsetof(lib.TJSMallocContext{}.Fmalloc_state)
	const throwing = 0xff00 // of the runtime's flags: in_out_of_memory
	rt := at[lib.TJSRuntime](state - stateOffset)
	s := at[lib.TJSMallocState](state)
	return rt.F__ccgo1256&throwing != 0 && size < errorReserve &&
		s.Fmalloc_size+size < max(s.Fmalloc_limit, isolateAt(s.Fopaque).baseline)+errorReserve
}

func engineFree(_ *libc.TLS, state, p uintptr) {
	if p == 0 {
		return
	}
	s := at[lib.TJSMallocState](state)
	a := &isolateAt(s.Fopaque).arena
	s.Fmalloc_count--
	s.Fmalloc_size -= lib.Tsize_t(blockSize(p)) + countedOverhead
	a.dealloc(p)
}

func engineRealloc(tls *libc.TLS, state, p uintptr, size lib.Tsize_t) uintptr {
	if p == 0 {
		if size == 0 {
			return 0
		}
		return engineMalloc(tls, state, size)
	}
	if size == 0 {
		engineFree(tls, state, p)
		return 0
	}
	old := blockSize(p)
	if int(min(size, maxHeapBytes)) <= old && int(size) > old/2 {
		return p
	}
	q := engineMalloc(tls, state, size)
	if q == 0 {
		return 0
	}
	n := min(old, int(size))
	copy(view(q, n), view(p, n))
	engineFree(tls, state, p)
	return q
}

func engineUsable(tls *libc.TLS, p uintptr) lib.Tsize_t {
	if p == 0 {
		return 0
	}
	return lib.Tsize_t(blockSize(p))
}
