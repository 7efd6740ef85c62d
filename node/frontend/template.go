package frontend

// Template is a compiled path template.
type Template struct {
	text string
}

// Routes is a compiled set of endpoints.
type Routes struct {
	endpoints []Endpoint
}

// NewRoutes compiles endpoints of an actor. Malformed templates do not fail here: they make lookups that need them fail, as CCF does for endpoints
// an application brought.
func NewRoutes(actorName string, endpoints []Endpoint) *Routes {
	return &Routes{endpoints: endpoints}
}
