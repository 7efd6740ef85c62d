package govapi

import (
	"net/http"

	"concordat/ledger"
	"concordat/node/frontend"
)

type transactionView struct {
	Status        string `json:"status"`
	TransactionID string `json:"transactionId"`
}

func getTransaction(c *frontend.Context) error {
	text := c.Param("transactionId")
	id, err := ledger.ParseTxID(text)
	if err != nil {
		return frontend.Errorf(http.StatusBadRequest, frontend.CodeInvalidQueryParameterValue,
			"The value '%s' passed as parameter 'transactionId' could not be converted to a valid Transaction ID.", text)
	}
	return answer(c, transactionView{c.Ledger().TxStatus(id), id.String()})
}

func getCommit(c *frontend.Context) error {
	id := c.Ledger().Committed()
	return answer(c, transactionView{c.Ledger().TxStatus(id), id.String()})
}
