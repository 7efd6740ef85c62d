// Package node is the life of one replica, from its configuration to its end:
// it makes the node's identity, founds the service, wires the rooms below into
// each other, listens, and stops in order.
//
// What a Node owns: the identity (identity.go), the ledger's replica and state,
// the HTTP servers, and the files it writes for operators (outputs.go). Nothing
// below this package reads a file, a flag or the environment for itself.
//
// Goroutines: one for each listening interface (httpd's, ended by Close), and
// those of consensus and ledger/kv, which their own package comments list.
package node
