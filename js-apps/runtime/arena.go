package runtime

import (
	"errors"
	"math/bits"
)

// Arena sizes.
const (
	// chunkBytes is the first chunk; later ones are at least as large.
	chunkBytes = 1 << 20
	// largeBytes and up get a mapping of their own, returned when freed.
	largeBytes = 256 << 10
	// headerBytes precede each block and hold its class or its mapping.
	headerBytes = 8
	// arenaSlack is mapped beyond twice the heap limit: freed blocks of one size
	// class do not serve another, so the arena needs more than it hands out.
	arenaSlack = 8 << 20
	// minShift is the smallest size class, 1<<minShift bytes.
	minShift = 5
	// classesPerDoubling subdivides each doubling of the size classes.
	classesPerDoubling = 4
	// classes covers every size below largeBytes; classOf(largeBytes) is the last.
	classes = (18-minShift)*classesPerDoubling + 1
)

// The header of a block is its class, or, with largeFlag, the number of pages
// and the index of a mapping of its own.
const (
	largeFlag      = 1 << 63
	largeIndexBits = 24
	largeIndexMask = 1<<largeIndexBits - 1
)

var errArenaSealed = errors.New("arena was already sealed")

// arena is the memory of one isolate: a bump allocator with free lists by size
// class. seal remembers its content, reset restores it.
type arena struct {
	chunks []mapping
	cur    uintptr // next free byte of the last chunk
	end    uintptr
	free   [classes]uintptr

	large  []mapping // by index; base is 0 where free
	mapped int       // bytes in chunks and large
	cap    int       // bound on mapped

	sealed *sealedArena
}

// sealedArena is the state reset goes back to.
type sealedArena struct {
	chunks int
	cur    uintptr
	end    uintptr
	free   [classes]uintptr
	used   []int    // of each chunk
	images [][]byte // of each chunk, then of each large block
	large  []mapping
}

// classOf is the smallest class whose blocks hold n bytes, header included.
func classOf(n int) int {
	if n <= 1<<minShift {
		return 0
	}
	shift := bits.Len(uint(n-1)) - 1 // 1<<shift < n <= 1<<(shift+1)
	quarter := (n - 1 - 1<<shift) >> (shift - 2)
	return (shift-minShift)*classesPerDoubling + quarter + 1
}

// sizeOf is the block size of a class.
func sizeOf(class int) int {
	if class == 0 {
		return 1 << minShift
	}
	class--
	shift := class/classesPerDoubling + minShift
	return 1<<shift + (class%classesPerDoubling+1)<<(shift-2)
}

// alloc returns the address of a block of at least n bytes, or 0.
func (a *arena) alloc(n int) uintptr {
	if n >= largeBytes-headerBytes {
		return a.allocLarge(n)
	}
	class := classOf(n + headerBytes)
	if p := a.free[class]; p != 0 {
		a.free[class] = *at[uintptr](p)
		return p
	}
	size := sizeOf(class)
	if a.cur+uintptr(size) > a.end && !a.grow() {
		return 0
	}
	p := a.cur + headerBytes
	a.cur += uintptr(size)
	*at[uint64](p - headerBytes) = uint64(class)
	return p
}

// grow adds a chunk. Chunks double, so that there are few.
func (a *arena) grow() bool {
	n := chunkBytes << min(len(a.chunks), 4)
	if a.mapped+n > a.cap {
		n = chunkBytes
	}
	m, ok := a.mapMore(n)
	if !ok {
		return false
	}
	a.chunks = append(a.chunks, m)
	a.cur, a.end = m.base, m.base+uintptr(n)
	return true
}

func (a *arena) mapMore(n int) (mapping, bool) {
	if a.mapped+n > a.cap {
		return mapping{}, false
	}
	m, err := mapMemory(n)
	if err != nil {
		return mapping{}, false
	}
	a.mapped += n
	return m, true
}

func (a *arena) allocLarge(n int) uintptr {
	if n > a.cap { // also keeps the rounding below from overflowing
		return 0
	}
	m, ok := a.mapMore(roundUp(n+headerBytes, pageSize))
	if !ok {
		return 0
	}
	i := len(a.large) // few: each is at least largeBytes of a bounded arena
	for j := range a.large {
		if a.large[j].base == 0 {
			i = j
			break
		}
	}
	if i == len(a.large) {
		a.large = append(a.large, mapping{})
	}
	a.large[i] = m
	*at[uint64](m.base) = largeFlag | uint64(len(m.mem)/pageSize)<<largeIndexBits | uint64(i)
	return m.base + headerBytes
}

// dealloc takes a block back.
func (a *arena) dealloc(p uintptr) {
	h := *at[uint64](p - headerBytes)
	if h&largeFlag == 0 {
		*at[uintptr](p) = a.free[h]
		a.free[h] = p
		return
	}
	i := int(h & largeIndexMask)
	if a.sealed != nil && i < len(a.sealed.large) && a.sealed.large[i].base == a.large[i].base {
		return // reset will want it back
	}
	a.mapped -= len(a.large[i].mem)
	a.large[i].unmap()
	a.large[i] = mapping{}
}

// blockSize is the number of bytes a block really has.
func blockSize(p uintptr) int {
	h := *at[uint64](p - headerBytes)
	if h&largeFlag == 0 {
		return sizeOf(int(h)) - headerBytes
	}
	return int(h&^largeFlag>>largeIndexBits)*pageSize - headerBytes
}

// seal remembers the present content.
func (a *arena) seal() error {
	if a.sealed != nil {
		return errArenaSealed
	}
	s := &sealedArena{chunks: len(a.chunks), cur: a.cur, end: a.end, free: a.free}
	for i, c := range a.chunks {
		used := len(c.mem)
		if i == len(a.chunks)-1 {
			used = int(a.cur - c.base)
		}
		s.used = append(s.used, used)
		s.images = append(s.images, append([]byte(nil), c.mem[:used]...))
	}
	s.large = append([]mapping(nil), a.large...)
	for _, l := range s.large {
		s.images = append(s.images, append([]byte(nil), l.mem...))
	}
	a.sealed = s
	return nil
}

// reset puts the sealed content back and returns what was mapped since.
func (a *arena) reset() {
	s := a.sealed
	for i := s.chunks; i < len(a.chunks); i++ {
		a.mapped -= len(a.chunks[i].mem)
		a.chunks[i].unmap()
	}
	a.chunks = a.chunks[:s.chunks]
	for i := range a.large {
		if i < len(s.large) && s.large[i].base != 0 {
			continue
		}
		a.mapped -= len(a.large[i].mem)
		a.large[i].unmap()
		a.large[i] = mapping{}
	}
	a.large = append(a.large[:0], s.large...)
	a.cur, a.end, a.free = s.cur, s.end, s.free
	for i, c := range a.chunks {
		copy(c.mem, s.images[i])
	}
	for i, l := range a.large {
		copy(l.mem, s.images[s.chunks+i])
	}
}

// imageBytes is how much reset copies.
func (a *arena) imageBytes() int {
	n := 0
	for _, img := range a.sealed.images {
		n += len(img)
	}
	return n
}

// release unmaps everything.
func (a *arena) release() {
	for _, c := range a.chunks {
		c.unmap()
	}
	for _, l := range a.large {
		l.unmap()
	}
	*a = arena{}
}
