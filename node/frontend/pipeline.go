package frontend

import (
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"

	"concordat/ledger"
)

// run is one attempt. It returns false when the transaction conflicted and the request should run again.
func (c *Context) run(a *actor) (done bool) {
	defer c.release()
	err := c.execute(a)
	switch {
	case err == nil:
		return true
	case errors.Is(err, ErrConflict):
		return false
	}
	c.fail(err)
	return true
}

// execute takes the steps of ccf-http-api 2 in their order. Errors that leave it become the answer, and drop the transaction.
func (c *Context) execute(a *actor) error {
	if err := c.admission(a); err != nil {
		return err
	}
	if done, err := c.resolve(a); done || err != nil {
		return err
	}
	r := c.Frontend.rules[c.Session.Interface.Name]
	if c.admit(r) {
		return nil
	}
	if done, err := c.route(r); done || err != nil {
		return err
	}
	c.pinView()
	if err := c.handle(); err != nil {
		return err
	}
	if err := c.sessionConsistent(); err != nil {
		return err
	}
	return c.commit()
}

// admission applies back-pressure and refuses a frontend that is not open.
func (c *Context) admission(a *actor) error {
	if l := c.Ledger(); l != nil && !a.Exempt && c.Frontend.cfg.MaxUncommitted > 0 && l.CanReplicate() {
		committed := l.Committed().Seqno // first: commit may overtake a Last read before it
		if last := l.Last().Seqno; last > committed && last-committed >= c.Frontend.cfg.MaxUncommitted {
			return errTooManyPending()
		}
	}
	if a.Open != nil && !a.Open() {
		return Errorf(http.StatusNotFound, CodeFrontendNotOpen, "Frontend is not open.")
	}
	return nil
}

func errTooManyPending() *Error {
	return Errorf(http.StatusServiceUnavailable, CodeTooManyPendingTransactions, "Too many transactions pending commit on the service.")
}

// resolve finds the endpoint, or answers OPTIONS, 405 and 404. What goes wrong inside a lookup closes the connection, as in CCF, where lookups run
// outside the handler's error scope.
func (c *Context) resolve(a *actor) (done bool, err error) {
	var dynamic *Routes
	if a.Dynamic != nil {
		if dynamic, err = a.Dynamic.Routes(c); err != nil {
			return true, lookupError(err)
		}
		if c.Endpoint, c.Params, err = dynamic.lookup(c.Req.Method, c.Local); err != nil {
			return true, lookupError(err)
		}
	}
	if c.Endpoint == nil {
		if c.Endpoint, c.Params, err = a.routes.lookup(c.Req.Method, c.Local); err != nil {
			return true, lookupError(err)
		}
	}
	if c.Endpoint != nil {
		if c.Endpoint.Broken != nil {
			return true, lookupError(c.Endpoint.Broken)
		}
		return false, nil
	}
	verbs := map[string]bool{}
	if dynamic != nil {
		if err := dynamic.verbs(c.Local, verbs); err != nil {
			return true, lookupError(err)
		}
	}
	if err := a.routes.verbs(c.Local, verbs); err != nil {
		return true, lookupError(err)
	}
	return true, c.unmatched(verbs)
}

func lookupError(err error) *Error {
	return &Error{Status: http.StatusInternalServerError, Code: CodeInternalError, Message: "Exception: " + err.Error(), Close: true}
}

func (c *Context) unmatched(verbs map[string]bool) error {
	if len(verbs) == 0 {
		return Errorf(http.StatusNotFound, CodeResourceNotFound, "Unknown path: %s.", c.Local)
	}
	allow := allowHeader(verbs)
	if c.Req.Method == http.MethodOptions {
		c.Resp.Status = http.StatusNoContent
		c.Resp.Set("allow", allow)
		return nil
	}
	e := Errorf(http.StatusMethodNotAllowed, CodeUnsupportedHTTPVerb, "Allowed methods for '%s' are: %s.", c.Local, allow)
	e.Header = append(e.Header, field("allow", allow))
	return e
}

