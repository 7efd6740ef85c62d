package frontend

import (
	"errors"
	"fmt"
)

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
