package govapi_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// differ compares JSON answers. Stack traces, certificates made in this run and
// what the recording itself calls volatile do not count.
type differ struct {
	*replay
	record *record
	lines  []string
}

var (
	stack   = regexp.MustCompile(`(?m) *at [^\n]*\n?`)
	library = regexp.MustCompile(`\[json\.exception\.`)
)

// ours are members whose values belong to a run.
var ours = []string{
	"certificate", "publicEncryptionKey", "encryptedShare", "stateDigest", "transactionId", "trace", "rawQuote", "reportData", "hostData",
}

func (d *differ) value(path string, got, want any) {
	if slices.Contains(d.record.Volatile, "body:"+path) {
		return
	}
	switch w := want.(type) {
	case map[string]any:
		d.object(path, got, w)
	case []any:
		d.list(path, got, w)
	case string:
		g, ok := got.(string)
		if name := path[strings.LastIndex(path, "/")+1:]; ok && slices.Contains(ours, name) && g != "" {
			return
		}
		if !ok || !d.sameText(g, w) {
			d.differ(path, got, want)
		}
	default:
		if got != want {
			d.differ(path, got, want)
		}
	}
}

func (d *differ) differ(path string, got, want any) {
	d.lines = append(d.lines, fmt.Sprintf("%s\n got %.600v\nwant %.600v", path, got, want))
}

func (d *differ) object(path string, got any, want map[string]any) {
	g, ok := got.(map[string]any)
	if !ok {
		d.differ(path, got, want)
		return
	}
	translated := map[string]any{}
	for name, v := range want {
		translated[d.translate(name)] = v
	}
	for name := range g {
		if _, ok := translated[name]; !ok {
			d.differ(path+"/"+name, g[name], "nothing")
		}
	}
	for name, v := range translated {
		if have, ok := g[name]; ok {
			d.value(path+"/"+name, have, v)
		} else {
			d.differ(path+"/"+name, "nothing", v)
		}
	}
}

// list compares arrays without their order, which the recordings do not promise:
// every recorded item must have an answer of its own.
func (d *differ) list(path string, got any, want []any) {
	g, ok := got.([]any)
	if !ok || len(g) != len(want) {
		d.differ(path, got, want)
		return
	}
	used := make([]bool, len(g))
	for i, w := range want {
		if !d.claim(fmt.Sprintf("%s/%d", path, i), g, used, w) {
			d.differ(fmt.Sprintf("%s/%d", path, i), got, w)
			return
		}
	}
}

// claim finds an item that nobody claimed and that does not differ.
func (d *differ) claim(path string, items []any, used []bool, want any) bool {
	for i, item := range items {
		alone := &differ{replay: d.replay, record: d.record}
		if alone.value(path, item, want); !used[i] && len(alone.lines) == 0 {
			used[i] = true
			return true
		}
	}
	return false
}

// translate replaces recorded values by those of this run.
func (d *differ) translate(s string) string {
	for was, is := range d.old {
		s = strings.ReplaceAll(s, was, is)
	}
	return s
}

func (d *differ) sameText(got, want string) bool {
	if library.MatchString(want) {
		return library.MatchString(got) // what a C++ library says
	}
	return strip(got) == strip(d.translate(want))
}

func strip(s string) string {
	s = stack.ReplaceAllString(s, "")
	if i := strings.Index(s, "-----BEGIN CERT"); i >= 0 {
		s = s[:i]
	}
	return strings.TrimRight(strings.ReplaceAll(s, "Trace: N/A", ""), "\n ") + tail(s)
}

// tail keeps the marker that a trace follows.
func tail(s string) string {
	if strings.Contains(s, "\nTrace:") {
		return " (trace)"
	}
	return ""
}
