package api

import (
	"slices"
	"strings"

	"concordat/js-apps/runtime"
)

// Names of the request and the response.
var (
	nameHeaders    = runtime.NewName("headers")
	nameQuery      = runtime.NewName("query")
	namePath       = runtime.NewName("path")
	nameMethod     = runtime.NewName("method")
	nameHostname   = runtime.NewName("hostname")
	nameRoute      = runtime.NewName("route")
	nameURL        = runtime.NewName("url")
	nameParams     = runtime.NewName("params")
	nameBody       = runtime.NewName("body")
	nameCaller     = runtime.NewName("caller")
	namePolicy     = runtime.NewName("policy")
	nameID         = runtime.NewName("id")
	nameData       = runtime.NewName("data")
	nameCOSE       = runtime.NewName("cose")
	nameContent    = runtime.NewName("content")
	nameJWT        = runtime.NewName("jwt")
	nameKeyIssuer  = runtime.NewName("keyIssuer")
	nameHeader     = runtime.NewName("header")
	namePayload    = runtime.NewName("payload")
	nameStatusCode = runtime.NewName("statusCode")
	nameStack      = runtime.NewName("stack")
	bodyFunctions  = []function{
		fn("text", 0, none(impurely(bodyText))),
		fn("json", 0, none(impurely(bodyJSON))),
		fn("arrayBuffer", 0, none(impurely(bodyBuffer))),
	}
)

// none refuses any argument with CCF's words.
func none(f runtime.HostFunc) runtime.HostFunc {
	return func(i *runtime.Isolate, this runtime.Value, args []runtime.Value) runtime.Value {
		if len(args) != 0 {
			return i.Throw(runtime.TypeError, "Passed "+itoa(len(args))+" arguments, but expected none")
		}
		return f(i, this, args)
	}
}

// body is that of the present request, whichever request the object came with.
func body(i *runtime.Isolate) []byte {
	if r := of(i).call.req; r != nil {
		return r.Body
	}
	return nil
}

func bodyText(i *runtime.Isolate, _ runtime.Value, _ []runtime.Value) runtime.Value {
	return i.StringOf(body(i))
}

func bodyJSON(i *runtime.Isolate, _ runtime.Value, _ []runtime.Value) runtime.Value {
	return parseJSON(i, body(i), "<body>")
}

func bodyBuffer(i *runtime.Isolate, _ runtime.Value, _ []runtime.Value) runtime.Value {
	return i.NewBuffer(body(i))
}

// requestObject builds the handler's argument. Failures can only be of memory.
func requestObject(i *runtime.Isolate, r *Request) runtime.Value {
	obj := i.NewObject()
	headers := i.NewObject()
	for _, h := range r.Headers {
		i.SetText(headers, h.Name, i.String(h.Value))
	}
	params := i.NewObject()
	for _, p := range r.Params {
		i.SetText(params, p.Name, i.String(p.Value))
	}
	hostname := runtime.Null
	if r.Hostname != nil {
		hostname = i.String(*r.Hostname)
	}
	ok := i.Set(obj, nameHeaders, headers) &&
		i.Set(obj, nameQuery, i.String(r.Query)) &&
		i.Set(obj, namePath, i.String(r.Path)) &&
		i.Set(obj, nameMethod, i.String(r.Method)) &&
		i.Set(obj, nameHostname, hostname) &&
		i.Set(obj, nameRoute, i.String(r.Route)) &&
		i.Set(obj, nameURL, i.String(r.URL)) &&
		i.Set(obj, nameParams, params) &&
		i.Set(obj, nameBody, bodyObject(i)) &&
		i.Set(obj, nameCaller, callerObject(i, r.Caller))
	if !ok {
		return runtime.Exception
	}
	return obj
}

func bodyObject(i *runtime.Isolate) runtime.Value {
	obj := i.NewObject()
	for k, f := range bodyFunctions {
		i.Set(obj, f.name, runtime.Dup(i.Kept(keptBody+k)))
	}
	return obj
}

