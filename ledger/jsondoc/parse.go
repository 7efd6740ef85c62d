package jsondoc

import (
	"fmt"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// SyntaxError is text that is no JSON document. Its message has the frame that
// clients of the C++ service know.
type SyntaxError struct {
	Line, Column int
	What         string
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("[json.exception.parse_error.101] parse error at line %d, column %d: %s", e.Line, e.Column, e.What)
}

// Parse reads one document (RFC 8259). Text must be UTF-8.
func Parse(b []byte) (Value, error) {
	p := parser{in: b}
	p.space()
	v, err := p.value(0)
	if err != nil {
		return Value{}, err
	}
	p.space()
	if p.at < len(p.in) {
		return Value{}, p.fail("unexpected text after the document")
	}
	return v, nil
}

type parser struct {
	in []byte
	at int
}

func (p *parser) fail(what string) error {
	line, column := 1, 1
	for _, c := range p.in[:min(p.at, len(p.in))] {
		column++
		if c == '\n' {
			line, column = line+1, 1
		}
	}
	if p.at >= len(p.in) {
		what = "unexpected end of input"
	}
	return &SyntaxError{Line: line, Column: column, What: what}
}

func (p *parser) space() {
	for p.at < len(p.in) {
		switch p.in[p.at] {
		case ' ', '\t', '\n', '\r':
			p.at++
		default:
			return
		}
	}
}

func (p *parser) peek() byte {
	if p.at < len(p.in) {
		return p.in[p.at]
	}
	return 0
}

func (p *parser) take(c byte) bool {
	if p.peek() == c && p.at < len(p.in) {
		p.at++
		return true
	}
	return false
}

func (p *parser) value(depth int) (Value, error) {
	if depth > MaxDepth {
		return Value{}, p.fail("nested too deeply")
	}
	switch c := p.peek(); {
	case c == '{':
		return p.object(depth)
	case c == '[':
		return p.array(depth)
	case c == '"':
		s, err := p.str()
		return Value{kind: String, text: s}, err
	case c == '-' || (c >= '0' && c <= '9'):
		return p.number()
	}
	for _, lit := range literals {
		if n := len(lit.text); len(p.in)-p.at >= n && string(p.in[p.at:p.at+n]) == lit.text {
			p.at += n
			return lit.value, nil
		}
	}
	return Value{}, p.fail("syntax error while parsing value")
}

var literals = [...]struct {
	text  string
	value Value
}{
	{"true", Value{kind: Bool, truth: true}},
	{"false", Value{kind: Bool}},
	{"null", Value{}},
}

func (p *parser) array(depth int) (Value, error) {
	p.at++
	v := Value{kind: Array}
	p.space()
	if p.take(']') {
		return v, nil
	}
	for {
		p.space()
		item, err := p.value(depth + 1)
		if err != nil {
			return Value{}, err
		}
		v.items = append(v.items, item)
		p.space()
		if p.take(']') {
			return v, nil
		}
		if !p.take(',') {
			return Value{}, p.fail("syntax error while parsing array: expected ',' or ']'")
		}
	}
}

func (p *parser) object(depth int) (Value, error) {
	p.at++
	v := Value{kind: Object}
	seen := map[string]int{}
	p.space()
	if p.take('}') {
		return v, nil
	}
	for {
		p.space()
		if p.peek() != '"' {
			return Value{}, p.fail("syntax error while parsing object key: expected a string")
		}
		name, err := p.str()
		if err != nil {
			return Value{}, err
		}
		p.space()
		if !p.take(':') {
			return Value{}, p.fail("syntax error while parsing object separator: expected ':'")
		}
		p.space()
		item, err := p.value(depth + 1)
		if err != nil {
			return Value{}, err
		}
		if i, dup := seen[name]; dup {
			v.members[i].Value = item
		} else {
			seen[name] = len(v.members)
			v.members = append(v.members, Member{Name: name, Value: item})
		}
		p.space()
		if p.take('}') {
			return v, nil
		}
		if !p.take(',') {
			return Value{}, p.fail("syntax error while parsing object: expected ',' or '}'")
		}
	}
}

func (p *parser) digits() bool {
	start := p.at
	for p.at < len(p.in) && p.in[p.at] >= '0' && p.in[p.at] <= '9' {
		p.at++
	}
	return p.at > start
}

func (p *parser) number() (Value, error) {
	start := p.at
	p.take('-')
	if !p.take('0') && !p.digits() {
		return Value{}, p.fail("syntax error while parsing number")
	}
	if p.take('.') && !p.digits() {
		return Value{}, p.fail("syntax error while parsing number")
	}
	if c := p.peek(); c == 'e' || c == 'E' {
		p.at++
		if !p.take('+') {
			p.take('-')
		}
		if !p.digits() {
			return Value{}, p.fail("syntax error while parsing number")
		}
	}
	literal := string(p.in[start:p.at])
	if _, ok := canonicalNumber(literal); !ok {
		return Value{}, p.fail("number out of range")
	}
	return Value{kind: Number, text: literal}, nil
}

func (p *parser) str() (string, error) {
	p.at++
	var out []byte
	for p.at < len(p.in) {
		c := p.in[p.at]
		switch {
		case c == '"':
			p.at++
			return string(out), nil
		case c == '\\':
			r, err := p.escape()
			if err != nil {
				return "", err
			}
			out = utf8.AppendRune(out, r)
		case c < 0x20:
			return "", p.fail("invalid string: control character must be escaped")
		case c < utf8.RuneSelf:
			out = append(out, c)
			p.at++
		default:
			r, n := utf8.DecodeRune(p.in[p.at:])
			if r == utf8.RuneError && n == 1 {
				return "", p.fail("invalid string: ill-formed UTF-8")
			}
			out = append(out, p.in[p.at:p.at+n]...)
			p.at += n
		}
	}
	return "", p.fail("invalid string: missing closing quote")
}

func (p *parser) escape() (rune, error) {
	p.at++
	c := p.peek()
	const short = `"\/bfnrt`
	const means = "\"\\/\b\f\n\r\t"
	for i := 0; i < len(short); i++ {
		if c == short[i] {
			p.at++
			return rune(means[i]), nil
		}
	}
	if c != 'u' {
		return 0, p.fail("invalid string: forbidden character after backslash")
	}
	p.at++
	r, err := p.hex4()
	if err != nil || !utf16.IsSurrogate(r) {
		return r, err
	}
	if !p.take('\\') || !p.take('u') {
		return 0, p.fail("invalid string: surrogate without its pair")
	}
	low, err := p.hex4()
	if err != nil {
		return 0, err
	}
	pair := utf16.DecodeRune(r, low)
	if pair == utf8.RuneError {
		return 0, p.fail("invalid string: surrogate without its pair")
	}
	return pair, nil
}

func (p *parser) hex4() (rune, error) {
	if len(p.in)-p.at < 4 {
		p.at = len(p.in)
		return 0, p.fail("")
	}
	n, err := strconv.ParseUint(string(p.in[p.at:p.at+4]), 16, 16)
	if err != nil {
		return 0, p.fail(`invalid string: '\u' must be followed by 4 hex digits`)
	}
	p.at += 4
	return rune(n), nil
}
