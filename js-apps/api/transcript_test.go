package api_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"concordat/js-apps/api"
	"concordat/ledger"
	"concordat/ledger/kv"
)

// TestTranscripts runs the conversations in testdata. Commands:
//
//	module NAME            the source of a module, stored but not deployed
//	deploy                 makes the stored modules the application
//	options [heap= stack= ms= cached= details]
//	call FUNCTION [module= ro reuse= method= historical]   input is the body
//	table NAME             the rows of a table
//	put TABLE KEY VALUE    writes a row
//	script EXPORT [apply fields=]   runs the input as a governance script
func TestTranscripts(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		n := &scene{t: t, store: kv.New(kv.NewMemBase(), kv.Options{}), apps: api.NewApps(), opts: api.DefaultOptions(), app: map[string]string{}, next: map[string]string{}}
		defer n.apps.Close()
		datadriven.RunTest(t, path, n.command)
	})
}

// scene is what one transcript plays on.
type scene struct {
	t       *testing.T
	store   *kv.Store
	apps    *api.Apps
	opts    api.Options
	seqno   ledger.Seqno
	version int
	app     map[string]string
	next    map[string]string
	out     strings.Builder
}

func (n *scene) Version() string { return fmt.Sprint(n.version) }

func (n *scene) Module(name string) ([]byte, bool) {
	s, ok := n.app[name]
	return []byte(s), ok
}

func (n *scene) command(_ *testing.T, d *datadriven.TestData) string {
	n.out.Reset()
	switch d.Cmd {
	case "module":
		n.next[d.CmdArgs[0].Key] = d.Input
	case "deploy":
		n.app, n.next = n.next, map[string]string{}
		n.version++
	case "options":
		n.options(d)
	case "call":
		n.call(d)
	case "table":
		n.table(d.CmdArgs[0].Key)
	case "put":
		n.commit(func(tx *kv.Tx) {
			tx.Map(d.CmdArgs[0].Key).Put([]byte(d.CmdArgs[1].Key), []byte(d.CmdArgs[2].Key))
		})
	case "script":
		n.script(d)
	default:
		d.Fatalf(n.t, "no such command: %s", d.Cmd)
	}
	if n.out.Len() == 0 {
		return "ok\n"
	}
	return n.out.String()
}

func (n *scene) printf(format string, args ...any) { fmt.Fprintf(&n.out, format+"\n", args...) }

func (n *scene) options(d *datadriven.TestData) {
	n.opts = api.DefaultOptions()
	var heap, stack, ms int
	if d.MaybeScanArgs(n.t, "heap", &heap) {
		n.opts.HeapBytes = uint64(heap)
	}
	if d.MaybeScanArgs(n.t, "stack", &stack) {
		n.opts.StackBytes = uint64(stack)
	}
	if d.MaybeScanArgs(n.t, "ms", &ms) {
		n.opts.Time = time.Duration(ms) * time.Millisecond
	}
	d.MaybeScanArgs(n.t, "cached", &n.opts.CachedInterpreters)
	n.opts.ReturnDetails = d.HasArg("details")
}

func (n *scene) commit(f func(tx *kv.Tx)) {
	tx := n.store.Begin()
	defer tx.Release()
	f(tx)
	n.seqno++
	n.store.Apply(ledger.TxID{View: 2, Seqno: n.seqno}, tx.WriteSet())
}

func (n *scene) host(tx *kv.Tx, a api.Access) *api.Host {
	return &api.Host{Tx: tx, Access: a, Log: func(level slog.Level, tag, msg string) {
		n.printf("log %s [%s] %s", level, tag, millis.ReplaceAllString(msg, "ExecMilliseconds=N"))
	}}
}

func (n *scene) call(d *datadriven.TestData) {
	e := api.Endpoint{Module: "/main.js", Function: d.CmdArgs[0].Key, Method: "GET", Route: "/app/x"}
	d.MaybeScanArgs(n.t, "module", &e.Module)
	d.MaybeScanArgs(n.t, "method", &e.Method)
	var reuse string
	if d.MaybeScanArgs(n.t, "reuse", &reuse) {
		e.ReuseKey = &reuse
	}
	access := api.AppRW
	if d.HasArg("ro") {
		access = api.AppRO
	}
	tx := n.store.Begin()
	defer tx.Release()
	h := n.host(tx, access)
	if d.HasArg("historical") {
		h.HistoricalState = &api.State{ID: ledger.TxID{View: 2, Seqno: n.seqno}, Tx: tx}
	}
	req := &api.Request{Method: e.Method, Path: "/app/x", Route: "/app/x", URL: "/app/x", Body: []byte(d.Input)}
	out, err := n.apps.Call(context.Background(), e, n, n.opts, req, h)
	if err != nil {
		n.printf("error: %v", err)
		return
	}
	n.show(out)
	if keeps(out) && tx.Wrote() {
		n.seqno++
		n.store.Apply(ledger.TxID{View: 2, Seqno: n.seqno}, tx.WriteSet())
		n.printf("committed")
	}
}

