package governance_test

import (
	"errors"
	"fmt"
	"sort"
	"strconv"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"concordat/governance"
	"concordat/governance/auth"
	"concordat/governance/tables"
	"concordat/ledger/jsondoc"
	"concordat/ledger/kv"
)

// TestTranscripts plays the meetings of a consortium: who proposes and votes
// what, and what comes of it. Commands:
//
//	genesis threshold=N members=(…) [keyless=(…)]   found the service
//	sign                                            sign the state
//	activate NAME…                                  update and acknowledge the digest
//	meet NAME [keyless]                             somebody with a certificate appears
//	propose by=NAME [as=P1] [at=SECONDS]            input: the proposal, with $NAME.cert and the like filled in
//	vote by=NAME on=P1                              input: yes, no or the text of a ballot
//	withdraw by=NAME on=P1
//	proposals | table NAME [KEY] | members | shares | console | flags
func TestTranscripts(t *testing.T) {
	datadriven.Walk(t, "testdata/transcripts", func(t *testing.T, path string) {
		w := newWorld(t)
		s := &script{world: w, proposals: map[string]string{}}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			w.t = t
			command, ok := commands[d.Cmd]
			if !ok {
				t.Fatalf("%s: no command %q", d.Pos, d.Cmd)
			}
			return strings.TrimRight(w.plain(command(s, d)), "\n") + "\n"
		})
		s.audit(t)
	})
}

// script is one transcript being played.
type script struct {
	*world
	proposals map[string]string // what a proposal is called, to its id
	shares    string
}

var commands = map[string]func(*script, *datadriven.TestData) string{
	"genesis":   (*script).genesisCmd,
	"sign":      func(s *script, _ *datadriven.TestData) string { s.sign(); return "ok" },
	"activate":  (*script).activateCmd,
	"meet":      (*script).meetCmd,
	"propose":   (*script).proposeCmd,
	"vote":      (*script).voteCmd,
	"withdraw":  (*script).withdrawCmd,
	"ack":       (*script).ackCmd,
	"proposals": (*script).proposalsCmd,
	"table":     (*script).tableCmd,
	"members":   (*script).membersCmd,
	"shares":    (*script).sharesCmd,
	"flags": func(s *script, _ *datadriven.TestData) string {
		return fmt.Sprintf("%d chunks, %d snapshots", s.flags.chunks, s.flags.snapshots)
	},
	"console": func(s *script, _ *datadriven.TestData) string {
		defer s.console.Reset()
		return s.console.String()
	},
}

// outcome is how a transcript shows an answer.
func (s *script) outcome(p *governance.Proposal, err error) string {
	var refused *governance.Error
	var denied *auth.Refused
	switch {
	case errors.As(err, &refused):
		return string(refused.Code) + ": " + withoutTrace(refused.Message)
	case errors.As(err, &denied):
		return "not authenticated: " + denied.Reason
	case err != nil:
		return "error: " + err.Error()
	case p == nil:
		return "nothing"
	}
	out := fmt.Sprintf("%s, %d ballots", p.Info.State, len(p.Info.Ballots))
	if p.Info.FinalVotes == nil {
		return out
	}
	var lines []string
	for id, yes := range p.Info.FinalVotes {
		lines = append(lines, fmt.Sprintf("%s: %t", s.plain(id), yes))
	}
	for id, f := range p.Info.VoteFailures {
		lines = append(lines, fmt.Sprintf("%s: failed: %s", s.plain(id), f.Reason))
	}
	sort.Strings(lines)
	return strings.Join(append([]string{out}, lines...), "\n")
}

// withoutTrace drops stack traces, whose line numbers are nobody's business.
func withoutTrace(s string) string {
	if head, _, found := strings.Cut(s, "-----BEGIN"); found {
		return head + "…" // certificates differ from run to run
	}
	s, _, _ = strings.Cut(s, "\nTrace: ")
	s, _, _ = strings.Cut(s, "    at ")
	return strings.TrimRight(s, "\n ")
}

func (s *script) genesisCmd(d *datadriven.TestData) string {
	var threshold uint64
	d.MaybeScanArgs(s.t, "threshold", &threshold)
	members, keyless := d.CmdArgs, []string{}
	var withKey []string
	for _, a := range members {
		switch a.Key {
		case "members":
			withKey = a.Vals
		case "keyless":
			keyless = a.Vals
		}
	}
	return s.outcomeOf(s.genesis(threshold, withKey, keyless))
}

func (s *script) outcomeOf(err error) string {
	if err != nil {
		return s.outcome(nil, err)
	}
	return "ok"
}

func (s *script) activateCmd(d *datadriven.TestData) string {
	for _, a := range d.CmdArgs {
		digest, err := s.update(a.Key)
		if err == nil {
			err = s.ack(a.Key, digest)
		}
		if err != nil {
			return s.outcomeOf(err)
		}
	}
	return "ok"
}

