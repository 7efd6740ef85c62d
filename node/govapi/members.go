package govapi

import (
	"net/http"

	"concordat/governance"
	"concordat/node/frontend"
)

type digestView struct {
	MemberID    string `json:"memberId"`
	StateDigest string `json:"stateDigest"`
}

func getDigest(c *frontend.Context) error {
	id := c.Param("memberId")
	digest, err := governance.StateDigest(c.Tx(), id)
	if err != nil {
		return failure(c, err)
	}
	return answer(c, digestView{id, digest})
}

func updateDigest(c *frontend.Context) error {
	req := request(c)
	if err := governance.SamePathMember(c.Param("memberId"), req.MemberID); err != nil {
		return failure(c, err)
	}
	digest, err := governance.UpdateStateDigest(c.Tx(), req)
	if err != nil {
		return failure(c, err)
	}
	return answer(c, digestView{req.MemberID, digest})
}

func (h *Handlers) ackDigest(c *frontend.Context) error {
	req := request(c)
	if err := governance.SamePathMember(c.Param("memberId"), req.MemberID); err != nil {
		return failure(c, err)
	}
	if err := h.engine.Ack(c.Tx(), req); err != nil {
		return failure(c, err)
	}
	return c.Raw(http.StatusNoContent, "", nil)
}

func getShare(c *frontend.Context) error {
	id, err := memberParam(c)
	if err != nil {
		return err
	}
	share, err := governance.EncryptedShare(c.Tx(), id)
	if err != nil {
		return failure(c, err)
	}
	return answer(c, struct {
		EncryptedShare []byte `json:"encryptedShare"`
		MemberID       string `json:"memberId"`
	}{share, id})
}

func (h *Handlers) submitShare(c *frontend.Context) error {
	if h.recovering() {
		return failure(c, &governance.Error{Code: governance.AlreadyRecovering, Message: "Node is already recovering private ledger."})
	}
	s, err := h.engine.SubmitShare(c.Tx(), request(c), c.Param("memberId"))
	if err != nil {
		return failure(c, err)
	}
	return answer(c, struct {
		FullKeySubmitted  bool   `json:"fullKeySubmitted"`
		Message           string `json:"message"`
		RecoveryThreshold uint64 `json:"recoveryThreshold"`
		SubmittedCount    int    `json:"submittedCount"`
	}{s.FullKey, s.Message, s.Threshold, s.Submitted})
}
