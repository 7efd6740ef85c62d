package lint

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"
)

// documented is the share of exported names that must have a comment.
const documented = 0.95

// TestExportedNamesAreDocumented counts the exported functions, methods of
// exported types, types, constants and variables of all packages. A comment on
// a group of constants or variables counts for each of them.
func TestExportedNamesAreDocumented(t *testing.T) {
	var all, bare []string
	for _, p := range packages(t) {
		for _, name := range p.GoFiles {
			f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, name), nil, parser.ParseComments)
			if err != nil {
				t.Fatal(err)
			}
			if ast.IsGenerated(f) || f.Name.Name == "main" {
				continue
			}
			for what, has := range exported(f) {
				what = p.ImportPath + ": " + what
				if all = append(all, what); !has {
					bare = append(bare, what)
				}
			}
		}
	}
	if len(all) == 0 {
		t.Fatal("no exported names were found")
	}
	share := 1 - float64(len(bare))/float64(len(all))
	t.Logf("%d exported names, %.1f %% with a comment", len(all), 100*share)
	if share < documented {
		t.Errorf("%.1f %% of the exported names have a comment, less than %.0f %%; without one are:\n%s", 100*share, 100*documented, strings.Join(bare, "\n"))
	}
}

// exported tells of each exported name of a file whether it has a comment.
func exported(f *ast.File) map[string]bool {
	out := map[string]bool{}
	for _, d := range f.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			receiver := receiverOf(d)
			if d.Name.IsExported() && (receiver == "" || ast.IsExported(receiver)) {
				out[strings.TrimPrefix(receiver+"."+d.Name.Name, ".")] = d.Doc != nil
			}
		case *ast.GenDecl:
			for _, s := range d.Specs {
				specNames(out, d, s)
			}
		}
	}
	return out
}

func specNames(out map[string]bool, d *ast.GenDecl, s ast.Spec) {
	switch s := s.(type) {
	case *ast.TypeSpec:
		if s.Name.IsExported() {
			out[s.Name.Name] = s.Doc != nil || d.Doc != nil
		}
	case *ast.ValueSpec:
		for _, n := range s.Names {
			if n.IsExported() {
				out[n.Name] = s.Doc != nil || s.Comment != nil || d.Doc != nil
			}
		}
	}
}

// receiverOf is the name of a method's type, "" for a function.
func receiverOf(d *ast.FuncDecl) string {
	if d.Recv == nil {
		return ""
	}
	e := d.Recv.List[0].Type
	for {
		switch x := e.(type) {
		case *ast.StarExpr:
			e = x.X
		case *ast.IndexExpr:
			e = x.X
		case *ast.IndexListExpr:
			e = x.X
		case *ast.Ident:
			return x.Name
		default:
			return "?"
		}
	}
}
