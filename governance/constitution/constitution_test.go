package constitution_test

import (
	"context"
	"strings"
	"testing"

	"concordat/governance/constitution"
	"concordat/js-apps/api"
	"concordat/ledger/kv"
)

// TestDefaultsPassTheirOwnCheck: members can propose the constitutions we ship.
func TestDefaultsPassTheirOwnCheck(t *testing.T) {
	store := kv.New(kv.NewMemBase(), kv.Options{})
	defer store.Close()
	tx := store.Begin()
	defer tx.Release()
	check := api.Script{Name: "check", Source: "export function check(text) { return ccf.gov.validateConstitution(text) }", Export: "check"}
	for name, text := range map[string]string{"default": constitution.Default(), "development": constitution.Development()} {
		v, err := api.NewScripts().Run(context.Background(), check, []any{text}, &api.Host{Tx: tx, Access: api.GovRO}, api.DefaultLimits)
		if err != nil || !v.Truthy {
			t.Errorf("%s: %v, %v", name, v.Truthy, err)
		}
	}
	_, err := api.NewScripts().Run(context.Background(), check, []any{strings.Replace(constitution.Default(), "export function apply", "function apply", 1)},
		&api.Host{Tx: tx, Access: api.GovRO}, api.DefaultLimits)
	if err == nil {
		t.Error("a constitution without apply passed")
	}
}

// TestFilesHaveTheNamesOfTheStartCommand: tools tell the parts apart by name.
func TestFilesHaveTheNamesOfTheStartCommand(t *testing.T) {
	want := []string{"validate.js", "apply.js", "resolve.js", "actions.js", "virtual.js"}
	for i, f := range append(constitution.Files(), constitution.Virtual()) {
		if f.Name != want[i] || f.Text == "" {
			t.Errorf("file %d is %q", i, f.Name)
		}
	}
}
