package api

import (
	"crypto/rand"
	"encoding/binary"
	"log/slog"
	"strings"

	"concordat/js-apps/runtime"
)

// Names of the globals.
var (
	nameCCF     = runtime.NewName("ccf")
	nameConsole = runtime.NewName("console")
	nameSNP     = runtime.NewName("snp_attestation")
	nameMath    = runtime.NewName("Math")
	nameRandom  = runtime.NewName("random")
	nameDate    = runtime.NewName("Date")
	nameNow     = runtime.NewName("now")
	nameUTC     = runtime.NewName("UTC")
	nameParse   = runtime.NewName("parse")
	nameProto   = runtime.NewName("prototype")
	nameCtor    = runtime.NewName("constructor")
)

// function is one host function as it is installed.
type function struct {
	name runtime.Name
	id   runtime.FuncID
	args int // Function.length
}

func fn(name string, args int, f runtime.HostFunc) function {
	return function{runtime.NewName(name), runtime.Register(f), args}
}

// exactly refuses any other number of arguments with CCF's words.
func exactly(n int, f runtime.HostFunc) runtime.HostFunc {
	return between(n, n, f)
}

// between refuses fewer or more arguments with CCF's words.
func between(least, most int, f runtime.HostFunc) runtime.HostFunc {
	return func(i *runtime.Isolate, this runtime.Value, args []runtime.Value) runtime.Value {
		if n := len(args); n < least || n > most {
			return i.Throw(runtime.TypeError, countError(n, least, most))
		}
		return f(i, this, args)
	}
}

func countError(n, least, most int) string {
	text := "Passed " + itoa(n) + " arguments, but expected "
	if least == most {
		return text + itoa(least)
	}
	return text + "between " + itoa(least) + " and " + itoa(most)
}

// impurely marks what must run again for every request: a module that calls it
// while loading is loaded for each request.
func impurely(f runtime.HostFunc) runtime.HostFunc {
	return func(i *runtime.Isolate, this runtime.Value, args []runtime.Value) runtime.Value {
		of(i).impure = true
		return f(i, this, args)
	}
}

// install puts functions on an object as assignment would.
func install(i *runtime.Isolate, obj runtime.Value, functions []function) bool {
	for _, f := range functions {
		if !i.Set(obj, f.name, i.NewFunction(f.id, f.name, f.args)) {
			return false
		}
	}
	return true
}

// group makes an object of functions.
func group(i *runtime.Isolate, functions []function) runtime.Value {
	obj := i.NewObject()
	if obj.IsException() || !install(i, obj, functions) {
		i.Free(obj)
		return runtime.Exception
	}
	return obj
}

// installGlobals adds what every script of this kind sees.
func (it *interp) installGlobals(gov bool) bool {
	i := it.iso
	global := i.Global()
	defer i.Free(global)
	it.ccf = i.NewObject()
	if it.ccf.IsException() || !it.installCCF(gov) {
		return false
	}
	return i.Set(global, nameConsole, group(i, consoleFunctions)) &&
		i.Set(global, nameCCF, runtime.Dup(it.ccf)) &&
		i.Set(global, nameSNP, group(i, snpFunctions)) &&
		installEntropy(i, global) &&
		installClock(i, global) &&
		keepFunctions(i)
}

// keepFunctions makes the functions that requests and KV handles have in common.
func keepFunctions(i *runtime.Isolate) bool {
	ok := i.Keep(keptSize, i.NewFunction(sizeGetter, nameSize, 0))
	for k, f := range bodyFunctions {
		ok = ok && i.Keep(keptBody+k, i.NewFunction(f.id, f.name, f.args))
	}
	for k, m := range methods {
		ok = ok && i.Keep(keptMethods+k, i.NewFunction(m.id, m.name, m.args))
	}
	return ok
}

// installCCF adds the members of ccf that do not depend on the request, in the
// order CCF has them.
func (it *interp) installCCF(gov bool) bool {
	i := it.iso
	ok := install(i, it.ccf, convertFunctions) &&
		i.Set(it.ccf, nameCrypto, group(i, cryptoFunctions)) &&
		i.Set(it.ccf, nameGov, group(i, govFunctions))
	if !gov {
		ok = ok && i.Set(it.ccf, nameConsensus, group(i, consensusFunctions)) &&
			i.Set(it.ccf, nameHistorical, group(i, historicalFunctions))
	}
	return ok
}

