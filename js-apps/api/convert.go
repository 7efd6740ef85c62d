package api

import (
	"bytes"
	"errors"
	"strconv"
	"strings"

	"concordat/js-apps/jscrypto"
	"concordat/js-apps/runtime"
)

func itoa(n int) string { return strconv.Itoa(n) }

// Texts of the errors every converter shares.
const (
	wantString  = "Argument must be a string"
	wantBuffer  = "Argument must be an ArrayBuffer"
	wantBuffers = "Arguments must be ArrayBuffers"
)

// jsonName is where a SyntaxError of bufToJsonCompatible points.
const jsonName = "<json>"

var convertFunctions = []function{
	fn("strToBuf", 1, exactly(1, strToBuf)),
	fn("bufToStr", 1, exactly(1, bufToStr)),
	fn("jsonCompatibleToBuf", 1, exactly(1, jsonCompatibleToBuf)),
	fn("bufToJsonCompatible", 1, exactly(1, bufToJSONCompatible)),
	fn("enableUntrustedDateTime", 1, exactly(1, enableUntrustedDateTime)),
	fn("enableMetricsLogging", 1, exactly(1, impurely(enableMetricsLogging))),
	fn("pemToId", 1, exactly(1, pemToID)),
	fn("tcbHexToPolicy", 2, exactly(2, tcbHexToPolicy)),
}

// cText is ToString(v) up to its first NUL. CCF passes strings through C; what
// it writes to tables has to come out the same here.
func cText(i *runtime.Isolate, v runtime.Value) (string, bool) {
	s, ok := i.Text(v)
	if k := strings.IndexByte(s, 0); k >= 0 {
		s = s[:k]
	}
	return s, ok
}

// arguments reads the arguments of a call in turn. Once one could not be read,
// with its exception pending, the others are left alone.
type arguments struct {
	i      *runtime.Isolate
	values []runtime.Value
	failed bool
}

// take converts argument n, unless an earlier one has failed.
func take[T any](a *arguments, n int, read func(*runtime.Isolate, runtime.Value) (T, bool)) (out T) {
	if a.failed {
		return out
	}
	out, ok := read(a.i, a.values[n])
	a.failed = !ok
	return out
}

func (a *arguments) text(n int) string  { return take(a, n, cText) }
func (a *arguments) bytes(n int) []byte { return take(a, n, bytesOf) }
func (a *arguments) json(n int) []byte  { return take(a, n, jsonOf) }
func (a *arguments) days(n int) uint64  { return take(a, n, days) }

// given tells whether an optional argument is there and not undefined.
func (a *arguments) given(n int) bool { return n < len(a.values) && !a.values[n].IsUndefined() }

func strToBuf(i *runtime.Isolate, _ runtime.Value, args []runtime.Value) runtime.Value {
	if !args[0].IsString() {
		return i.Throw(runtime.TypeError, wantString)
	}
	return textBuffer(i, args[0])
}

// textBuffer is the UTF-8 of a string, up to its first NUL, as an ArrayBuffer.
func textBuffer(i *runtime.Isolate, v runtime.Value) runtime.Value {
	var small [256]byte
	b, ok := i.AppendText(small[:0], v)
	if !ok {
		return runtime.Exception
	}
	if k := bytes.IndexByte(b, 0); k >= 0 {
		b = b[:k]
	}
	return i.NewBuffer(b)
}

func bufToStr(i *runtime.Isolate, _ runtime.Value, args []runtime.Value) runtime.Value {
	b, ok := i.Buffer(args[0])
	if !ok {
		return i.Throw(runtime.TypeError, wantBuffer)
	}
	return i.StringOf(b)
}

func jsonCompatibleToBuf(i *runtime.Isolate, _ runtime.Value, args []runtime.Value) runtime.Value {
	s := stringify(i, args[0])
	defer i.Free(s)
	switch {
	case s.IsException():
		return s
	case !s.IsString():
		return i.Throw(runtime.TypeError, wantString)
	}
	return textBuffer(i, s)
}

func bufToJSONCompatible(i *runtime.Isolate, _ runtime.Value, args []runtime.Value) runtime.Value {
	b, ok := i.Buffer(args[0])
	if !ok {
		return i.Throw(runtime.TypeError, wantBuffer)
	}
	return parseJSON(i, b, jsonName)
}

