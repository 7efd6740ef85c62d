package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"concordat/governance/constitution"
	"concordat/ledger"
	"concordat/node/client"
)

// serviceFlags say whom to talk to; every command that talks to a service has them.
type serviceFlags struct {
	url, serviceCert string
}

func (f *serviceFlags) add(c *cobra.Command, env func(string) string) {
	c.Flags().StringVar(&f.url, "url", or(env("CONCORDAT_URL"), "https://127.0.0.1:8000"), "address of the service; CONCORDAT_URL is the default if set")
	c.Flags().StringVar(&f.serviceCert, "service-cert", "service_cert.pem", "certificate of the service")
}

func or(value, otherwise string) string {
	if value == "" {
		return otherwise
	}
	return value
}

func (f *serviceFlags) connect() (*client.Client, error) {
	cert, err := os.ReadFile(f.serviceCert)
	if err != nil {
		return nil, fmt.Errorf("the service's certificate: %w: name it with --service-cert", err)
	}
	return client.New(client.Options{URL: f.url, ServiceCert: cert})
}

// memberFlags say who signs, and how long to wait for what was done.
type memberFlags struct {
	serviceFlags
	cert, key string
	wait      bool
	timeout   time.Duration
}

// commitLimit is how long a command waits for commit unless told otherwise: ten
// times the longest a signature may take by default.
const commitLimit = 10 * time.Second

func (f *memberFlags) add(c *cobra.Command, env func(string) string) {
	f.serviceFlags.add(c, env)
	c.Flags().StringVar(&f.cert, "member-cert", "", "certificate of the member who signs")
	c.Flags().StringVar(&f.key, "member-key", "", "private key of the member who signs")
	c.Flags().BoolVar(&f.wait, "wait", true, "wait until the service committed the transaction")
	c.Flags().DurationVar(&f.timeout, "timeout", commitLimit, "how long to wait for that; exit code 3 when it was not long enough")
}

func (f *memberFlags) open() (*client.Client, *client.Member, error) {
	switch {
	case f.cert == "" || f.key == "":
		return nil, nil, usage("--member-cert and --member-key are needed: who signs?")
	case f.timeout <= 0:
		return nil, nil, usage("--timeout %s: want more than 0, or --wait=false", f.timeout)
	}
	m, err := client.LoadMember(f.cert, f.key)
	if err != nil {
		return nil, nil, err
	}
	c, err := f.connect()
	return c, m, err
}

// settle waits until a transaction is committed. It reports whether it is; an
// error says why not.
func (f *memberFlags) settle(ctx context.Context, service *client.Client, id ledger.TxID) (bool, error) {
	if !f.wait || id.IsZero() {
		return false, nil
	}
	ctx, cancel := context.WithTimeout(ctx, f.timeout)
	defer cancel()
	err := service.WaitCommitted(ctx, id)
	if errors.Is(err, context.DeadlineExceeded) {
		return false, notReady(fmt.Errorf("transaction %s is not committed after %s: it may still commit, ask again with a longer --timeout", id, f.timeout))
	}
	return err == nil, err
}

// act signs one thing as a member, waits for its commit, and prints the proposal
// as it then is. What was done is printed even when the wait was in vain.
func (a *app) act(ctx context.Context, f *memberFlags, do func(*client.Client, *client.Member) (*client.Proposal, error)) error {
	service, m, err := f.open()
	if err != nil {
		return err
	}
	p, err := do(service, m)
	if err != nil {
		return err
	}
	committed, waitErr := f.settle(ctx, service, p.TxID)
	if err := a.printProposal(resultOfAct(p, committed)); err != nil {
		return err
	}
	return waitErr
}

func (a *app) govCmd() *cobra.Command {
	return a.group("gov", "Govern a service as one of its members",
		"Members change a service by signed proposals and votes. Nothing here needs a TLS client certificate: the signature counts.\n"+
			"Commands that change something return when the service committed it; exit code 3 means that it is not ready or did not yet.",
		"  concordat gov propose set_user.json --member-cert alice_cert.pem --member-key alice_privk.pem\n  concordat gov show",
		a.activateCmd(), a.proposeCmd(), a.voteCmd(), a.withdrawCmd(), a.showCmd(), a.constitutionCmd())
}

func (a *app) activateCmd() *cobra.Command {
	var f memberFlags
	c := &cobra.Command{
		Use:     "activate",
		Short:   "Acknowledge the service's state, which makes an accepted member active",
		Example: "  concordat gov activate --member-cert alice_cert.pem --member-key alice_privk.pem",
		Args:    exactArgs(0, "no arguments"),
		RunE: func(c *cobra.Command, _ []string) error {
			service, m, err := f.open()
			if err != nil {
				return err
			}
			id, err := service.Activate(c.Context(), m)
			if err != nil {
				return err
			}
			committed, waitErr := f.settle(c.Context(), service, id)
			out := map[string]any{"member_id": m.ID, "transaction_id": id.String(), "committed": committed}
			if err := a.print(out, func(w io.Writer) { fmt.Fprintf(w, "member %s is active%s\n", m.ID, inTransaction(id, committed)) }); err != nil {
				return err
			}
			return waitErr
		},
	}
	f.add(c, a.env)
	return c
}

