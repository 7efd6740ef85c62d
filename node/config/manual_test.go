package config

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// keysOf lists every key of the configuration, leaves only, and whether it has an effect.
func keysOf(typ reflect.Type, at string, idle bool, out map[string]bool) {
	for typ.Kind() == reflect.Pointer || typ.Kind() == reflect.Slice {
		if typ.Kind() == reflect.Slice && typ.Elem().Kind() == reflect.Struct {
			at += "[]"
		}
		typ = typ.Elem()
	}
	switch {
	case typ.Kind() == reflect.Map && typ.Elem().Kind() == reflect.Struct:
		name := ".NAME"
		if strings.HasSuffix(at, "redirections") {
			name = ".WHERE"
		}
		keysOf(typ.Elem(), at+name, idle, out)
		return
	case typ.Kind() != reflect.Struct || typ == reflect.TypeFor[Size]() || typ == reflect.TypeFor[Duration]():
		out[at] = idle
		return
	}
	for i := range typ.NumField() {
		f := parseTag(typ.Field(i).Tag.Get("key"))
		if !strings.HasPrefix(f.name, "-") {
			keysOf(typ.Field(i).Type, join(at, f.name), idle || f.idle, out)
		}
	}
}

// TestManualNamesEveryKey compares the operator's manual with the keys there are:
// each has a row, each row is a key, and those without effect are told apart.
func TestManualNamesEveryKey(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "OPERATOR.md"))
	if err != nil {
		t.Fatal(err)
	}
	keys := map[string]bool{}
	keysOf(reflect.TypeFor[Node](), "", false, keys)
	var seen []string
	_, table, _ := strings.Cut(string(text), "## Configuration")
	for _, line := range strings.Split(table, "\n") {
		cells := strings.Split(line, "|")
		if len(cells) < 4 || !strings.HasPrefix(cells[1], " `") {
			continue
		}
		key := strings.Trim(cells[1], " `")
		idle, ok := keys[key]
		if !ok {
			t.Errorf("%s is no key of the configuration", key)
			continue
		}
		seen = append(seen, key)
		if says := strings.Contains(line, "no effect"); says != idle {
			t.Errorf("%s: without effect is %v, but the manual says: %s", key, idle, line)
		}
	}
	for key := range keys {
		if !slices.Contains(seen, key) {
			t.Errorf("the manual does not name %s", key)
		}
	}
}
