package frontend

import (
	"errors"
	"fmt"
)

// Mode says what an endpoint does with the key-value store.
type Mode uint8

// Modes of an endpoint.
const (
	ReadWrite  Mode = iota
	ReadOnly        // writes are refused by the caller's API, and nothing is submitted
	NoTx            // "command": the handler does not look at the store
	Historical      // the handler reads a past state; nothing is submitted
)

// Forwarding is what a backup without redirections does with a request.
type Forwarding uint8

// Forwarding modes, in CCF's words.
const (
	ForwardDefault   Forwarding = iota // always for ReadWrite, sometimes otherwise
	ForwardSometimes                   // runs locally unless the session forwarded before
	ForwardAlways
	ForwardNever
)

// String is the name used in OpenAPI documents and in the app's metadata.
func (f Forwarding) String() string {
	switch f {
	case ForwardAlways:
		return "always"
	case ForwardNever:
		return "never"
	}
	return "sometimes"
}

// Redirect is where an interface with redirections sends a request.
type Redirect uint8

// Redirection strategies.
const (
	RedirectDefault Redirect = iota // to the primary for ReadWrite, none otherwise
	RedirectNone
	RedirectToPrimary
	RedirectToBackup
)

// String is the name used in the app's metadata.
func (r Redirect) String() string {
	switch r {
	case RedirectToPrimary:
		return "to_primary"
	case RedirectToBackup:
		return "to_backup"
	}
	return "none"
}

// Endpoint is one verb on one path of an actor.
type Endpoint struct {
	Verb string
	Path string // without the actor's prefix: "/network/nodes/{node_id}"

	// Auth lists the policies tried in order; the first that succeeds names the caller. Empty means that nobody is asked and Context.Caller is nil.
	Auth []Policy

	Mode       Mode
	Forwarding Forwarding
	Redirect   Redirect
	Handler    func(*Context) error

	// NeedsRoot opens the transaction together with the Merkle root over exactly its snapshot (Context.Root): proposal ids are derived from it.
	NeedsRoot bool
	// Hidden keeps the endpoint out of the OpenAPI document.
	Hidden bool
	Doc    *Doc
	// Data is for the owner of a dynamic endpoint, for example the app's metadata of it.
	Data any
	// Broken makes every request that resolves to this endpoint fail as an exception during lookup: 500 and the connection is closed.
	Broken error
	// Feature is an operator feature that the interface must have enabled, otherwise 404 with an empty body; "" for none.
	Feature string

	full string // with the actor's prefix; what accepted_endpoints matches
}

func (e *Endpoint) forwarding() Forwarding {
	if e.Forwarding != ForwardDefault {
		return e.Forwarding
	}
	if e.Mode == ReadWrite {
		return ForwardAlways
	}
	return ForwardSometimes
}

func (e *Endpoint) redirect() Redirect {
	if e.Redirect != RedirectDefault {
		return e.Redirect
	}
	if e.Mode == ReadWrite {
		return RedirectToPrimary
	}
	return RedirectNone
}

// FullPath is the template with the actor's prefix: "/node/network/nodes/{node_id}".
func (e *Endpoint) FullPath() string { return e.full }

// ForwardingName is the forwarding mode in force, for documents.
func (e *Endpoint) ForwardingName() string { return e.forwarding().String() }

// ParamNames lists the path parameters.
func (e *Endpoint) ParamNames() []string {
	t, err := CompileTemplate(e.Path)
	if t == nil || err != nil {
		return nil
	}
	return t.names
}

// Doc describes an endpoint in the OpenAPI document.
type Doc struct {
	Summary, Description string
	Deprecated           bool
	Query                []QueryDoc
	Request, Response    any // JSON schema as a Go value, or nil
	Success              int // 200 when 0
}

// QueryDoc describes a query parameter.
type QueryDoc struct {
	Name     string
	Required bool
	Schema   any
}

// Policy is one way to authenticate a request.
type Policy interface {
	// Name is what details, metadata and the caller object call it, for example "user_cert".
	Name() string
	// Authenticate names the caller. A *Denied error lets the next policy try; an *Error is sent as it is; any other error is a 500.
	Authenticate(c *Context) (*Identity, error)
	// Challenge is the www-authenticate header of a refusal, or "".
	Challenge() string
	// Security is the OpenAPI security scheme, or nil when the policy contributes none.
	Security() *SecurityScheme
}

// SecurityScheme is one entry of an OpenAPI document's securitySchemes.
type SecurityScheme struct {
	Name   string
	Scheme map[string]any
}

// Denied is a policy's refusal; the reason is shown to the caller in the error's details.
type Denied struct {
	Reason    string
	Challenge string // overrides the policy's: a failed all_of shows that of the member that failed
}

// Error implements error.
func (d *Denied) Error() string { return d.Reason }

// Deny makes a refusal.
func Deny(format string, args ...any) error {
	return &Denied{Reason: fmt.Sprintf(format, args...)}
}

func asDenied(err error) (*Denied, bool) {
	var d *Denied
	ok := errors.As(err, &d)
	return d, ok
}

// Identity is who a policy found the caller to be.
type Identity struct {
	Policy  string // the policy that succeeded
	ID      string // user, member or node id
	CertPEM string // the caller's certificate; for cert policies and signed requests
	Data    []byte // user or member data as stored JSON; nil when there is none
	JWT     *JWT
	Signed  *Signed
	// Names and Each are set by all_of: the policies in sorted order and what each found.
	Names []string
	Each  map[string]*Identity
	// Extra is for policies of other packages.
	Extra any
}

// JWT is what a bearer token said.
type JWT struct {
	KeyIssuer string
	Header    []byte // JSON with sorted keys
	Payload   []byte
}

// Signed is the content of a COSE_Sign1 body.
type Signed struct {
	Content  []byte // payload
	Envelope []byte // whole body
	Message  any    // the decoded message, for the policy's own package
}
