package frontend

import "strings"

// QueryParam is one name and value, decoded.
type QueryParam struct {
	Name, Value string
}

// Query is the decoded query of a request.
type Query struct {
	Text   string // whole query, decoded; what the JavaScript API shows
	Params []QueryParam
}

// Lookup returns the first parameter of that name.
func (q *Query) Lookup(name string) (string, bool) {
	for i := range q.Params {
		if q.Params[i].Name == name {
			return q.Params[i].Value, true
		}
	}
	return "", false
}

// splitTarget cuts a request target into its path and its raw query. A fragment belongs to the query's end; before "?" it is part of the path.
func splitTarget(target string) (path, query string) {
	path, query, _ = strings.Cut(target, "?")
	query, _, _ = strings.Cut(query, "#")
	return path, query
}

// parseQuery decodes the whole query first and splits it afterwards, as CCF does: an encoded "&" separates parameters.
func parseQuery(raw string) Query {
	if raw == "" {
		return Query{}
	}
	q := Query{Text: unescape(raw)}
	for rest := q.Text; rest != ""; {
		var part string
		part, rest, _ = strings.Cut(rest, "&")
		if part == "" {
			continue
		}
		name, value, _ := strings.Cut(part, "=")
		q.Params = append(q.Params, QueryParam{name, value})
	}
	return q
}

// unescape decodes %XX and "+". Escapes that are not complete stay as they are.
func unescape(s string) string {
	if !strings.ContainsAny(s, "%+") {
		return s
	}
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '+':
			out = append(out, ' ')
		case c == '%' && i+2 < len(s) && isHex(s[i+1]) && isHex(s[i+2]):
			out = append(out, nibble(s[i+1])<<4|nibble(s[i+2]))
			i += 2
		default:
			out = append(out, c)
		}
	}
	return string(out)
}

func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}

func nibble(c byte) byte {
	switch {
	case c <= '9':
		return c - '0'
	case c <= 'F':
		return c - 'A' + 10
	}
	return c - 'a' + 10
}
