package runtime

import (
	"context"
	"strings"
	"testing"
)

func TestNormalize(t *testing.T) {
	for _, c := range []struct{ base, name, want string }{
		{"/main.js", "./good.js", "/good.js"},
		{"/main.js", "good.js", "/good.js"},
		{"/main.js", "/good.js", "/good.js"},
		{"/lib/a.js", "./b.js", "/lib/b.js"},
		{"/lib/a.js", "../b.js", "/b.js"},
		{"/lib/sub/a.js", "../../b.js", "/b.js"},
		{"/lib/a.js", "../../b.js", "/../b.js"}, // names nothing
		{"/main.js", "./x/./../good.js", "/x/./../good.js"},
		{"/main.js", "././good.js", "/good.js"},
		{"/lib/a.js", "lib/x.js", "/lib/x.js"},
		{"main.js", "./good.js", "/good.js"},
		{"", "./good.js", "/good.js"},
		{"/main.js", ".", "/."},
		{"/main.js", "..", "/.."},
		{"/main.js", "", "/"},
	} {
		if got := Normalize(c.base, c.name); got != c.want {
			t.Errorf("Normalize(%q, %q) = %q, want %q", c.base, c.name, got, c.want)
		}
	}
}

type memoryCode map[string][]byte

func (m memoryCode) Get(name string) ([]byte, bool) { c, ok := m[name]; return c, ok }
func (m memoryCode) Put(name string, code []byte)   { m[name] = code }

// loadAnd loads /main.js of files and answers the text of its export "out", or
// why it cannot.
func loadAnd(t *testing.T, files map[string]string, code Bytecode) string {
	t.Helper()
	i, err := New()
	if err != nil {
		t.Fatal(err)
	}
	defer i.Close()
	out := ""
	err = i.Run(context.Background(), generous, func() error {
		i.SetModules(func(name string) ([]byte, bool) {
			s, ok := files[name]
			return []byte(s), ok
		}, code)
		m, ok := i.LoadModule("/main.js")
		switch {
		case !ok:
			out = "missing"
			return nil
		case m.IsException():
			out = "compile: " + text(i, i.Exception())
			return nil
		}
		p := i.Evaluate(m)
		if p.IsException() {
			out = "link: " + text(i, i.Exception())
			return nil
		}
		ns := i.Namespace(m)
		v := i.GetText(ns, "out")
		if v.IsException() {
			out = "export: " + text(i, i.Exception())
			return nil
		}
		out = text(i, v)
		i.Free(v)
		i.Free(ns)
		i.Free(p)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func text(i *Isolate, v Value) string {
	s, ok := i.Text(v)
	if !ok {
		i.DropException()
		return "unprintable"
	}
	return s
}

func TestModules(t *testing.T) {
	for _, c := range []struct {
		name, want string
		files      map[string]string
	}{
		{"plain", "7", map[string]string{"/main.js": "export const out = 7"}},
		{"imports by every spelling are one module", "true", map[string]string{
			"/main.js":  `import {K as a} from "./lib/k.js"; import {K as b} from "lib/k.js"; import {c} from "./lib/c.js"; export const out = a === b && b === c`,
			"/lib/k.js": "export class K {}",
			"/lib/c.js": `import {K} from "./k.js"; export const c = K`,
		}},
		{"cycle", "1,2", map[string]string{
			"/main.js": `import {b} from "./b.js"; export const a = () => 1; export const out = [a(), b()].join()`,
			"/b.js":    `import {a} from "./main.js"; export const b = () => a() + 1`,
		}},
		{"re-exports", "5", map[string]string{"/main.js": `export * from "./x.js"; export {y as z} from "./x.js"`, "/x.js": "export const out = 5, y = 6"}},
		{"missing", "missing", nil},
		{"missing import", "compile: null", map[string]string{"/main.js": `import "./no.js"; export const out = 1`}},
		{"import that does not compile", "compile: null", map[string]string{"/main.js": `import "./no.js"`, "/no.js": "{"}},
		{"does not compile", "compile: SyntaxError: unexpected token in expression: '}'", map[string]string{"/main.js": "export const out = }"}},
		{"missing export", "link: SyntaxError: Could not find export 'x' in module '/x.js'", map[string]string{"/main.js": `import {x} from "./x.js"`, "/x.js": ""}},
		{"top level throws", "export: ReferenceError: out is not initialized", map[string]string{"/main.js": `throw 1; export const out = 2`}},
		{"no built-in modules", "compile: null", map[string]string{"/main.js": `import * as std from "std"; export const out = std`}},
		{"no source in functions", "function out() {\n    [native code]\n}", map[string]string{"/main.js": `export function out() { return 1 }`}},
		{"import.meta is empty", "{}", map[string]string{"/main.js": "export const out = JSON.stringify(import.meta)"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := loadAnd(t, c.files, nil); got != c.want {
				t.Errorf("from source: got %q, want %q", got, c.want)
			}
			code := memoryCode{}
			for range 2 { // filled, then used
				if got := loadAnd(t, c.files, code); got != c.want {
					t.Errorf("with bytecode: got %q, want %q", got, c.want)
				}
			}
		})
	}
}

func TestBytecodeIsUsed(t *testing.T) {
	code := memoryCode{}
	loadAnd(t, map[string]string{"/main.js": "export const out = 1"}, code)
	if got := loadAnd(t, map[string]string{"/main.js": "export const out = 2"}, code); got != "1" {
		t.Errorf("got %q from the cached module, want 1", got)
	}
	if len(code) != 1 || strings.Contains(string(code["/main.js"]), "export") {
		t.Error("the cache should hold bytecode of one module")
	}
}
