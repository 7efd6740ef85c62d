package openapi

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"concordat/node/frontend"
	"concordat/node/httpd"
)

type scheme struct{ name string }

func (s scheme) Name() string                                               { return s.name }
func (s scheme) Authenticate(*frontend.Context) (*frontend.Identity, error) { return nil, nil }
func (s scheme) Challenge() string                                          { return "" }
func (s scheme) Security() *frontend.SecurityScheme {
	switch s.name {
	case "no_auth":
		return &frontend.SecurityScheme{}
	case "user_cert":
		return nil
	}
	return &frontend.SecurityScheme{Name: s.name, Scheme: map[string]any{"type": "http"}}
}

type app struct{}

func (app) Routes(*frontend.Context) (*frontend.Routes, error) {
	return frontend.NewRoutes("app", nil), nil
}
func (app) Document(_ *frontend.Context, paths map[string]map[string]any) error {
	paths["/app/js"] = map[string]any{"get": json.RawMessage(`{"x":1}`)}
	return nil
}

func document(t *testing.T, a frontend.Actor) map[string]any {
	t.Helper()
	a.Endpoints = append(a.Endpoints, Endpoint())
	f, err := frontend.New(frontend.Config{Actors: []frontend.Actor{a}})
	if err != nil {
		t.Fatal(err)
	}
	var resp httpd.Response
	resp.Reset()
	f.Handle(context.Background(), httpd.NewSession(&httpd.Interface{}, "", nil), &httpd.Request{Method: "GET", Target: "/app/api"}, &resp)
	var doc map[string]any
	if err := json.Unmarshal(resp.Body, &doc); resp.Status != 200 || err != nil {
		t.Fatalf("%d %s %v", resp.Status, resp.Body, err)
	}
	return doc
}

// at walks a document by keys separated with blanks and renders what is there.
func at(t *testing.T, doc any, path string) string {
	t.Helper()
	for _, key := range strings.Fields(path) {
		m, ok := doc.(map[string]any)
		if !ok {
			return "nothing"
		}
		if doc, ok = m[key]; !ok {
			return "nothing"
		}
	}
	b, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestDocument(t *testing.T) {
	none := func(*frontend.Context) error { return nil }
	doc := document(t, frontend.Actor{Name: "app", Dynamic: app{}, Endpoints: []frontend.Endpoint{
		{Verb: "POST", Path: "/log/private/raw_text/{id}", Handler: none, Auth: []frontend.Policy{scheme{"jwt"}, scheme{"user_cert"}, scheme{"no_auth"}}},
		{Verb: "GET", Path: "/log/private/raw_text/{id}", Handler: none, Mode: frontend.ReadOnly, Doc: &frontend.Doc{
			Summary: "s", Query: []frontend.QueryDoc{{Name: "q", Required: true}}, Response: map[string]any{"type": "string"}}},
		{Verb: "DELETE", Path: "/x", Handler: none, Forwarding: frontend.ForwardNever, Doc: &frontend.Doc{Success: 204, Request: map[string]any{"type": "object"}}},
		{Verb: "GET", Path: "/secret", Handler: none, Hidden: true},
	}})
	const raw = "paths /app/log/private/raw_text/{id} "
	for path, want := range map[string]string{
		"openapi": `"3.0.0"`, "servers": `[]`, "info": `{"description":"Empty description","title":"Empty title","version":"0.0.1"}`,
		raw + "post operationId":               `"PostAppLogPrivateRawTextId"`,
		raw + "parameters":                     `[{"in":"path","name":"id","required":true,"schema":{"type":"string"}}]`,
		raw + "post security":                  `[{"jwt":[]},{}]`,
		raw + "post x-ccf-forwarding":          `{"$ref":"#/components/x-ccf-forwarding/always"}`,
		raw + "post responses":                 `{"200":{"description":"Default response description"},"default":{"$ref":"#/components/responses/default"}}`,
		raw + "get security":                   "nothing",
		raw + "get parameters":                 `[{"in":"query","name":"q","required":true,"schema":{"type":"string"}}]`,
		raw + "get x-ccf-forwarding":           `{"$ref":"#/components/x-ccf-forwarding/sometimes"}`,
		raw + "get responses 200":              `{"content":{"application/json":{"schema":{"type":"string"}}},"description":"Default response description"}`,
		"paths /app/x delete responses 204":    `{"description":"Default response description"}`,
		"paths /app/x delete requestBody":      `{"content":{"application/json":{"schema":{"type":"object"}}},"description":"Auto-generated request body schema"}`,
		"paths /app/x delete x-ccf-forwarding": `{"$ref":"#/components/x-ccf-forwarding/never"}`,
		"paths /app/secret":                    "nothing",
		"paths /app/js get":                    `{"x":1}`,
		"components securitySchemes":           `{"jwt":{"type":"http"}}`,
		"components responses default":         `{"content":{"application/json":{"schema":{"$ref":"#/components/schemas/CCFError"}}},"description":"An error occurred"}`,
	} {
		if got := at(t, doc, path); got != want {
			t.Errorf("%s\n got %s\nwant %s", path, got, want)
		}
	}
}

// TestReferences checks that every reference of a document leads somewhere in it.
func TestReferences(t *testing.T) {
	doc := document(t, frontend.Actor{Name: "app", Endpoints: []frontend.Endpoint{{Verb: "GET", Path: "/a", Handler: func(*frontend.Context) error { return nil }}}})
	refs := 0
	var walk func(any)
	walk = func(v any) {
		switch x := v.(type) {
		case map[string]any:
			if ref, ok := x["$ref"].(string); ok {
				refs++
				if at(t, doc, strings.ReplaceAll(strings.TrimPrefix(ref, "#/"), "/", " ")) == "nothing" {
					t.Errorf("%s leads nowhere", ref)
				}
			}
			for _, e := range x {
				walk(e)
			}
		case []any:
			for _, e := range x {
				walk(e)
			}
		}
	}
	walk(doc)
	if refs < 4 {
		t.Errorf("only %d references", refs)
	}
}
