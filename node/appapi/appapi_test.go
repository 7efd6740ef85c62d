package appapi

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"concordat/js-apps/api"
	"concordat/node/frontend"
	"concordat/node/frontend/policy"
)

func TestOptions(t *testing.T) {
	def := api.DefaultOptions()
	with := func(change func(*api.Options)) api.Options {
		o := def
		change(&o)
		return o
	}
	for row, want := range map[string]api.Options{
		`{}`: def,
		`{"max_heap_bytes":1024,"max_stack_bytes":2048,"max_execution_time_ms":7}`: with(func(o *api.Options) {
			o.HeapBytes, o.StackBytes, o.Time = 1024, 2048, 7*time.Millisecond
		}),
		`{"max_heap_bytes":-1,"max_execution_time_ms":0,"unknown":true}`: with(func(o *api.Options) { o.HeapBytes, o.Time = 0, 0 }),
		`{"max_cached_interpreters":1e9}`:                                with(func(o *api.Options) { o.CachedInterpreters = maxCached }),
		`{"log_exception_details":true,"return_exception_details":true}`: with(func(o *api.Options) { o.LogDetails, o.ReturnDetails = true, true }),
	} {
		got, err := ParseOptions([]byte(row))
		if err != nil || got != want {
			t.Errorf("%s: %+v, %v; want %+v", row, got, err, want)
		}
	}
	for _, row := range []string{``, `[]`, `{"max_heap_bytes":"1"}`, `{"log_exception_details":1}`} {
		if _, err := ParseOptions([]byte(row)); err == nil {
			t.Errorf("%q is accepted", row)
		}
	}
}

func TestEndpoints(t *testing.T) {
	set := policy.Set{Now: time.Now}
	a := New(Config{Policies: set.ForApps(), AllOf: policy.AllOf})
	e, ok := a.endpoint("POST /log/{id}", []byte(`{"js_module":"/m.js","js_function":"f","forwarding_required":"never",
		"authn_policies":["user_cert",{"all_of":["jwt","user_cert"]}],"mode":"readonly","redirection_strategy":"none"}`))
	if !ok || e.Broken != nil {
		t.Fatalf("%v, %v", ok, e.Broken)
	}
	if e.Verb != "POST" || e.Path != "/log/{id}" || e.Mode != frontend.ReadOnly || e.Forwarding != frontend.ForwardNever ||
		e.Redirect != frontend.RedirectNone || len(e.Auth) != 2 || e.Auth[1].Name() != "jwt+user_cert" {
		t.Errorf("%+v", e)
	}
	if e, _ = a.endpoint("GET /x", []byte(`{"authn_policies":[]}`)); e.Redirect != frontend.RedirectToPrimary || e.Mode != frontend.ReadWrite {
		t.Errorf("defaults: %+v", e)
	}
	if _, ok := a.endpoint("nonsense", nil); ok {
		t.Error("a key without a verb is an endpoint")
	}
}

// TestBrokenEndpoints: what is wrong with a row is said when it is called.
func TestBrokenEndpoints(t *testing.T) {
	set := policy.Set{Now: time.Now}
	a := New(Config{Policies: set.ForApps(), AllOf: policy.AllOf})
	for policies, want := range map[string]string{
		`["nope"]`:                               "Unknown auth policy: nope",
		`[{}]`:                                   "Unsupported auth policy",
		`[{"all_of":["user_cert","user_cert"]}]`: "duplicate policies identified by user_cert",
		`[7]`:                                    "Unsupported auth policy",
	} {
		e, ok := a.endpoint("GET /x", []byte(`{"authn_policies":`+policies+`}`))
		if !ok || e.Broken == nil || !strings.Contains(e.Broken.Error(), want) {
			t.Errorf("%s: %v; want %q", policies, e.Broken, want)
		}
	}
	if e, ok := a.endpoint("GET /x", []byte(`not json`)); !ok || e.Broken == nil {
		t.Errorf("a row that is no JSON: %+v", e)
	}
}

func TestReuseKeysOfOtherShapesHaveNoEffect(t *testing.T) {
	for text, want := range map[string]string{`{"key":"k"}`: "k", `{"k":1}`: "", `"k"`: "", `null`: ""} {
		m := metadata{Reuse: json.RawMessage(text)}
		got := ""
		if k := m.reuseKey(); k != nil {
			got = *k
		}
		if got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}

func FuzzEndpoint(f *testing.F) {
	f.Add("GET /x", []byte(`{"js_module":"/m.js","authn_policies":["no_auth",{"all_of":["jwt"]}],"interpreter_reuse":{"key":"a"}}`))
	set := policy.Set{Now: time.Now}
	a := New(Config{Policies: set.ForApps(), AllOf: policy.AllOf})
	f.Fuzz(func(t *testing.T, key string, row []byte) {
		if e, ok := a.endpoint(key, row); ok && e.Verb == "" {
			t.Errorf("%q has no verb", key)
		}
	})
}