// callerObject has the shape of the policy that admitted the caller.
func callerObject(i *runtime.Isolate, c *Caller) runtime.Value {
	if c == nil {
		return runtime.Null
	}
	obj := i.NewObject()
	if c.AllOf != nil {
		policies := i.NewArray()
		for k, p := range c.AllOf {
			i.Append(policies, k, i.String(p.Policy))
			i.SetText(obj, p.Policy, callerObject(i, p))
		}
		i.Set(obj, namePolicy, policies)
		return obj
	}
	if c.COSEContent != nil {
		cose := i.NewObject()
		i.Set(cose, nameContent, i.NewBuffer(c.COSEContent))
		i.Set(obj, nameCOSE, cose)
	}
	i.Set(obj, namePolicy, i.String(c.Policy))
	if c.JWT != nil {
		i.Set(obj, nameJWT, jwtObject(i, c.JWT))
		return obj
	}
	if c.ID != "" {
		i.Set(obj, nameID, i.String(c.ID))
		i.Set(obj, nameData, jsonValue(i, c.Data))
	}
	if c.Cert != "" {
		i.Set(obj, nameCert, i.String(c.Cert))
	}
	return obj
}

func jwtObject(i *runtime.Isolate, t *JWT) runtime.Value {
	obj := i.NewObject()
	i.Set(obj, nameKeyIssuer, i.String(t.KeyIssuer))
	i.Set(obj, nameHeader, jsonValue(i, t.Header))
	i.Set(obj, namePayload, jsonValue(i, t.Payload))
	return obj
}

// jsonValue parses JSON the host made; nothing stands for null.
func jsonValue(i *runtime.Isolate, text []byte) runtime.Value {
	if len(text) == 0 {
		return runtime.Null
	}
	return i.ParseJSON(text, "<caller>")
}

// badReturn is the text for a result that is no response; what ends it.
func badReturn(what string) string { return "Invalid endpoint function return value (" + what + ")" }

// Content types by the kind of body.
const (
	typeBytes = "application/octet-stream"
	typeText  = "text/plain"
	typeJSON  = "application/json"
)

// answer is a response in the making. CCF settles body, headers and status in
// this order, and the first that is wrong decides the message.
type answer struct {
	it  *interp
	out *Response
}

// convert turns a handler's result into out.
func (it *interp) convert(result runtime.Value, out *Response) {
	a := answer{it, out}
	if !result.IsObject() {
		a.refuse("not an object")
		return
	}
	if a.body(result) && a.headers(result) {
		a.status(result)
	}
}

func (a *answer) refuse(what string) bool {
	a.out.Error = &Failure{HTTPMessage: badReturn(what) + "."}
	return false
}

// refuseBody is the only refusal that tells about the exception.
func (a *answer) refuseBody(what string) bool {
	i := a.it.iso
	a.out.Error = &Failure{HTTPMessage: badReturn("error during " + what + " conversion of body"), Details: a.it.describe(i.Exception())}
	return false
}

func (a *answer) body(result runtime.Value) bool {
	i := a.it.iso
	v := i.Get(result, nameBody)
	defer i.Free(v)
	if v.IsException() {
		i.DropException()
		i.Throw(runtime.TypeError, wantCryptoBuffer) // CCF goes on with the failed value
		return a.refuseBody("JSON")
	}
	if v.IsUndefined() {
		return true
	}
	contentType := typeJSON
	if b, ok := bytesBody(i, v); ok {
		a.out.Body, contentType = append([]byte{}, b...), typeBytes
	} else if v.IsString() {
		text, ok := cText(i, v)
		if !ok {
			return a.refuseBody("string")
		}
		a.out.Body, contentType = []byte(text), typeText
	} else {
		s := stringify(i, v)
		defer i.Free(s)
		if s.IsException() {
			return a.refuseBody("JSON")
		}
		var ok bool
		if a.out.Body, ok = i.AppendText([]byte{}, s); !ok {
			return a.refuseBody("JSON")
		}
	}
	a.out.HasBody = true
	a.out.Headers = []Header{{"content-type", contentType}}
	return true
}

func bytesBody(i *runtime.Isolate, v runtime.Value) ([]byte, bool) {
	if b, ok := i.TypedArray(v); ok {
		return b, true
	}
	return i.Buffer(v)
}

// ownHeaders are set by the server; a handler's word on them is ignored.
var ownHeaders = map[string]bool{
	"content-length": true, "transfer-encoding": true, "x-ms-ccf-transaction-id": true,
}

