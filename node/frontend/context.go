package frontend

import (
	"context"

	"concordat/ledger"
	"concordat/ledger/kv"
	"concordat/node/httpd"
)

// Param is one path parameter, raw as it stood in the path.
type Param struct {
	Name, Value string
}

// Context is a request on its way through an endpoint. After a conflict the endpoint runs again from the start: with a new transaction, an empty response,
// and nothing left of what the run before had set.
type Context struct {
	Ctx      context.Context
	Session  *httpd.Session
	Req      *httpd.Request
	Resp     *httpd.Response
	Frontend *Frontend
	Endpoint *Endpoint
	Actor    string // "node", "gov" or "app"
	Path     string // as requested, without query: "/app/log/private" or "/log/private"
	Local    string // without the actor's prefix
	Query    Query
	Params   []Param
	Caller   *Identity
	Attempt  int // 1 for the first run

	tx          *kv.Tx
	root        ledger.Digest
	opts        SubmitOptions
	apply       *bool
	localCommit func(ledger.TxID) error
	wait        wait
}

// Ledger is the node's consensus, nil before the node has any.
func (c *Context) Ledger() Ledger { return c.Frontend.ledger() }

// Tx is the request's transaction, opened at first use on the newest applied state. It is nil when the node has no ledger yet.
func (c *Context) Tx() *kv.Tx {
	if c.tx != nil {
		return c.tx
	}
	l := c.Ledger()
	if l == nil {
		return nil
	}
	c.tx = l.Begin()
	return c.tx
}

// openWithRoot opens the transaction of an endpoint with NeedsRoot.
func (c *Context) openWithRoot() error {
	l := c.Ledger()
	if l == nil || !c.Endpoint.NeedsRoot {
		return nil
	}
	tx, root, err := l.BeginWithRoot(c.Ctx)
	if err != nil {
		return err
	}
	c.tx, c.root = tx, root
	return nil
}

// Root is the Merkle root over the transaction's snapshot; only for endpoints with NeedsRoot.
func (c *Context) Root() ledger.Digest { return c.root }

// SetClaims binds a digest to the transaction; it becomes part of its receipt.
func (c *Context) SetClaims(d ledger.Digest) { c.opts.Claims = d }

// SetApplyWrites overrides the rule that only 2xx responses commit.
func (c *Context) SetApplyWrites(apply bool) { c.apply = &apply }

// ForceChunk closes the ledger chunk after this transaction.
func (c *Context) ForceChunk() { c.opts.ForceChunk = true }

// ForceSnapshot asks for a snapshot at the next signature.
func (c *Context) ForceSnapshot() { c.opts.ForceSnapshot = true }

// OnLocalCommit runs f after the transaction got its id and before the response leaves. When f fails the answer is a 500 that names the id.
func (c *Context) OnLocalCommit(f func(ledger.TxID) error) { c.localCommit = f }

// Param returns a path parameter as it stood in the path, or "".
func (c *Context) Param(name string) string {
	for i := range c.Params {
		if c.Params[i].Name == name {
			return c.Params[i].Value
		}
	}
	return ""
}

// DecodedParam returns a path parameter with its escapes decoded.
func (c *Context) DecodedParam(name string) string { return unescape(c.Param(name)) }

// again forgets the run that conflicted.
func (c *Context) again() {
	c.Endpoint, c.Params, c.Caller = nil, nil, nil
	c.root, c.opts, c.apply, c.localCommit = ledger.Digest{}, SubmitOptions{}, nil, nil
	c.Resp.Reset()
}

func (c *Context) release() {
	if c.tx != nil {
		c.tx.Release()
		c.tx = nil
	}
}
