// Package operator serves /node: what operators, their tools and clients ask of
// one node without being anybody in particular, and the endpoints every frontend
// has in common (/commit, /tx, /receipt).
//
// Shapes and texts are those of ccf-http-api 3.1 and 3.2 with their corrections.
package operator

import (
	"net/http"

	"concordat/governance/tables"
	"concordat/ledger"
	"concordat/node/attest"
	"concordat/node/frontend"
	"concordat/node/historical"
	"concordat/node/httpd"
)

// State names a step of a node's life, as /node/state spells it.
type State string

// The states that a started node goes through.
const (
	Initialized   State = "Initialized"
	PartOfNetwork State = "PartOfNetwork"
)

// Node is what the endpoints ask of the process.
type Node interface {
	ID() string
	State() State
	StopNotice() bool
	LastSigned() ledger.Seqno
	StartupSeqno() ledger.Seqno
	SelfSignedCertPEM() string
	Evidence() *attest.Evidence
	// Ready reports whether the gov and app frontends are open.
	Ready(actor string) bool
	// Own is this node's row of nodes.info before it is on the ledger.
	Own() tables.NodeInfo
	Sessions() httpd.Metrics
	// NodeAddress is the published node-to-node address.
	NodeAddress() string
	// JSMetrics is what /node/js_metrics shows beside the limits.
	JSMetrics(c *frontend.Context) (any, error)
}

// Config is what the endpoints work on.
type Config struct {
	Node       Node
	Historical *historical.Cache
	Version    string // as /node/version shows it
	JSVersion  string
}

type handlers struct{ Config }

// Endpoints are those below /node.
func Endpoints(cfg Config) []frontend.Endpoint {
	h := &handlers{cfg}
	list := append(h.network(), h.self()...)
	list = append(list, h.service()...)
	return append(list, h.internal()...)
}

// get is a read-only endpoint without authentication that never leaves the node
// ("sometimes" and "never" forwarding differ only on backups).
func get(path string, f frontend.Forwarding, mode frontend.Mode, handler func(*frontend.Context) error) frontend.Endpoint {
	return frontend.Endpoint{Verb: http.MethodGet, Path: path, Forwarding: f, Mode: mode, Handler: handler, Doc: &frontend.Doc{}}
}

func notFound(message string) error {
	return frontend.Errorf(http.StatusNotFound, frontend.CodeResourceNotFound, "%s", message)
}

func internal(message string) error {
	return frontend.Errorf(http.StatusInternalServerError, frontend.CodeInternalError, "%s", message)
}
