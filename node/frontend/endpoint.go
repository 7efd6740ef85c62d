package frontend

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

	template *Template
	full     string // with the actor's prefix; what accepted_endpoints matches
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
