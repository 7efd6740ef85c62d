package frontend

import "concordat/ledger/kv"

// Tx is the request's transaction, opened at first use on the newest applied state. It is nil when the node has no ledger yet.
func (c *Context) Tx() *kv.Tx { return c.tx }
