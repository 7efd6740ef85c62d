// Package constitution holds the default constitution: the rules a service
// starts with unless its configuration names other files.
//
// A constitution is one ECMAScript module made of files joined in order. It
// exports validate, apply and resolve. Names and arguments of the actions are
// those of CCF 7, so that members' tools work; the text is Concordat's own.
package constitution

import (
	_ "embed"
	"strings"
)

// File is one part of a constitution.
type File struct {
	Name, Text string
}

var (
	//go:embed js/validate.js
	validate string
	//go:embed js/apply.js
	apply string
	//go:embed js/resolve.js
	resolve string
	//go:embed js/actions.js
	actions string
	//go:embed js/virtual.js
	virtual string
)

// Files is the default constitution in order, without the actions that trust
// nodes of the virtual platform.
func Files() []File {
	return []File{{"validate.js", validate}, {"apply.js", apply}, {"resolve.js", resolve}, {"actions.js", actions}}
}

// Virtual is the file that adds those actions; it goes last.
func Virtual() File { return File{"virtual.js", virtual} }

// Join makes one constitution of the texts of its files, as the start command
// does: in order, with one line end between them.
func Join(files []File) string {
	texts := make([]string, len(files))
	for i, f := range files {
		texts[i] = f.Text
	}
	return strings.Join(texts, "\n")
}

// Default is the default constitution.
func Default() string { return Join(Files()) }

// Development is the default constitution with the actions for virtual nodes.
func Development() string { return Join(append(Files(), Virtual())) }
