package operator

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"concordat/ledger"
	"concordat/ledger/receipt"
	"concordat/node/frontend"
	"concordat/node/historical"
)

// Common are the endpoints that every frontend has (ccf-http-api 3.1, 9).
func Common(cfg Config) []frontend.Endpoint {
	h := &handlers{cfg}
	some := frontend.ForwardSometimes
	return []frontend.Endpoint{
		get("/commit", some, frontend.NoTx, h.getCommit),
		get("/tx", some, frontend.NoTx, h.getTx),
		get("/receipt", some, frontend.ReadOnly, h.getReceipt),
	}
}

func invalidQuery(status int, format string, args ...any) error {
	return frontend.Errorf(status, frontend.CodeInvalidQueryParameterValue, format, args...)
}

func (h *handlers) getCommit(c *frontend.Context) error {
	l := c.Ledger()
	if l == nil {
		return internal("Error code: Uninitialised")
	}
	since, want, err := historySince(c, l.View())
	if err != nil {
		return err
	}
	body := map[string]any{"transaction_id": l.Committed().String()}
	if want {
		history := []string{}
		for i, first := range l.ViewHistory() {
			if view := ledger.View(i + 1); view >= since {
				history = append(history, ledger.TxID{View: view, Seqno: first}.String())
			}
		}
		body["view_history"] = history
	}
	return c.JSON(body)
}

// historySince reads the two parameters: view_history wins, and a
// view_history_since that is no number is ignored, as recorded.
func historySince(c *frontend.Context, current ledger.View) (since ledger.View, want bool, err error) {
	if v, ok := c.Query.Lookup("view_history"); ok {
		switch v {
		case "true":
			return 1, true, nil
		case "false":
			return 0, false, nil
		}
		return 0, false, invalidQuery(http.StatusBadRequest, "Invalid value for view_history, must be one of [true, false] when present")
	}
	v, ok := c.Query.Lookup("view_history_since")
	if !ok {
		return 0, false, nil
	}
	n, bad := strconv.ParseUint(v, 10, 64)
	if bad != nil {
		return 0, false, nil
	}
	const text = "Invalid value for view_history_since, must be in range [1, current_term]"
	switch {
	case n == 0:
		return 0, false, invalidQuery(http.StatusBadRequest, text)
	case n > current:
		return 0, false, invalidQuery(http.StatusNotFound, text)
	}
	return n, true, nil
}

func (h *handlers) getTx(c *frontend.Context) error {
	text, ok := c.Query.Lookup("transaction_id")
	if !ok {
		return invalidQuery(http.StatusBadRequest, "Missing query parameter 'transaction_id'")
	}
	id, err := ledger.ParseTxID(text)
	if err != nil {
		return invalidQuery(http.StatusBadRequest, "The value '%s' passed as query parameter 'transaction_id' could not be converted to a valid Transaction ID.", text)
	}
	status := "Unknown"
	if l := c.Ledger(); l != nil {
		status = l.TxStatus(id)
	}
	return c.JSON(map[string]string{"status": status, "transaction_id": id.String()})
}

func (h *handlers) getReceipt(c *frontend.Context) error {
	touch(c)
	text, _ := c.Query.Lookup("transaction_id")
	t, err := historical.Query(c, h.Historical, text)
	if err != nil || t == nil {
		return err
	}
	if form, ok := c.Query.Lookup("format"); ok && form == "cose" {
		return coseReceipt(c, t)
	}
	r, err := t.Receipt()
	if err != nil {
		return fmt.Errorf("receipt of %s: %w", t.ID, err)
	}
	return c.JSON(r)
}

// coseReceipt is beyond CCF, whose nodes leave COSE receipts to applications.
func coseReceipt(c *frontend.Context, t *historical.Transaction) error {
	b, err := t.COSEReceipt()
	if errors.Is(err, receipt.ErrNoCOSE) {
		return notFound("There is no COSE receipt of transaction " + t.ID.String() + ": a signature transaction is not under its own signature.")
	}
	if err != nil {
		return fmt.Errorf("COSE receipt of %s: %w", t.ID, err)
	}
	return c.Raw(http.StatusOK, "application/cose", b)
}
