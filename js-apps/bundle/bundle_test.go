package bundle

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"concordat/ledger/fixture"
)

const goodEndpoint = `{"js_module":"m.js","js_function":"f","forwarding_required":"never","mode":"readonly","authn_policies":[]}`

func app(metadata string, files ...string) fstest.MapFS {
	out := fstest.MapFS{metadataFile: {Data: []byte(metadata)}, "src/m.js": {Data: []byte("export function f() {}\n")}}
	for _, f := range files {
		out[f] = &fstest.MapFile{Data: []byte("export {};\n")}
	}
	return out
}

func endpoints(route, verb, properties string) string {
	return `{"endpoints": {` + quote(route) + `: {` + quote(verb) + `: ` + properties + `}}}`
}

func quote(s string) string { b, _ := json.Marshal(s); return string(b) }

func TestRead(t *testing.T) {
	b, err := Read(app(endpoints("/a/{x}:{y}/b", "get", goodEndpoint), "src/lib/z.js", "src/lib/a.js", "src/.hidden", "src/.git/c.js",
		"src/m.js~", "src/types.d.ts", "src/m.js.map", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, m := range b.Modules {
		names = append(names, m.Name)
	}
	if got, want := strings.Join(names, " "), "lib/a.js lib/z.js m.js"; got != want {
		t.Errorf("modules %q, want %q", got, want)
	}
	if want := `{"endpoints":{"/a/{x}:{y}/b":{"get":` + goodEndpoint + `}}}`; string(b.Metadata) != want {
		t.Errorf("metadata %s, want %s", b.Metadata, want)
	}
}

func TestProposal(t *testing.T) {
	b, err := Read(app(endpoints("/a", "get", goodEndpoint)))
	if err != nil {
		t.Fatal(err)
	}
	b.Modules[0].Module = "a < b && c > d\n"
	text, err := b.Proposal(Options{DisableBytecodeCache: true})
	if err != nil {
		t.Fatal(err)
	}
	want := `{"actions":[{"name":"set_js_app","args":{"bundle":{"metadata":{"endpoints":{"/a":{"get":` + goodEndpoint +
		`}}},"modules":[{"name":"m.js","module":"a < b && c > d\n"}]},"disable_bytecode_cache":true}}]}`
	if string(text) != want {
		t.Errorf("got  %s\nwant %s", text, want)
	}
}

func TestHash(t *testing.T) {
	hash := func(fs fstest.MapFS) string {
		b, err := Read(fs)
		if err != nil {
			t.Fatal(err)
		}
		return b.Hash()
	}
	base := hash(app(endpoints("/a", "get", goodEndpoint)))
	if again := hash(app(" \n" + endpoints("/a", "get", goodEndpoint))); again != base {
		t.Error("blanks in app.json change the hash")
	}
	seen := map[string]string{base: "base"}
	for name, fs := range map[string]fstest.MapFS{
		"route":  app(endpoints("/b", "get", goodEndpoint)),
		"module": app(endpoints("/a", "get", goodEndpoint), "src/n.js"),
		"name":   app(endpoints("/a", "get", goodEndpoint), "src/nn.js"),
		"source": func() fstest.MapFS {
			f := app(endpoints("/a", "get", goodEndpoint))
			f["src/m.js"].Data = []byte("export function f() { }\n")
			return f
		}(),
	} {
		h := hash(fs)
		if other, ok := seen[h]; ok {
			t.Errorf("%s has the hash of %s", name, other)
		}
		seen[h] = name
	}
}

func TestRefusals(t *testing.T) {
	with := func(from, to string) string {
		return endpoints("/a", "get", strings.Replace(goodEndpoint, from, to, 1))
	}
	for _, c := range []struct{ metadata, message string }{
		{"{\n  \"endpoints\": {,}\n}", "app.json: line 2, column 17:"},
		{`{}`, `app.json has no "endpoints"`},
		{`[]`, `app.json: line 1`},
		{endpoints("a", "get", goodEndpoint), `endpoint "a": the path must begin with a slash`},
		{endpoints("/a/{x", "get", goodEndpoint), `endpoint "/a/{x": the template lacks a closing brace`},
		{endpoints("/a/{}", "get", goodEndpoint), `has a parameter without name`},
		{endpoints("/a/{x}/{x}", "get", goodEndpoint), `the parameter {x} appears twice`},
		{endpoints("/a", "brew", goodEndpoint), `endpoint BREW "/a": unknown method "brew"`},
		{`{"endpoints":{"/a":{"get":` + goodEndpoint + `,"GET":` + goodEndpoint + `}}}`, "appears twice, in different case"},
		{with(`"js_module":"m.js",`, ""), "js_module is missing"},
		{with(`"m.js"`, `"n.js"`), `js_module "n.js" is not among the modules below src`},
		{with(`"m.js"`, `"/m.js"`), `js_module "/m.js" is not among the modules below src`},
		{with(`"js_function":"f",`, ""), "js_function is missing"},
		{with(`"js_function":"f"`, `"js_function":5`), "cannot unmarshal number"},
		{with(`,"authn_policies":[]`, ""), "authn_policies is missing"},
		{with(`[]`, `["cert"]`), `unknown authentication policy "cert"`},
		{with(`[]`, `["member_cose_sign1"]`), `unknown authentication policy "member_cose_sign1"`},
		{with(`[]`, `[null]`), "unknown authentication policy"},
		{with(`[]`, `[{"all_of":[]}]`), "neither a name nor"},
		{with(`[]`, `[{"all_of":["jwt","x"]}]`), `unknown authentication policy "x" in all_of`},
		{with(`[]`, `[{"all_of":["jwt","jwt"]}]`), `"jwt" appears twice in all_of`},
		{with(`"mode":"readonly"`, `"mode":"write"`), "mode must be one of readwrite, readonly, historical"},
		{with(`"mode":"readonly",`, ``), "mode must be one of"},
		{with(`"never"`, `"maybe"`), "forwarding_required must be one of"},
		{with(`"mode"`, `"redirection_strategy":"up","mode"`), "redirection_strategy must be one of"},
		{with(`"mode"`, `"openapi_hidden":1,"mode"`), "cannot unmarshal number"},
	} {
		_, err := Read(app(c.metadata))
		if err == nil || !strings.Contains(err.Error(), c.message) {
			t.Errorf("%s\n gives %v\n want  …%s", c.metadata, err, c.message)
		}
	}
}

func TestFileRefusals(t *testing.T) {
	good := endpoints("/a", "get", goodEndpoint)
	for name, c := range map[string]struct {
		change  func(fstest.MapFS)
		message string
	}{
		"no app.json":   {func(f fstest.MapFS) { delete(f, metadataFile) }, "app.json"},
		"no src":        {func(f fstest.MapFS) { delete(f, "src/m.js") }, "no src folder beside app.json"},
		"not UTF-8":     {func(f fstest.MapFS) { f["src/n.js"] = &fstest.MapFile{Data: []byte{0xff}} }, "src/n.js is not UTF-8 text"},
		"too long":      {func(f fstest.MapFS) { f["src/n.js"] = &fstest.MapFile{Data: make([]byte, MaxModuleBytes+1)} }, "src/n.js: over the limit"},
		"long metadata": {func(f fstest.MapFS) { f[metadataFile].Data = make([]byte, MaxMetadataBytes+1) }, "app.json: over the limit"},
		"too deep": {func(f fstest.MapFS) {
			f["src/"+strings.Repeat("d/", MaxDepth+1)+"m.js"] = &fstest.MapFile{Data: []byte("1")}
		}, "nest deeper than 32"},
	} {
		f := app(good)
		c.change(f)
		if _, err := Read(f); err == nil || !strings.Contains(err.Error(), c.message) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestModuleLimit(t *testing.T) {
	f := app(endpoints("/a", "get", goodEndpoint))
	for i := range MaxModules - 1 {
		f["src/m"+strings.Repeat("0", 1+i%64)+"/"+strings.Repeat("1", 1+i/64)+".js"] = &fstest.MapFile{Data: []byte("1")}
	}
	if _, err := Read(f); err != nil {
		t.Errorf("at the limit: %v", err)
	}
	f["src/onemore.js"] = &fstest.MapFile{Data: []byte("1")}
	if _, err := Read(f); err == nil {
		t.Error("one more module is accepted")
	}
}

func TestBuild(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := Build(dir); err == nil || !strings.Contains(err.Error(), "is this an application folder?") {
		t.Errorf("empty folder: %v", err)
	}
	write("dist/app.json", endpoints("/a", "get", goodEndpoint))
	write("dist/src/m.js", "export function f() {}\n")
	b, err := Build(dir)
	if err != nil {
		t.Fatal(err)
	}
	text, err := b.JSON()
	if err != nil {
		t.Fatal(err)
	}
	write("bundle.json", string(text))
	again, err := Build(filepath.Join(dir, "bundle.json"))
	if err != nil || again.Hash() != b.Hash() {
		t.Errorf("bundle.json differs from the folder: %v", err)
	}
	if err := os.Symlink("/etc/hostname", filepath.Join(dir, "dist/src/link.js")); err == nil {
		if _, err := Build(dir); err == nil || !strings.Contains(err.Error(), "not a regular file") {
			t.Errorf("symbolic link: %v", err)
		}
	}
}

// TestRecordedBundles reads every probe bundle that a CCF node accepted.
func TestRecordedBundles(t *testing.T) {
	for _, dir := range fixture.Glob(t, "js-probes/bundles/*") {
		if _, err := Build(dir); err != nil {
			t.Log(err)
			if filepath.Base(dir) != "auth-all-of" { // deployed on purpose with policies that fail at dispatch
				t.Errorf("%s: %v", dir, err)
			}
		}
	}
}

// FuzzParse: whatever is accepted is in its one form and comes back the same.
func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"metadata":` + endpoints("/a/{x}", "get", goodEndpoint) + `,"modules":[{"name":"m.js","module":"1"}]}`))
	f.Add([]byte(`{"metadata":{"endpoints":{}},"modules":[]}`))
	f.Add([]byte(`{"metadata":null,"modules":null}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		b, err := Parse(bytes.NewReader(text))
		if err != nil {
			return
		}
		out, err := b.JSON()
		if err != nil {
			t.Fatal(err)
		}
		again, err := Parse(bytes.NewReader(out))
		if err != nil || again.Hash() != b.Hash() {
			t.Fatalf("%s does not come back: %v", out, err)
		}
	})
}
