package constitution_test

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"slices"
	"strings"
	"testing"

	"concordat/governance/tables"
	"concordat/ledger/kv"
)

type args = map[string]any

// step is one action of a proposal.
func step(name string, a any) any { return map[string]any{"name": name, "args": a} }

// proper reports an action that is in the corpus for its effect.
func proper(s any) bool { return s.(map[string]any)["proper"] != nil }

// odd are values that no argument expects.
func odd() []any {
	return []any{nil, 0, 1, -1, 1.5, 300, 1e6, "", "x", "nope", true, false, []any{}, []any{1}, args{}, args{"keys": 1}, strings.Repeat("g", 64), strings.Repeat("a", 64), strings.Repeat("a", 65)}
}

// corpus is a list of actions: good ones, each with every argument left out and
// replaced by odd values, over what the recorded service holds.
func corpus(t *testing.T, store *kv.Store) []any {
	t.Helper()
	tx := store.Begin()
	defer tx.Release()
	var out []any
	all := good(t, tx)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		out = append(out, map[string]any{"name": name}, step(name, nil), step(name, "text"), step(name, 5), step(name, args{}), step(name, []any{}))
		for _, example := range all[name] {
			out = append(out, map[string]any{"name": name, "args": example, "proper": true})
			for _, key := range slices.Sorted(maps.Keys(example)) {
				out = append(out, step(name, without(example, key)))
				for _, v := range odd() {
					out = append(out, step(name, with(example, key, v)))
				}
			}
			out = append(out, step(name, with(example, "extra", 1)))
		}
	}
	out = append(out, step("nope", nil), map[string]any{}, map[string]any{"name": nil})
	for _, bundle := range bundles() {
		out = append(out, step("set_js_app", args{"bundle": bundle}))
	}
	for _, jwks := range keySets() {
		out = append(out, step("set_jwt_issuer", args{"issuer": "https://x.example.com", "jwks": jwks}))
	}
	return out
}

func without(a args, key string) args {
	out := args{}
	for k, v := range a {
		if k != key {
			out[k] = v
		}
	}
	return out
}

func with(a args, key string, v any) args {
	out := without(a, key)
	out[key] = v
	return out
}

func first(t *testing.T, tx *kv.Tx, table string) string {
	t.Helper()
	keys := tables.Bytes{Name: table}.Keys(tx)
	if len(keys) == 0 {
		t.Fatal("the recorded service has nothing in ", table)
	}
	return keys[0]
}

