package jwt

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math"
	"sort"
	"strconv"
	"strings"
)

// object and number give decoded JSON the shape CCF's messages and caller
// objects have: sorted members, integers of 64 bits kept exact, other numbers
// as doubles. Other values are string, bool, nil and []any.
type object map[string]any

// number keeps an integer exact or a double; text is its printed form.
type number struct {
	text   string
	value  uint64 // two's complement when the integer is negative
	double float64
	isInt  bool
}

// maxDepth bounds nesting, so that hostile input cannot exhaust the stack.
const maxDepth = 256

var (
	errDepth    = errors.New("nesting is too deep")
	errUTF8     = errors.New("invalid UTF-8")
	errTrailing = errors.New("data after the value")
)

// decodeJSON reads one JSON value. Of repeated members the last counts.
func decodeJSON(b []byte) (any, error) {
	if !validUTF8(b) {
		return nil, errUTF8
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	v, err := decodeValue(d, 0)
	if err != nil {
		return nil, err
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errTrailing
	}
	return v, nil
}

func decodeValue(d *json.Decoder, depth int) (any, error) {
	if depth > maxDepth {
		return nil, errDepth
	}
	t, err := d.Token()
	if err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	switch t := t.(type) {
	case json.Delim:
		if t == '{' {
			return decodeObject(d, depth)
		}
		return decodeArray(d, depth)
	case json.Number:
		return parseNumber(t.String())
	default:
		return t, nil
	}
}

func decodeObject(d *json.Decoder, depth int) (any, error) {
	o := object{}
	for d.More() {
		k, err := d.Token()
		if err != nil {
			return nil, err
		}
		v, err := decodeValue(d, depth+1)
		if err != nil {
			return nil, err
		}
		o[k.(string)] = v // inside an object the decoder yields only string keys
	}
	_, err := d.Token()
	return o, err
}

func decodeArray(d *json.Decoder, depth int) (any, error) {
	a := []any{}
	for d.More() {
		v, err := decodeValue(d, depth+1)
		if err != nil {
			return nil, err
		}
		a = append(a, v)
	}
	_, err := d.Token()
	return a, err
}

func parseNumber(text string) (number, error) {
	if !strings.ContainsAny(text, ".eE") {
		if u, err := strconv.ParseUint(text, 10, 64); err == nil {
			return number{text: text, value: u, isInt: true}, nil
		}
		if i, err := strconv.ParseInt(text, 10, 64); err == nil {
			return number{text: strconv.FormatInt(i, 10), value: uint64(i), isInt: true}, nil
		}
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return number{}, errors.New("number overflow parsing '" + text + "'")
	}
	return number{text: formatDouble(f), double: f}, nil
}

// unsigned is the value as a 64-bit unsigned number.
func (n number) unsigned() uint64 {
	switch {
	case n.isInt:
		return n.value
	case n.double >= math.MaxUint64:
		return math.MaxUint64
	case n.double < 0:
		return uint64(int64(math.Max(n.double, math.MinInt64)))
	default:
		return uint64(n.double)
	}
}

// formatDouble prints the shortest text that reads back as f: plain digits for
// decimal exponents from -4 to 15, with ".0" on whole numbers, else scientific.
func formatDouble(f float64) string {
	if f == 0 || (math.Abs(f) >= 1e-4 && math.Abs(f) < 1e15) {
		s := strconv.FormatFloat(f, 'f', -1, 64)
		if !strings.Contains(s, ".") {
			s += ".0"
		}
		return s
	}
	return strconv.FormatFloat(f, 'e', -1, 64)
}

// typeName is the word for a value's type in CCF's messages.
func typeName(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case bool:
		return "boolean"
	case string:
		return "string"
	case number:
		return "number"
	case []any:
		return "array"
	default:
		return "object"
	}
}

// dump prints a decoded value compactly with sorted members.
func dump(v any) string {
	var b strings.Builder
	appendValue(&b, v)
	return b.String()
}

func appendValue(b *strings.Builder, v any) {
	switch v := v.(type) {
	case nil:
		b.WriteString("null")
	case bool:
		b.WriteString(strconv.FormatBool(v))
	case number:
		b.WriteString(v.text)
	case string:
		appendString(b, v)
	case []any:
		b.WriteByte('[')
		for i, e := range v {
			if i > 0 {
				b.WriteByte(',')
			}
			appendValue(b, e)
		}
		b.WriteByte(']')
	case object:
		appendObject(b, v)
	}
}

func appendObject(b *strings.Builder, o object) {
	names := make([]string, 0, len(o))
	for name := range o {
		names = append(names, name)
	}
	sort.Strings(names)
	b.WriteByte('{')
	for i, name := range names {
		if i > 0 {
			b.WriteByte(',')
		}
		appendString(b, name)
		b.WriteByte(':')
		appendValue(b, o[name])
	}
	b.WriteByte('}')
}

// appendString escapes what JSON demands and nothing else.
func appendString(b *strings.Builder, s string) {
	const short = "\b\f\n\r\t\"\\"
	const names = "bfnrt\"\\"
	b.WriteByte('"')
	for _, r := range s {
		if i := strings.IndexRune(short, r); i >= 0 {
			b.WriteByte('\\')
			b.WriteByte(names[i])
		} else if r < 0x20 {
			b.WriteString(`\u00`)
			b.WriteByte("0123456789abcdef"[r>>4])
			b.WriteByte("0123456789abcdef"[r&15])
		} else {
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
}
