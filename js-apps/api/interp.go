package api

import (
	"context"

	"concordat/js-apps/runtime"
	"concordat/ledger"
	"concordat/ledger/kv"
)

// interp is an interpreter with the globals of this package.
type interp struct {
	iso *runtime.Isolate
	// metrics is what enableMetricsLogging last said. It lives as long as the
	// interpreter.
	metrics bool
	// modules are the entry modules already loaded, by name.
	modules map[string]runtime.Value
	// ccf is the global object of that name, to which each request adds.
	ccf runtime.Value
	// call is the call in progress; host functions find it here.
	call *call
	// impure tells that something ran which must run again for each request.
	impure bool
	sealed bool
	// bare interpreters are sealed with the globals only.
	bare bool
	// code is shared by the interpreters of one application.
	code runtime.Bytecode
}

// call is one use of an interpreter.
type call struct {
	ctx  context.Context
	host *Host
	req  *Request // nil for scripts
	gov  bool

	applyWrites *bool
	claims      *ledger.Digest
	// hostError is set by what CCF raises as a C++ exception: the script cannot
	// catch it and nothing of the call is kept.
	hostError string
	tables    []table
	// buf receives values on their way from a table to the script.
	buf [valueBuffer]byte
}

// table is an opened table, kept for the length of the call.
type table struct {
	name   string
	m      *kv.Map
	rights rights
}

// newInterp makes an interpreter with everything that does not depend on the
// request.
func newInterp(gov bool) (*interp, error) {
	iso, err := runtime.New()
	if err != nil {
		return nil, err
	}
	it := &interp{iso: iso, metrics: true, modules: map[string]runtime.Value{}}
	iso.State = it
	err = iso.Run(context.Background(), DefaultLimits.engine(), func() error {
		if !it.installGlobals(gov) {
			return runtime.ErrNoMemory
		}
		return nil
	})
	if err != nil {
		iso.Close()
		return nil, err
	}
	return it, nil
}

// of finds the interpreter behind a host function.
func of(i *runtime.Isolate) *interp { return i.State.(*interp) }

func (it *interp) close() { it.iso.Close() }

// reset puts a sealed interpreter back to the moment it was sealed.
func (it *interp) reset() {
	it.iso.Reset()
	it.metrics, it.impure = true, false
	if it.bare {
		clear(it.modules)
	}
}

// fatal ends the script the way a C++ exception ends CCF's.
func (it *interp) fatal(message string) runtime.Value {
	it.call.hostError = message
	return it.iso.ThrowUncatchable(message)
}

// valueBuffer is the size up to which reading a value allocates nothing.
const valueBuffer = 1 << 10
