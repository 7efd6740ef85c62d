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

// awaitCommit holds the response back until the transaction is committed, when the client asked for that. The wait runs after the handler's goroutine
// is free for the session's next pipelined request; the time allowed counts from here.
func (c *Context) awaitCommit(id ledger.TxID) {
	if !c.wait.on {
		return
	}
	a := &awaiting{frontend: c.Frontend, ledger: c.Ledger(), id: id, wait: c.wait, ctx: c.Ctx, until: time.Now().Add(c.wait.timeout)}
	c.Resp.Later = a.finish
}

// awaiting is a response that waits for its transaction. It holds nothing of the request.
type awaiting struct {
	frontend *Frontend
	ledger   Ledger
	id       ledger.TxID
	wait     wait
	ctx      context.Context
	until    time.Time
}

func (a *awaiting) finish(resp *httpd.Response) {
	ctx, cancel := context.WithDeadline(a.ctx, a.until)
	defer cancel()
	if err := a.ledger.WaitCommitted(ctx, a.id); err != nil {
		a.fail(ctx, resp, err)
		return
	}
	if !a.wait.receipt || a.frontend.cfg.Receipt == nil {
		return
	}
	receipt, err := a.frontend.cfg.Receipt(ctx, a.id)
	if err != nil {
		a.fail(ctx, resp, err)
		return
	}
	resp.Set(headerReceipt, base64.RawURLEncoding.EncodeToString(receipt))
}

func (a *awaiting) fail(ctx context.Context, resp *httpd.Response, cause error) {
	e := Errorf(http.StatusInternalServerError, CodeInternalError, "Waiting for transaction %s: %v", a.id, cause)
	switch {
	case a.ledger.TxStatus(a.id) == "Invalid":
		e = Errorf(http.StatusServiceUnavailable, CodeTransactionReplicationFailed, "Transaction %s was rolled back.", a.id)
	case ctx.Err() != nil:
		e = Errorf(http.StatusGatewayTimeout, CodeCommitTimeout, "Transaction %s did not commit within %s. It may still commit.", a.id, a.wait.timeout)
	}
	e.Header = append(e.Header, field(headerTxID, a.id.String()))
	e.fill(resp)
}
