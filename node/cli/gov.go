package cli

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"concordat/governance/constitution"
	"concordat/node/client"
)

// serviceFlags say whom to talk to; every command that talks to a service has them.
type serviceFlags struct {
	url, serviceCert string
}

func (f *serviceFlags) add(c *cobra.Command) {
	c.Flags().StringVar(&f.url, "url", "https://127.0.0.1:8000", "address of the service")
	c.Flags().StringVar(&f.serviceCert, "service-cert", "service_cert.pem", "certificate of the service")
}

func (f *serviceFlags) connect() (*client.Client, error) {
	cert, err := os.ReadFile(f.serviceCert)
	if err != nil {
		return nil, fmt.Errorf("the service's certificate: %w: name it with --service-cert", err)
	}
	return client.New(client.Options{URL: f.url, ServiceCert: cert})
}

// memberFlags say who signs.
type memberFlags struct {
	serviceFlags
	cert, key string
}

func (f *memberFlags) add(c *cobra.Command) {
	f.serviceFlags.add(c)
	c.Flags().StringVar(&f.cert, "member-cert", "", "certificate of the member who signs")
	c.Flags().StringVar(&f.key, "member-key", "", "private key of the member who signs")
}

func (f *memberFlags) open() (*client.Client, *client.Member, error) {
	if f.cert == "" || f.key == "" {
		return nil, nil, usage("--member-cert and --member-key are needed: who signs?")
	}
	m, err := client.LoadMember(f.cert, f.key)
	if err != nil {
		return nil, nil, err
	}
	c, err := f.connect()
	return c, m, err
}

func (a *app) govCmd() *cobra.Command {
	c := &cobra.Command{
		Use:   "gov",
		Short: "Govern a service as one of its members",
		Long:  "Members change a service by signed proposals and votes. Nothing here needs a TLS client certificate: the signature counts.",
	}
	c.AddCommand(a.activateCmd(), a.proposeCmd(), a.voteCmd(), a.withdrawCmd(), a.showCmd(), a.constitutionCmd())
	return c
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
			return a.print(map[string]string{"member_id": m.ID, "transaction_id": id.String()}, func(w io.Writer) {
				fmt.Fprintf(w, "member %s is active (%s)\n", m.ID, id)
			})
		},
	}
	f.add(c)
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
			service, m, err := f.open()
			if err != nil {
				return err
			}
			p, err := service.Propose(c.Context(), m, text)
			if err == nil && vote && p.State == "Open" {
				p, err = service.Vote(c.Context(), m, p.ID, ballotYes)
			}
			if err != nil {
				return err
			}
			return a.printProposal(p)
		},
	}
	f.add(c)
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
			service, m, err := f.open()
			if err != nil {
				return err
			}
			p, err := service.Vote(c.Context(), m, args[0], text)
			if err != nil {
				return err
			}
			return a.printProposal(p)
		},
	}
	f.add(c)
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
			service, m, err := f.open()
			if err != nil {
				return err
			}
			p, err := service.Withdraw(c.Context(), m, args[0])
			if err != nil {
				return err
			}
			return a.printProposal(p)
		},
	}
	f.add(c)
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
		Args:    cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			service, err := f.connect()
			if err != nil {
				return err
			}
			return a.show(c.Context(), service, args, actions)
		},
	}
	f.add(c)
	c.Flags().BoolVar(&actions, "actions", false, "print the proposal's text as it was submitted")
	return c
}

func (a *app) show(ctx context.Context, service *client.Client, args []string, actions bool) error {
	if len(args) == 0 {
		list, err := service.Proposals(ctx)
		if err != nil {
			return err
		}
		return a.print(list, func(w io.Writer) {
			for i := range list {
				writeProposal(w, &list[i])
			}
		})
	}
	if actions {
		text, err := service.Actions(ctx, args[0])
		if err != nil {
			return err
		}
		_, err = a.Out.Write(append(text, '\n'))
		return err
	}
	p, err := service.Proposal(ctx, args[0])
	if err != nil {
		return err
	}
	return a.printProposal(p)
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

func (a *app) printProposal(p *client.Proposal) error {
	return a.print(p, func(w io.Writer) { writeProposal(w, p) })
}

func writeProposal(w io.Writer, p *client.Proposal) {
	fmt.Fprintf(w, "%s %s: %d ballots", p.ID, p.State, p.Ballots)
	for member, yes := range p.FinalVotes {
		word := "no"
		if yes {
			word = "yes"
		}
		fmt.Fprintf(w, ", %s… %s", member[:8], word)
	}
	if !p.TxID.IsZero() {
		fmt.Fprintf(w, " (transaction %s)", p.TxID)
	}
	fmt.Fprintln(w)
}

// maxInput bounds a file a member hands over; a service's own limit is lower.
const maxInput = 64 << 20

func (a *app) readInput(path string) ([]byte, error) {
	in := a.In
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in = f
	}
	b, err := io.ReadAll(io.LimitReader(in, maxInput+1))
	if err == nil && len(b) > maxInput {
		err = fmt.Errorf("%s is over %d bytes", path, maxInput)
	}
	return b, err
}
