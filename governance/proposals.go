package governance

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"slices"

	"concordat/governance/auth"
	"concordat/governance/tables"
	"concordat/js-apps/api"
	"concordat/ledger"
	"concordat/ledger/kv"
)

// Proposal is a proposal as it stands.
type Proposal struct {
	ID   string
	Info tables.ProposalInfo
}

// ProposalID names a proposal: it binds the request to the state it was made on
// (the Merkle root over the transaction's snapshot) and to the signature.
func ProposalID(root ledger.Digest, requestDigest ledger.Digest) string {
	h := sha256.New()
	h.Write(root[:])
	h.Write(requestDigest[:])
	return hex.EncodeToString(h.Sum(nil))
}

// Propose validates, records and resolves a new proposal. The request must have
// been authenticated as one of an active member, of type proposal, and root must
// be the Merkle root over the snapshot of tx.
func (e *Engine) Propose(ctx context.Context, tx *kv.Tx, root ledger.Digest, req *auth.Request, flags Flags) (*Proposal, error) {
	text := string(req.Payload)
	if err := e.validate(ctx, tx, text); err != nil {
		return nil, err
	}
	digest := req.Digest()
	p := &Proposal{
		ID:   ProposalID(root, digest),
		Info: tables.ProposalInfo{Ballots: map[string]string{}, ProposerID: req.MemberID, State: tables.Open},
	}
	if tables.Proposals.Has(tx, p.ID) {
		return nil, refuse(Internal, "Proposal ID collision.")
	}
	tables.Proposals.Put(tx, p.ID, req.Payload)
	if err := tables.ProposalsInfo.Put(tx, p.ID, p.Info); err != nil {
		return nil, err
	}
	if err := record(tx, req); err != nil {
		return nil, err
	}
	if err := guardReplay(tx, req.CreatedAt, digest, req.TwinDigest(), p.ID); err != nil {
		return nil, err
	}
	return p, e.resolve(ctx, tx, p, text, flags)
}

// record keeps the signed envelope: the member's public account of the request.
func record(tx *kv.Tx, req *auth.Request) error {
	return tables.CoseHistory.Put(tx, req.MemberID, req.Envelope)
}

// resolve runs every ballot, lets the constitution decide, writes the decision
// and, if the proposal is accepted, carries it out.
func (e *Engine) resolve(ctx context.Context, tx *kv.Tx, p *Proposal, text string, flags Flags) error {
	votes, failures, err := e.collectVotes(ctx, tx, p, text)
	if err != nil {
		return err
	}
	state, err := e.decide(ctx, tx, p, text, votes)
	if err != nil {
		return err
	}
	p.Info.State = state
	if state != tables.Open {
		if err := purge(tx, p.ID); err != nil {
			return err
		}
		p.Info.FinalVotes, p.Info.VoteFailures = votes, failures
	}
	if err := tables.ProposalsInfo.Put(tx, p.ID, p.Info); err != nil || state != tables.Accepted {
		return err
	}
	return e.apply(ctx, tx, p, text, flags)
}

// collectVotes runs every ballot afresh. A ballot that throws counts neither way.
func (e *Engine) collectVotes(ctx context.Context, tx *kv.Tx, p *Proposal, text string) (map[string]bool, map[string]tables.ScriptFailure, error) {
	votes, failures := map[string]bool{}, map[string]tables.ScriptFailure{}
	for _, voter := range p.voters() {
		yes, failure, err := e.vote(ctx, tx, p, text, voter)
		switch {
		case err != nil:
			return nil, nil, err
		case failure != nil:
			failures[voter] = *failure
		default:
			votes[voter] = yes
		}
	}
	return votes, failures, nil
}

// voters are the members that cast a ballot, in byte order: constitutions may
// not rely on any order, but the same input always gives the same run.
func (p *Proposal) voters() []string {
	return slices.Sorted(maps.Keys(p.Info.Ballots))
}

// decide asks the constitution what becomes of the proposal.
func (e *Engine) decide(ctx context.Context, tx *kv.Tx, p *Proposal, text string, votes map[string]bool) (tables.ProposalState, error) {
	list := []any{}
	for _, voter := range p.voters() {
		if yes, counted := votes[voter]; counted {
			list = append(list, api.Object{{Name: "member_id", Value: voter}, {Name: "vote", Value: yes}})
		}
	}
	v, err := e.constitution(ctx, tx, "resolve", []any{text, p.Info.ProposerID, list, p.ID}, nil)
	if s, ok := scriptError(err); ok {
		return "", failed("Failed to resolve(): "+reason(s), s.Trace)
	}
	if err != nil {
		return "", err
	}
	switch state := tables.ProposalState(v.Text); state {
	case tables.Open, tables.Accepted, tables.Rejected:
		return state, nil
	}
	return "", failed(`resolve() returned invalid status value: "`+v.Text+`"`, "")
}

// apply carries an accepted proposal out.
func (e *Engine) apply(ctx context.Context, tx *kv.Tx, p *Proposal, text string, flags Flags) error {
	_, err := e.constitution(ctx, tx, "apply", []any{text, p.ID}, &actions{node: e.Node, tx: tx, flags: flags, log: e.Log})
	if s, ok := scriptError(err); ok {
		return failed("Failed to apply(): "+reason(s), s.Trace)
	}
	return err
}

// purge forgets every closed proposal but one: the ledger remembers them.
func purge(tx *kv.Tx, keep string) error {
	return tables.ProposalsInfo.Each(tx, func(id string, info tables.ProposalInfo) bool {
		if id != keep && info.State != tables.Open {
			tables.Proposals.Delete(tx, id)
			tables.ProposalsInfo.Delete(tx, id)
		}
		return true
	})
}

// FindProposal reads a proposal.
func FindProposal(tx *kv.Tx, id string) (*Proposal, error) {
	info, ok, err := tables.ProposalsInfo.Get(tx, id)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, refuse(ProposalNotFound, "Could not find proposal %s.", id)
	}
	return &Proposal{ID: id, Info: info}, nil
}
