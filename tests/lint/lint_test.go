// Package lint holds the rules of the code itself: who may import whom, which
// packages are pure, and how large things may grow. They are tests, so that a
// change that breaks one fails where every other test does.
package lint

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"strings"
	"testing"

	"concordat/ledger/fixture"
)

const module = "concordat/"

// pkg is what `go list -json` says of a package, cut to what the rules need.
type pkg struct {
	ImportPath string
	Dir        string
	GoFiles    []string
	Imports    []string
	Deps       []string
}

func packages(t *testing.T) []pkg {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Dir,GoFiles,Imports,Deps", "./...")
	cmd.Dir = fixture.Root(t)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []pkg
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		err := d.Decode(&p)
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

// in reports whether path is the package or a folder above it.
func in(path, prefix string) bool {
	path = strings.TrimPrefix(path, module)
	return path == prefix || strings.HasPrefix(path, prefix+"/")
}

func inAny(path string, prefixes []string) bool {
	for _, p := range prefixes {
		if in(path, p) {
			return true
		}
	}
	return false
}
