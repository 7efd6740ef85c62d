package governance_test

import (
	"context"
	"strings"
	"testing"

	"concordat/governance"
	"concordat/js-apps/api"
)

// slow is a runner in which one export never comes to an end.
type slow struct {
	governance.Scripts
	export string
}

func (s slow) Run(ctx context.Context, sc api.Script, args []any, h *api.Host, l api.Limits) (api.Value, error) {
	if sc.Export == s.export {
		return api.Value{}, &api.ScriptError{Reason: "InternalError: interrupted", Trace: "    at x\n", TimedOut: true}
	}
	return s.Scripts.Run(ctx, sc, args, h, l)
}

// TestScriptsThatTakeTooLong: a constitution that does not end decides nothing; a
// ballot that does not end counts neither way.
func TestScriptsThatTakeTooLong(t *testing.T) {
	const tooLong = "Operation took too long to complete."
	w := aliceAlone(t)
	scripts := w.engine.Scripts
	for export, want := range map[string]string{
		"validate": "Failed to execute validation: " + tooLong,
		"resolve":  "Failed to resolve(): " + tooLong + "\nTrace:     at x",
	} {
		w.clock++
		w.engine.Scripts = slow{scripts, export}
		if _, err := w.propose("alice", w.clock, `{"actions":[]}`); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: %v, want %s", export, err, want)
		}
	}
	w.engine.Scripts = scripts
	w.clock++
	p, err := w.propose("alice", w.clock, `{"actions":[]}`)
	if err != nil {
		t.Fatal(err)
	}
	w.engine.Scripts = slow{scripts, "vote"}
	if p, err := w.vote("alice", p.ID, yes); err != nil || p.Info.State != "Open" {
		t.Errorf("a ballot that does not end: %+v, %v", p, err)
	}
}