func (a *app) proposeCmd() *cobra.Command {
	var f memberFlags
	var vote bool
	c := &cobra.Command{
		Use:   "propose FILE",
		Short: "Submit a proposal",
		Long:  "FILE holds the JSON of a proposal, {\"actions\":[{\"name\":…,\"args\":…}]}; - reads it from standard input.",
		Example: "  concordat gov propose set_user.json --member-cert alice_cert.pem --member-key alice_privk.pem\n" +
			"  concordat app proposal js-apps/banking | concordat gov propose - --vote --member-cert alice_cert.pem --member-key alice_privk.pem",
		Args: exactArgs(1, "the proposal's file, or -"),
		RunE: func(c *cobra.Command, args []string) error {
			text, err := a.readInput(args[0])
			if err != nil {
				return err
			}
			return a.act(c.Context(), &f, func(service *client.Client, m *client.Member) (*client.Proposal, error) {
				p, err := service.Propose(c.Context(), m, text)
				if err == nil && vote && p.State == "Open" {
					p, err = service.Vote(c.Context(), m, p.ID, ballotYes)
				}
				return p, err
			})
		},
	}
	f.add(c, a.env)
	c.Flags().BoolVar(&vote, "vote", false, "also vote for it: proposing alone is no vote")
	return c
}

// Ballots of members who look at nothing but their own mind.
const (
	ballotYes = "export function vote(proposal, proposerId) { return true; }"
	ballotNo  = "export function vote(proposal, proposerId) { return false; }"
)

func (a *app) voteCmd() *cobra.Command {
	var f memberFlags
	var no bool
	var ballot string
	c := &cobra.Command{
		Use:     "vote PROPOSAL_ID",
		Short:   "Vote on an open proposal",
		Long:    "Votes for the proposal, or against it with --no. --ballot submits a script of your own, which exports vote(proposal, proposerId).",
		Example: "  concordat gov vote 2f1a… --member-cert bob_cert.pem --member-key bob_privk.pem",
		Args:    exactArgs(1, "the proposal's id"),
		RunE: func(c *cobra.Command, args []string) error {
			text := ballotYes
			if no {
				text = ballotNo
			}
			if ballot != "" {
				if no {
					return usage("--no and --ballot exclude each other")
				}
				b, err := a.readInput(ballot)
				if err != nil {
					return err
				}
				text = string(b)
			}
			return a.act(c.Context(), &f, func(service *client.Client, m *client.Member) (*client.Proposal, error) {
				return service.Vote(c.Context(), m, args[0], text)
			})
		},
	}
	f.add(c, a.env)
	c.Flags().BoolVar(&no, "no", false, "vote against")
	c.Flags().StringVar(&ballot, "ballot", "", "file with a ballot script")
	return c
}

func (a *app) withdrawCmd() *cobra.Command {
	var f memberFlags
	c := &cobra.Command{
		Use:     "withdraw PROPOSAL_ID",
		Short:   "Take back your own open proposal",
		Example: "  concordat gov withdraw 2f1a… --member-cert alice_cert.pem --member-key alice_privk.pem",
		Args:    exactArgs(1, "the proposal's id"),
		RunE: func(c *cobra.Command, args []string) error {
			return a.act(c.Context(), &f, func(service *client.Client, m *client.Member) (*client.Proposal, error) {
				return service.Withdraw(c.Context(), m, args[0])
			})
		},
	}
	f.add(c, a.env)
	return c
}

func (a *app) showCmd() *cobra.Command {
	var f serviceFlags
	var actions bool
	c := &cobra.Command{
		Use:     "show [PROPOSAL_ID]",
		Short:   "Show a proposal, or list those the service remembers",
		Long:    "A service forgets closed proposals when the next one closes; the ledger keeps them for ever.",
		Example: "  concordat gov show\n  concordat gov show 2f1a… --actions",
		Args:    atMostOne("one proposal's id"),
		RunE: func(c *cobra.Command, args []string) error {
			service, err := f.connect()
			if err != nil {
				return err
			}
			return a.show(c.Context(), service, args, actions)
		},
	}
	f.add(c, a.env)
	c.Flags().BoolVar(&actions, "actions", false, "print the proposal's text as it was submitted")
	return c
}

func (a *app) constitutionCmd() *cobra.Command {
	return &cobra.Command{
		Use:     "constitution",
		Short:   "Print the default constitution",
		Long:    "The default constitution accepts a proposal when more than half of the active members voted for it.",
		Example: "  concordat gov constitution > constitution.js",
		Args:    exactArgs(0, "no arguments"),
		RunE: func(*cobra.Command, []string) error {
			text := constitution.Default()
			return a.print(map[string]string{"constitution": text}, func(w io.Writer) { fmt.Fprintln(w, text) })
		},
	}
}
