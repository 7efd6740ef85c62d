package govapi

import (
	"net/http"

	"concordat/governance"
	"concordat/governance/auth"
	"concordat/governance/tables"
	"concordat/node/frontend"
)

// proposalView is a proposal as the interface shows it.
type proposalView struct {
	BallotCount   int                             `json:"ballotCount"`
	Failure       *tables.ScriptFailure           `json:"failure,omitempty"`
	FinalVotes    map[string]bool                 `json:"finalVotes,omitzero"`
	ProposalID    string                          `json:"proposalId"`
	ProposalState tables.ProposalState            `json:"proposalState"`
	ProposerID    string                          `json:"proposerId"`
	VoteFailures  map[string]tables.ScriptFailure `json:"voteFailures,omitzero"`
}

func viewOf(p *governance.Proposal) proposalView {
	return proposalView{
		BallotCount: len(p.Info.Ballots), Failure: p.Info.Failure, FinalVotes: p.Info.FinalVotes, ProposalID: p.ID,
		ProposalState: p.Info.State, ProposerID: p.Info.ProposerID, VoteFailures: p.Info.VoteFailures,
	}
}

func answerProposal(c *frontend.Context, p *governance.Proposal, err error) error {
	if err != nil {
		return failure(c, err)
	}
	return answer(c, viewOf(p))
}

func (h *Handlers) createProposal(c *frontend.Context) error {
	p, err := h.engine.Propose(c.Ctx, c.Tx(), c.Root(), request(c), c)
	return answerProposal(c, p, err)
}

// boundProposal is the proposal named by the path, which the signer must have
// named too: otherwise a ballot could be moved to another proposal.
func boundProposal(c *frontend.Context, req *auth.Request) (string, error) {
	id, err := proposalParam(c)
	if err != nil {
		return "", err
	}
	if req.ProposalID == nil || *req.ProposalID != id {
		return "", frontend.Errorf(http.StatusBadRequest, frontend.CodeInvalidResourceName, "Authenticated proposal id does not match URL")
	}
	return id, nil
}

func (h *Handlers) withdrawProposal(c *frontend.Context) error {
	req := request(c)
	id, err := boundProposal(c, req)
	if err != nil {
		return err
	}
	p, err := h.engine.Withdraw(c.Tx(), req, id)
	if err == nil && p == nil {
		return c.Raw(http.StatusNoContent, "", nil)
	}
	return answerProposal(c, p, err)
}

func (h *Handlers) submitBallot(c *frontend.Context) error {
	req := request(c)
	id, err := boundProposal(c, req)
	if err != nil {
		return err
	}
	voter, err := memberParam(c)
	if err != nil {
		return err
	}
	if voter != req.MemberID {
		return frontend.Errorf(http.StatusBadRequest, frontend.CodeInvalidResourceName, "Authenticated member id does not match URL")
	}
	p, err := h.engine.Vote(c.Ctx, c.Tx(), req, id, c)
	return answerProposal(c, p, err)
}

func listProposals(c *frontend.Context) error {
	out := newList()
	err := tables.ProposalsInfo.Each(c.Tx(), func(id string, info tables.ProposalInfo) bool {
		out.Value = append(out.Value, viewOf(&governance.Proposal{ID: id, Info: info}))
		return true
	})
	if err != nil {
		return err
	}
	return answer(c, out)
}

func getProposal(c *frontend.Context) error {
	id, err := proposalParam(c)
	if err != nil {
		return err
	}
	p, err := governance.FindProposal(c.Tx(), id)
	return answerProposal(c, p, err)
}

func getActions(c *frontend.Context) error {
	id, err := proposalParam(c)
	if err != nil {
		return err
	}
	text, ok := tables.Proposals.Get(c.Tx(), id)
	if !ok {
		return frontend.Errorf(http.StatusNotFound, frontend.CodeProposalNotFound, "Could not find proposal %s.", id)
	}
	return c.Raw(http.StatusOK, "", text)
}

func getBallot(c *frontend.Context) error {
	id, err := proposalParam(c)
	if err != nil {
		return err
	}
	voter, err := memberParam(c)
	if err != nil {
		return err
	}
	info, ok, err := tables.ProposalsInfo.Get(c.Tx(), id)
	if err != nil {
		return err
	}
	if !ok {
		return frontend.Errorf(http.StatusNotFound, frontend.CodeProposalNotFound, "Proposal %s does not exist.", id)
	}
	ballot, ok := info.Ballots[voter]
	if !ok {
		return frontend.Errorf(http.StatusNotFound, frontend.CodeVoteNotFound, "Member m[%s] has not voted for proposal %s.", voter, id)
	}
	return c.Raw(http.StatusOK, typeJS, []byte(ballot))
}
