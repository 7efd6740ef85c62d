package client

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"time"

	"concordat/ledger"
	"concordat/ledger/cose"
	"concordat/ledger/keys"
)

// govVersion is the governance API this client speaks.
const govVersion = "?api-version=2024-07-01"

// Member signs governance messages as one member of the consortium.
type Member struct {
	ID   string
	Cert []byte // PEM
	key  *keys.PrivateKey
}

// NewMember takes the member's certificate and private key, both PEM.
func NewMember(cert, key []byte) (*Member, error) {
	parsed, err := keys.ParseCertPEM(cert)
	if err != nil {
		return nil, fmt.Errorf("member certificate: %w", err)
	}
	private, err := keys.ParsePrivateKeyPEM(key)
	if err != nil {
		return nil, fmt.Errorf("member key: %w", err)
	}
	if public, err := keys.CertKey(parsed); err != nil || !private.ECDSA().PublicKey.Equal(public) {
		return nil, errors.New("member key: it does not belong to the member certificate")
	}
	return &Member{ID: keys.CertID(parsed.Raw), Cert: cert, key: private}, nil
}

// LoadMember reads the two files.
func LoadMember(certFile, keyFile string) (*Member, error) {
	cert, err := os.ReadFile(certFile)
	if err != nil {
		return nil, fmt.Errorf("member certificate: %w", err)
	}
	key, err := os.ReadFile(keyFile)
	if err != nil {
		return nil, fmt.Errorf("member key: %w", err)
	}
	return NewMember(cert, key)
}

// Identity is a user's or member's TLS client certificate from PEM.
func Identity(cert, key []byte) (*tls.Certificate, error) {
	c, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, fmt.Errorf("client certificate: %w", err)
	}
	return &c, nil
}

// Proposal is a proposal as the service reports it.
type Proposal struct {
	ID          string                     `json:"proposalId"`
	State       string                     `json:"proposalState"`
	Proposer    string                     `json:"proposerId"`
	Ballots     int                        `json:"ballotCount"`
	FinalVotes  map[string]bool            `json:"finalVotes,omitempty"`
	VoteFailure map[string]json.RawMessage `json:"voteFailures,omitempty"`
	// TxID is the transaction of the answer, zero for a mere look.
	TxID ledger.TxID `json:"-"`
}

// send signs payload and posts it.
func (c *Client) send(ctx context.Context, m *Member, msg cose.RequestHeader, path string, payload []byte) (*Answer, error) {
	msg.Kid, msg.CreatedAt = m.ID, cose.SecondsOf(time.Now())
	body, err := cose.SignGov(rand.Reader, m.key, msg, payload)
	if err != nil {
		return nil, fmt.Errorf("signing the %s: %w", msg.Type, err)
	}
	a, err := c.Do(ctx, http.MethodPost, path+govVersion, http.Header{"Content-Type": {"application/cose"}}, body)
	if err != nil {
		return nil, err
	}
	return a, a.Err()
}

func (c *Client) proposal(a *Answer, err error) (*Proposal, error) {
	if err != nil {
		return nil, err
	}
	if a.Status == http.StatusNoContent {
		return nil, ErrNoProposal
	}
	p := &Proposal{TxID: a.TxID()}
	if err := json.Unmarshal(a.Body, p); err != nil {
		return nil, fmt.Errorf("the service's answer: %w", err)
	}
	return p, nil
}

// ErrNoProposal is returned when a withdrawn proposal is unknown: it may have
// been closed and then forgotten.
var ErrNoProposal = fmt.Errorf("the service knows no such proposal")

// Propose submits a proposal, the JSON text of {"actions":[...]}.
func (c *Client) Propose(ctx context.Context, m *Member, text []byte) (*Proposal, error) {
	return c.proposal(c.send(ctx, m, cose.RequestHeader{Type: cose.TypeProposal}, "/gov/members/proposals:create", text))
}

// Vote submits a ballot: the source of a module that exports vote().
func (c *Client) Vote(ctx context.Context, m *Member, id, ballot string) (*Proposal, error) {
	payload, err := json.Marshal(map[string]string{"ballot": ballot})
	if err != nil {
		return nil, err
	}
	path := fmt.Sprintf("/gov/members/proposals/%s/ballots/%s:submit", url.PathEscape(id), m.ID)
	return c.proposal(c.send(ctx, m, cose.RequestHeader{Type: cose.TypeBallot, ProposalID: id}, path, payload))
}

// Withdraw takes back the member's own open proposal.
func (c *Client) Withdraw(ctx context.Context, m *Member, id string) (*Proposal, error) {
	path := fmt.Sprintf("/gov/members/proposals/%s:withdraw", url.PathEscape(id))
	return c.proposal(c.send(ctx, m, cose.RequestHeader{Type: cose.TypeWithdrawal, ProposalID: id}, path, nil))
}

// Proposal looks a proposal up.
func (c *Client) Proposal(ctx context.Context, id string) (*Proposal, error) {
	p := new(Proposal)
	return p, c.GetJSON(ctx, "/gov/members/proposals/"+url.PathEscape(id)+govVersion, p)
}

// Proposals lists those the service remembers.
func (c *Client) Proposals(ctx context.Context) ([]Proposal, error) {
	var list struct{ Value []Proposal }
	return list.Value, c.GetJSON(ctx, "/gov/members/proposals"+govVersion, &list)
}

// Actions is the text of a proposal as it was submitted.
func (c *Client) Actions(ctx context.Context, id string) ([]byte, error) {
	a, err := c.Do(ctx, http.MethodGet, "/gov/members/proposals/"+url.PathEscape(id)+"/actions"+govVersion, nil, nil)
	if err != nil {
		return nil, err
	}
	return a.Body, a.Err()
}

// Activate fetches the current state digest and acknowledges it, which makes an
// accepted member active.
func (c *Client) Activate(ctx context.Context, m *Member) (ledger.TxID, error) {
	base := "/gov/members/state-digests/" + m.ID
	a, err := c.send(ctx, m, cose.RequestHeader{Type: cose.TypeStateDigest}, base+":update", nil)
	if err != nil {
		return ledger.TxID{}, err
	}
	a, err = c.send(ctx, m, cose.RequestHeader{Type: cose.TypeAck}, base+":ack", a.Body)
	if err != nil {
		return ledger.TxID{}, err
	}
	return a.TxID(), nil
}
