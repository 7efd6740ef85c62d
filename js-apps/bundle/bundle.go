// Package bundle folds an application folder (app.json and src/**, the layout
// of CCF's applications) or a ready bundle.json into the bundle that a
// set_js_app proposal carries. It checks beforehand what the default
// constitution and the dispatcher would complain about later, in words that
// name the file and the endpoint, and it gives the bundle a content hash, so
// that a watch loop can tell whether anything changed.
//
// Nothing here is trusted: every size and count is bounded before it is read.
package bundle

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"sort"

	"concordat/ledger/jsondoc"
)

// Module is one source file; Name is its path below src with forward slashes.
type Module struct {
	Name   string `json:"name"`
	Module string `json:"module"`
}

// Bundle is an application ready to be proposed.
type Bundle struct {
	// Metadata is the text of app.json, compacted, members in its order.
	Metadata json.RawMessage `json:"metadata"`
	// Modules are sorted by name.
	Modules []Module `json:"modules"`
}

// Options are the arguments of set_js_app beside the bundle.
type Options struct {
	DisableBytecodeCache bool
}

// Hash identifies the bundle's content: SHA-256 over the length-prefixed
// metadata, names and sources. Two bundles have the same hash exactly when
// deploying one after the other changes nothing.
func (b *Bundle) Hash() string {
	h := sha256.New()
	add := func(s string) {
		var n [8]byte
		binary.BigEndian.PutUint64(n[:], uint64(len(s)))
		h.Write(n[:])
		h.Write([]byte(s))
	}
	add(string(b.Metadata))
	for _, m := range b.Modules {
		add(m.Name)
		add(m.Module)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// JSON is the bundle alone, as ccf-build-bundle writes bundle.json.
func (b *Bundle) JSON() ([]byte, error) { return jsondoc.Plain(b) }

// Proposal is the whole proposal text, ready to be signed by a member.
func (b *Bundle) Proposal(o Options) ([]byte, error) {
	type args struct {
		Bundle               *Bundle `json:"bundle"`
		DisableBytecodeCache bool    `json:"disable_bytecode_cache"`
	}
	type action struct {
		Name string `json:"name"`
		Args args   `json:"args"`
	}
	return jsondoc.Plain(struct {
		Actions []action `json:"actions"`
	}{[]action{{"set_js_app", args{b, o.DisableBytecodeCache}}}})
}

func sortModules(m []Module) {
	sort.Slice(m, func(i, j int) bool { return m[i].Name < m[j].Name })
}
