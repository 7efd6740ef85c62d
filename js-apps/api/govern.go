package api

import (
	"context"
	"log/slog"

	"concordat/js-apps/runtime"
	"concordat/ledger"
)

// Names of what only governance sees.
var (
	nameGov     = runtime.NewName("gov")
	nameNode    = runtime.NewName("node")
	nameNetwork = runtime.NewName("network")
	nameLength  = runtime.NewName("length")
)

var govFunctions = []function{
	fn("validateConstitution", 1, exactly(1, validateConstitution)),
}

// applyFunctions are the members of ccf that only apply sees.
var applyFunctions = []function{
	fn("refreshAppBytecodeCache", 0, exactly(0, refreshBytecode)),
	fn("setJwtPublicSigningKeys", 3, onNode(3, setJWTKeys)),
	fn("removeJwtPublicSigningKeys", 1, onNode(1, removeJWTKeys)),
}

var nodeFunctions = []function{
	fn("triggerLedgerRekey", 0, action("Failed to trigger ledger rekey", NodeActions.TriggerLedgerRekey, runtime.True)),
	fn("transitionServiceToOpen", 2, onNode(2, transitionServiceToOpen)),
	fn("triggerRecoverySharesRefresh", 0, action("Failed to trigger recovery shares refresh", NodeActions.TriggerRecoverySharesRefresh, runtime.Undefined)),
	fn("triggerLedgerChunk", 0, action("Failed to trigger ledger chunk", NodeActions.TriggerLedgerChunk, runtime.Undefined)),
	fn("triggerSnapshot", 0, action("Failed to trigger snapshot", NodeActions.TriggerSnapshot, runtime.Undefined)),
}

var networkFunctions = []function{
	fn("getLatestLedgerSecretSeqno", 0, onNode(0, latestLedgerSecret)),
	fn("generateEndorsedCertificate", 3, onNode(3, endorsedCertificate)),
	fn("generateNetworkCertificate", 2, onNode(2, networkCertificate)),
}

// onNode serves the functions that act on the node, which only apply may.
func onNode(count int, f func(i *runtime.Isolate, n NodeActions, in *arguments) runtime.Value) runtime.HostFunc {
	return exactly(count, func(i *runtime.Isolate, _ runtime.Value, args []runtime.Value) runtime.Value {
		n := of(i).call.host.Node
		if n == nil {
			return i.Throw(runtime.InternalError, "Node state is not available")
		}
		return f(i, n, &arguments{i: i, values: args})
	})
}

// action serves the functions without arguments and results.
func action(failure string, do func(NodeActions) error, result runtime.Value) runtime.HostFunc {
	return onNode(0, func(i *runtime.Isolate, n NodeActions, _ *arguments) runtime.Value {
		if err := do(n); err != nil {
			return i.Throw(runtime.InternalError, failure+": "+err.Error())
		}
		return result
	})
}

// transitionServiceToOpen takes the previous identity (or undefined) and the
// next one, each as an ArrayBuffer of PEM text.
func transitionServiceToOpen(i *runtime.Isolate, n NodeActions, in *arguments) runtime.Value {
	var previous []byte
	if in.given(0) {
		b, ok := i.Buffer(in.values[0])
		if !ok {
			return i.Throw(runtime.TypeError, "Previous service identity argument is not an array buffer")
		}
		previous = append([]byte{}, b...)
	}
	next, ok := i.Buffer(in.values[1])
	if !ok {
		return i.Throw(runtime.TypeError, "Next service identity argument is not an array buffer")
	}
	if err := n.TransitionServiceToOpen(previous, append([]byte{}, next...)); err != nil {
		return i.Throw(runtime.InternalError, "Unable to open service: "+err.Error())
	}
	return runtime.Undefined
}

func latestLedgerSecret(i *runtime.Isolate, n NodeActions, _ *arguments) runtime.Value {
	seqno, err := n.LatestLedgerSecretSeqno()
	if err != nil {
		return i.Throw(runtime.InternalError, "Failed to get latest ledger secret seqno: "+err.Error())
	}
	return runtime.Int64(int64(seqno))
}

// days is a count of days; !ok means that an exception is pending.
func days(i *runtime.Isolate, v runtime.Value) (uint64, bool) {
	n, ok := i.ToInt64(v)
	if !ok {
		return 0, false
	}
	if n < 0 {
		i.Throw(runtime.RangeError, "Invalid validity period: cannot be negative")
		return 0, false
	}
	return uint64(n), true
}

func endorsedCertificate(i *runtime.Isolate, n NodeActions, in *arguments) runtime.Value {
	csr, from, period := in.text(0), in.text(1), in.days(2)
	if in.failed {
		return runtime.Exception
	}
	return textOr(i, "Failed to create endorsed cert: ")(n.EndorsedCertificate(csr, from, period))
}

func networkCertificate(i *runtime.Isolate, n NodeActions, in *arguments) runtime.Value {
	from, period := in.text(0), in.days(1)
	if in.failed {
		return runtime.Exception
	}
	return textOr(i, "Unable to generate network certificate: ")(n.NetworkCertificate(from, period))
}

func textOr(i *runtime.Isolate, failure string) func(string, error) runtime.Value {
	return func(text string, err error) runtime.Value {
		if err != nil {
			return i.Throw(runtime.InternalError, failure+err.Error())
		}
		return i.String(text)
	}
}

func setJWTKeys(i *runtime.Isolate, n NodeActions, in *arguments) runtime.Value {
	issuer, metadata, jwks := in.text(0), in.json(1), in.json(2)
	if in.failed {
		return runtime.Exception
	}
	if err := n.SetJWTPublicSigningKeys(issuer, metadata, jwks); err != nil {
		of(i).call.log(slog.LevelError, "gov", err.Error()) // members see only that it failed, as in CCF
		return i.Throw(runtime.InternalError, "set_jwt_public_signing_keys() failed")
	}
	return runtime.Undefined
}

