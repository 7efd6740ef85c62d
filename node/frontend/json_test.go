package frontend

import (
	"errors"
	"strings"
	"testing"

	"concordat/ledger/fixture"
)

// TestRecordedAccept compares every recorded accept header on an endpoint that answers JSON.
func TestRecordedAccept(t *testing.T) {
	var records []struct {
		ID             string
		RequestHeaders map[string]any `json:"request_headers"`
		Status         int
		Body           struct{ UTF8 string } `json:"response_body"`
		Path           string
	}
	fixture.JSON(t, &records, "http-transcripts/02-node.json")
	n := 0
	for _, r := range records {
		accept, ok := r.RequestHeaders["accept"].(string)
		if !ok || r.Path != "/node/version" {
			continue
		}
		n++
		err := checkAccept(accept)
		var e *Error
		switch {
		case err == nil:
			if r.Status != 200 {
				t.Errorf("%q is accepted, want %d", accept, r.Status)
			}
		case !errors.As(err, &e) || e.Status != r.Status || string(e.Body()) != r.Body.UTF8:
			t.Errorf("%q: %v %s\nwant %d %s", accept, err, e.Body(), r.Status, r.Body.UTF8)
		}
	}
	if n < 6 {
		t.Errorf("only %d recorded headers", n)
	}
}

func TestAccept(t *testing.T) {
	for accept, want := range map[string]int{
		"*/*": 200, "application/*": 200, "application/json": 200, "text/html,application/json": 200, "a/b;q=0.1, */*;q=0.01": 200,
		"application/json;q=1": 200, "": 406, "text/*": 406, "application/json; charset=utf-8": 406, "APPLICATION/JSON": 406,
		"foo": 400, ",": 400, "application/json,": 400, "/json": 400, "application/": 400, "a/b/c": 400, "application/json;q=": 400,
	} {
		err := checkAccept(accept)
		got := 200
		var e *Error
		if errors.As(err, &e) {
			got = e.Status
		}
		if got != want {
			t.Errorf("%q: %d, want %d", accept, got, want)
		}
	}
}

func TestDecode(t *testing.T) {
	w := newWorld(t, nil)
	for _, tt := range []struct{ method, body, want string }{
		{"POST", `{"N":5}`, `200 {"N":5}`},
		{"POST", ``, `200 {"N":0}`},
		{"GET", `{bad`, `200 {"N":0}`},
		{"POST", "{\n\"N\": x}", `400 {"error":{"code":"InvalidInput","message":"[json.exception.parse_error.101] parse error at line 2, column 6: syntax error - ` +
			`invalid character 'x' looking for beginning of value"}}`},
		{"POST", `{"N":"x"}`, `400 {"error":{"code":"InvalidInput","message":"[json.exception.type_error.302] At #/N: type must be uint64, but is string"}}`},
	} {
		if got := show(w.call(tt.method, "/node/decode", tt.body)); got != tt.want {
			t.Errorf("%s %q\n got %s\nwant %s", tt.method, tt.body, got, tt.want)
		}
	}
}

// FuzzAccept checks that any header has one of the three answers.
func FuzzAccept(f *testing.F) {
	for _, s := range []string{"", "*/*", "a/b;q=1, c/d", ",,", ";q="} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, accept string) {
		err := checkAccept(accept)
		var e *Error
		if err != nil && (!errors.As(err, &e) || e.Status != 400 && e.Status != 406) {
			t.Fatalf("%q: %v", accept, err)
		}
		if err == nil && !strings.Contains(accept, "*") && !strings.Contains(accept, "json") {
			t.Fatalf("%q was accepted", accept)
		}
	})
}
