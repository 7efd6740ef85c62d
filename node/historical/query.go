package historical

import (
	"fmt"
	"net/http"

	"concordat/ledger"
	"concordat/node/frontend"
	"concordat/node/httpd"
)

// TxIDHeader names a transaction, in answers and in requests for a past state.
const TxIDHeader = "x-ms-ccf-transaction-id"

// retryAfter is how long clients are told to wait, in seconds (ccf-http-api 2.5).
const retryAfter = "3"

// Query finds the transaction a request names. A nil transaction without an
// error means that the answer is complete: "not yet", 202.
func Query(c *frontend.Context, cache *Cache, text string) (*Transaction, error) {
	id, err := ledger.ParseTxID(text)
	if err != nil {
		return nil, frontend.Errorf(http.StatusNotFound, frontend.CodeTransactionInvalid, "Could not extract Transaction Id")
	}
	l := c.Ledger()
	if l == nil {
		return nil, frontend.Errorf(http.StatusInternalServerError, frontend.CodeTransactionPendingOrUnknown, "Node is not fully configured")
	}
	if err := committed(c, id, l.TxStatus(id)); err != nil {
		return nil, err
	}
	t, err := cache.Get(id.Seqno)
	if err != nil {
		return nil, frontend.Errorf(http.StatusInternalServerError, frontend.CodeTransactionPendingOrUnknown, "%s", err.Error())
	}
	if t == nil {
		c.Resp.Set("retry-after", retryAfter)
		return nil, c.Raw(http.StatusAccepted, "text/plain", fmt.Appendf(nil, "Historical transaction %s is not currently available.", id))
	}
	return t, nil
}

// committed turns every status but Committed into the recorded answer.
func committed(c *frontend.Context, id ledger.TxID, status string) error {
	code := frontend.CodeTransactionInvalid
	switch status {
	case "Committed":
		return nil
	case "Pending", "Unknown":
		code = frontend.CodeTransactionPendingOrUnknown
	}
	e := frontend.Errorf(http.StatusNotFound, code, "Only committed transactions can be queried. Transaction %s is %s", id, status)
	if code == frontend.CodeTransactionPendingOrUnknown {
		e.Header = append(e.Header, httpd.Field{Name: "cache-control", Value: "no-cache"})
	}
	return e
}
