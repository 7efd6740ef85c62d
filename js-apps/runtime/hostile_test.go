package runtime

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"
)

// hostile are scripts written to take more than their share. Each must end in
// time, in memory, without a fault.
var hostile = map[string]string{
	"loop":               "for(;;);",
	"loop in catch":      "for(;;) try { for(;;); } catch {}",
	"loop in finally":    "try { throw 1 } finally { for(;;); }",
	"generator":          "function* g() { for(;;) yield 1 } for (const x of g());",
	"promise flood":      "const f = () => Promise.resolve().then(f); for(;;) f();",
	"calls":              "function f() { f() } f()",
	"getters":            "const o = { get x() { return this.x } }; o.x",
	"proxy":              "let p = {}; for (let i=0;i<1e5;i++) p = new Proxy(p, {}); p.x",
	"toString":           "const o = { toString() { return '' + o } }; '' + o",
	"nested JSON":        "JSON.parse('['.repeat(1e6))",
	"nested source":      "eval('['.repeat(1e5))",
	"nested parentheses": "eval('('.repeat(1e5))",
	"nested blocks":      "eval('{'.repeat(1e5))",
	"nested arrays":      "let a=[]; for(let i=0;i<1e5;i++) a=[a]; JSON.stringify(a)",
	"regex nesting":      "new RegExp('('.repeat(1e5))",
	"big buffer":         "new Uint8Array(1<<30)",
	"repeat":             "'x'.repeat(2**29)",
	"padStart":           "'x'.padStart(2**29)",
	"bigint":             "2n ** (2n ** 30n)",
	"strings":            "let s='x'; for(;;) s+=s",
	"arrays":             "let a=[]; for(;;) a.push(a.slice())",
	"maps":               "let m=new Map(); for(let i=0;;i++) m.set({},i)",
	"closures":           "let f=()=>0; for(;;) { const g=f; f=()=>g }",
	"fill":               "new Array(4e9).fill(0)",
	"regex bomb":         "/(a+)+$/.test('a'.repeat(60)+'b')",
	"regex bomb in sort": "[1,2,3].sort(() => /(x+x+)+y/.test('x'.repeat(40)))",
	"slow builtins":      "const a=new Array(1<<18).fill(0); for(;;) a.reverse()",
	"join":               "new Array(2**22).join('x').length",
	"exceptions":         "function f() { try { f() } catch (e) { f() } } f()",
	"pollution":          "Object.defineProperty(Object.prototype, 'x', { get() { for(;;); } }); ({}).x",
	"symbols":            "for(let i=0;;i++) globalThis[Symbol(i)] = {}",
	"atoms":              "const o={}; for(let i=0;;i++) o['k'+i]=1",
	"spread":             "Math.max(...new Array(1e6).fill(1))",
	"apply":              "String.fromCharCode.apply(null, new Array(1e7))",
	"weak keys":          "const w=new WeakMap(); for(;;) w.set({}, new Array(100))",
	"class fields":       "class A { #a = new A() } new A()",
	"iterator":           "[...{ [Symbol.iterator]() { return { next() { return { value: [] } } } } }]",
	"replace":            "'a'.repeat(1e5).replace(/a/g, () => 'b'.repeat(1e4))",
	"normalize":          "'\\u1e9b\\u0323'.repeat(1e6).normalize('NFKD')",
	"async":              "(async () => { for(;;) await 0 })(); for(;;);",
	"eval":               "for(let i=0;;i++) eval('function f'+i+'(){}')",
}

func TestHostileScripts(t *testing.T) {
	tight := Limits{HeapBytes: 16 << 20, StackBytes: 1 << 20, Time: 100 * time.Millisecond}
	for name, source := range hostile {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			start := time.Now()
			got := run(t, tight, source)
			if strings.HasPrefix(got, "error") {
				t.Errorf("%s", got)
			}
			if d := time.Since(start); d > 20*time.Second {
				t.Errorf("took %v", d)
			}
		})
	}
}

