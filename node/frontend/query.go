package frontend

// QueryParam is one name and value, decoded.
type QueryParam struct {
	Name, Value string
}

// Query is the decoded query of a request.
type Query struct {
	Text   string // whole query, decoded; what the JavaScript API shows
	Params []QueryParam
}

// Lookup returns the first parameter of that name.
func (q *Query) Lookup(name string) (string, bool) {
	for i := range q.Params {
		if q.Params[i].Name == name {
			return q.Params[i].Value, true
		}
	}
	return "", false
}
