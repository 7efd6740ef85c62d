// Package logging carries the logging sample application, so that programs can
// deploy it without a source tree.
package logging

import (
	"embed"
	"io/fs"
)

//go:embed app.json src
var files embed.FS

// App is the application folder in the layout that bundle.Read takes.
func App() fs.FS { return files }