// good are arguments that each action accepts.
func good(t *testing.T, tx *kv.Tx) map[string][]args {
	t.Helper()
	member, node := first(t, tx, tables.MembersCerts), first(t, tx, tables.NodesInfo)
	cert, _ := tables.MemberCerts.PEM(tx, member)
	key, _ := tables.MemberKeys.PEM(tx, first(t, tx, tables.MembersEncryption))
	user := first(t, tx, tables.UsersCerts)
	service, _, err := tables.Service.Get(tx)
	if err != nil {
		t.Fatal(err)
	}
	digest := sha256.Sum256([]byte("policy"))
	stranger := strings.Repeat("0", 64)
	constitution := "export function validate(a){} export function resolve(a,b,c){} export function apply(a,b){}"
	from := "20261101000000Z"
	all := map[string][]args{
		"set_constitution": {{"constitution": constitution}, {"constitution": "export function validate("}, {"constitution": ""}},
		"set_member":       {{"cert": cert, "encryption_pub_key": key, "member_data": args{"b": 1, "a": 2}, "recovery_role": "Owner"}, {"cert": cert}},
		"remove_member":    {{"member_id": member}, {"member_id": stranger}},
		"set_member_data":  {{"member_id": member, "member_data": args{"x": 1}}, {"member_id": stranger, "member_data": args{}}},
		"set_user":         {{"cert": cert, "user_data": args{"x": 1}}, {"cert": cert}},
		"remove_user":      {{"user_id": user}, {"user_id": stranger}},
		"set_user_data":    {{"user_id": user, "user_data": args{"x": 1}}, {"user_id": stranger}},
		"set_recovery_threshold": {
			{"recovery_threshold": 1}, {"recovery_threshold": 2}, {"recovery_threshold": 3}, {"recovery_threshold": 254}, {"recovery_threshold": 255},
		},
		"trigger_recovery_shares_refresh": {{"a": 1}}, "trigger_ledger_rekey": {{"a": 1}}, "trigger_ledger_chunk": {{"a": 1}}, "trigger_snapshot": {{"a": 1}},
		"transition_service_to_open": {{"next_service_identity": service.Cert}, {"next_service_identity": service.Cert, "previous_service_identity": cert}},
		"remove_js_app":              {{"a": 1}}, "refresh_js_app_bytecode_cache": {{"a": 1}},
		"set_js_runtime_options": {{
			"max_heap_bytes": 1, "max_stack_bytes": 2, "max_execution_time_ms": 3, "log_exception_details": true, "return_exception_details": false, "max_cached_interpreters": 4,
		}},
		"set_ca_cert_bundle": {{"name": "bundle", "cert_bundle": cert}}, "remove_ca_cert_bundle": {{"name": "bundle"}, {"name": "nope"}},
		"remove_jwt_issuer": {{"issuer": "https://nobody.example.com"}},
		"add_node_code":     {{"code_id": "cd"}}, "remove_node_code": {{"code_id": "cd"}},
		"add_snp_measurement": {{"measurement": "ab"}}, "remove_snp_measurement": {{"measurement": "ab"}},
		"add_snp_uvm_endorsement": {{"did": "did:x", "feed": "f", "svn": "1"}}, "remove_snp_uvm_endorsement": {{"did": "did:x", "feed": "f"}},
		"add_snp_host_data": {
			{"host_data": hex.EncodeToString(digest[:]), "security_policy": "policy"}, {"host_data": stranger, "security_policy": ""}, {"host_data": "abc", "security_policy": "x"},
		},
		"remove_snp_host_data": {{"host_data": "ab"}},
		"set_snp_minimum_tcb_version": {
			{"cpuid": "00a00f11", "tcb_version": args{"boot_loader": 3, "tee": 0, "snp": 8, "microcode": 115}}, {"cpuid": "00a00f11", "tcb_version": args{"x": 1}},
			{"cpuid": "00A00F11", "tcb_version": args{}}, {"cpuid": "00a0", "tcb_version": args{}},
		},
		"set_snp_minimum_tcb_version_hex": {{"cpuid": "00a10f11", "tcb_version": "d315000000000004"}, {"cpuid": "00a10f11", "tcb_version": "D3"}},
		"remove_snp_minimum_tcb_version":  {{"cpuid": "00a00f11"}, {"cpuid": "00ffffff"}},
		"set_node_data":                   {{"node_id": node, "node_data": args{"x": 1}}, {"node_id": node, "node_data": "text"}, {"node_id": stranger, "node_data": 1}},
		"transition_node_to_trusted":      {{"node_id": node, "valid_from": from, "validity_period_days": 10}, {"node_id": stranger, "valid_from": from}},
		"remove_node":                     {{"node_id": node}, {"node_id": stranger}},
		"set_node_certificate_validity": {
			{"node_id": node, "valid_from": from, "validity_period_days": 10}, {"node_id": node, "valid_from": from}, {"node_id": stranger, "valid_from": from}, {"node_id": node, "valid_from": from, "validity_period_days": 5000},
		},
		"set_all_nodes_certificate_validity": {{"valid_from": from, "validity_period_days": 10}, {"valid_from": from}},
		"set_service_certificate_validity":   {{"valid_from": from, "validity_period_days": 10}, {"valid_from": from}, {"valid_from": from, "validity_period_days": 5000}},
		"set_service_configuration": {
			{"recovery_threshold": 2}, {"recent_cose_proposals_window_size": 5}, {"reconfiguration_type": "TwoTransaction"}, {"reconfiguration_type": "OneTransaction"}, {"reconfiguration_type": "Bogus"},
			{"recovery_threshold": 1, "recent_cose_proposals_window_size": 10001}, {"foo": 1},
		},
		"assert_service_identity": {{"service_identity": service.Cert}, {"service_identity": cert}},
		"add_virtual_measurement": {{"measurement": "m"}}, "remove_virtual_measurement": {{"measurement": "m"}},
		"add_virtual_host_data": {{"host_data": "h"}}, "remove_virtual_host_data": {{"host_data": "h"}},
	}
	op := args{"js_module": "m.js", "js_function": "f", "forwarding_required": "never", "authn_policies": []any{"no_auth"}, "mode": "readwrite", "openapi": args{}}
	bundle := args{"modules": []any{args{"name": "m.js", "module": "x"}}, "metadata": args{"endpoints": args{"/f": args{"get": op, "PoSt": op}}}}
	all["set_js_app"] = []args{{"bundle": bundle, "disable_bytecode_cache": true}}
	issuer := args{"issuer": "https://x.example.com", "auto_refresh": false, "ca_cert_bundle_name": "nope", "jwks": args{"keys": []any{args{"kid": "k", "kty": "RSA", "n": "a", "e": "b"}}}}
	all["set_jwt_issuer"] = []args{
		issuer, with(issuer, "auto_refresh", true), with(with(issuer, "auto_refresh", true), "issuer", "http://x.example.com"),
		with(with(issuer, "auto_refresh", true), "issuer", "https://x.example.com/?a#b"), with(with(issuer, "auto_refresh", true), "issuer", "x.example.com"),
		with(with(issuer, "auto_refresh", true), "issuer", "https://x.example.com#b"), with(with(issuer, "auto_refresh", true), "issuer", "HTTPS://x.example.com/p/q"),
	}
	for _, odd := range []string{"https://x.example.com?", "https://x.example.com#", "https:x", "https", "https://", "https:///p", "https://[::1]:8000/p", "https://a b"} {
		all["set_jwt_issuer"] = append(all["set_jwt_issuer"], with(with(issuer, "auto_refresh", true), "issuer", odd))
	}
	all["set_jwt_public_signing_keys"] = []args{{"issuer": "https://nobody.example.com", "jwks": issuer["jwks"]}}
	return all
}

