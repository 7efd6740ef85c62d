package lint

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
)

// pure lists packages that take time, randomness and bytes as arguments, so
// that a test or a simulation decides all that happens in them.
var pure = []string{
	"ledger", "ledger/cose", "ledger/jsondoc", "ledger/keys", "ledger/merkle", "ledger/receipt", "ledger/secret", "ledger/share", "ledger/snapshot",
	"consensus/core", "governance", "governance/auth", "governance/tables", "js-apps/jwk",
}

// outside lists packages that reach what is not an argument.
var outside = []string{"os", "os/exec", "net", "net/http", "syscall", "math/rand", "math/rand/v2", "crypto/rand"}

// clock lists what package time offers that depends on when it is called.
var clock = []string{"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTicker", "NewTimer"}

func TestPurePackagesTakeTimeAndChanceAsArguments(t *testing.T) {
	seen := 0
	for _, p := range packages(t) {
		if !slices.Contains(pure, p.ImportPath[len(module):]) {
			continue
		}
		seen++
		for _, imp := range p.Imports {
			if slices.Contains(outside, imp) {
				t.Errorf("%s imports %s but is pure", p.ImportPath, imp)
			}
		}
		for _, name := range p.GoFiles {
			for _, what := range impurities(t, filepath.Join(p.Dir, name), nil) {
				t.Errorf("%s/%s: %s but is pure", p.ImportPath, name, what)
			}
		}
	}
	if seen != len(pure) {
		t.Errorf("%d of the %d pure packages were found", seen, len(pure))
	}
}

// impurities lists what a file does that depends on more than its arguments. The
// source may be given; otherwise it is read.
func impurities(t *testing.T, file string, source any) (found []string) {
	fset := token.NewFileSet()
	f, err := parser.ParseFile(fset, file, source, 0)
	if err != nil {
		t.Fatal(err)
	}
	note := func(n ast.Node, what string) {
		found = append(found, fmt.Sprintf("line %d %s", fset.Position(n.Pos()).Line, what))
	}
	clockName := importName(f, "time")
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			note(n, "starts a goroutine")
		case *ast.SelectorExpr:
			if x, ok := n.X.(*ast.Ident); ok && x.Name == clockName && slices.Contains(clock, n.Sel.Name) {
				note(n, "uses time."+n.Sel.Name)
			}
		}
		return true
	})
	return found
}

func TestImpuritiesAreSeen(t *testing.T) {
	got := impurities(t, "x.go", `package x
import clock "time"
func f(at clock.Time) clock.Duration {
	go f(at)
	return clock.Since(at)
}
var now = clock.Now`)
	want := []string{"line 4 starts a goroutine", "line 5 uses time.Since", "line 7 uses time.Now"}
	if !slices.Equal(got, want) {
		t.Errorf("found %q, want %q", got, want)
	}
}

// importName is what a file calls a package, "" if it does not import it.
func importName(f *ast.File, pkg string) string {
	for _, imp := range f.Imports {
		if p, _ := strconv.Unquote(imp.Path.Value); p != pkg {
			continue
		}
		if imp.Name != nil {
			return imp.Name.Name
		}
		return path.Base(pkg)
	}
	return ""
}
