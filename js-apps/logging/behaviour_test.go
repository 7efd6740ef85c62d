package logging

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"sort"
	"strings"
	"testing"

	"concordat/js-apps/api"
	"concordat/js-apps/apptest"
	"concordat/ledger/fixture"
)

// transcript is one recorded request and its answer.
type transcript struct {
	ID, As, Method, Path string
	Seq                  int
	Headers              map[string]any `json:"request_headers"`
	Body                 *content       `json:"request_body"`
	Status               int
	Answer               *content `json:"response_body"`
}

type content struct{ UTF8, B64 string }

func (c *content) text() string {
	if c == nil {
		return ""
	}
	if c.B64 != "" {
		b, _ := base64.StdEncoding.DecodeString(c.B64)
		return string(b)
	}
	return c.UTF8
}

func transcripts(t *testing.T, files ...string) []transcript {
	t.Helper()
	var all []transcript
	for _, name := range files {
		var part []transcript
		fixture.JSON(t, &part, "http-transcripts", name)
		all = append(all, part...)
	}
	sort.SliceStable(all, func(i, j int) bool { return all[i].Seq < all[j].Seq })
	return all
}

// user0 is the recordings' first user.
var user0 = &api.Caller{
	Policy: "user_cert", ID: "3fbccb0f49ae2119c360f45ad1b7533a7155d53003dd2287b9caf475d9e8bf5c",
	Data: []byte(`{"isAdmin":true,"n":11,"name":"zero"}`), Cert: user0Cert,
}

const user0Cert = "-----BEGIN CERTIFICATE-----\n" +
	"MIIBUDCB16ADAgECAggY6r0qID4YajAKBggqhkjOPQQDAzAQMQ4wDAYDVQQDEwV1\n" +
	"c2VyMDAeFw0yNDAxMDEwMDAwMDBaFw00OTAxMDEwMDAwMDBaMBAxDjAMBgNVBAMT\n" +
	"BXVzZXIwMHYwEAYHKoZIzj0CAQYFK4EEACIDYgAEa/HyvrWCftI9pSG2R6EQWqPl\n" +
	"huKN8Td3Wpk4PG7mcr0yLLZ8lYsCy59n/ds8ujt/tb8rDTpwQ9g6VTCw5jXeP+WU\n" +
	"uhfayDtikh1I2Y8/HQn0Ia3tyZgbz4C8zQQYxMuqMAoGCCqGSM49BAMDA2gAMGUC\n" +
	"MQC7e/f1aiJhzuJ6UgfWS9rJctCLuduc4bVPGWOLr4NaaAS1yvI4Td1+gkty3eNT\n" +
	"A94CMB4kRJRiSZxQeYAdIqk4Fe7FOivQw0Muiw9Ie7/uMUA9K7GfvxEqfnlMUy06\n" +
	"xUdmhQ==\n-----END CERTIFICATE-----\n"

// TestRecordedRequests replays the recorded requests of the application's
// endpoints in order; of those whose answers were kept apart only the effects
// are seen.
func TestRecordedRequests(t *testing.T) {
	app := apptest.New(t, App())
	compared := 0
	for _, r := range transcripts(t, "03-common.json", "08-app.json", "held-out-steps.json") {
		target := strings.TrimPrefix(strings.SplitN(r.Path, "#", 2)[0], "/app")
		ours := strings.HasPrefix(target, "/log/") || strings.HasPrefix(target, "/custom_auth")
		ours = ours && (strings.HasPrefix(r.ID, "08-app.") || r.ID == "03-common.seed-write")
		framework := r.Status == http.StatusUnauthorized && !strings.HasPrefix(target, "/custom_auth") ||
			r.Status == http.StatusMethodNotAllowed || r.Method == http.MethodOptions || strings.HasSuffix(r.ID, ".nope")
		if !ours || framework {
			continue
		}
		got := app.Do(apptest.Request{Method: r.Method, Target: target, Body: r.Body.text(), Headers: plainHeaders(r.Headers), Caller: callerOf(r.As)})
		if r.Status == 0 {
			continue
		}
		compared++
		if want := r.Answer.text(); r.Status != status(got) || !sameBody(got, want) {
			t.Errorf("%s %s %s:\n got  %d %s\n want %d %s", r.ID, r.Method, r.Path, status(got), got.Text(), r.Status, want)
		}
	}
	if compared < 35 {
		t.Errorf("only %d requests compared", compared)
	}
}

