package governance

import (
	"context"
	"strings"

	"concordat/governance/auth"
	"concordat/governance/tables"
	"concordat/ledger/jsondoc"
	"concordat/ledger/kv"
)

// Vote casts a member's ballot and resolves the proposal again. The same ballot
// may be sent twice; another one may not.
func (e *Engine) Vote(ctx context.Context, tx *kv.Tx, req *auth.Request, proposalID string, flags Flags) (*Proposal, error) {
	p, err := FindProposal(tx, proposalID)
	if err != nil {
		return nil, err
	}
	if p.Info.State != tables.Open {
		return nil, refuse(ProposalNotOpen, "Proposal %s is currently in state %s - only open proposals can receive votes",
			p.ID, strings.ToLower(string(p.Info.State)))
	}
	ballot, err := parseBallot(req.Payload)
	if err != nil {
		return nil, err
	}
	if cast, ok := p.Info.Ballots[req.MemberID]; ok {
		if cast != ballot {
			return nil, refuse(VoteAlreadyExists, "Different ballot already submitted by %s for %s.", member(req.MemberID), p.ID)
		}
		return p, nil
	}
	text, ok := tables.Proposals.Get(tx, p.ID)
	if !ok {
		return nil, refuse(ProposalNotFound, "Could not find proposal %s.", p.ID)
	}
	if p.Info.Ballots == nil {
		p.Info.Ballots = map[string]string{}
	}
	p.Info.Ballots[req.MemberID] = ballot
	if err := tables.ProposalsInfo.Put(tx, p.ID, p.Info); err != nil {
		return nil, err
	}
	if err := record(tx, req); err != nil {
		return nil, err
	}
	return p, e.resolve(ctx, tx, p, string(text), flags)
}

// parseBallot reads {"ballot":"<module>"}.
func parseBallot(payload []byte) (string, error) {
	doc, err := jsondoc.Parse(payload)
	if err != nil {
		return "", refuse(InvalidInput, "%v", err)
	}
	ballot, ok := doc.Get("ballot").Str()
	if !ok {
		return "", refuse(InvalidInput, `Signed request body is not a JSON object containing required string field "ballot"`)
	}
	return ballot, nil
}

// Withdraw takes a proposal back. It answers nil for a proposal that is not
// there: withdrawing twice is no mistake.
func (e *Engine) Withdraw(tx *kv.Tx, req *auth.Request, proposalID string) (*Proposal, error) {
	info, ok, err := tables.ProposalsInfo.Get(tx, proposalID)
	if err != nil || !ok {
		return nil, err
	}
	p := &Proposal{ID: proposalID, Info: info}
	switch {
	case req.MemberID != info.ProposerID:
		return nil, refuse(AuthorizationFailed, "Proposal %s can only be withdrawn by proposer %s, not caller %s.",
			p.ID, member(info.ProposerID), member(req.MemberID))
	case info.State == tables.Withdrawn:
		return p, nil
	case info.State != tables.Open:
		return nil, refuse(ProposalNotOpen, "Proposal %s is currently in state %s and cannot be withdrawn.",
			p.ID, strings.ToLower(string(info.State)))
	}
	p.Info.State = tables.Withdrawn
	if err := purge(tx, p.ID); err != nil {
		return nil, err
	}
	if err := tables.ProposalsInfo.Put(tx, p.ID, p.Info); err != nil {
		return nil, err
	}
	return p, record(tx, req)
}
