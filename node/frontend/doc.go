// Package frontend turns requests into transactions: routing, interface rules, authentication, the retry loop around a KV transaction, the
// transaction id header and OData errors. It is the one pipeline under /node, /gov and /app.
//
// The order of its steps is observable and follows CCF 7: back-pressure, frontend open, endpoint lookup, interface rules, redirection,
// authentication, handler, session consistency, commit. A handler sees a Context; it answers by filling the response or by returning an error.
// A non-2xx response drops the handler's writes and carries no transaction id, unless the handler overrides that (SetApplyWrites).
//
// The package starts no goroutine. Handlers run in the connection's goroutine.
package frontend