func plainHeaders(h map[string]any) map[string]string {
	out := map[string]string{}
	for name, value := range h {
		if s, ok := value.(string); ok {
			out[strings.ToLower(name)] = s
		}
	}
	return out
}

func callerOf(name string) *api.Caller {
	if name == "user0" {
		return user0
	}
	return &api.Caller{Policy: "no_auth"}
}

func status(r *apptest.Response) int {
	if r.Error != nil {
		return http.StatusInternalServerError
	}
	return r.Status
}

// sameBody compares bodies byte by byte, and failures by message and reason.
func sameBody(r *apptest.Response, want string) bool {
	if r.Error == nil {
		return string(r.Body) == want
	}
	var failure struct {
		Error struct {
			Message string
			Details []struct{ Message string }
		}
	}
	if json.Unmarshal([]byte(want), &failure) != nil || failure.Error.Message != r.Error.HTTPMessage {
		return false
	}
	return len(failure.Error.Details) == 0 || r.Error.Details != nil && r.Error.Details.Reason == failure.Error.Details[0].Message
}

// TestRecordedCallers: what multi_auth says about callers in the recordings.
func TestRecordedCallers(t *testing.T) {
	app := apptest.New(t, App())
	jwt := &api.Caller{Policy: "jwt", JWT: &api.JWT{
		KeyIssuer: "https://issuer.example.com/path",
		Header:    []byte(`{"alg":"RS256","kid":"rsa-kid","typ":"JWT"}`),
		Payload:   []byte(`{"exp":4102444800,"iss":"https://issuer.example.com/path","nbf":1,"sub":"alice"}`),
	}}
	signed := &api.Caller{Policy: "user_cose_sign1", ID: user0.ID, Data: user0.Data, Cert: user0.Cert, COSEContent: []byte("payload")}
	callers := map[string]*api.Caller{
		"09-auth.multi.anonymous":    {Policy: "no_auth"},
		"09-auth.multi.jwt-and-user": user0,
		"09-auth.multi.all-of":       {AllOf: []*api.Caller{jwt, user0, signed}},
	}
	for _, r := range transcripts(t, "09-auth.json") {
		caller, ok := callers[r.ID]
		if !ok {
			continue
		}
		delete(callers, r.ID)
		got := app.Do(apptest.Request{Method: "POST", Target: "/multi_auth", Caller: caller})
		if want := r.Answer.text(); got.Text() != want {
			t.Errorf("%s:\n got  %s\n want %s", r.ID, got.Text(), want)
		}
	}
	if len(callers) > 0 {
		t.Errorf("not recorded: %v", callers)
	}
}

func TestAdminOnly(t *testing.T) {
	app := apptest.New(t, App())
	for data, want := range map[string]int{`{"isAdmin":true}`: 200, `{"isAdmin":"true"}`: 403, `{}`: 403, `null`: 403} {
		got := app.Do(apptest.Request{
			Method: "POST", Target: "/log/private/admin_only", Body: `{"id":1,"msg":"x"}`,
			Caller: &api.Caller{Policy: "user_cert", ID: "u", Data: []byte(data)},
		})
		if got.Status != want {
			t.Errorf("%s: %d %s", data, got.Status, got.Text())
		}
	}
}

func TestClaims(t *testing.T) {
	app := apptest.New(t, App())
	post := func(body string) *apptest.Response {
		return app.Do(apptest.Request{Method: "POST", Target: "/log/public", Body: body, Caller: user0})
	}
	const recorded = "b19f8edae2ee6c225b7278b289c2823ab9accfa225c5d67c4bef270b88ea55f0"
	if r := post(`{"id":100,"msg":"version 1","record_claim":true}`); r.Claims == nil || fmt.Sprintf("%x", *r.Claims) != recorded {
		t.Errorf("claims %x", r.Claims)
	}
	if r := post(`{"id":100,"msg":"version 1"}`); r.Claims != nil {
		t.Errorf("claims without being asked: %x", *r.Claims)
	}
}
