package constitution_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"concordat/governance/constitution"
	"concordat/governance/tables"
	"concordat/js-apps/api"
	"concordat/ledger"
	"concordat/ledger/chunk"
	"concordat/ledger/fixture"
	"concordat/ledger/kv"
)

// recorded replays the public tables of a recorded service and returns them with
// the constitution that service had.
func recorded(t *testing.T, name string) (*kv.Store, string) {
	t.Helper()
	d, err := chunk.OpenDir(fixture.Dir(t, "ccf-services", name, "ledger"))
	if err != nil {
		t.Fatal(err)
	}
	store := kv.New(kv.NewMemBase(), kv.Options{})
	t.Cleanup(func() { _ = store.Close() })
	err = d.Entries(func(seqno ledger.Seqno, raw []byte) error {
		e, err := ledger.ParseEntry(raw)
		if err != nil {
			return err
		}
		store.Apply(e.ID(), e.Public.Writes)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	tx := store.Begin()
	defer tx.Release()
	text, ok, err := tables.ConstitutionText.Get(tx)
	if err != nil || !ok {
		t.Fatal("no constitution", err)
	}
	return store, text
}

// calls records what a constitution asked of the node.
type calls struct{ log []string }

func (c *calls) note(format string, args ...any) error {
	c.log = append(c.log, fmt.Sprintf(format, args...))
	return nil
}

func (c *calls) TriggerLedgerRekey() error           { return c.note("rekey") }
func (c *calls) TriggerRecoverySharesRefresh() error { return c.note("refresh") }
func (c *calls) TriggerLedgerChunk() error           { return c.note("chunk") }
func (c *calls) TriggerSnapshot() error              { return c.note("snapshot") }
func (c *calls) TransitionServiceToOpen(previous, next []byte) error {
	return c.note("open %t %q %q", previous == nil, previous, next)
}
func (c *calls) LatestLedgerSecretSeqno() (ledger.Seqno, error) { return 7, c.note("secret") }
func (c *calls) EndorsedCertificate(csr, from string, days uint64) (string, error) {
	return "endorsed", c.note("endorse %q %q %d", csr, from, days)
}
func (c *calls) NetworkCertificate(from string, days uint64) (string, error) {
	return "renewed", c.note("renew %q %d", from, days)
}
func (c *calls) SetJWTPublicSigningKeys(issuer string, metadata, jwks []byte) error {
	return c.note("keys of %q: %s", issuer, jwks)
}
func (c *calls) RemoveJWTPublicSigningKeys(issuer string) error {
	return c.note("no keys of %q", issuer)
}

// Traces name lines, and for a property read of nothing the engine sometimes
// knows the property and sometimes not.
var (
	trace    = regexp.MustCompile(`(?m)(\\n|\n) +at [^\n]*`)
	property = regexp.MustCompile(`(cannot read property) '[^']*'`)
)

func plain(s string) string {
	return property.ReplaceAllString(strings.TrimRight(trace.ReplaceAllString(s, ""), "\n"), "$1")
}

// validate shows what a constitution says to a proposal.
func validate(t *testing.T, scripts *api.Scripts, store *kv.Store, text, proposal string) string {
	t.Helper()
	tx := store.Begin()
	defer tx.Release()
	v, err := scripts.Run(context.Background(), api.Script{Name: "c", Source: text, Export: "validate", Fields: []string{"valid", "description"}},
		[]any{proposal}, &api.Host{Tx: tx, Access: api.GovRO}, api.DefaultLimits)
	if err != nil {
		return thrown(t, err)
	}
	return fmt.Sprintf("%t %s", v.Fields["valid"].Truthy, plain(v.Fields["description"].Text))
}

func thrown(t *testing.T, err error) string {
	t.Helper()
	var s *api.ScriptError
	if !errors.As(err, &s) {
		t.Fatal(err)
	}
	return "threw " + plain(s.Reason)
}

// apply shows what carrying a proposal out writes and asks for.
func apply(t *testing.T, scripts *api.Scripts, store *kv.Store, text, proposal string) string {
	t.Helper()
	tx := store.Begin()
	defer tx.Release()
	c := &calls{}
	_, err := scripts.Run(context.Background(), api.Script{Name: "c", Source: text, Export: "apply"},
		[]any{proposal, strings.Repeat("5", 64)}, &api.Host{Tx: tx, Access: api.GovRW, Node: c}, api.DefaultLimits)
	if err != nil {
		return thrown(t, err)
	}
	out := strings.Join(c.log, "\n")
	for _, m := range tx.WriteSet() {
		out += "\n" + m.Name
		for _, w := range m.Writes {
			out += fmt.Sprintf("\n  %q = %q", w.Key, w.Value)
		}
		for _, key := range m.Removes {
			out += fmt.Sprintf("\n  %q gone", key)
		}
	}
	return out
}

// pair is our constitution beside the one of a recorded CCF service.
type pair struct {
	store        *kv.Store
	scripts      *api.Scripts
	ours, theirs string
	count        int
}

// sample is how many odd actions there are to one that is carried out; all are validated.
const sample = 7

func proposal(t *testing.T, steps ...any) string {
	t.Helper()
	b, err := json.Marshal(map[string]any{"actions": steps})
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// batch is how many actions are validated at once.
const batch = 40

// TestSameAsCCF runs both constitutions on the same proposals over the same
// tables. What they accept, how they refuse and what they write must be the same.
func TestSameAsCCF(t *testing.T) {
	p := pair{scripts: api.NewScripts(), ours: constitution.Development()}
	p.store, p.theirs = recorded(t, "solo_js")
	steps := corpus(t, p.store)
	for from := 0; from < len(steps); from += batch {
		part := steps[from:min(from+batch, len(steps))]
		text := proposal(t, part...)
		want, got := validate(t, p.scripts, p.store, p.theirs, text), validate(t, p.scripts, p.store, p.ours, text)
		if got != want || strings.HasPrefix(want, "threw") {
			p.compareOneByOne(t, part)
		}
		p.compareEffects(t, part)
	}
}

func (p *pair) compareOneByOne(t *testing.T, steps []any) {
	for _, s := range steps {
		text := proposal(t, s)
		want, got := validate(t, p.scripts, p.store, p.theirs, text), validate(t, p.scripts, p.store, p.ours, text)
		if got != want {
			t.Errorf("%.300s\n validate: %s\n     CCF's: %s", text, got, want)
		}
	}
}

// compareEffects carries out what is valid, each action alone.
func (p *pair) compareEffects(t *testing.T, steps []any) {
	for _, s := range steps {
		if p.count++; !proper(s) && p.count%sample != 0 {
			continue
		}
		text := proposal(t, s)
		if !strings.HasPrefix(validate(t, p.scripts, p.store, p.ours, text), "true") {
			continue
		}
		want, got := apply(t, p.scripts, p.store, p.theirs, text), apply(t, p.scripts, p.store, p.ours, text)
		if got != want {
			t.Errorf("%.300s\n apply: %s\n CCF's: %s", text, got, want)
		}
	}
}
