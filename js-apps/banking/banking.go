// Package banking carries the banking sample application, so that programs can
// deploy it without a source tree. The application itself is TypeScript in ts/;
// src/banking.js is what `npm run build` makes of it.
package banking

import (
	"embed"
	"io/fs"
)

//go:embed app.json src
var files embed.FS

// App is the application folder in the layout that bundle.Read takes.
func App() fs.FS { return files }
