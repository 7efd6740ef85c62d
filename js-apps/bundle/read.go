package bundle

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"unicode/utf8"
)

// Limits of a bundle. The largest applications known (a hundred modules of an
// npm tree) stay an order of magnitude below them.
const (
	MaxMetadataBytes = 4 << 20
	MaxModuleBytes   = 16 << 20
	MaxTotalBytes    = 64 << 20
	MaxModules       = 4096
	MaxDepth         = 32 // folders below src
)

const (
	metadataFile = "app.json"
	sourceFolder = "src"
)

// Build reads and checks the application at path: a folder with app.json and
// src, a folder with such a dist folder (the output of a TypeScript build), or
// a bundle.json file. It is what a watch loop calls on every change.
func Build(path string) (*Bundle, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		f, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		b, err := Parse(f)
		return b, inFile(path, err)
	}
	dir := path
	if _, err := os.Stat(filepath.Join(dir, metadataFile)); errors.Is(err, fs.ErrNotExist) {
		dist := filepath.Join(dir, "dist")
		if _, err := os.Stat(filepath.Join(dist, metadataFile)); err != nil {
			return nil, fmt.Errorf("%s: no %s here or in dist: is this an application folder?", path, metadataFile)
		}
		dir = dist
	}
	b, err := Read(os.DirFS(dir))
	return b, inFile(dir, err)
}

func inFile(name string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", name, err)
}

// Parse reads a bundle.json: {"metadata": …, "modules": [{"name", "module"}]}.
func Parse(r io.Reader) (*Bundle, error) {
	text, err := readBounded(r, MaxTotalBytes)
	if err != nil {
		return nil, err
	}
	if !utf8.Valid(text) {
		return nil, errors.New("not UTF-8 text")
	}
	var b Bundle
	if err := json.Unmarshal(text, &b); err != nil {
		return nil, describeSyntax(text, err)
	}
	if b.Metadata == nil || b.Modules == nil {
		return nil, errors.New(`a bundle needs "metadata" and "modules"`)
	}
	return finish(&b)
}

// Read folds an application folder.
func Read(app fs.FS) (*Bundle, error) {
	b := &Bundle{}
	metadata, err := readFile(app, metadataFile, MaxMetadataBytes)
	if err != nil {
		return nil, err
	}
	if !json.Valid(metadata) {
		var v any
		return nil, inFile(metadataFile, describeSyntax(metadata, json.Unmarshal(metadata, &v)))
	}
	b.Metadata = metadata
	if b.Modules, err = readModules(app); err != nil {
		return nil, err
	}
	return finish(b)
}

// finish brings a bundle into its one form and checks it.
func finish(b *Bundle) (*Bundle, error) {
	var compact bytes.Buffer
	if err := json.Compact(&compact, b.Metadata); err != nil {
		return nil, inFile(metadataFile, err)
	}
	b.Metadata = compact.Bytes()
	sortModules(b.Modules)
	if err := check(b); err != nil {
		return nil, err
	}
	return b, nil
}

func readModules(app fs.FS) ([]Module, error) {
	var modules []Module
	total := 0
	err := fs.WalkDir(app, sourceFolder, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if name != sourceFolder && ignored(d.Name()) {
				return fs.SkipDir
			}
			if strings.Count(name, "/") > MaxDepth {
				return fmt.Errorf("%s: folders nest deeper than %d", name, MaxDepth)
			}
			return nil
		}
		if ignored(d.Name()) {
			return nil
		}
		if !d.Type().IsRegular() {
			return fmt.Errorf("%s is not a regular file", name)
		}
		text, err := readFile(app, name, min(MaxModuleBytes, MaxTotalBytes-total))
		if err != nil {
			return err
		}
		if len(modules) == MaxModules {
			return fmt.Errorf("more than %d modules", MaxModules)
		}
		total += len(text)
		modules = append(modules, Module{Name: strings.TrimPrefix(name, sourceFolder+"/"), Module: string(text)})
		return nil
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("no %s folder beside %s", sourceFolder, metadataFile)
	}
	return modules, err
}

// ignored tells files that lie in source folders but are no modules: hidden
// ones, editors' backups, TypeScript sources and source maps. Anything else
// may be a module, whatever it is called.
func ignored(name string) bool {
	switch path.Ext(name) {
	case ".ts", ".map", ".md":
		return true
	}
	return strings.HasPrefix(name, ".") || strings.HasSuffix(name, "~")
}

func readFile(app fs.FS, name string, limit int) ([]byte, error) {
	f, err := app.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := readBounded(f, limit)
	if err != nil {
		return nil, inFile(name, err)
	}
	if !utf8.Valid(text) {
		return nil, fmt.Errorf("%s is not UTF-8 text", name)
	}
	return text, nil
}

func readBounded(r io.Reader, limit int) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(r, int64(limit)+1))
	if err != nil {
		return nil, err
	}
	if len(text) > limit {
		return nil, fmt.Errorf("over the limit of %d bytes", limit)
	}
	return text, nil
}

// describeSyntax adds line and column to a JSON error.
func describeSyntax(text []byte, err error) error {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	var offset int64
	switch {
	case errors.As(err, &syntax):
		offset = syntax.Offset
	case errors.As(err, &kind):
		offset = kind.Offset
	default:
		return err
	}
	before := text[:min(max(offset-1, 0), int64(len(text)))]
	line := bytes.Count(before, []byte("\n")) + 1
	column := len(before) - bytes.LastIndexByte(before, '\n')
	return fmt.Errorf("line %d, column %d: %w", line, column, err)
}
