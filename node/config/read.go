package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// maxFile bounds a configuration file, in bytes.
const maxFile = 4 << 20

// envPrefix starts the variables that override the file. The rest of the name is
// the key in upper case, with two underscores between levels:
// CONCORDAT_LEDGER__CHUNK_SIZE=1MB is ledger.chunk_size.
const envPrefix = "CONCORDAT_"

// Overrides are values over the file, by dotted key.
type Overrides map[string]string

// addressVariable is the command line's default for --url; it is no key of the file.
const addressVariable = envPrefix + "URL"

// Environment picks the overriding variables out of an environment of NAME=VALUE.
func Environment(environ []string) Overrides {
	o := Overrides{}
	for _, pair := range environ {
		name, value, _ := strings.Cut(pair, "=")
		if key, ok := strings.CutPrefix(name, envPrefix); ok && name != addressVariable {
			o[strings.ToLower(strings.ReplaceAll(key, "__", "."))] = value
		}
	}
	return o
}

// Read parses a configuration file. Later overrides win. The second result lists
// the keys that are present and have no effect in this version.
func Read(text []byte, overrides ...Overrides) (*Node, []string, error) {
	if len(text) > maxFile {
		return nil, nil, fmt.Errorf("the configuration is over %d bytes", maxFile)
	}
	doc, err := decode(text)
	if err != nil {
		return nil, nil, err
	}
	n := Default()
	n.Set = map[string]string{}
	for _, o := range overrides {
		for _, key := range slices.Sorted(maps.Keys(o)) {
			if err := override(doc, key, o[key]); err != nil {
				return nil, nil, err
			}
			n.Set[key] = o[key]
		}
	}
	b := &binder{}
	if err := b.object("", doc, reflect.ValueOf(&n).Elem()); err != nil {
		return nil, nil, err
	}
	return &n, b.idle, n.check()
}

// decode reads JSON when the text looks like it, else YAML.
func decode(text []byte) (map[string]any, error) {
	var doc map[string]any
	if trimmed := bytes.TrimLeft(text, " \t\r\n"); len(trimmed) > 0 && trimmed[0] == '{' {
		d := json.NewDecoder(bytes.NewReader(text))
		d.UseNumber()
		if err := d.Decode(&doc); err != nil {
			return nil, fmt.Errorf("the configuration is not valid JSON: %w%s", err, lineOf(text, err))
		}
		if _, err := d.Token(); !errors.Is(err, io.EOF) {
			return nil, errors.New("the configuration goes on after its closing brace")
		}
		return doc, nil
	}
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return nil, fmt.Errorf("the configuration is neither JSON nor YAML: %w", err)
	}
	if doc == nil {
		return nil, errors.New("the configuration is empty")
	}
	plain, err := plainYAML("", doc)
	if err != nil {
		return nil, err
	}
	return plain.(map[string]any), nil
}

// lineOf adds where a syntax error stands.
func lineOf(text []byte, err error) string {
	var syntax *json.SyntaxError
	if !errors.As(err, &syntax) || syntax.Offset > int64(len(text)) {
		return ""
	}
	return fmt.Sprintf(" (line %d)", 1+bytes.Count(text[:syntax.Offset], []byte("\n")))
}

// plainYAML gives YAML's values the types of JSON's decoder, and refuses those that JSON does not have.
func plainYAML(at string, v any) (any, error) {
	var err error
	switch x := v.(type) {
	case nil, bool, string:
		return v, nil
	case int, int64, uint64:
		return json.Number(fmt.Sprint(x)), nil
	case float64:
		return json.Number(strconv.FormatFloat(x, 'g', -1, 64)), nil
	case map[string]any:
		for k := range x {
			if x[k], err = plainYAML(join(at, k), x[k]); err != nil {
				return nil, err
			}
		}
		return v, nil
	case []any:
		for i := range x {
			if x[i], err = plainYAML(fmt.Sprintf("%s[%d]", at, i), x[i]); err != nil {
				return nil, err
			}
		}
		return v, nil
	}
	return nil, fmt.Errorf("%s: YAML understands this as %T: put it in quotes", place(at), v)
}

// override puts one value at a dotted key. A value that is JSON is taken as such,
// anything else as text.
func override(doc map[string]any, key, value string) error {
	parts := strings.Split(key, ".")
	for _, part := range parts[:len(parts)-1] {
		next, ok := doc[part].(map[string]any)
		if !ok {
			if doc[part] != nil {
				return fmt.Errorf("override %s: %s is no object", key, part)
			}
			next = map[string]any{}
			doc[part] = next
		}
		doc = next
	}
	doc[parts[len(parts)-1]] = overrideValue(value)
	return nil
}

func overrideValue(value string) any {
	var v any
	d := json.NewDecoder(strings.NewReader(value))
	d.UseNumber()
	if d.Decode(&v) != nil {
		return value
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return value
	}
	return v
}