func (s *script) ackCmd(d *datadriven.TestData) string {
	var by string
	d.ScanArgs(s.t, "by", &by)
	return s.outcomeOf(s.world.ack(by, strings.TrimSpace(d.Input)))
}

func (s *script) meetCmd(d *datadriven.TestData) string {
	for _, a := range d.CmdArgs[:1] {
		s.meet(a.Key, !d.HasArg("keyless"))
	}
	return "ok"
}

// fill puts what transcripts cannot spell into a proposal.
func (s *script) fill(text string) string {
	quote := func(v string) string { return string(jsondoc.AppendString(nil, v)) }
	text = strings.ReplaceAll(text, "$service.cert", quote(s.cert))
	for name, p := range s.people {
		text = strings.ReplaceAll(text, "$"+name+".cert", quote(string(p.cert)))
		text = strings.ReplaceAll(text, "$"+name+".id", quote(p.id))
		text = strings.ReplaceAll(text, "$"+name+".key", quote(p.encryptionKey(s.t)))
	}
	return text
}

func (s *script) proposeCmd(d *datadriven.TestData) string {
	var by, as string
	s.clock++
	at := s.clock
	d.ScanArgs(s.t, "by", &by)
	d.MaybeScanArgs(s.t, "as", &as)
	d.MaybeScanArgs(s.t, "at", &at)
	p, err := s.propose(by, at, s.fill(d.Input))
	if p != nil && as != "" {
		s.proposals[as] = p.ID
		s.names[p.ID] = as
	}
	return s.outcome(p, err)
}

func (s *script) proposalArg(d *datadriven.TestData) string {
	var on string
	d.ScanArgs(s.t, "on", &on)
	if id, ok := s.proposals[on]; ok {
		return id
	}
	return strings.Repeat("f", 64)
}

func (s *script) voteCmd(d *datadriven.TestData) string {
	var by string
	d.ScanArgs(s.t, "by", &by)
	ballot := strings.TrimSpace(d.Input)
	switch ballot {
	case "yes":
		ballot = yes
	case "no":
		ballot = no
	}
	return s.outcome(s.vote(by, s.proposalArg(d), ballot))
}

func (s *script) withdrawCmd(d *datadriven.TestData) string {
	var by string
	d.ScanArgs(s.t, "by", &by)
	return s.outcome(s.withdraw(by, s.proposalArg(d)))
}

// look runs f on the newest state.
func (s *script) look(f func(tx *kv.Tx)) {
	tx := s.store.Begin()
	defer tx.Release()
	f(tx)
}

func (s *script) proposalsCmd(*datadriven.TestData) string {
	var lines []string
	s.look(func(tx *kv.Tx) {
		err := tables.ProposalsInfo.Each(tx, func(id string, info tables.ProposalInfo) bool {
			lines = append(lines, fmt.Sprintf("%s by %s: %s", s.plain(id), info.ProposerID, info.State))
			return true
		})
		if err != nil {
			s.t.Fatal(err)
		}
	})
	sort.Strings(lines)
	if len(lines) == 0 {
		return "none"
	}
	return strings.Join(lines, "\n")
}

// tableCmd shows a table of public:ccf.gov, or with a full name any table.
func (s *script) tableCmd(d *datadriven.TestData) string {
	name := d.CmdArgs[0].Key
	if !strings.HasPrefix(name, "public:") {
		name = "public:ccf.gov." + name
	}
	var lines []string
	s.look(func(tx *kv.Tx) {
		tables.Bytes{Name: name}.Each(tx, func(key string, value []byte) bool {
			if key == string(tables.Z8) {
				key = "*"
			}
			text := string(value)
			if text == string(tables.Z8) {
				text = "*"
			}
			lines = append(lines, s.plain(key)+" = "+strconv.Quote(abridge(s.plain(text))))
			return true
		})
	})
	sort.Strings(lines)
	if len(lines) == 0 {
		return "empty"
	}
	return strings.Join(lines, "\n")
}

const longest = 200

func abridge(s string) string {
	for {
		head, rest, found := strings.Cut(s, "-----BEGIN ")
		_, tail, ended := strings.Cut(rest, "-----END ")
		if !found || !ended {
			break
		}
		_, tail, _ = strings.Cut(tail, "-----")
		s = head + "PEM" + strings.TrimPrefix(strings.TrimPrefix(tail, `\n`), "\n")
	}
	if len(s) > longest {
		return s[:longest] + "…"
	}
	return s
}

func (s *script) membersCmd(*datadriven.TestData) string {
	var lines []string
	s.look(func(tx *kv.Tx) {
		err := tables.Members.Each(tx, func(id string, m tables.MemberInfo) bool {
			lines = append(lines, fmt.Sprintf("%s: %s, %s", s.plain(id), m.Status, m.EffectiveRole(tables.MemberKeys.Has(tx, id))))
			return true
		})
		if err != nil {
			s.t.Fatal(err)
		}
	})
	sort.Strings(lines)
	return strings.Join(lines, "\n")
}
