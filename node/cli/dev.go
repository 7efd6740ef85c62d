package cli

import (
	"context"
	"fmt"
	"io"
	"math"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"concordat/governance/constitution"
	"concordat/js-apps/banking"
	"concordat/js-apps/bundle"
	"concordat/node/sandbox"
)

// watchInterval is how often dev looks whether the app's folder changed.
const watchInterval = 500 * time.Millisecond

type devFlags struct {
	workspace, constitution, delay string
	nodes, members, users, port    int
	noApp, noWatch                 bool
}

func (a *app) devCmd() *cobra.Command {
	var f devFlags
	c := &cobra.Command{
		Use:   "dev [APP_DIR]",
		Short: "Run a service for development: one node, members, users, an open service, an app",
		Long: "Starts a node on this machine's loopback, makes members and users, lets the members activate, propose and vote\n" +
			"over the public interface, deploys the app of APP_DIR (a folder with app.json and src/) or the banking app, and opens the service.\n" +
			"The app is proposed again whenever its folder changes. Credentials are in WORKSPACE/sandbox_common.\n" +
			"The platform is virtual: nothing is protected from this machine.",
		Example: "  concordat dev js-apps/banking\n  concordat dev --members 3 --http-port 8443 my-app",
		Args:    atMostOne("the app's folder"),
		RunE:    func(c *cobra.Command, args []string) error { return a.dev(c.Context(), f, args) },
	}
	c.Flags().StringVar(&f.workspace, "workspace", "workspace", "folder for credentials, ledger and log; an earlier sandbox in it is replaced")
	c.Flags().IntVar(&f.nodes, "nodes", 1, "number of nodes; this version runs one")
	c.Flags().IntVar(&f.members, "members", 1, "number of members")
	c.Flags().IntVar(&f.users, "users", 1, "number of users")
	c.Flags().IntVar(&f.port, "http-port", 8000, "port to serve at; 0 lets the system choose")
	c.Flags().StringVar(&f.constitution, "constitution", "", "comma-separated files instead of the default constitution")
	c.Flags().StringVar(&f.delay, "signature-delay", "1000ms", "upper bound between a write and the signature over it")
	c.Flags().BoolVar(&f.noApp, "no-app", false, "deploy no app")
	c.Flags().BoolVar(&f.noWatch, "no-watch", false, "do not propose the app again when its folder changes")
	return c
}

// app is what to deploy: a folder, which is watched, or the banking app that comes
// with the binary.
type devApp struct {
	dir   string // "" when it is not a folder
	build func() (*bundle.Bundle, error)
}

func (f *devFlags) app(args []string) (devApp, error) {
	switch {
	case f.noApp && len(args) > 0:
		return devApp{}, usage("--no-app and APP_DIR exclude each other")
	case f.noApp:
		return devApp{}, nil
	case len(args) > 0:
		return devApp{args[0], func() (*bundle.Bundle, error) { return bundle.Build(args[0]) }}, nil
	}
	return devApp{build: func() (*bundle.Bundle, error) { return bundle.Read(banking.App()) }}, nil
}

func (f *devFlags) texts() ([]string, error) {
	var texts []string
	if f.constitution == "" {
		for _, file := range append(constitution.Files(), constitution.Virtual()) {
			texts = append(texts, file.Text)
		}
		return texts, nil
	}
	for _, name := range strings.Split(f.constitution, ",") {
		b, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		texts = append(texts, string(b))
	}
	return texts, nil
}

func (f *devFlags) check() error {
	switch {
	case f.nodes != 1:
		return usage("--nodes %d: this version runs one node", f.nodes)
	case f.members < 1:
		return usage("--members %d: a service needs at least one member", f.members)
	case f.users < 0:
		return usage("--users %d: want 0 or more", f.users)
	case f.port < 0 || f.port > math.MaxUint16:
		return usage("--http-port %d: want 0 to %d", f.port, math.MaxUint16)
	}
	return nil
}

func (a *app) dev(ctx context.Context, f devFlags, args []string) error {
	if err := f.check(); err != nil {
		return err
	}
	app, err := f.app(args)
	if err != nil {
		return err
	}
	texts, err := f.texts()
	if err != nil {
		return err
	}
	binary, err := os.Executable()
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	started := time.Now()
	s, err := sandbox.Start(ctx, sandbox.Options{
		Workspace: f.workspace, App: app.build, Members: f.members, Users: f.users, Port: f.port, Constitution: texts,
		SignatureDelay: f.delay, Binary: binary, NodeLog: a.Err, Progress: a.progress,
	})
	if err != nil {
		return err
	}
	if err := a.printServing(s.URL, f, app, time.Since(started)); err != nil {
		return err
	}
	a.watch(ctx, s, app.dir, f)
	return s.Stop()
}

func (a *app) progress(format string, args ...any) {
	fmt.Fprintf(a.Err, "concordat dev: "+format+"\n", args...)
}

func (a *app) printServing(url string, f devFlags, app devApp, took time.Duration) error {
	common := filepath.Join(f.workspace, "sandbox_common")
	curl := fmt.Sprintf("curl --cacert %s/service_cert.pem %s/node/network", common, url)
	if app.build != nil && f.users > 0 {
		curl = fmt.Sprintf("curl --cacert %s/service_cert.pem --cert %s/user0_cert.pem --key %s/user0_privk.pem %s/app/commit", common, common, common, url)
	}
	result := map[string]any{"url": url, "credentials": common, "curl": curl, "app": app.dir}
	return a.print(result, func(w io.Writer) {
		fmt.Fprintf(w, "Serving at %s\n", url)
		fmt.Fprintf(w, "Started in %.1f s. Credentials are in %s. Try:\n  %s\nStop with Ctrl-C.\n", took.Seconds(), common, curl)
	})
}

// watch proposes the app again when it changed, until interrupted or the node ends.
func (a *app) watch(ctx context.Context, s *sandbox.Sandbox, dir string, f devFlags) {
	tick := time.NewTicker(watchInterval)
	defer tick.Stop()
	var last string
	if dir != "" {
		last, _ = hashOf(dir)
	}
	for {
		select {
		case <-ctx.Done():
			a.progress("stopping")
			return
		case <-s.Exited():
			a.progress("the node ended")
			return
		case <-tick.C:
		}
		if dir == "" || f.noWatch {
			continue
		}
		now, err := hashOf(dir)
		if err != nil || now == last {
			continue
		}
		last = now
		if err := s.Deploy(ctx); err != nil {
			a.progress("the changed app was not accepted: %v", err)
			continue
		}
		a.progress("the changed app is deployed")
	}
}

// hashOf tells one state of an app's folder from another.
func hashOf(dir string) (string, error) {
	b, err := bundle.Build(dir)
	if err != nil {
		return "", err
	}
	return b.Hash(), nil
}