// installRequestGlobals adds the members of ccf that are new for every request.
// A reused interpreter keeps the objects of earlier requests; they act on the
// present one.
func (it *interp) installRequestGlobals(c *call) bool {
	i := it.iso
	ok := i.Set(it.ccf, nameKV, it.tables())
	if c.gov {
		if c.host.Access == GovRW {
			ok = ok && install(i, it.ccf, applyFunctions) &&
				i.Set(it.ccf, nameNode, group(i, nodeFunctions)) &&
				i.Set(it.ccf, nameNetwork, group(i, networkFunctions))
		}
		return ok
	}
	return ok && i.Set(it.ccf, nameRPC, group(i, rpcFunctions))
}

var randomFunction = runtime.Register(impurely(mathRandom))

// installEntropy replaces Math.random.
func installEntropy(i *runtime.Isolate, global runtime.Value) bool {
	math := i.Get(global, nameMath)
	defer i.Free(math)
	const flags = runtime.Writable | runtime.Configurable
	return i.Define(math, nameRandom, i.NewFunction(randomFunction, nameRandom, 0), flags)
}

// mathRandom has 52 bits of the system's entropy.
func mathRandom(*runtime.Isolate, runtime.Value, []runtime.Value) runtime.Value {
	var b [8]byte
	// crypto/rand.Read never fails: it ends the process instead.
	_, _ = rand.Read(b[:])
	return runtime.Float(float64(binary.LittleEndian.Uint64(b[:])>>12) / (1 << 52))
}

var (
	dateFunction = runtime.Register(newDate)
	nowFunction  = runtime.Register(impurely(dateNow))
)

// Values an interpreter keeps for the host.
const (
	keptDate    = iota         // the engine's own Date
	keptNow                    // and Date.now
	keptSize                   // the getter of KV handles
	keptBody                   // the functions of request.body
	keptMethods = keptBody + 3 // the methods of KV handles, where they are allowed
)

// installClock puts a constructor in front of Date, only to notice when a module
// reads the time while it loads. For a script it is the engine's own.
func installClock(i *runtime.Isolate, global runtime.Value) bool {
	const hidden = runtime.Writable | runtime.Configurable
	original := i.Get(global, nameDate)
	defer i.Free(original)
	wrapped := i.NewConstructor(dateFunction, nameDate, 7)
	proto := i.Get(original, nameProto)
	ok := i.Define(wrapped, nameProto, runtime.Dup(proto), 0) &&
		i.Define(wrapped, nameNow, i.NewFunction(nowFunction, nameNow, 0), hidden) &&
		i.Define(wrapped, nameParse, i.Get(original, nameParse), hidden) &&
		i.Define(wrapped, nameUTC, i.Get(original, nameUTC), hidden) &&
		i.Define(proto, nameCtor, runtime.Dup(wrapped), hidden) &&
		i.Define(global, nameDate, wrapped, hidden)
	i.Free(proto)
	return ok && i.Keep(keptDate, runtime.Dup(original)) && i.Keep(keptNow, i.Get(original, nameNow))
}

// newDate is Date(…) and new Date(…).
func newDate(i *runtime.Isolate, target runtime.Value, args []runtime.Value) runtime.Value {
	if len(args) == 0 || target.IsUndefined() {
		of(i).impure = true
	}
	original := i.Kept(keptDate)
	if target.IsUndefined() {
		return i.Call(original, runtime.Undefined, args...)
	}
	return i.Construct(original, target, args)
}

func dateNow(i *runtime.Isolate, this runtime.Value, _ []runtime.Value) runtime.Value {
	return i.Call(i.Kept(keptNow), this)
}

var consoleFunctions = []function{
	fn("log", 1, console(slog.LevelInfo)),
	fn("info", 1, console(slog.LevelInfo)),
	fn("warn", 1, console(slog.LevelError)),
	fn("error", 1, console(LevelFatal)),
}

// console joins its arguments by one blank. Objects that are no errors appear as
// JSON, everything else as ToString makes it.
func console(level slog.Level) runtime.HostFunc {
	return impurely(func(i *runtime.Isolate, _ runtime.Value, args []runtime.Value) runtime.Value {
		var line strings.Builder
		for k, a := range args {
			if k > 0 {
				line.WriteByte(' ')
			}
			text, ok := consoleText(i, a)
			if !ok {
				i.DropException()
				return i.Throw(runtime.TypeError, "value is not a string")
			}
			line.WriteString(text)
		}
		c := of(i).call
		tag := "app"
		if c.gov {
			tag = "gov"
		}
		c.log(level, tag, line.String())
		return runtime.Undefined
	})
}

func consoleText(i *runtime.Isolate, v runtime.Value) (string, bool) {
	if !v.IsObject() || i.IsError(v) {
		return cText(i, v)
	}
	s := i.Stringify(v)
	defer i.Free(s)
	if s.IsException() {
		return "", false
	}
	return cText(i, s)
}

func (c *call) log(level slog.Level, tag, msg string) {
	if c.host.Log != nil {
		c.host.Log(level, tag, msg)
	}
}