func removeJWTKeys(i *runtime.Isolate, n NodeActions, in *arguments) runtime.Value {
	issuer := in.text(0)
	if in.failed {
		return runtime.Exception
	}
	if err := n.RemoveJWTPublicSigningKeys(issuer); err != nil {
		return i.Throw(runtime.InternalError, err.Error())
	}
	return runtime.Undefined
}

// Tables of the deployed application (ccf-js-api 1.5).
const (
	tableModules         = "public:ccf.gov.modules"
	tableBytecode        = "public:ccf.gov.modules_quickjs_bytecode"
	tableBytecodeVersion = "public:ccf.gov.modules_quickjs_version"
)

// EngineVersion is what the bytecode table is marked with. Bytecode found there
// is never executed, whatever its mark: the engine does not check it.
const EngineVersion = "2026-06-04-concordat"

// refreshBytecode compiles every module and replaces the bytecode table. Its use
// is the check that all modules compile and find their imports.
func refreshBytecode(i *runtime.Isolate, _ runtime.Value, _ []runtime.Value) runtime.Value {
	c := of(i).call
	if err := compileAll(c); err != nil {
		return i.Throw(runtime.InternalError, "Failed to refresh bytecode: "+err.Error())
	}
	return runtime.Undefined
}

type compileError struct{ module string }

func (e *compileError) Error() string {
	return "Unable to serialize bytecode for JS module '" + e.module + "'"
}

// compileAll compiles in an interpreter of its own, which sees nothing else.
func compileAll(c *call) error {
	type module struct {
		name   string
		source []byte
	}
	var all []module
	sources := map[string][]byte{}
	c.host.Tx.Map(tableModules).ForEach(func(k, v []byte) bool {
		all = append(all, module{string(k), v})
		sources[string(k)] = v
		return true
	})
	compiled := make([][]byte, len(all))
	err := bare(c.ctx, func(i *runtime.Isolate) error {
		i.SetModules(func(name string) ([]byte, bool) {
			s, ok := sources[name]
			return s, ok
		}, nil)
		for k, m := range all {
			v := i.CompileModule(m.name, m.source)
			code, ok := []byte(nil), false
			if !v.IsException() {
				code, ok = i.WriteModule(v)
			}
			if !ok {
				return &compileError{m.name}
			}
			compiled[k] = code
		}
		return nil
	})
	if err != nil {
		return err
	}
	table := c.host.Tx.Map(tableBytecode)
	table.Clear()
	for k, m := range all {
		table.Put([]byte(m.name), compiled[k])
	}
	c.host.Tx.Map(tableBytecodeVersion).Put([]byte(ledger.SingleKey), []byte(EngineVersion))
	return nil
}

// bare runs f in an interpreter without any global of this package, under the
// limits of governance.
func bare(ctx context.Context, f func(i *runtime.Isolate) error) error {
	i, err := runtime.New()
	if err != nil {
		return err
	}
	defer i.Close()
	return i.Run(ctx, DefaultLimits.engine(), func() error { return f(i) })
}

// shape is what validateConstitution demands of one export.
type shape struct {
	name        string
	least, most int32
	expected    string
}

var constitutionShape = []shape{
	{"apply", 2, 2, "2 args (proposal, proposal_id)"},
	{"resolve", 3, 4, "between 3 and 4 args (proposal, proposer_id, votes[, proposal_id])"},
	{"validate", 1, 1, "1 arg (input)"},
}

// constitutionName stands for the module in messages.
const constitutionName = "proposed constitution"

func validateConstitution(i *runtime.Isolate, _ runtime.Value, args []runtime.Value) runtime.Value {
	if !args[0].IsString() {
		return i.Throw(runtime.TypeError, "constitution is not a string")
	}
	text, ok := cText(i, args[0])
	if !ok {
		return runtime.Exception
	}
	if text == "" {
		return i.Throw(runtime.TypeError, "constitution is empty")
	}
	complaint := ""
	err := bare(of(i).call.ctx, func(b *runtime.Isolate) error {
		complaint = checkConstitution(b, text)
		return nil
	})
	switch {
	case err != nil:
		return i.Throw(runtime.InternalError, err.Error())
	case complaint != "":
		return i.Throw(runtime.TypeError, complaint)
	}
	return runtime.True
}

// checkConstitution evaluates a constitution and answers what is wrong with it.
// What its top level throws is not noticed, as in CCF.
func checkConstitution(i *runtime.Isolate, text string) string {
	missing := func(name, why string) string {
		return "proposed constitution does not export a function named " + name + ": " + why
	}
	m := i.CompileModule(constitutionName, []byte(text))
	if m.IsException() {
		return missing(constitutionShape[0].name, "Failed to compile "+constitutionName)
	}
	if i.Evaluate(m).IsException() {
		return missing(constitutionShape[0].name, "Failed to execute "+constitutionName)
	}
	for _, s := range constitutionShape {
		f, why := exported(i, m, constitutionName, s.name)
		if why != "" {
			return missing(s.name, why)
		}
		n, _ := i.ToInt32(i.Get(f, nameLength))
		if n < s.least || n > s.most {
			return "proposed constitution exports function " + s.name + " with " + plural(n) + ", expected " + s.expected
		}
	}
	return ""
}

func plural(n int32) string {
	if n == 1 {
		return "1 arg"
	}
	return itoa(int(n)) + " args"
}
