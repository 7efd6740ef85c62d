package api

import (
	"concordat/ledger"
)

// Request is one HTTP request as a handler sees it.
type Request struct {
	Method string
	// Path is as requested, Route the matched template below /app, URL the path
	// with "?" and the query when there is one; Query is percent-decoded.
	Path, Route, URL, Query string
	// Hostname is the Host header, nil without one.
	Hostname *string
	// Headers have lower-case names in ascending order.
	Headers []Header
	// Params are the path parameters in ascending order of name.
	Params []Param
	Body   []byte
	// Caller is nil for an endpoint that declares no policy.
	Caller *Caller
}

// Header is one header field.
type Header struct{ Name, Value string }

// Param is one path parameter.
type Param struct{ Name, Value string }

// Caller is the identity a policy established, or several for an all_of list.
type Caller struct {
	// Policy is the name of the policy that admitted the caller.
	Policy string
	// ID, Data and Cert are set by the certificate and COSE policies. Data is
	// JSON text; nil means null.
	ID   string
	Data []byte
	Cert string
	// COSEContent is the payload of a user_cose_sign1 envelope.
	COSEContent []byte
	// JWT is set by the jwt policy.
	JWT *JWT
	// AllOf holds one caller for each policy of an all_of list, in ascending
	// order of policy; the other fields are then empty.
	AllOf []*Caller
}

// JWT is a validated token; Header and Payload are JSON text.
type JWT struct {
	KeyIssuer       string
	Header, Payload []byte
}

// Response is what a call came to. Either Error is set, or Status and the rest.
type Response struct {
	Status  int
	Headers []Header // lower-case names, ascending, content-type included
	Body    []byte
	HasBody bool
	// Error is set when the request has to be answered with an error.
	Error *Failure
	// ApplyWrites is what the handler chose by ccf.rpc.setApplyWrites; nil means
	// the usual rule (writes are kept for a 2xx status only). It holds for a
	// Failure too, unless its DropWrites is set.
	ApplyWrites *bool
	// Claims is the digest given to ccf.rpc.setClaimsDigest.
	Claims *ledger.Digest
}

// Failure is a request that ends in a 500 InternalError.
type Failure struct {
	// HTTPMessage is the text of the error body.
	HTTPMessage string
	// Details, when there, is for the log and, if the service says so, for the
	// error body: {"code":"JSException","message":Reason,"trace":Trace}.
	Details *Details
	// TimedOut tells that the time limit ended the call.
	TimedOut bool
	// DropWrites overrides ApplyWrites: nothing of the call may be kept.
	DropWrites bool
}

// Details describes an exception. Trace is nil for values that are no Error.
type Details struct {
	Reason string
	Trace  *string
}

// String is the line logged for the exception.
func (d *Details) String() string {
	if d.Trace == nil {
		return d.Reason + ": <no trace>"
	}
	return d.Reason + ": " + *d.Trace
}
