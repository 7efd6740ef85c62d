package runtime

import (
	"syscall"
	"unsafe"
)

// Memory of an engine never lies in the Go heap: the engine does arithmetic on
// plain addresses, and the arena has to outlive what the collector can see.

// at views memory at an address. The type parameter is the engine's own layout.
func at[T any](addr uintptr) *T { return (*T)(unsafe.Add(nil, addr)) }

// view is the memory [addr, addr+n).
func view(addr uintptr, n int) []byte {
	return unsafe.Slice((*byte)(unsafe.Add(nil, addr)), n)
}

// mapping is one run of anonymous memory.
type mapping struct {
	mem  []byte
	base uintptr
}

func mapMemory(n int) (mapping, error) {
	mem, err := syscall.Mmap(-1, 0, n, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		return mapping{}, err
	}
	return mapping{mem: mem, base: uintptr(unsafe.Pointer(&mem[0]))}, nil
}

func (m mapping) unmap() {
	if m.mem != nil {
		// The only failure is an address that was not mapped.
		_ = syscall.Munmap(m.mem)
	}
}

// pageSize is the granularity of mappings; sizes are rounded up to it.
const pageSize = 4096

func roundUp(n, unit int) int { return (n + unit - 1) / unit * unit }

// static is memory for constants handed to the engine (class definitions,
// C strings). It is filled during package initialisation and never freed.
var static = newStatic()

type staticMemory struct {
	m    mapping
	used int
}

// staticBytes bounds everything put into static memory.
const staticBytes = 64 << 10

func newStatic() *staticMemory {
	m, err := mapMemory(staticBytes)
	if err != nil {
		panic("no memory for the JavaScript engine's constants: " + err.Error())
	}
	return &staticMemory{m: m}
}

// reserve returns the address of n zero bytes, aligned to 8.
func (s *staticMemory) reserve(n int) uintptr {
	s.used = roundUp(s.used, 8)
	addr := s.m.base + uintptr(s.used)
	s.used += n
	if s.used > len(s.m.mem) {
		panic("staticBytes is too small")
	}
	return addr
}

// cstring stores s and a NUL.
func (s *staticMemory) cstring(text string) uintptr {
	addr := s.reserve(len(text) + 1)
	copy(view(addr, len(text)), text)
	return addr
}
