package jsondoc

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
)

// Opaque is a JSON value that the service stores without looking into it, such
// as member_data. Nil stands for both null and an absent member.
type Opaque []byte

// MarshalJSON implements json.Marshaler.
func (o Opaque) MarshalJSON() ([]byte, error) {
	if len(o) == 0 {
		return []byte("null"), nil
	}
	return o, nil
}

// UnmarshalJSON implements json.Unmarshaler.
func (o *Opaque) UnmarshalJSON(b []byte) error {
	*o = nil
	if string(b) != "null" {
		*o = bytes.Clone(b)
	}
	return nil
}

// Plain writes v compactly, fields and members in the order encoding/json gives
// them (structs as declared, maps sorted), and escapes only what JSON demands.
// It is Marshal for types whose fields stand in the wanted order already.
func Plain(v any) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return unescape(bytes.TrimSuffix(buf.Bytes(), []byte("\n"))), nil
}

// unescape writes out the characters that encoding/json escapes although JSON
// does not ask for it: U+2028, U+2029, and U+FFFD for bytes that are not UTF-8.
func unescape(b []byte) []byte {
	if !bytes.Contains(b, []byte(`\u`)) {
		return b
	}
	out := make([]byte, 0, len(b))
	for i := 0; i < len(b); i++ {
		if b[i] != '\\' {
			out = append(out, b[i])
			continue
		}
		if i+6 <= len(b) {
			if c, needless := needless[string(b[i:i+6])]; needless {
				out, i = append(out, c...), i+5
				continue
			}
		}
		out = append(out, b[i], b[i+1]) // an escape has at least two bytes; keeps "\\u2028" apart from "\u2028"
		i++
	}
	return out
}

var needless = map[string]string{`\u2028`: "\u2028", `\u2029`: "\u2029", `\ufffd`: "\ufffd"}

// Marshal writes v as the native writer does: compact, keys in byte order,
// numbers in canonical form.
func Marshal(v any) ([]byte, error) {
	b, err := Plain(v)
	if err != nil {
		return nil, err
	}
	return Canonical(b)
}

// Canonical rewrites a document as the native writer does.
func Canonical(b []byte) ([]byte, error) {
	doc, err := Parse(b)
	if err != nil {
		return nil, err
	}
	return doc.Canonical().Append(nil), nil
}

// Unmarshal reads b into v, a pointer to a type with json tags. Unlike
// encoding/json it takes member names literally, so that {"Status":…} is not
// taken for {"status":…}.
func Unmarshal(b []byte, v any) error {
	doc, err := Parse(b)
	if err != nil {
		return err
	}
	t := reflect.TypeOf(v)
	if t == nil || t.Kind() != reflect.Pointer {
		return fmt.Errorf("jsondoc: want a pointer, not %v", t)
	}
	return json.Unmarshal(prune(doc, t.Elem()).Append(nil), v)
}

var unmarshaler = reflect.TypeFor[json.Unmarshaler]()

// prune leaves only the members that t names exactly.
func prune(v Value, t reflect.Type) Value {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if reflect.PointerTo(t).Implements(unmarshaler) {
		return v
	}
	switch {
	case t.Kind() == reflect.Struct && v.kind == Object:
		return pruneObject(v, t)
	case t.Kind() == reflect.Map && v.kind == Object:
		for i := range v.members {
			v.members[i].Value = prune(v.members[i].Value, t.Elem())
		}
	case (t.Kind() == reflect.Slice || t.Kind() == reflect.Array) && v.kind == Array:
		for i := range v.items {
			v.items[i] = prune(v.items[i], t.Elem())
		}
	}
	return v
}

func pruneObject(v Value, t reflect.Type) Value {
	fields := make(map[string]reflect.Type, t.NumField())
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		fields[name] = f.Type
	}
	kept := make([]Member, 0, len(v.members))
	for _, m := range v.members {
		if ft, known := fields[m.Name]; known {
			kept = append(kept, Member{Name: m.Name, Value: prune(m.Value, ft)})
		}
	}
	v.members = kept
	return v
}
