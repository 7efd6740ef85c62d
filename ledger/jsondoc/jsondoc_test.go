package jsondoc

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

// TestCanonicalForm pins what the native writer makes of a document.
func TestCanonicalForm(t *testing.T) {
	for in, want := range map[string]string{
		`{"b":1,"a":{"d":2,"c":3}}`:        `{"a":{"c":3,"d":2},"b":1}`,
		` [ 1 , true , null ] `:            `[1,true,null]`,
		`"<a href='x'>&</a>/"`:             `"<a href='x'>&</a>/"`,
		`"\u2028\u00e9\ud83d\ude00"`:       "\"\u2028\u00e9\U0001F600\"",
		`"\u0001\u001f\b\f\n\r\t\"\\\/"`:   `"\u0001\u001f\b\f\n\r\t\"\\/"`,
		"\"\u007f\"":                       "\"\u007f\"",
		`1.0`:                              `1.0`,
		`1e3`:                              `1000.0`,
		`-0`:                               `0`,
		`-0.0`:                             `-0.0`,
		`1.50`:                             `1.5`,
		`0.0001`:                           `0.0001`,
		`0.00001`:                          `1e-05`,
		`123456789012345678`:               `123456789012345678`,
		`18446744073709551615`:             `18446744073709551615`,
		`18446744073709551616`:             `1.8446744073709552e+19`,
		`1e15`:                             `1e+15`,
		`1e14`:                             `100000000000000.0`,
		`1234.5678`:                        `1234.5678`,
		`{"a":1,"a":2}`:                    `{"a":2}`,
		`{"Z":1,"a":2,"_":3,"\u00e9":4}`:   "{\"Z\":1,\"_\":3,\"a\":2,\"\u00e9\":4}",
		`[]`:                               `[]`,
		`{}`:                               `{}`,
		`-1.5e-7`:                          `-1.5e-07`,
		`{"data":[{"y":[{"z":1,"x":2}]}]}`: `{"data":[{"y":[{"x":2,"z":1}]}]}`,
	} {
		got, err := Canonical([]byte(in))
		if err != nil || string(got) != want {
			t.Errorf("%s: got %s, %v; want %s", in, got, err, want)
		}
	}
}

// TestRefusals names what is no JSON.
func TestRefusals(t *testing.T) {
	for _, in := range []string{
		``, ` `, `nope`, `{`, `[1,]`, `{"a":1,}`, `{a:1}`, `"a`, "\"\n\"", `01`, `1.`, `1e`, `.5`, `+1`, `-`,
		`"\x"`, `"\u12"`, `"\ud800"`, `"\ud800\u0041"`, `"\udc00"`, "\"\xff\"", `1 2`, `[1}`, `nul`, `tru`, `1e999`,
		strings.Repeat("[", MaxDepth+2) + strings.Repeat("]", MaxDepth+2),
	} {
		if _, err := Parse([]byte(in)); err == nil {
			t.Errorf("%q was read", in)
		}
	}
	if _, err := Parse([]byte(strings.Repeat("[", MaxDepth) + strings.Repeat("]", MaxDepth))); err != nil {
		t.Errorf("depth at the limit: %v", err)
	}
}

// TestExactNames: a name that differs in case is another name.
func TestExactNames(t *testing.T) {
	type inner struct {
		A string `json:"a"`
	}
	var v struct {
		Status string           `json:"status"`
		Data   Opaque           `json:"data,omitempty"`
		Many   map[string]inner `json:"many,omitempty"`
	}
	if err := Unmarshal([]byte(`{"status":"Accepted","Status":"Active","data":null,"many":{"K":{"A":"no","a":"yes"}}}`), &v); err != nil {
		t.Fatal(err)
	}
	if v.Status != "Accepted" || v.Data != nil || v.Many["K"].A != "yes" {
		t.Errorf("read %+v", v)
	}
	out, err := Marshal(v)
	if want := `{"many":{"K":{"a":"yes"}},"status":"Accepted"}`; err != nil || string(out) != want {
		t.Errorf("wrote %s, %v; want %s", out, err, want)
	}
}

// FuzzParse: what is read is read the same by the standard library, and writing
// is a fixed point.
func FuzzParse(f *testing.F) {
	for _, s := range []string{`{"a":[1,2.5,-3e4,true,false,null,"x\u00e9\n"],"a":{}}`, `"\ud83d\ude00"`, `[[[]]]`, `1e400`, `{"":0}`, "\"\xff\""} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		doc, err := Parse(in)
		if err != nil {
			return
		}
		if !json.Valid(in) {
			t.Fatalf("read %q, which the standard library refuses", in)
		}
		kept := doc.Append(nil)
		again, err := Parse(kept)
		if err != nil || string(again.Append(nil)) != string(kept) {
			t.Fatalf("%q was written as %q, which reads as %v, %v", in, kept, again, err)
		}
		once, err := Canonical(in)
		if err != nil {
			t.Fatal(err)
		}
		twice, err := Canonical(once)
		if err != nil || string(once) != string(twice) {
			t.Fatalf("canonical form is not stable: %q then %q, %v", once, twice, err)
		}
	})
}

// TestPlain pins what is escaped, and that order is kept.
func TestPlain(t *testing.T) {
	for _, tt := range []struct {
		v    any
		want string
	}{
		{map[string]any{"b": 1, "a": []int{}, "c": nil}, `{"a":[],"b":1,"c":null}`},
		{"<a> & é \u2028\u2029", "\"<a> & é \u2028\u2029\""},
		{"\\u2028 \\\\ufffd", `"\\u2028 \\\\ufffd"`},
		{"a\xffb", "\"a\ufffdb\""},
		{"\x00\x1f\b\f\n\r\t\"\\/\x7f", `"\u0000\u001f\b\f\n\r\t\"\\/` + "\x7f\""},
	} {
		got, err := Plain(tt.v)
		if err != nil || string(got) != tt.want {
			t.Errorf("%q: %s %v, want %s", tt.v, got, err, tt.want)
		}
	}
	if _, err := Plain(make(chan int)); err == nil {
		t.Error("a channel was rendered")
	}
}

// FuzzPlain checks that rendered texts are valid JSON for the same text, and valid UTF-8.
func FuzzPlain(f *testing.F) {
	for _, s := range []string{"", "a\xff", "\u2028", `\u2028`, "\\", "\ufffd", "<>&"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		b, err := Plain(s)
		if err != nil {
			t.Fatal(err)
		}
		var back string
		if err := json.Unmarshal(b, &back); err != nil || !utf8.Valid(b) {
			t.Fatalf("%q became %q: %v", s, b, err)
		}
		if want := strings.ToValidUTF8(s, "\ufffd"); utf8.ValidString(s) && back != want {
			t.Fatalf("%q came back as %q", s, back)
		}
	})
}
