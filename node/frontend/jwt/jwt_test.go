package jwt

import (
	"encoding/json"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"sort"
	"strings"
	"testing"
	"time"

	"concordat/js-apps/jwk"
	"concordat/ledger/fixture"
)

type tables map[string]map[string][]byte

func (t tables) Get(table, key string) ([]byte, bool) { v, ok := t[table][key]; return v, ok }

func (t tables) ForEach(table string, f func(string, []byte) bool) {
	for _, k := range slices.Sorted(maps.Keys(t[table])) {
		if !f(k, t[table][k]) {
			return
		}
	}
}

// action is a governance action of a recorded proposal.
type action struct {
	Name string
	Args struct {
		Issuer string
		JWKS   json.RawMessage
	}
}

// apply replays the JWT actions; those that CCF refused are refused here too
// and change nothing.
func (t tables) apply(tt *testing.T, actions []action) {
	tt.Helper()
	for _, a := range actions {
		var changes []jwk.Change
		var err error
		switch a.Name {
		case "set_jwt_issuer", "set_jwt_public_signing_keys":
			if a.Args.JWKS != nil {
				changes, err = jwk.Import(a.Args.Issuer, a.Args.JWKS, t)
			}
		case "remove_jwt_issuer":
			changes, err = jwk.Remove(a.Args.Issuer, t)
		}
		if err != nil {
			tt.Logf("%s: %v", a.Name, err)
			return // a failed action undoes its proposal; the recorded ones fail in their first
		}
		for _, c := range changes {
			if t[c.Table] == nil {
				t[c.Table] = map[string][]byte{}
			}
			if t[c.Table][c.Key] = c.Value; c.Value == nil {
				delete(t[c.Table], c.Key)
			}
		}
	}
}

// errorBody is an OData error as recorded.
type errorBody struct {
	Error *struct {
		Code, Message string
		Details       []struct {
			Policy  string `json:"auth_policy"`
			Message string
		}
	}
}

// recordedNow is when both recordings were made, near enough.
var recordedNow = time.Unix(1795455712, 0)

var clock = regexp.MustCompile(`Current time \d+`)

// libraryText cuts what another JSON parser says in its own words, and the time.
func libraryText(s string) string {
	if prefix := "JWT header or payload is not valid JSON: "; strings.HasPrefix(s, prefix) {
		return prefix
	}
	return clock.ReplaceAllString(s, "Current time now")
}

func check(t *testing.T, name, header string, present bool, store tables, status int, body string) {
	t.Helper()
	id, f := Authenticate(header, present, store, recordedNow)
	if status == http.StatusOK {
		if f != nil {
			t.Errorf("%s: refused: %v", name, f)
		}
		return
	}
	var want errorBody
	if err := json.Unmarshal([]byte(body), &want); err != nil || want.Error == nil {
		t.Fatalf("%s: %s: %v", name, body, err)
	}
	message := want.Error.Message
	if len(want.Error.Details) > 0 {
		message = want.Error.Details[0].Message
	}
	switch {
	case f == nil:
		t.Errorf("%s: accepted as %v", name, id)
	case f.Status != status || f.Code != want.Error.Code || libraryText(f.Message) != libraryText(message):
		t.Errorf("%s:\n got  %d %s %s\n want %d %s %s", name, f.Status, f.Code, f.Message, status, want.Error.Code, message)
	}
}

func TestGoldenProbes(t *testing.T) {
	var recorded struct {
		Calls []struct {
			ID, Probe, Kind string
			Request         struct {
				Actions []action
				Headers [][2]string
			}
			Status int
			Body   struct{ Text string }
		}
	}
	fixture.JSON(t, &recorded, "js-probes", "calls.json")
	store, seen := tables{}, 0
	for _, c := range recorded.Calls {
		if c.Probe != "auth-jwt" {
			continue
		}
		if c.Kind == "proposal" && c.Status == http.StatusOK {
			store.apply(t, c.Request.Actions)
		}
		if c.Kind != "call" {
			continue
		}
		seen++
		header, present := "", false
		for _, h := range c.Request.Headers {
			if h[0] == "authorization" {
				header, present = h[1], true
			}
		}
		check(t, c.ID, header, present, store, c.Status, c.Body.Text)
		if c.Status == http.StatusOK {
			compareCaller(t, c.ID, header, store, c.Body.Text)
		}
	}
	if seen != 28 {
		t.Errorf("%d calls compared", seen)
	}
}

// compareCaller checks the identity against the caller object that JavaScript
// saw. The engine reads numbers as doubles, so both sides are read that way.
func compareCaller(t *testing.T, name, header string, store tables, body string) {
	t.Helper()
	var want struct {
		Caller struct {
			JWT struct {
				KeyIssuer       string
				Header, Payload json.RawMessage
			}
		}
	}
	if err := json.Unmarshal([]byte(body), &want); err != nil {
		t.Fatal(err)
	}
	id, f := Authenticate(header, true, store, recordedNow)
	if f != nil {
		return
	}
	if id.KeyIssuer != want.Caller.JWT.KeyIssuer {
		t.Errorf("%s: key issuer %s", name, id.KeyIssuer)
	}
	exact := strings.NewReplacer("12345678901234567890", "12345678901234567000") // what a double keeps of it
	if got := string(id.Header); got != string(want.Caller.JWT.Header) {
		t.Errorf("%s: header %s, want %s", name, got, want.Caller.JWT.Header)
	}
	if got := exact.Replace(string(id.Payload)); got != string(want.Caller.JWT.Payload) {
		t.Errorf("%s: payload %s, want %s", name, got, want.Caller.JWT.Payload)
	}
}

// transcript is the part of a recorded request that matters here.
type transcript struct {
	ID      string
	Seq     int
	Path    string
	Headers map[string]any `json:"request_headers"`
	COSE    *struct {
		Payload *struct{ UTF8 string }
	}
	JWT    *struct{ Mutation string }
	Status int
	Body   *struct{ UTF8 string } `json:"response_body"`
}

func TestGoldenTranscripts(t *testing.T) {
	var all []transcript
	for _, file := range []string{"07-actions.json", "09-auth.json", "held-out-steps.json"} {
		var part []transcript
		fixture.JSON(t, &part, "http-transcripts", file)
		all = append(all, part...)
	}
	sort.SliceStable(all, func(i, j int) bool { return all[i].Seq < all[j].Seq })
	store, seen := tables{}, 0
	for _, r := range all {
		if strings.HasSuffix(r.ID, ".create") && r.COSE != nil && r.COSE.Payload != nil {
			var proposal struct{ Actions []action }
			if json.Unmarshal([]byte(r.COSE.Payload.UTF8), &proposal) == nil {
				store.apply(t, proposal.Actions)
			}
		}
		header, present := r.Headers["authorization"].(string)
		if !strings.HasPrefix(r.ID, "09-auth.jwt.") || r.Body == nil || r.ID == "09-auth.jwt.with-user-cert" {
			continue
		}
		seen++
		check(t, r.ID, header, present, store, r.Status, r.Body.UTF8)
	}
	if seen < 30 {
		t.Errorf("only %d requests compared", seen)
	}
}
