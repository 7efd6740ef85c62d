package cli

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"

	"concordat/ledger"
	"concordat/node/client"
)

func (a *app) show(ctx context.Context, service *client.Client, args []string, actions bool) error {
	if len(args) == 0 {
		list, err := service.Proposals(ctx)
		if err != nil {
			return err
		}
		if list == nil {
			list = []client.Proposal{} // prints as [], not as null
		}
		return a.print(list, func(w io.Writer) {
			for i := range list {
				(&proposal{Proposal: &list[i]}).write(w)
			}
		})
	}
	if actions {
		text, err := service.Actions(ctx, args[0])
		if err != nil {
			return err
		}
		if !bytes.HasSuffix(text, []byte("\n")) {
			text = append(text, '\n')
		}
		_, err = a.Out.Write(text)
		return err
	}
	p, err := service.Proposal(ctx, args[0])
	if err != nil {
		return err
	}
	return a.printProposal(&proposal{Proposal: p})
}

// proposal is what the commands print: the service's own words, and the
// transaction that made it so.
type proposal struct {
	*client.Proposal
	Transaction string `json:"transaction_id,omitempty"`
	Committed   *bool  `json:"committed,omitempty"`
}

func resultOfAct(p *client.Proposal, committed bool) *proposal {
	return &proposal{Proposal: p, Transaction: idText(p.TxID), Committed: &committed}
}

func (a *app) printProposal(p *proposal) error { return a.print(p, p.write) }

func (p *proposal) write(w io.Writer) {
	fmt.Fprintf(w, "%s %s: %d ballots", p.ID, p.State, p.Ballots)
	for _, member := range slices.Sorted(maps.Keys(p.FinalVotes)) {
		word := "no"
		if p.FinalVotes[member] {
			word = "yes"
		}
		fmt.Fprintf(w, ", %s %s", short(member), word)
	}
	for _, member := range slices.Sorted(maps.Keys(p.VoteFailure)) {
		fmt.Fprintf(w, ", %s failed: %s", short(member), p.VoteFailure[member])
	}
	if p.Committed != nil {
		fmt.Fprint(w, inTransaction(p.TxID, *p.Committed))
	}
	fmt.Fprintln(w)
}

// inTransaction is how results name the transaction that holds them.
func inTransaction(id ledger.TxID, committed bool) string {
	word := "not committed yet"
	if committed {
		word = "committed"
	}
	return fmt.Sprintf(" (transaction %s, %s)", id, word)
}

// short is as much of an id as people compare.
func short(id string) string {
	if len(id) <= 8 {
		return id
	}
	return id[:8] + "…"
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