func (a *answer) headers(result runtime.Value) bool {
	i := a.it.iso
	v := i.Get(result, nameHeaders)
	defer i.Free(v)
	if v.IsException() {
		i.DropException()
		return a.refuse("header value type")
	}
	if !v.IsObject() {
		return true
	}
	good := true
	ok := i.Each(v, func(name string, value runtime.Value) bool {
		good = a.header(name, value)
		i.Free(value)
		return good
	})
	if !ok {
		i.DropException()
		return a.refuse("header value type")
	}
	if good {
		a.out.Headers = sortHeaders(a.out.Headers)
	}
	return good
}

func (a *answer) header(name string, v runtime.Value) bool {
	i := a.it.iso
	if v.IsException() {
		i.DropException()
		return a.refuse("header value type")
	}
	text, ok := cText(i, v)
	if !ok {
		i.DropException()
		return a.refuse("header value type")
	}
	if k := strings.IndexByte(name, 0); k >= 0 {
		name = name[:k]
	}
	if !fieldName(name) {
		return a.refuse("header name")
	}
	if strings.ContainsAny(text, "\r\n") {
		return a.refuse("header value")
	}
	if !ownHeaders[strings.ToLower(name)] {
		a.out.Headers = append(a.out.Headers, Header{name, text})
	}
	return true
}

// fieldName reports a token of RFC 9110.
func fieldName(name string) bool {
	for _, c := range []byte(name) {
		letter := c|0x20 >= 'a' && c|0x20 <= 'z'
		if !letter && (c < '0' || c > '9') && strings.IndexByte("!#$%&'*+-.^_`|~", c) < 0 {
			return false
		}
	}
	return name != ""
}

// sortHeaders lower-cases and sorts. Of several spellings of a name the last in
// byte order wins, so the lower-case one does, the default content type included
// unless replaced in lower case.
func sortHeaders(hs []Header) []Header {
	slices.SortStableFunc(hs, func(x, y Header) int { return strings.Compare(x.Name, y.Name) })
	for k := range hs {
		hs[k].Name = strings.ToLower(hs[k].Name)
	}
	slices.SortStableFunc(hs, func(x, y Header) int { return strings.Compare(x.Name, y.Name) })
	out := hs[:0]
	for k, h := range hs {
		if k+1 == len(hs) || hs[k+1].Name != h.Name {
			out = append(out, h)
		}
	}
	return out
}

// The status codes a handler may choose. CCF takes those its HTTP library knows
// and ends the process for others.
const (
	leastStatus   = 100
	mostStatus    = 599
	defaultStatus = 200
)

// status takes numbers the engine holds as integers only, as CCF does.
func (a *answer) status(result runtime.Value) {
	i := a.it.iso
	v := i.Get(result, nameStatusCode)
	defer i.Free(v)
	if v.IsException() {
		i.DropException()
		a.refuse("status code type")
		return
	}
	a.out.Status = defaultStatus
	if v.IsUndefined() || v.IsNull() {
		return
	}
	n, ok := v.EngineInt()
	if !ok || n < leastStatus || n > mostStatus {
		a.refuse("status code type")
		return
	}
	a.out.Status = int(n)
}

// describe takes an exception apart. What cannot be printed has an empty text.
func (it *interp) describe(e runtime.Value) *Details {
	i := it.iso
	i.Extend(describeTime)
	defer i.Free(e)
	d := &Details{}
	if !i.IsError(e) {
		d.Reason = it.printable(e)
		return d
	}
	text, ok := cText(i, e)
	if !ok {
		i.DropException()
		text = ""
	}
	d.Reason = text
	stack := i.Get(e, nameStack)
	defer i.Free(stack)
	if stack.IsException() {
		i.DropException()
		return d
	}
	if stack.IsUndefined() {
		return d
	}
	trace, ok := cText(i, stack)
	if !ok {
		i.DropException()
	}
	d.Trace = &trace
	return d
}

// printable is a thrown value that is no error: JSON for objects.
func (it *interp) printable(v runtime.Value) string {
	i := it.iso
	if v.IsObject() {
		s := i.Stringify(v)
		defer i.Free(s)
		v = s
	}
	if v.IsException() {
		i.DropException()
		return ""
	}
	text, ok := cText(i, v)
	if !ok {
		i.DropException()
		return ""
	}
	return text
}