// keeps is the rule for writes (ccf-js-api 2.3).
func keeps(r *api.Response) bool {
	switch {
	case r.Error != nil && r.Error.DropWrites:
		return false
	case r.ApplyWrites != nil:
		return *r.ApplyWrites
	}
	return r.Error == nil && r.Status >= 200 && r.Status < 300
}

var columns = regexp.MustCompile(`(\.js:\d+):\d+`)

// shortTrace is the beginning of a stack trace, without columns.
func shortTrace(s string) string {
	lines := strings.SplitAfter(columns.ReplaceAllString(s, "$1"), "\n")
	return strings.Join(lines[:min(len(lines), 3)], "")
}

func (n *scene) show(r *api.Response) {
	if r.Error != nil {
		n.printf("500 %s", r.Error.HTTPMessage)
		if d := r.Error.Details; d != nil {
			n.printf("%s", d.Reason)
			if d.Trace != nil {
				n.out.WriteString(shortTrace(*d.Trace))
			}
		}
		return
	}
	n.printf("%d", r.Status)
	for _, h := range r.Headers {
		n.printf("%s: %s", h.Name, h.Value)
	}
	if r.HasBody {
		n.printf("%s", r.Body)
	}
}

func (n *scene) table(name string) {
	tx := n.store.Begin()
	defer tx.Release()
	tx.Map(name).ForEach(func(k, v []byte) bool {
		n.printf("%q = %q", k, v)
		return true
	})
}

func (n *scene) script(d *datadriven.TestData) {
	access := api.GovRO
	if d.HasArg("apply") {
		access = api.GovRW
	}
	tx := n.store.Begin()
	defer tx.Release()
	sc := api.Script{Name: "script.js", Source: d.Input, Export: d.CmdArgs[0].Key}
	var fields string
	if d.MaybeScanArgs(n.t, "fields", &fields) {
		sc.Fields = strings.Split(fields, "+")
	}
	h := n.host(tx, access)
	h.Node = n
	args := []any{"proposal", api.JSON(`{"n":1}`), []any{api.Object{{Name: "vote", Value: true}}}}
	v, err := api.NewScripts().Run(context.Background(), sc, args, h, api.Limits{})
	var e *api.ScriptError
	switch {
	case errors.As(err, &e):
		n.printf("error load=%v host=%v timeout=%v", e.Load, e.Host, e.TimedOut)
		n.printf("%s", e.Reason)
		n.out.WriteString(shortTrace(e.Trace))
	case err != nil:
		n.printf("failed: %v", err)
	default:
		n.printf("%s truthy=%v text=%q", v.Kind, v.Truthy, v.Text)
		for _, f := range sc.Fields {
			n.printf("  %s: %s truthy=%v text=%q", f, v.Fields[f].Kind, v.Fields[f].Truthy, v.Fields[f].Text)
		}
	}
	if tx.Wrote() {
		n.printf("wrote %d tables", len(tx.WriteSet()))
	}
}

// A node that says what it is asked to do.

func (n *scene) did(format string, args ...any) error {
	n.printf("node: "+format, args...)
	return nil
}

func (n *scene) TriggerLedgerRekey() error { return n.did("rekey") }
func (n *scene) TransitionServiceToOpen(previous, next []byte) error {
	return n.did("open %q %q", previous, next)
}
func (n *scene) TriggerRecoverySharesRefresh() error { return errors.New("no shares") }
func (n *scene) TriggerLedgerChunk() error           { return n.did("chunk") }
func (n *scene) TriggerSnapshot() error              { return n.did("snapshot") }
func (n *scene) LatestLedgerSecretSeqno() (ledger.Seqno, error) {
	return 12, nil
}
func (n *scene) EndorsedCertificate(csr, from string, days uint64) (string, error) {
	return fmt.Sprint(csr, from, days), nil
}
func (n *scene) NetworkCertificate(from string, days uint64) (string, error) {
	return fmt.Sprint(from, days), nil
}
func (n *scene) SetJWTPublicSigningKeys(issuer string, metadata, jwks []byte) error {
	return n.did("jwt %s %s %s", issuer, metadata, jwks)
}
func (n *scene) RemoveJWTPublicSigningKeys(issuer string) error { return n.did("no jwt %s", issuer) }