// bundles are applications with one thing wrong, or odd, in each.
func bundles() []any {
	op := args{"js_module": "m.js", "js_function": "f", "forwarding_required": "never", "authn_policies": []any{"no_auth"}, "mode": "readwrite", "openapi": args{}}
	one := func(op any) any {
		return args{"modules": []any{args{"name": "m.js", "module": "x"}}, "metadata": args{"endpoints": args{"/f": args{"get": op}}}}
	}
	var out []any
	values := append(odd(), "readonly", "historical", "always", "sometimes", "to_primary", "to_backup", "none", []any{nil}, []any{args{"all_of": []any{"jwt"}}},
		[]any{args{"all_of": []any{1}}}, []any{args{"any_of": 1}}, []any{[]any{}}, []any{true})
	for _, key := range []string{"js_module", "js_function", "forwarding_required", "authn_policies", "mode", "openapi", "redirection_strategy", "openapi_hidden", "interpreter_reuse", "other"} {
		out = append(out, one(without(op, key)))
		for _, v := range values {
			out = append(out, one(with(op, key, v)))
		}
	}
	for _, v := range odd() {
		out = append(out, one(v),
			args{"modules": v, "metadata": args{"endpoints": args{}}}, args{"modules": []any{v}, "metadata": args{"endpoints": args{}}},
			args{"modules": []any{args{"name": v, "module": "x"}}, "metadata": args{"endpoints": args{}}},
			args{"modules": []any{args{"name": "a", "module": v}}, "metadata": args{"endpoints": args{}}},
			args{"modules": []any{}, "metadata": v}, args{"modules": []any{}, "metadata": args{"endpoints": v}}, args{"modules": []any{}, "metadata": args{"endpoints": args{"/f": v}}})
	}
	return out
}

// keySets are sets of token keys with one thing wrong, or odd, in each.
func keySets() []any {
	var out []any
	for _, v := range odd() {
		out = append(out, args{"keys": v}, args{"keys": []any{v}}, args{"keys": []any{args{"kid": v, "kty": "RSA", "n": "a", "e": "b"}}}, args{"keys": []any{args{"kid": "k", "kty": v, "n": "a", "e": "b"}}},
			args{"keys": []any{args{"kid": "k", "kty": "RSA", "n": v, "e": "b"}}}, args{"keys": []any{args{"kid": "k", "kty": "EC", "x": v, "y": "b", "crv": "P-256"}}},
			args{"keys": []any{args{"kid": "k", "kty": "RSA", "x5c": v}}}, args{"keys": []any{args{"kid": "k", "kty": "RSA", "x5c": []any{v}}}})
	}
	return out
}
