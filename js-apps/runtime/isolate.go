package runtime

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"modernc.org/libc"
	lib "modernc.org/libquickjs"
)

// Limits bound one Run.
type Limits struct {
	HeapBytes  uint64
	StackBytes uint64
	Time       time.Duration
}

// Bounds on what Limits can ask for.
const (
	// maxHeapBytes also keeps sums of sizes from wrapping.
	maxHeapBytes = 8 << 30
	// slotsPerMiB maps bytes of C stack to engine frames: 5000 frames are about
	// what the C engine reaches with 1 MiB in every kind of recursion tried, and
	// take 16 to 31 MiB of goroutine stack.
	slotsPerMiB = 5000
	// maxSlots keeps the goroutine stack far from the 1 GB at which Go aborts.
	maxSlots = 20000
)

// ErrCrashed is a fault inside the engine. The isolate is dead.
var ErrCrashed = errors.New("the JavaScript engine crashed")

// ErrNoMemory means that an isolate could not even be created.
var ErrNoMemory = errors.New("no memory for a JavaScript interpreter")

// Isolate is one interpreter. It is used by one goroutine at a time.
type Isolate struct {
	// State is the owner's: host functions find their call there.
	State any
	// Impure is set by host functions whose answer differs from call to call.
	// Who loads modules clears it before and reads it after.
	Impure bool

	arena   arena
	tls     *libc.TLS
	rt, ctx uintptr
	index   uintptr
	atoms   []lib.TJSAtom // by Name
	scratch mapping
	modules modules
	slots   slots
	kept    [keptValues]Value
	dead    bool
	// baseline is the heap in use when Run began.
	baseline uint64

	run struct {
		ctx      context.Context
		start    time.Time
		limit    time.Duration
		timedOut bool
		canceled bool
	}
	watch watchdog
}

// table finds isolates by the number the engine keeps. Lookups are lock-free;
// the slice is replaced when it grows.
var table struct {
	entries atomic.Pointer[[]*Isolate]
	mu      struct {
		sync.Mutex
		free []uintptr
	}
}

func isolateAt(index uintptr) *Isolate { return (*table.entries.Load())[index] }

// isolateOf finds the isolate of an engine context.
func isolateOf(ctx uintptr) *Isolate { return isolateAt(at[lib.TJSContext](ctx).Fuser_opaque) }

func enrol(i *Isolate) {
	table.mu.Lock()
	defer table.mu.Unlock()
	var old []*Isolate
	if p := table.entries.Load(); p != nil {
		old = *p
	}
	next := append([]*Isolate(nil), old...)
	if n := len(table.mu.free); n > 0 {
		i.index = table.mu.free[n-1]
		table.mu.free = table.mu.free[:n-1]
		next[i.index] = i
	} else {
		i.index = uintptr(len(next))
		next = append(next, i)
	}
	table.entries.Store(&next)
}

func dismiss(i *Isolate) {
	table.mu.Lock()
	defer table.mu.Unlock()
	next := append([]*Isolate(nil), *table.entries.Load()...)
	next[i.index] = nil
	table.mu.free = append(table.mu.free, i.index)
	table.entries.Store(&next)
}

// funcPointer is the engine's idea of a function pointer: the address of the
// function value. f must be a top-level function, whose value never moves.
func funcPointer(f any) uintptr {
	type iface [2]uintptr
	return (*iface)(unsafe.Pointer(&f))[1]
}