// TestUncatchable holds that a script cannot go on after its time.
func TestUncatchable(t *testing.T) {
	tight := Limits{HeapBytes: 16 << 20, StackBytes: 1 << 20, Time: 50 * time.Millisecond}
	i, err := New()
	if err != nil {
		t.Fatal(err)
	}
	defer i.Close()
	if got := runIn(t, i, tight, "globalThis.n = 0; try { for(;;); } catch { n = 1 } finally { n = 2 }"); got != "throws InternalError: interrupted" {
		t.Fatal(got)
	}
	if !i.TimedOut() {
		t.Error("the time-out is not reported")
	}
	if got := runIn(t, i, tight, "n"); got != "0" {
		t.Errorf("handlers ran after the time-out: n = %s", got)
	}
	if i.TimedOut() {
		t.Error("the time-out sticks")
	}
}

// sweepScript touches the parser, regular expressions, JSON and the collector.
const sweepScript = `
const o = JSON.parse('{"a":[1,{"b":"c"}]}');
class A { #p = /(\d+)-(?<n>[a-z]+)/u; get q() { return this.#p.exec("12-ab")?.groups.n } }
eval("let x = (a, ...r) => { for (const y of r) a += y; return a }; x(1,2,3)");
const m = new Map([[1, [...'abc'].map(s => s.toUpperCase())]]);
function* g() { try { yield* [1,2] } finally { m.clear() } }
[...g()]; new Proxy({}, { get: () => 1 }).z; Promise.resolve(1).then(() => 2);
(function f(n) { return n ? [f(n - 1)] : [] })(20);
new Function("a", "return a**2n")(3n) + "" + new A().q + JSON.stringify(o)`

// TestLimitSweep runs one script under every kind of too little.
func TestLimitSweep(t *testing.T) {
	heapStep, stackStep := uint64(6<<10), uint64(8<<10)
	if !testing.Short() {
		heapStep, stackStep = 2<<10, 2<<10
	}
	crashed := 0
	try := func(l Limits) {
		if got := run(t, l, sweepScript); strings.HasPrefix(got, "error") {
			if !strings.HasPrefix(got, "error "+ErrCrashed.Error()) {
				t.Errorf("%+v: %s", l, got)
			}
			crashed++
		}
	}
	for heap := uint64(0); heap < 700<<10; heap += heapStep {
		try(Limits{HeapBytes: heap, StackBytes: 1 << 20, Time: time.Second})
	}
	for stack := uint64(0); stack < 256<<10; stack += stackStep {
		try(Limits{HeapBytes: 64 << 20, StackBytes: stack, Time: time.Second})
	}
	t.Logf("%d faults, all contained", crashed)
}

// FuzzLimits looks for limits under which the engine ends the process.
func FuzzLimits(f *testing.F) {
	f.Add(uint32(300<<10), uint32(1<<20), sweepScript)
	f.Add(uint32(1<<20), uint32(4096), "JSON.parse('['.repeat(1e4))")
	f.Fuzz(func(t *testing.T, heap, stack uint32, source string) {
		run(t, Limits{HeapBytes: uint64(heap % (8 << 20)), StackBytes: uint64(stack % (2 << 20)), Time: 50 * time.Millisecond}, source)
	})
}

func TestCancel(t *testing.T) {
	i, err := New()
	if err != nil {
		t.Fatal(err)
	}
	defer i.Close()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	err = i.Run(ctx, generous, func() error {
		if !i.Eval("<test>", "for(;;);").IsException() {
			t.Error("a canceled script ended by itself")
		}
		return nil
	})
	if err != nil || !i.Canceled() || i.TimedOut() {
		t.Errorf("err %v, canceled %v, timed out %v", err, i.Canceled(), i.TimedOut())
	}
}

var panicking = Register(func(*Isolate, Value, []Value) Value { panic("boom") })

var namePanic = NewName("panicking")

