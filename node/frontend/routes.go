package frontend

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Template is a compiled path template. CCF turns templates into regular expressions without escaping the text between parameters, and applications
// can observe it ("." matches any byte). Templates without such bytes take a direct path that gives the same answers.
type Template struct {
	parts []part         // alternating literal and parameter, for the direct path
	re    *regexp.Regexp // when the text has bytes that mean something in a regular expression
	names []string
}

type part struct {
	literal string
	param   bool
	stop    int // a parameter ends before this byte and before "/"; noStop for none
}

const noStop = -1

const regexBytes = `\.+*?()|[]^$`

// CompileTemplate compiles a path with {name} parameters; it returns nil for a path without any.
func CompileTemplate(path string) (*Template, error) {
	if !strings.Contains(path, "{") {
		return nil, nil
	}
	t := &Template{}
	direct := true
	var expr strings.Builder
	for rest := path; rest != ""; {
		literal, after, found := strings.Cut(rest, "{")
		expr.WriteString(literal)
		t.parts = append(t.parts, part{literal: literal})
		direct = direct && !strings.ContainsAny(literal, regexBytes)
		if !found {
			break
		}
		name, next, closed := strings.Cut(after, "}")
		if !closed {
			return nil, fmt.Errorf("Invalid templated path - missing closing curly bracket: %s", path) // CCF's text
		}
		if slices.Contains(t.names, name) {
			return nil, fmt.Errorf("Invalid templated path - duplicate component name %s: %s", name, path) // as above
		}
		t.names = append(t.names, name)
		p := part{param: true, stop: noStop}
		if next != "" && next[0] != '/' {
			p.stop = int(next[0])
			direct = direct && next[0] != '{'
		}
		t.parts = append(t.parts, p)
		expr.WriteString(p.expression())
		rest = next
	}
	if direct {
		return t, nil
	}
	re, err := regexp.Compile("^(?s:" + expr.String() + ")$")
	if err != nil {
		return nil, fmt.Errorf("Invalid templated path - %w: %s", err, path) // as above
	}
	t.re = re
	return t, nil
}

func (p part) expression() string {
	if p.stop == noStop {
		return "([^/]+)"
	}
	return "([^/" + regexp.QuoteMeta(string(rune(p.stop))) + "]+)"
}

// Match matches a whole path and returns the parameters in the template's order.
func (t *Template) Match(path string) ([]Param, bool) {
	if t.re != nil {
		return t.matchExpression(path)
	}
	params := make([]Param, 0, len(t.names))
	for _, p := range t.parts {
		if !p.param {
			if !strings.HasPrefix(path, p.literal) {
				return nil, false
			}
			path = path[len(p.literal):]
			continue
		}
		n := 0
		for n < len(path) && path[n] != '/' && int(path[n]) != p.stop {
			n++
		}
		if n == 0 {
			return nil, false
		}
		params = append(params, Param{t.names[len(params)], path[:n]})
		path = path[n:]
	}
	if path != "" {
		return nil, false
	}
	return params, true
}

func (t *Template) matchExpression(path string) ([]Param, bool) {
	m := t.re.FindStringSubmatch(path)
	if len(m) != 1+len(t.names) { // a parenthesis in the text would shift the groups
		return nil, false
	}
	params := make([]Param, len(t.names))
	for i, name := range t.names {
		params[i] = Param{name, m[1+i]}
	}
	return params, true
}

// Routes is a compiled set of endpoints.
type Routes struct {
	exact     map[string][]*Endpoint // by path
	templates []*templated
	all       []Endpoint
	err       error
}

type templated struct {
	endpoint *Endpoint
	template *Template
	err      error
}

// NewRoutes compiles endpoints that an application brought. What is wrong with them does not fail here: as in CCF it makes the lookups fail that need
// it. A path with parameters also matches literally, since CCF looks the requested path up in the table first.
func NewRoutes(actorName string, endpoints []Endpoint) *Routes {
	return newRoutes(actorName, endpoints, true)
}

func newRoutes(actorName string, endpoints []Endpoint, dynamic bool) *Routes {
	r := &Routes{exact: map[string][]*Endpoint{}, all: slices.Clone(endpoints)}
	for i := range r.all {
		e := &r.all[i]
		e.full = "/" + actorName + e.Path
		if verbOrder(e.Verb) < 0 && r.err == nil {
			r.err = fmt.Errorf("Unknown HTTP method '%s'", e.Verb) // CCF's text
		}
		t, err := CompileTemplate(e.Path)
		if t != nil || err != nil {
			r.templates = append(r.templates, &templated{e, t, err})
		}
		if dynamic || t == nil && err == nil {
			r.exact[e.Path] = append(r.exact[e.Path], e)
		}
	}
	return r
}

// lookup finds the endpoint for a verb and path. An error is an exception during lookup.
func (r *Routes) lookup(verb, path string) (*Endpoint, []Param, error) {
	if r.err != nil {
		return nil, nil, r.err
	}
	for _, e := range r.exact[path] {
		if e.Verb == verb {
			return e, nil, nil
		}
	}
	var found *Endpoint
	var params []Param
	var ambiguous []string
	for _, t := range r.templates {
		if t.endpoint.Verb != verb {
			continue
		}
		if t.err != nil {
			return nil, nil, t.err
		}
		p, ok := t.template.Match(path)
		if !ok {
			continue
		}
		if found == nil {
			found, params = t.endpoint, p
		}
		ambiguous = append(ambiguous, t.endpoint.Path)
	}
	if len(ambiguous) > 1 {
		slices.Sort(ambiguous)
		return nil, nil, fmt.Errorf("Multiple potential matches for path: %s\n  %s", path, strings.Join(ambiguous, "\n  ")) // CCF's text
	}
	return found, params, nil
}

// verbs adds the verbs that the path has.
func (r *Routes) verbs(path string, set map[string]bool) error {
	if r.err != nil {
		return r.err
	}
	for _, e := range r.exact[path] {
		set[e.Verb] = true
	}
	for _, t := range r.templates {
		if t.err != nil {
			return t.err
		}
		if _, ok := t.template.Match(path); ok {
			set[t.endpoint.Verb] = true
		}
	}
	return nil
}

// verbList is llhttp's numbering, which orders the allow header.
var verbList = [...]string{
	"DELETE", "GET", "HEAD", "POST", "PUT", "CONNECT", "OPTIONS", "TRACE", "COPY", "LOCK", "MKCOL", "MOVE", "PROPFIND", "PROPPATCH", "SEARCH", "UNLOCK",
	"BIND", "REBIND", "UNBIND", "ACL", "REPORT", "MKACTIVITY", "CHECKOUT", "MERGE", "M-SEARCH", "NOTIFY", "SUBSCRIBE", "UNSUBSCRIBE", "PATCH", "PURGE",
	"MKCALENDAR", "LINK", "UNLINK", "SOURCE",
}

func verbOrder(verb string) int { return slices.Index(verbList[:], verb) }

// allowHeader lists verbs as CCF does: OPTIONS first, although it may come again when the path has an endpoint for it.
func allowHeader(set map[string]bool) string {
	list := make([]string, 0, len(set))
	for v := range set {
		list = append(list, v)
	}
	slices.SortFunc(list, func(a, b string) int { return verbOrder(a) - verbOrder(b) })
	return strings.Join(append([]string{"OPTIONS"}, list...), ", ")
}