// New makes an isolate with the standard globals and nothing else.
func New() (i *Isolate, err error) {
	i = &Isolate{tls: libc.NewTLS()}
	enrol(i)
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%w: %v", ErrNoMemory, r)
		}
		if err != nil {
			i.Close()
			i = nil
		}
	}()
	i.arena.cap = arenaSlack + 2*maxHeapBytes
	i.rt = lib.XJS_NewRuntime2(i.tls, mallocFunctions, i.index)
	if i.rt == 0 {
		return i, ErrNoMemory
	}
	lib.XJS_SetRuntimeOpaque(i.tls, i.rt, i.index)
	lib.XJS_SetInterruptHandler(i.tls, i.rt, interruptPointer, i.index)
	lib.XJS_SetModuleLoaderFunc(i.tls, i.rt, normalizePointer, loadPointer, i.index)
	lib.XJS_SetStripInfo(i.tls, i.rt, lib.MJS_STRIP_SOURCE)
	if i.ctx = newContext(i.tls, i.rt); i.ctx == 0 {
		return i, ErrNoMemory
	}
	lib.XJS_SetContextOpaque(i.tls, i.ctx, i.index)
	if i.scratch, err = mapMemory(scratchBytes); err != nil {
		return i, ErrNoMemory
	}
	i.internNames()
	return i, i.registerClasses()
}

// newContext installs what CCF's engine has: everything but weak references,
// through which a script could watch the collector.
func newContext(tls *libc.TLS, rt uintptr) uintptr {
	ctx := lib.XJS_NewContextRaw(tls, rt)
	if ctx == 0 {
		return 0
	}
	for _, add := range []func(*libc.TLS, uintptr) int32{
		lib.XJS_AddIntrinsicBaseObjects, lib.XJS_AddIntrinsicDate, lib.XJS_AddIntrinsicEval,
		lib.XJS_AddIntrinsicStringNormalize, lib.XJS_AddIntrinsicRegExp, lib.XJS_AddIntrinsicJSON,
		lib.XJS_AddIntrinsicProxy, lib.XJS_AddIntrinsicMapSet, lib.XJS_AddIntrinsicTypedArrays,
		lib.XJS_AddIntrinsicPromise,
	} {
		if add(tls, ctx) != 0 {
			return 0
		}
	}
	return ctx
}

// Close gives all memory back. The engine is not asked to: its heap is the arena.
func (i *Isolate) Close() {
	if i.tls == nil {
		return
	}
	i.dead = true
	dismiss(i)
	i.arena.release()
	i.scratch.unmap()
	i.tls.Close()
	i.tls = nil
}

// Dead reports whether a fault made the isolate unusable.
func (i *Isolate) Dead() bool { return i.dead }

// Seal remembers the present state for Reset. It is called once, outside Run.
func (i *Isolate) Seal() error {
	lib.XJS_RunGC(i.tls, i.rt)
	// A request that stays small is never worth a collection: its garbage goes
	// with the reset.
	used := at[lib.TJSRuntime](i.rt).Fmalloc_ctx.Fmalloc_state.Fmalloc_size
	lib.XJS_SetGCThreshold(i.tls, i.rt, used+used/2+gcHeadroom)
	i.slots.seal()
	i.modules = modules{}
	return i.arena.seal()
}

// gcHeadroom is what a request may allocate before the cycle collector runs.
const gcHeadroom = 4 << 20

// Reset puts the isolate back to the moment of Seal.
func (i *Isolate) Reset() {
	i.arena.reset()
	i.slots.reset()
	if stackFrames(i.tls) > keptFrames {
		i.tls.Close()
		i.tls = libc.NewTLS()
	}
}

// keptFrames is the number of engine frames whose memory an isolate keeps. The
// engine's stack is outside the arena and never shrinks by itself.
const keptFrames = 512

func stackFrames(tls *libc.TLS) int { return reflect.ValueOf(tls).Elem().FieldByName("stack").Len() }

// ImageBytes is the size of what Reset copies.
func (i *Isolate) ImageBytes() int { return i.arena.imageBytes() }

// HeapBytes is the heap in use, as the limit counts it.
func (i *Isolate) HeapBytes() uint64 {
	return at[lib.TJSRuntime](i.rt).Fmalloc_ctx.Fmalloc_state.Fmalloc_size
}