// TestFault holds that a fault below Run ends the isolate and nothing else.
func TestFault(t *testing.T) {
	i, err := New()
	if err != nil {
		t.Fatal(err)
	}
	defer i.Close()
	err = i.Run(context.Background(), generous, func() error {
		g := i.Global()
		i.Set(g, namePanic, i.NewFunction(panicking, namePanic, 0))
		i.Eval("<test>", "try { panicking() } catch {}")
		return nil
	})
	if !errors.Is(err, ErrCrashed) || !i.Dead() {
		t.Fatalf("err %v, dead %v", err, i.Dead())
	}
	if err := i.Run(context.Background(), generous, func() error { return nil }); !errors.Is(err, ErrCrashed) {
		t.Errorf("a dead isolate runs: %v", err)
	}
	if got := run(t, generous, "1+1"); got != "2" {
		t.Errorf("another isolate answers %q", got)
	}
}

// TestBadAddress holds that a wild pointer is a contained fault, too.
func TestBadAddress(t *testing.T) {
	i, err := New()
	if err != nil {
		t.Fatal(err)
	}
	defer i.Close()
	err = i.Run(context.Background(), generous, func() error { *at[byte](0xdead0000) = 1; return nil })
	if !errors.Is(err, ErrCrashed) {
		t.Fatal(err)
	}
}

// TestReset holds that nothing a script does outlives a reset.
func TestReset(t *testing.T) {
	i, err := New()
	if err != nil {
		t.Fatal(err)
	}
	defer i.Close()
	setup := `var n = 0; const m = new Map(); const big = new Uint8Array(1 << 20).fill(7);
function probe() { return JSON.stringify([n, m.size, typeof ({}).x, [].push.name, typeof extra, big[5], big.length]) }; 1`
	if got := runIn(t, i, generous, setup); got != "1" {
		t.Fatal(got)
	}
	if err := i.Seal(); err != nil {
		t.Fatal(err)
	}
	const pristine = `[0,0,"undefined","push","undefined",7,1048576]`
	tight := Limits{HeapBytes: 8 << 20, StackBytes: 1 << 20, Time: 50 * time.Millisecond}
	mess := `n = 5; m.set(1, 1); Object.prototype.x = 1; Array.prototype.push = function hm() {}; globalThis.extra = 1;
big.fill(1); Promise.resolve().then(() => n = 9); `
	for _, end := range []string{"0", "throw 1", "for(;;);", "(function f() { f() })()", "let a=[]; for(;;) a.push(new ArrayBuffer(1<<18))", "new ArrayBuffer(1<<21)"} {
		runIn(t, i, tight, mess+end)
		if got := runIn(t, i, generous, "probe()"); end != "0" && got == pristine {
			t.Logf("%q left no trace even without a reset", end)
		}
		i.Reset()
		if got := runIn(t, i, generous, "probe()"); got != pristine {
			t.Errorf("after %q: %s", end, got)
		}
		i.Reset()
	}
}

// TestManyIsolates holds that isolates on several goroutines do not meet.
func TestManyIsolates(t *testing.T) {
	for range 8 {
		t.Run("", func(t *testing.T) {
			t.Parallel()
			for k := range 5 {
				if got := run(t, generous, "let s=0; for (let i=0;i<1000;i++) s+=i; s"); got != "499500" {
					t.Errorf("run %d: %s", k, got)
				}
			}
		})
	}
}

// TestResetReturnsStack holds that deep recursion leaves no memory behind.
func TestResetReturnsStack(t *testing.T) {
	i, err := New()
	if err != nil {
		t.Fatal(err)
	}
	defer i.Close()
	if err := i.Seal(); err != nil {
		t.Fatal(err)
	}
	runIn(t, i, generous, "(function f() { f() })()")
	if n := stackFrames(i.tls); n <= keptFrames {
		t.Fatalf("the recursion took %d frames only", n)
	}
	i.Reset()
	if n := stackFrames(i.tls); n > keptFrames {
		t.Errorf("%d frames are kept", n)
	}
	if got := runIn(t, i, generous, "1+1"); got != "2" {
		t.Error(got)
	}
}
