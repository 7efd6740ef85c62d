package config

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// binder puts a decoded document into Go values and remembers what it met.
type binder struct {
	idle []string // keys that are present and have no effect
}

// tag is a field's `key:"name,option,..."`.
type tag struct {
	name                     string
	required, idle, nullable bool
	oneOf                    []string
}

func parseTag(text string) tag {
	parts := strings.Split(text, ",")
	t := tag{name: parts[0]}
	for _, p := range parts[1:] {
		switch {
		case p == "required":
			t.required = true
		case p == "idle":
			t.idle = true
		case p == "nullable":
			t.nullable = true
		case strings.HasPrefix(p, "one of:"):
			t.oneOf = strings.Split(strings.TrimPrefix(p, "one of:"), "|")
		}
	}
	return t
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// object binds a JSON object to a struct. Keys nobody knows are errors.
func (b *binder) object(path string, doc any, v reflect.Value) error {
	m, ok := doc.(map[string]any)
	if !ok {
		return fmt.Errorf("%s: want an object, not %s", place(path), kindOf(doc))
	}
	known := map[string]bool{}
	for i := range v.NumField() {
		t := parseTag(v.Type().Field(i).Tag.Get("key"))
		switch t.name {
		case "-":
			continue
		case "-raw":
			v.Field(i).Set(reflect.ValueOf(m))
			continue
		}
		known[t.name] = true
		if err := b.member(path, t, m, v.Field(i)); err != nil {
			return err
		}
	}
	for _, key := range slices.Sorted(maps.Keys(m)) {
		if !known[key] {
			return fmt.Errorf("%s: unknown key%s", join(path, key), suggest(key, known))
		}
	}
	return nil
}

func (b *binder) member(path string, t tag, m map[string]any, v reflect.Value) error {
	at := join(path, t.name)
	doc, present := m[t.name]
	if !present {
		if t.required {
			return fmt.Errorf("%s: missing", at)
		}
		return nil
	}
	if t.idle {
		b.idle = append(b.idle, at)
	}
	if doc == nil && t.nullable {
		v.SetZero()
		return nil
	}
	if err := b.value(at, doc, v); err != nil {
		return err
	}
	return allowed(at, t.oneOf, v)
}

func allowed(at string, oneOf []string, v reflect.Value) error {
	if len(oneOf) == 0 {
		return nil
	}
	for _, word := range oneOf {
		if v.String() == word {
			return nil
		}
	}
	return fmt.Errorf("%s: %q: want one of %s", at, v.String(), strings.Join(oneOf, ", "))
}

func (b *binder) value(at string, doc any, v reflect.Value) error {
	switch v.Interface().(type) {
	case Size:
		return bindText(at, doc, v, ParseSize)
	case Duration:
		return bindText(at, doc, v, ParseDuration)
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		return b.value(at, doc, v.Elem())
	case reflect.Struct:
		return b.object(at, doc, v)
	case reflect.Slice:
		return b.list(at, doc, v)
	case reflect.Map:
		return b.mapping(at, doc, v)
	case reflect.Interface:
		if doc != nil { // reflect cannot set an untyped nil
			v.Set(reflect.ValueOf(doc))
		}
		return nil
	}
	return bindScalar(at, doc, v)
}

// bindText reads a size or a time, which may be a bare number.
func bindText[T any](at string, doc any, v reflect.Value, parse func(string) (T, error)) error {
	var text string
	switch d := doc.(type) {
	case string:
		text = d
	case json.Number:
		text = d.String()
	default:
		return fmt.Errorf("%s: want a text with a unit, not %s", at, kindOf(doc))
	}
	parsed, err := parse(text)
	if err != nil {
		return fmt.Errorf("%s: %w", at, err)
	}
	v.Set(reflect.ValueOf(parsed))
	return nil
}

func bindScalar(at string, doc any, v reflect.Value) error {
	switch d := doc.(type) {
	case string:
		if v.Kind() == reflect.String {
			v.SetString(d)
			return nil
		}
	case bool:
		if v.Kind() == reflect.Bool {
			v.SetBool(d)
			return nil
		}
	case json.Number:
		if v.Kind() != reflect.Uint64 {
			break
		}
		var n uint64
		if err := json.Unmarshal([]byte(d), &n); err != nil {
			return fmt.Errorf("%s: %s: want a whole number, not below zero", at, d)
		}
		v.SetUint(n)
		return nil
	}
	want := map[reflect.Kind]string{reflect.String: "a text", reflect.Bool: "true or false", reflect.Uint64: "a whole number"}
	return fmt.Errorf("%s: want %s, not %s", at, want[v.Kind()], kindOf(doc))
}

func (b *binder) list(at string, doc any, v reflect.Value) error {
	items, ok := doc.([]any)
	if !ok {
		return fmt.Errorf("%s: want a list, not %s", at, kindOf(doc))
	}
	out := reflect.MakeSlice(v.Type(), len(items), len(items))
	for i, item := range items {
		if err := b.value(fmt.Sprintf("%s[%d]", at, i), item, out.Index(i)); err != nil {
			return err
		}
	}
	v.Set(out)
	return nil
}

func (b *binder) mapping(at string, doc any, v reflect.Value) error {
	m, ok := doc.(map[string]any)
	if !ok {
		return fmt.Errorf("%s: want an object, not %s", at, kindOf(doc))
	}
	out := reflect.MakeMap(v.Type())
	for _, key := range slices.Sorted(maps.Keys(m)) {
		item := reflect.New(v.Type().Elem()).Elem()
		if err := b.value(join(at, key), m[key], item); err != nil {
			return err
		}
		out.SetMapIndex(reflect.ValueOf(key), item)
	}
	v.Set(out)
	return nil
}

func place(path string) string {
	if path == "" {
		return "the file"
	}
	return path
}

func kindOf(doc any) string {
	switch doc.(type) {
	case nil:
		return "null"
	case string:
		return "a text"
	case bool:
		return "true or false"
	case json.Number:
		return "a number"
	case []any:
		return "a list"
	}
	return "an object"
}

// suggest names the known key that shares most of an unknown one.
func suggest(key string, known map[string]bool) string {
	best, length := "", 3
	for k := range known {
		n := 0
		for n < len(k) && n < len(key) && k[n] == key[n] {
			n++
		}
		if n > length || n == length && k < best {
			best, length = k, n
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf(" (did you mean %s?)", best)
}
