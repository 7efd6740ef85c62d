package logging

import (
	"encoding/json"
	"reflect"
	"regexp"
	"testing"

	"concordat/js-apps/bundle"
	"concordat/ledger/fixture"
)

func load(t *testing.T) *bundle.Bundle {
	t.Helper()
	b, err := bundle.Read(App())
	if err != nil {
		t.Fatal(err)
	}
	return b
}

type metadata struct {
	Endpoints map[string]map[string]map[string]any
}

func parse(t *testing.T, text []byte) metadata {
	t.Helper()
	var m metadata
	if err := json.Unmarshal(text, &m); err != nil {
		t.Fatal(err)
	}
	return m
}

// TestExports: every endpoint's function is exported, and nothing else is.
func TestExports(t *testing.T) {
	b := load(t)
	exported := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^export function (\w+)`).FindAllStringSubmatch(b.Modules[0].Module, -1) {
		exported[m[1]] = false
	}
	for path, verbs := range parse(t, b.Metadata).Endpoints {
		for verb, e := range verbs {
			name := e["js_function"].(string)
			if _, ok := exported[name]; !ok {
				t.Errorf("%s %s: %s is not exported", verb, path, name)
			}
			exported[name] = true
		}
	}
	for name, used := range exported {
		if !used {
			t.Errorf("%s is exported but no endpoint uses it", name)
		}
	}
}

// TestRecordedEndpoints: the endpoints that the recorded requests were made
// with are declared with the very properties they had.
func TestRecordedEndpoints(t *testing.T) {
	var steps []struct {
		ID   string
		COSE *struct{ Payload *json.RawMessage }
	}
	fixture.JSON(t, &steps, "http-transcripts", "held-out-steps.json")
	ours := parse(t, load(t).Metadata)
	for _, s := range steps {
		if s.ID != "01-opening.set-js-app.create" {
			continue
		}
		for path, verbs := range parse(t, recordedMetadata(t, *s.COSE.Payload)).Endpoints {
			for verb, want := range verbs {
				got := ours.Endpoints[path][verb]
				delete(got, "openapi")
				if !reflect.DeepEqual(got, want) {
					t.Errorf("%s %s:\n got  %v\n want %v", verb, path, got, want)
				}
			}
		}
		return
	}
	t.Error("the recorded deployment was not found")
}

func recordedMetadata(t *testing.T, payload json.RawMessage) []byte {
	t.Helper()
	var text struct{ UTF8 string }
	if err := json.Unmarshal(payload, &text); err != nil {
		t.Fatal(err)
	}
	var proposal struct {
		Actions []struct {
			Args struct {
				Bundle struct{ Metadata json.RawMessage }
			}
		}
	}
	if err := json.Unmarshal([]byte(text.UTF8), &proposal); err != nil {
		t.Fatal(err)
	}
	return proposal.Actions[0].Args.Bundle.Metadata
}
