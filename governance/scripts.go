package governance

import (
	"context"
	"errors"
	"strings"
	"time"

	"concordat/governance/tables"
	"concordat/js-apps/api"
	"concordat/ledger/kv"
)

// constitutionName is what stack traces call the constitution.
const constitutionName = tables.Constitution + "[0]"

// scriptError tells a script that failed from a call that could not be made.
func scriptError(err error) (*api.ScriptError, bool) {
	var s *api.ScriptError
	return s, errors.As(err, &s)
}

// reason is what members read about a script that failed.
func reason(s *api.ScriptError) string {
	if s.TimedOut {
		return "Operation took too long to complete."
	}
	return s.Reason
}

// run calls one export. Scripts that may write get the actions of a.
func (e *Engine) run(ctx context.Context, tx *kv.Tx, s api.Script, args []any, a api.NodeActions) (api.Value, error) {
	limits, err := scriptLimits(tx)
	if err != nil {
		return api.Value{}, err
	}
	host := &api.Host{Tx: tx, Access: api.GovRO, SNP: e.SNP, Log: e.Log}
	if a != nil {
		host.Access, host.Node = api.GovRW, a
	}
	v, err := e.Scripts.Run(ctx, s, args, host, limits)
	if err == nil {
		err = tx.Err()
	}
	return v, err
}

// scriptLimits are the service's options where they are more generous than the
// defaults: no choice of options may make governance itself impossible.
func scriptLimits(tx *kv.Tx) (api.Limits, error) {
	l := api.DefaultLimits
	o, ok, err := tables.RuntimeLimits.Get(tx)
	if err != nil || !ok {
		return l, err
	}
	l.HeapBytes = max(l.HeapBytes, o.MaxHeapBytes)
	l.StackBytes = max(l.StackBytes, o.MaxStackBytes)
	const maxMilliseconds = uint64(24 * time.Hour / time.Millisecond)
	l.Time = max(l.Time, time.Duration(min(o.MaxExecutionTimeMS, maxMilliseconds))*time.Millisecond)
	return l, nil
}

// constitution calls one export of the constitution in force.
func (e *Engine) constitution(ctx context.Context, tx *kv.Tx, export string, args []any, a api.NodeActions, fields ...string) (api.Value, error) {
	text, ok, err := tables.ConstitutionText.Get(tx)
	if err != nil {
		return api.Value{}, err
	}
	if !ok {
		return api.Value{}, refuse(Internal, "No constitution is set - proposals cannot be evaluated")
	}
	v, err := e.run(ctx, tx, api.Script{Name: constitutionName, Source: text, Export: export, Fields: fields}, args, a)
	if s, ok := scriptError(err); ok && s.Load {
		return v, notLoaded(constitutionName, s)
	}
	return v, err
}

// notLoaded reports a module that does not compile or lacks its export. What the
// compiler says is left out, as CCF leaves it out.
func notLoaded(name string, s *api.ScriptError) error {
	const compile = "Failed to compile "
	if strings.HasPrefix(s.Reason, compile) {
		return refuse(Internal, "%s%s", compile, name)
	}
	return refuse(Internal, "%s", s.Reason)
}

// validate asks the constitution whether the text is a proposal at all.
func (e *Engine) validate(ctx context.Context, tx *kv.Tx, proposal string) error {
	v, err := e.constitution(ctx, tx, "validate", []any{proposal}, nil, "valid", "description")
	if s, ok := scriptError(err); ok {
		return refuse(Internal, "Failed to execute validation: %s %s", reason(s), s.Trace)
	}
	if err != nil {
		return err
	}
	if v.Kind != "object" && v.Kind != "function" {
		return refuse(Internal, "Validation failed to return an object")
	}
	if v.Fields["valid"].Truthy {
		return nil
	}
	description := ""
	if d := v.Fields["description"]; d.Kind == "string" {
		description = d.Text
	}
	return refuse(ProposalFailedToValidate, "Proposal failed to validate: %s", description)
}

// vote runs one ballot. A ballot that throws is a failure, not an error; one
// that is no module with a function `vote` is an error.
func (e *Engine) vote(ctx context.Context, tx *kv.Tx, p *Proposal, text, voter string) (yes bool, failure *tables.ScriptFailure, err error) {
	script := api.Script{
		Name:   tables.ProposalsInfoTable + "[" + p.ID + "].ballots[" + member(voter) + "]",
		Source: p.Info.Ballots[voter],
		Export: "vote",
	}
	v, err := e.run(ctx, tx, script, []any{text, p.Info.ProposerID}, nil)
	if s, ok := scriptError(err); ok {
		if s.Load {
			return false, nil, notLoaded(script.Name, s)
		}
		return false, &tables.ScriptFailure{Reason: reason(s), Trace: s.Trace}, nil
	}
	if err != nil {
		return false, nil, err
	}
	return v.Truthy, nil, nil
}

// failed reports what the constitution did with a proposal that it could not
// decide or carry out. The proposal stays as it was.
func failed(reason, trace string) error {
	if trace == "" {
		trace = "N/A"
	}
	return refuse(Internal, "%s\nTrace: %s", reason, trace)
}
