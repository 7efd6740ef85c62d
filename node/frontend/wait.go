package frontend

import (
	"context"
	"encoding/base64"
	"net/http"
	"strings"
	"time"

	"concordat/ledger"
	"concordat/node/httpd"
)

// Concordat's own request header: "x-concordat-wait: committed" answers only after the transaction is committed, and "committed+receipt" also carries
// its receipt in the response header x-concordat-receipt, as base64url without padding of the JSON receipt. ";timeout=5s" bounds the wait. Running out of time is a
// 504 that names the transaction in header and body: it may still commit. Clients that do not send the header see CCF's behaviour.
const (
	headerWait    = "x-concordat-wait"
	headerReceipt = "x-concordat-receipt"

	defaultWait = 10 * time.Second
	maxWait     = 60 * time.Second
)

type wait struct {
	on, receipt bool
	timeout     time.Duration
}

func parseWait(req *httpd.Request) (wait, error) {
	text, ok := req.Lookup(headerWait)
	if !ok {
		return wait{}, nil
	}
	w := wait{on: true, timeout: defaultWait}
	mode, options, _ := strings.Cut(text, ";")
	switch strings.TrimSpace(mode) {
	case "committed":
	case "committed+receipt":
		w.receipt = true
	default:
		return w, badWait(text)
	}
	if options = strings.TrimSpace(options); options == "" {
		return w, nil
	}
	value, ok := strings.CutPrefix(options, "timeout=")
	d, err := time.ParseDuration(value)
	if !ok || err != nil || d <= 0 || d > maxWait {
		return w, badWait(text)
	}
	w.timeout = d
	return w, nil
}

func badWait(text string) error {
	return Errorf(http.StatusBadRequest, CodeInvalidHeaderValue,
		"Invalid value for %s: %q, expected committed or committed+receipt, optionally followed by ;timeout=<duration up to %s>", headerWait, text, maxWait)
}

// awaitCommit holds the response back until the transaction is committed, when the client asked for that.
func (c *Context) awaitCommit(id ledger.TxID) error {
	if !c.wait.on {
		return nil
	}
	c.release() // a snapshot must not be held while waiting
	c.Session.Flush()
	ctx, cancel := context.WithTimeout(c.Ctx, c.wait.timeout)
	defer cancel()
	if err := c.Ledger().WaitCommitted(ctx, id); err != nil {
		return c.notCommitted(ctx, id, err)
	}
	if !c.wait.receipt || c.Frontend.cfg.Receipt == nil {
		return nil
	}
	receipt, err := c.Frontend.cfg.Receipt(ctx, id)
	if err != nil {
		return c.notCommitted(ctx, id, err)
	}
	c.Resp.Set(headerReceipt, base64.RawURLEncoding.EncodeToString(receipt))
	return nil
}

func (c *Context) notCommitted(ctx context.Context, id ledger.TxID, cause error) error {
	e := Errorf(http.StatusInternalServerError, CodeInternalError, "Waiting for transaction %s: %v", id, cause)
	switch {
	case c.Ledger().TxStatus(id) == "Invalid":
		e = Errorf(http.StatusServiceUnavailable, CodeTransactionReplicationFailed, "Transaction %s was rolled back.", id)
	case ctx.Err() != nil:
		e = Errorf(http.StatusGatewayTimeout, CodeCommitTimeout, "Transaction %s did not commit within %s. It may still commit.", id, c.wait.timeout)
	}
	e.Header = append(e.Header, field(headerTxID, id.String()))
	return e
}