// handle authenticates and runs the handler. A panic there is a defect of one endpoint: it is logged and answered, and the node goes on. Panics of the
// sequencing path are not caught anywhere, since they mean a broken invariant.
func (c *Context) handle() (err error) {
	defer func() {
		if p := recover(); p != nil {
			c.Frontend.log().Error("endpoint panicked", "endpoint", c.Endpoint.full, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			err = Errorf(http.StatusInternalServerError, CodeInternalError, "Internal error.")
		}
	}()
	if err := c.openWithRoot(); err != nil {
		return err
	}
	if err := c.authenticate(); err != nil {
		return err
	}
	if err := c.Endpoint.Handler(c); err != nil {
		return c.handlerError(err)
	}
	return nil
}

// handlerError turns the error into the response right away when the handler wants its writes kept although it failed.
func (c *Context) handlerError(err error) error {
	if c.apply == nil || !*c.apply || errors.Is(err, ErrConflict) {
		return err
	}
	c.fail(err)
	return nil
}

// authenticate tries the endpoint's policies in order.
func (c *Context) authenticate() error {
	if len(c.Endpoint.Auth) == 0 {
		return nil
	}
	details := make([]any, 0, len(c.Endpoint.Auth))
	challenge := ""
	for _, p := range c.Endpoint.Auth {
		id, err := p.Authenticate(c)
		if err == nil {
			c.Caller = id
			return nil
		}
		d, denied := asDenied(err)
		if !denied {
			return err
		}
		details = append(details, Detail{AuthPolicy: p.Name(), Code: CodeInvalidAuthenticationInfo, Message: d.Reason})
		if challenge = d.Challenge; challenge == "" {
			challenge = p.Challenge()
		}
	}
	e := Errorf(http.StatusUnauthorized, CodeInvalidAuthenticationInfo, "Invalid authentication credentials.")
	e.Details = details
	if challenge != "" {
		e.Header = append(e.Header, field("www-authenticate", challenge))
	}
	return e
}

// pinView remembers the view in which the session's first request ran.
func (c *Context) pinView() {
	if l := c.Ledger(); l != nil && c.Session.View == 0 {
		c.Session.View = l.View()
	}
}

// sessionConsistent ends a session whose requests ran in different views: what the client saw before may be gone.
func (c *Context) sessionConsistent() error {
	l := c.Ledger()
	if l == nil {
		return nil
	}
	view := l.View()
	if was := c.Session.View; was != 0 && view != 0 && was != view { // 0: nobody leads just now
		e := Errorf(http.StatusInternalServerError, CodeSessionConsistencyLost,
			"Potential loss of session consistency on session %d. Started in view %d, now in view %d. Closing session.", c.Session.ID, was, view)
		e.Close = true
		return e
	}
	return nil
}

// headerTxID names the transaction in requests and responses.
const headerTxID = "x-ms-ccf-transaction-id"

// commit sequences the transaction when the response is a success or the handler insists, and names it in the response.
func (c *Context) commit() error {
	if err := c.Resp.Check(); err != nil { // before anything is written
		return err
	}
	if !c.applies() || c.tx == nil {
		return nil
	}
	id, err := c.submit()
	if err != nil || id == (ledger.TxID{}) {
		return err
	}
	c.Resp.Set(headerTxID, id.String())
	if c.localCommit != nil {
		if err := c.localCommit(id); err != nil {
			e := Errorf(http.StatusInternalServerError, CodeInternalError, "Failed to execute local commit handler func: %v", err)
			e.Header = append(e.Header, field(headerTxID, id.String()))
			return e
		}
	}
	c.awaitCommit(id)
	return nil
}

func (c *Context) applies() bool {
	if c.apply != nil {
		return *c.apply
	}
	return c.Resp.Status >= 200 && c.Resp.Status < 300
}

// submit returns the transaction's id: its own when it wrote, that of the state it read otherwise, none when it looked at no map.
func (c *Context) submit() (ledger.TxID, error) {
	if err := c.tx.Err(); err != nil {
		return ledger.TxID{}, fmt.Errorf("reading the store: %w", err)
	}
	if !c.tx.Wrote() {
		if !c.tx.Touched() {
			return ledger.TxID{}, nil
		}
		return c.tx.SnapshotID(), nil
	}
	if c.Endpoint.Mode != ReadWrite {
		return ledger.TxID{}, fmt.Errorf("endpoint %s is read-only but wrote", c.Endpoint.full)
	}
	tx := c.tx
	c.tx = nil // Submit releases it
	id, err := c.Ledger().Submit(tx, c.opts)
	switch {
	case err == nil:
		return id, nil
	case errors.Is(err, ErrNotPrimary):
		return id, Errorf(http.StatusServiceUnavailable, CodeTransactionReplicationFailed, "Transaction failed to replicate.")
	case errors.Is(err, ErrTooManyPending):
		return id, errTooManyPending()
	}
	return id, err
}
