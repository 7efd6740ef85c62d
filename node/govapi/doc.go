// Package govapi is the HTTP interface of governance: every endpoint below /gov
// that CCF 7 has, in both of its api versions, over package governance.
//
// Answers are compact JSON with sorted keys, whatever the accept header says.
package govapi

import (
	"net/http"

	"concordat/governance"
	"concordat/ledger/cose"
	"concordat/node/frontend"
)

// Handlers answers governance requests.
type Handlers struct {
	engine *governance.Engine
	// recovering reports that this node already recovers the private ledger.
	recovering func() bool
}

// New returns the handlers over an engine. Recovering tells whether this node is
// already reading the private ledger of a recovered service; nil means never.
func New(engine *governance.Engine, recovering func() bool) *Handlers {
	if recovering == nil {
		recovering = func() bool { return false }
	}
	return &Handlers{engine: engine, recovering: recovering}
}

// Endpoints are those of the actor "gov", without the endpoints that every actor
// has. The document of GET /gov/api is Document.
func (h *Handlers) Endpoints() []frontend.Endpoint {
	proposals, digests, recovery := "/members/proposals", "/members/state-digests/{memberId}", "/recovery"
	e := []frontend.Endpoint{
		write(proposals+":create", active(cose.TypeProposal), h.createProposal),
		write(proposals+"/{proposalId}:withdraw", active(cose.TypeWithdrawal), h.withdrawProposal),
		write(proposals+"/{proposalId}/ballots/{memberId}:submit", active(cose.TypeBallot), h.submitBallot),
		write(digests+":update", anyMember(cose.TypeStateDigest), updateDigest),
		write(digests+":ack", anyMember(cose.TypeAck), h.ackDigest),
		write(recovery+"/members/{memberId}:recover", active(cose.TypeRecoveryShare), h.submitShare),

		read(proposals, listProposals),
		read(proposals+"/{proposalId}", getProposal),
		read(proposals+"/{proposalId}/actions", getActions),
		read(proposals+"/{proposalId}/ballots/{memberId}", getBallot),
		read(digests, getDigest),
		read(recovery+"/encrypted-shares/{memberId}", getShare),

		read("/service/constitution", getConstitution),
		read("/service/info", getInfo),
		read("/service/members", listMembers),
		read("/service/members/{memberId}", getMember),
		read("/service/users", listUsers),
		read("/service/users/{userId}", getUser),
		read("/service/nodes", listNodes),
		read("/service/nodes/{nodeId}", getNode),
		read("/service/join-policy", getJoinPolicy),
		read("/service/jwk", getJWK),
		readNew("/service/javascript-app", getApp),
		readNew("/service/javascript-modules", listModules),
		readNew("/service/javascript-modules/{moduleName}", getModule),
		command("/service/transactions/{transactionId}", getTransaction),
		command("/service/transactions/commit", getCommit),
	}
	for i := range e {
		if e[i].Path == proposals+":create" {
			e[i].NeedsRoot = true // the proposal's id is derived from it
		}
	}
	return e
}

func write(path string, policy frontend.Policy, handler handlerFunc) frontend.Endpoint {
	return frontend.Endpoint{
		Verb: http.MethodPost, Path: path, Auth: []frontend.Policy{policy}, Mode: frontend.ReadWrite, Hidden: true,
		Handler: versioned(allVersions, handler),
	}
}

func read(path string, handler handlerFunc) frontend.Endpoint {
	return frontend.Endpoint{Verb: http.MethodGet, Path: path, Mode: frontend.ReadOnly, Hidden: true, Handler: versioned(allVersions, handler)}
}

func readNew(path string, handler handlerFunc) frontend.Endpoint {
	return frontend.Endpoint{Verb: http.MethodGet, Path: path, Mode: frontend.ReadOnly, Hidden: true, Handler: versioned(newVersions, handler)}
}

func command(path string, handler handlerFunc) frontend.Endpoint {
	return frontend.Endpoint{Verb: http.MethodGet, Path: path, Mode: frontend.NoTx, Hidden: true, Handler: versioned(allVersions, handler)}
}