// rewording gives errors of JSON the words of the engine release that CCF has,
// where a host function passes them on.
var rewording = map[string]string{
	"Unexpected end of JSON input":            "unexpected end of input",
	"Bad UTF-8 sequence":                      "invalid UTF-8 sequence",
	"Bad control character in string literal": "invalid character in a JSON string",
	"Unexpected number":                       "unexpected token: '0'",
	"Do not know how to serialize a BigInt":   "bigint are forbidden in JSON.stringify",
}

var nameMessage = runtime.NewName("message")

// reword changes the message of the pending exception.
func reword(i *runtime.Isolate) runtime.Value {
	e := i.Exception()
	if i.IsError(e) {
		m := i.Get(e, nameMessage)
		if text, ok := i.Text(m); ok && m.IsString() && rewording[text] != "" {
			i.Define(e, nameMessage, i.String(rewording[text]), runtime.Writable|runtime.Configurable)
		}
		i.Free(m)
	}
	return i.ThrowValue(e)
}

func parseJSON(i *runtime.Isolate, text []byte, name string) runtime.Value {
	v := i.ParseJSON(text, name)
	if v.IsException() {
		return reword(i)
	}
	return v
}

func stringify(i *runtime.Isolate, v runtime.Value) runtime.Value {
	s := i.Stringify(v)
	if s.IsException() && !i.TimedOut() {
		return reword(i)
	}
	return s
}

// enableUntrustedDateTime does nothing since CCF 7: Date always shows real time.
func enableUntrustedDateTime(i *runtime.Isolate, _ runtime.Value, args []runtime.Value) runtime.Value {
	return runtime.Bool(i.ToBool(args[0]))
}

// enableMetricsLogging returns what it replaces.
func enableMetricsLogging(i *runtime.Isolate, _ runtime.Value, args []runtime.Value) runtime.Value {
	if !args[0].IsBool() {
		return i.Throw(runtime.TypeError, "First argument must be a boolean")
	}
	it := of(i)
	was := it.metrics
	it.metrics = args[0].Truth()
	return runtime.Bool(was)
}

func pemToID(i *runtime.Isolate, _ runtime.Value, args []runtime.Value) runtime.Value {
	text, ok := cText(i, args[0])
	if !ok {
		return runtime.Exception
	}
	id, err := jscrypto.PEMToID(text)
	if err != nil {
		return throwCrypto(i, err)
	}
	return i.String(id)
}

// Members of a TCB policy.
var (
	nameHexstring  = runtime.NewName("hexstring")
	nameMicrocode  = runtime.NewName("microcode")
	nameSNPVersion = runtime.NewName("snp")
	nameTEE        = runtime.NewName("tee")
	nameBootLoader = runtime.NewName("boot_loader")
	nameFMC        = runtime.NewName("fmc")
)

func tcbHexToPolicy(i *runtime.Isolate, _ runtime.Value, args []runtime.Value) runtime.Value {
	in := arguments{i: i, values: args}
	cpuid, tcb := in.text(0), in.text(1)
	if in.failed {
		return runtime.Exception
	}
	p, err := jscrypto.TCBHexToPolicy(cpuid, tcb)
	if err != nil {
		return throwCrypto(i, err)
	}
	obj := i.NewObject()
	i.Set(obj, nameHexstring, i.String(p.Hexstring))
	for _, m := range []struct {
		name  runtime.Name
		value *uint8
	}{
		{nameMicrocode, p.Microcode}, {nameSNPVersion, p.SNP}, {nameTEE, p.TEE},
		{nameBootLoader, p.BootLoader}, {nameFMC, p.FMC},
	} {
		if m.value != nil {
			i.Set(obj, m.name, runtime.Int(int32(*m.value)))
		}
	}
	return obj
}

// throwCrypto throws what a function of package jscrypto returned.
func throwCrypto(i *runtime.Isolate, err error) runtime.Value {
	var e *jscrypto.Error
	if !errors.As(err, &e) {
		return i.Throw(runtime.InternalError, err.Error())
	}
	switch e.Kind {
	case jscrypto.HostError:
		return of(i).fatal(e.Message)
	case jscrypto.TypeError:
		return i.Throw(runtime.TypeError, e.Message)
	case jscrypto.RangeError:
		return i.Throw(runtime.RangeError, e.Message)
	}
	return i.Throw(runtime.InternalError, e.Message)
}
