package runtime

import (
	"context"
	"testing"
	"time"
)

var generous = Limits{HeapBytes: 100 << 20, StackBytes: 1 << 20, Time: 5 * time.Second}

// run evaluates a script in a fresh isolate and returns String(result) or the
// exception as "throws X".
func run(t testing.TB, l Limits, source string) string {
	t.Helper()
	i, err := New()
	if err != nil {
		t.Fatal(err)
	}
	defer i.Close()
	return runIn(t, i, l, source)
}

func runIn(t testing.TB, i *Isolate, l Limits, source string) string {
	t.Helper()
	var out string
	err := i.Run(context.Background(), l, func() error {
		v := i.Eval("<test>", source)
		if v.IsException() {
			i.Extend(100 * time.Millisecond)
			e := i.Exception()
			defer i.Free(e)
			text, ok := i.Text(e)
			if !ok {
				i.DropException()
			}
			out = "throws " + text
			return nil
		}
		defer i.Free(v)
		out, _ = i.Text(v)
		return nil
	})
	if err != nil {
		out = "error " + err.Error()
	}
	return out
}

func TestEval(t *testing.T) {
	for _, c := range []struct{ source, want string }{
		{"1+1", "2"},
		{"[3,1,2].sort().join()", "1,2,3"},
		{"x", "throws ReferenceError: 'x' is not defined"},
		{"let s=''; for (let i=0;i<1e5;i++) s+='é'; s.length", "100000"},
		{"typeof WeakRef + typeof SharedArrayBuffer + typeof Atomics", "undefinedfunctionobject"},
		{"new SharedArrayBuffer(8).byteLength", "8"},
		{"/(?<y>\\d{4})/.exec('in 2024').groups.y", "2024"},
		{"'\\ud83d\\ude00'", "😀"},
		{"'\\ud83d'", "\xed\xa0\xbd"},
		{"(123456789012345678901234567890n**2n).toString()", "15241578753238836750495351562536198787501905199875019052100"},
	} {
		if got := run(t, generous, c.source); got != c.want {
			t.Errorf("%s\n got %q\nwant %q", c.source, got, c.want)
		}
	}
}

func TestLimits(t *testing.T) {
	tight := Limits{HeapBytes: 32 << 20, StackBytes: 1 << 20, Time: 300 * time.Millisecond}
	growing := Limits{HeapBytes: 4 << 20, StackBytes: 1 << 20, Time: time.Minute}
	if got, want := run(t, growing, "let a=[]; for(;;) a.push({a})"), "throws InternalError: out of memory"; got != want {
		t.Errorf("growing: got %q, want %q", got, want)
	}
	for _, c := range []struct{ source, want string }{
		{"for(;;);", "throws InternalError: interrupted"},
		{"try { for(;;); } catch { 1 } finally { 2 }", "throws InternalError: interrupted"},
		{"function f() { return f() + 1 } f()", "throws InternalError: stack overflow"},
		{"new Uint8Array(1<<30)", "throws InternalError: out of memory"},
		{"'x'.repeat(1<<29)", "throws InternalError: out of memory"},
		{"/(a+)+$/.test('a'.repeat(40)+'b')", "throws InternalError: interrupted"},
		{"let b = new Array(2**20).fill(0); for(;;) b.reverse()", "throws InternalError: interrupted"},
	} {
		start := time.Now()
		if got := run(t, tight, c.source); got != c.want {
			t.Errorf("%s\n got %q\nwant %q", c.source, got, c.want)
		}
		if d := time.Since(start); d > 3*time.Second {
			t.Errorf("%s took %v", c.source, d)
		}
	}
}
