package lint

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"
)

// Sizes past which a thing is hiding something (lines, files).
const (
	maxFuncLines = 70
	maxFileLines = 500
	maxFiles     = 14
)

func TestNothingGrowsTooLarge(t *testing.T) {
	for _, p := range packages(t) {
		if len(p.GoFiles) > maxFiles {
			t.Errorf("%s has %d files, more than %d", p.ImportPath, len(p.GoFiles), maxFiles)
		}
		for _, name := range p.GoFiles {
			checkFile(t, filepath.Join(p.Dir, name), p.ImportPath+"/"+name)
		}
	}
}

func checkFile(t *testing.T, path, label string) {
	fset := token.NewFileSet()
	f, err := parser.ParseFile(fset, path, nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	if ast.IsGenerated(f) {
		return
	}
	if n := fset.Position(f.End()).Line; n > maxFileLines {
		t.Errorf("%s has %d lines, more than %d", label, n, maxFileLines)
	}
	for _, d := range f.Decls {
		fn, ok := d.(*ast.FuncDecl)
		if !ok || fn.Body == nil {
			continue
		}
		if n := fset.Position(fn.End()).Line - fset.Position(fn.Pos()).Line; n > maxFuncLines {
			t.Errorf("%s: %s has %d lines, more than %d", label, fn.Name.Name, n, maxFuncLines)
		}
	}
}

func TestEveryPackageSaysWhatItIs(t *testing.T) {
	for _, p := range packages(t) {
		if len(p.GoFiles) == 0 {
			continue
		}
		if !hasPackageComment(t, p) {
			t.Errorf("%s has no package comment", p.ImportPath)
		}
	}
}

func hasPackageComment(t *testing.T, p pkg) bool {
	for _, name := range p.GoFiles {
		f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, name), nil, parser.PackageClauseOnly|parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		if f.Doc != nil && strings.TrimSpace(f.Doc.Text()) != "" {
			return true
		}
	}
	return false
}
