// Package sandbox runs a service for development: it makes the members' and
// users' keys, starts the node as a process of its own, and then does what a
// consortium would do, over the public HTTP interface only: members activate
// themselves, propose, vote, open the service and deploy the app.
package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"concordat/js-apps/bundle"
	"concordat/node/client"
)

// yes is the ballot of every member here.
const yes = "export function vote(proposal, proposerId) { return true; }"

// Limits of a start.
const (
	startLimit = 30 * time.Second
	stopLimit  = 10 * time.Second
	poll       = 20 * time.Millisecond
)

// Options says what to run.
type Options struct {
	Workspace      string
	App            func() (*bundle.Bundle, error) // what to deploy; nil for nothing
	Members, Users int
	Port           int      // of the HTTP interface; 0 lets the system choose
	Constitution   []string // texts, in order
	SignatureDelay string   // as in the configuration file
	Binary         string   // the node's executable
	Progress       func(format string, args ...any)
	NodeLog        io.Writer
}

// Sandbox is a running service.
type Sandbox struct {
	opts    Options
	cmd     *exec.Cmd
	exited  chan struct{} // closed once the process ended; exitErr is set before
	exitErr error
	members []*client.Member
	client  *client.Client
	// URL is where the service answers.
	URL string
}

// Start brings the service up, open and with the app deployed.
func Start(ctx context.Context, o Options) (*Sandbox, error) {
	if o.Members < 1 {
		return nil, errors.New("a service needs at least one member")
	}
	if err := claimWorkspace(o.Workspace); err != nil {
		return nil, err
	}
	s := &Sandbox{opts: o, exited: make(chan struct{})}
	o.Progress("making keys for %d members and %d users", o.Members, o.Users)
	if err := s.makeKeys(); err != nil {
		return nil, err
	}
	if err := s.launch(); err != nil {
		return nil, err
	}
	if err := s.setUp(ctx); err != nil {
		s.Stop()
		return nil, err
	}
	return s, nil
}

// setUp is what the consortium does once its node runs.
func (s *Sandbox) setUp(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	if err := s.connect(ctx); err != nil {
		return err
	}
	s.opts.Progress("activating members")
	for _, m := range s.members {
		if _, err := s.client.Activate(ctx, m); err != nil {
			return fmt.Errorf("activating member %s: %w", m.ID, err)
		}
	}
	actions, err := s.openingActions()
	if err != nil {
		return err
	}
	s.opts.Progress("proposing and voting: %d actions", len(actions))
	if err := s.pass(ctx, actions); err != nil {
		return err
	}
	if err := s.waitReady(ctx, "/node/ready/app"); err != nil {
		return err
	}
	return nil
}

type action struct {
	Name string `json:"name"`
	Args any    `json:"args,omitempty"`
}

// openingActions registers the users, deploys the app and opens the service.
func (s *Sandbox) openingActions() ([]action, error) {
	var list []action
	for i := range s.opts.Users {
		cert, err := os.ReadFile(s.common(fmt.Sprintf("user%d_cert.pem", i)))
		if err != nil {
			return nil, err
		}
		list = append(list, action{"set_user", map[string]any{"cert": string(cert)}})
	}
	if s.opts.App != nil {
		a, err := s.appAction()
		if err != nil {
			return nil, err
		}
		list = append(list, a)
	}
	service, err := os.ReadFile(s.common("service_cert.pem"))
	if err != nil {
		return nil, err
	}
	return append(list, action{"transition_service_to_open", map[string]any{"next_service_identity": string(service)}}), nil
}

func (s *Sandbox) appAction() (action, error) {
	b, err := s.opts.App()
	if err != nil {
		return action{}, err
	}
	return action{"set_js_app", map[string]any{"bundle": b}}, nil
}

// pass proposes the actions as the first member, and lets members vote until the
// constitution accepts.
func (s *Sandbox) pass(ctx context.Context, actions []action) error {
	text, err := json.Marshal(map[string]any{"actions": actions})
	if err != nil {
		return err
	}
	p, err := s.client.Propose(ctx, s.members[0], text)
	if err != nil {
		return fmt.Errorf("proposing: %w", err)
	}
	for _, m := range s.members {
		if p.State != "Open" {
			break
		}
		if p, err = s.client.Vote(ctx, m, p.ID, yes); err != nil {
			return fmt.Errorf("voting: %w", err)
		}
	}
	if p.State != "Accepted" {
		return fmt.Errorf("proposal %s is %s after every member voted for it", p.ID, p.State)
	}
	return s.client.WaitCommitted(ctx, p.TxID)
}

// Deploy proposes the app again and votes it in.
func (s *Sandbox) Deploy(ctx context.Context) error {
	a, err := s.appAction()
	if err != nil {
		return err
	}
	return s.pass(ctx, []action{a})
}

// Exited is closed when the node ended by itself.
func (s *Sandbox) Exited() <-chan struct{} { return s.exited }

// PID is the node's process.
func (s *Sandbox) PID() int { return s.cmd.Process.Pid }

// Stop ends the node and waits for it. It returns why the node ended badly, if
// it did.
func (s *Sandbox) Stop() error {
	_ = s.cmd.Process.Signal(os.Interrupt)
	select {
	case <-s.exited:
	case <-time.After(stopLimit):
		_ = s.cmd.Process.Kill()
		<-s.exited
		return errors.New("the node did not stop in time and was killed")
	}
	return s.exitErr
}

func (s *Sandbox) common(name string) string {
	return filepath.Join(s.opts.Workspace, commonDir, name)
}
