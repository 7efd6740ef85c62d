package govapi_test

import (
	"encoding/json"
	"strings"
	"testing"

	"concordat/ledger/jsondoc"
	"concordat/node/frontend"
	"concordat/node/govapi"
)

// TestEveryEndpointIsDescribed: the published description and the endpoints are
// the same list, per version.
func TestEveryEndpointIsDescribed(t *testing.T) {
	s := newService(t)
	for _, version := range []string{"2023-06-01-preview", "2024-07-01"} {
		var doc struct {
			Info  struct{ Version string }
			Paths map[string]map[string]any
		}
		if err := json.Unmarshal(s.document(t, version), &doc); err != nil {
			t.Fatal(err)
		}
		if doc.Info.Version != version {
			t.Errorf("version %s is described as %s", version, doc.Info.Version)
		}
		described := 0
		for _, methods := range doc.Paths {
			described += len(methods)
		}
		served := 0
		for _, e := range govapi.New(nil, nil).Endpoints() {
			if version == "2023-06-01-preview" && strings.HasPrefix(e.Path, "/service/javascript-") {
				continue
			}
			served++
			if doc.Paths["/gov"+e.Path][strings.ToLower(e.Verb)] == nil {
				t.Errorf("%s: %s %s is not described", version, e.Verb, e.Path)
			}
		}
		if described != served {
			t.Errorf("%s: %d endpoints are described, %d are served", version, described, served)
		}
	}
	if resp := s.call("GET", "/gov/api?api-version=1999", nil, nil); resp.Status != 400 {
		t.Errorf("an unknown version: %d %s", resp.Status, resp.Body)
	}
	if resp := s.call("GET", "/gov/api", nil, nil); string(resp.Body) != "classic" {
		t.Errorf("without a version: %s", resp.Body)
	}
}

// document also checks that every reference in it leads somewhere.
func (s *service) document(t *testing.T, version string) []byte {
	t.Helper()
	resp := s.call("GET", "/gov/api?api-version="+version, nil, nil)
	doc, err := jsondoc.Parse(resp.Body)
	if err != nil || resp.Status != 200 || !strings.Contains(string(resp.Body), "\n  ") {
		t.Fatalf("%d %.100s, %v", resp.Status, resp.Body, err)
	}
	schemas := doc.Get("components").Get("schemas")
	for _, part := range strings.Split(string(resp.Body), `"$ref": "#/components/schemas/`)[1:] {
		name, _, _ := strings.Cut(part, `"`)
		if schemas.Get(name).IsNull() {
			t.Errorf("%s: no schema %s", version, name)
		}
	}
	return resp.Body
}

// apiEndpoint is GET /gov/api as the node serves it.
func apiEndpoint() frontend.Endpoint {
	return frontend.Endpoint{Verb: "GET", Path: "/api", Mode: frontend.NoTx, Handler: govapi.Document(func(c *frontend.Context) error {
		return c.Raw(200, "text/plain", []byte("classic"))
	})}
}