// Run calls f under limits. Whatever f does with the isolate is covered; a fault
// in the engine or a panic in a host function ends with ErrCrashed.
func (i *Isolate) Run(ctx context.Context, l Limits, f func() error) (err error) {
	if i.dead {
		return ErrCrashed
	}
	fault := debug.SetPanicOnFault(true)
	defer func() {
		debug.SetPanicOnFault(fault)
		if r := recover(); r != nil {
			i.dead = true
			err = fmt.Errorf("%w: %v", ErrCrashed, r)
		}
		i.leave()
	}()
	i.enter(ctx, l)
	return f()
}

func (i *Isolate) enter(ctx context.Context, l Limits) {
	heap := min(l.HeapBytes, maxHeapBytes)
	i.baseline = i.HeapBytes()
	i.arena.cap = int(2*heap) + arenaSlack + i.arena.mapped
	lib.XJS_SetMemoryLimit(i.tls, i.rt, heap)
	lib.XJS_SetMaxStackSize(i.tls, i.rt, slotsFor(l.StackBytes))
	at[lib.TJSContext](i.ctx).Finterrupt_counter = pollEvery
	i.run.ctx, i.run.start, i.run.limit = ctx, time.Now(), l.Time
	i.run.timedOut, i.run.canceled = false, false
	i.watch.arm(i.ctx, l.Time)
}

// pollEvery is the engine's own count of branches and calls between two polls,
// set anew so that the answer to a short request does not depend on its history.
const pollEvery = 10000

func (i *Isolate) leave() {
	i.watch.disarm()
	if !i.dead {
		lib.XJS_SetMemoryLimit(i.tls, i.rt, ^lib.Tsize_t(0))
	}
	i.run.ctx = nil
}

// slotsFor converts a stack limit. The engine takes 0 for its default, so the
// smallest limit is one frame.
func slotsFor(bytes uint64) uint64 {
	const most = maxSlots << 20 / slotsPerMiB
	return max(min(bytes, most)*slotsPerMiB>>20, 1)
}

// What Extend allows beyond the limits of a Run.
const (
	extendHeap  = 1 << 20
	extendStack = 256 << 10
)

// Extend gives the present Run d more from now on, and some heap and stack, for
// describing the exception that ended a script. TimedOut keeps its answer.
func (i *Isolate) Extend(d time.Duration) {
	i.run.limit = time.Since(i.run.start) + d
	i.watch.arm(i.ctx, d)
	at[lib.TJSContext](i.ctx).Finterrupt_counter = pollEvery
	heap := max(at[lib.TJSRuntime](i.rt).Fmalloc_ctx.Fmalloc_state.Fmalloc_limit, i.HeapBytes())
	lib.XJS_SetMemoryLimit(i.tls, i.rt, heap+extendHeap)
	stack := at[lib.TJSRuntime](i.rt).Fstack_size
	lib.XJS_SetMaxStackSize(i.tls, i.rt, max(stack, slotsFor(extendStack)))
}

// HeapFull reports whether the heap was beyond the limit before the present Run
// began. The engine has room left in its own blocks and may not notice.
func (i *Isolate) HeapFull() bool {
	return i.baseline > at[lib.TJSRuntime](i.rt).Fmalloc_ctx.Fmalloc_state.Fmalloc_limit
}

// TimedOut reports whether the time limit ended something in the last Run.
func (i *Isolate) TimedOut() bool { return i.run.timedOut }

// Canceled reports whether the context of the last Run ended it.
func (i *Isolate) Canceled() bool { return i.run.canceled }

var interruptPointer = funcPointer(engineInterrupt)

// engineInterrupt is polled by the engine; non-zero ends the script with an
// exception it cannot catch.
func engineInterrupt(_ *libc.TLS, _, opaque uintptr) int32 {
	r := &isolateAt(opaque).run
	switch {
	case r.ctx == nil: // outside Run: loading constants at creation
		return 0
	case time.Since(r.start) > r.limit:
		r.timedOut = true
		return 1
	case r.ctx.Err() != nil:
		r.canceled = true
		return 1
	}
	return 0
}
