package api_test

import (
	"context"
	"strings"
	"testing"

	"concordat/js-apps/api"
	"concordat/ledger/kv"
)

// BenchmarkScript runs one function of a constitution of usual size (50 KB).
func BenchmarkScript(b *testing.B) {
	store := kv.New(kv.NewMemBase(), kv.Options{})
	tx := store.Begin()
	defer tx.Release()
	action := `actions.set("name@", { validate(args) { if (typeof args.x !== "string") throw new Error("x must be a string"); return true }, apply(args, id) { ccf.kv["public:ccf.gov.t"].set(ccf.strToBuf(args.x), ccf.jsonCompatibleToBuf({ id })) } });` + "\n"
	var text strings.Builder
	text.WriteString("const actions = new Map();\n")
	for text.Len() < 50<<10 {
		text.WriteString(strings.ReplaceAll(action, "@", strings.Repeat("x", 1+text.Len()%17)))
	}
	text.WriteString("export function validate(input) { return { valid: JSON.parse(input).actions.length > 0 } }")
	s := api.Script{Name: "constitution", Source: text.String(), Export: "validate", Fields: []string{"valid"}}
	scripts := api.NewScripts()
	b.ReportAllocs()
	for b.Loop() {
		v, err := scripts.Run(context.Background(), s, []any{`{"actions":[1]}`}, &api.Host{Tx: tx, Access: api.GovRO}, api.DefaultLimits)
		if err != nil || !v.Fields["valid"].Truthy {
			b.Fatal(v, err)
		}
	}
}
