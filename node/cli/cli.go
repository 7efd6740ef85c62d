// Package cli is the command line: it reads flags, files and the environment,
// calls the packages that do the work, and turns their answers into text or JSON
// and an exit code. Only this package and its main read either.
package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"concordat/node/client"
	"concordat/node/sandbox"
)

// Exit codes, the same for every command.
const (
	exitOK       = 0
	exitError    = 1
	exitUsage    = 2
	exitNotReady = 3 // not ready, or not committed
	exitRefused  = 4 // verification failed
)

// Stdio is where a command reads and writes, so that tests run it in process.
type Stdio struct {
	In  io.Reader
	Out io.Writer
	Err io.Writer
}

// app is what every command shares.
type app struct {
	Stdio
	env     func(string) string
	output  string // "text" or "json"
	started bool   // the command line was understood and the command runs
}

// coded is an error that knows its exit code.
type coded struct {
	code int
	err  error
}

func (c *coded) Error() string { return c.err.Error() }
func (c *coded) Unwrap() error { return c.err }

func usage(format string, args ...any) error {
	return &coded{exitUsage, fmt.Errorf(format, args...)}
}

func notReady(err error) error { return &coded{exitNotReady, err} }

func refused(err error) error { return &coded{exitRefused, err} }

// Main runs one command line and returns its exit code.
func Main(args []string, std Stdio, env func(string) string) int {
	a := &app{Stdio: std, env: env}
	root := a.root()
	root.SetArgs(asNodeCommand(args))
	root.SetIn(std.In)
	root.SetOut(std.Out)
	root.SetErr(std.Err)
	ran, err := root.ExecuteC()
	if err == nil {
		return exitOK
	}
	if !a.started { // what cobra itself refuses is how the command was called
		a.output = askedOutput(args)
		err = &coded{exitUsage, err}
	}
	return a.fail(ran, err)
}

// askedOutput looks for --output in a command line that could not be parsed.
func askedOutput(args []string) string {
	for i, arg := range args {
		if arg == "--output=json" || arg == "--output" && i+1 < len(args) && args[i+1] == "json" {
			return "json"
		}
	}
	return "text"
}

// asNodeCommand lets the binary stand where a CCF application executable stood:
// `concordat --config FILE` means `concordat node --config FILE`.
func asNodeCommand(args []string) []string {
	if len(args) == 0 {
		return args
	}
	switch args[0] {
	case "-c", "--config", "--check", "--log-level", "--config-timeout", "--set":
		return append([]string{"node"}, args...)
	}
	for _, prefix := range []string{"--config=", "--log-level=", "--config-timeout=", "--set="} {
		if len(args[0]) > len(prefix) && args[0][:len(prefix)] == prefix {
			return append([]string{"node"}, args...)
		}
	}
	return args
}

// fail prints the error once, in the asked-for form, and picks the exit code.
func (a *app) fail(ran *cobra.Command, err error) int {
	code := codeOf(err)
	text := err.Error()
	switch {
	case code == exitUsage:
		text += fmt.Sprintf("; see `%s --help`", ran.CommandPath())
	case errors.Is(err, syscall.ECONNREFUSED):
		text += ": is the service running there? Name its address with --url"
	case isNotOpen(err):
		text += " The service is not ready yet: try again once GET /node/ready/gov answers 204"
	}
	if a.output == "json" {
		e := json.NewEncoder(a.Err)
		e.SetEscapeHTML(false)
		_ = e.Encode(map[string]any{"error": text, "exit_code": code})
	} else {
		fmt.Fprintf(a.Err, "concordat: %s\n", text)
	}
	return code
}

// codeOf is the exit code an error stands for. A service that cannot be reached
// or is not open yet is not ready: calling again later may succeed.
func codeOf(err error) int {
	var c *coded
	if errors.As(err, &c) {
		return c.code
	}
	var s *client.ServiceError
	unavailable := errors.As(err, &s) && s.Status == http.StatusServiceUnavailable
	if unavailable || isNotOpen(err) || errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, client.ErrInvalid) || errors.Is(err, sandbox.ErrNotInTime) {
		return exitNotReady
	}
	return exitError
}

func isNotOpen(err error) bool {
	var s *client.ServiceError
	return errors.As(err, &s) && s.Code == "FrontendNotOpen"
}

func (a *app) root() *cobra.Command {
	var version bool
	root := a.group("concordat", "A confidential consortium ledger",
		"Organisations that trust neither each other nor whoever runs the machines share one service.\nStart with `concordat dev`.",
		"  concordat dev --members 3 js-apps/banking\n  concordat --config config.json")
	help := root.RunE
	root.RunE = func(c *cobra.Command, args []string) error {
		if version {
			return a.print(map[string]string{"version": Version}, func(w io.Writer) { fmt.Fprintf(w, "concordat %s\n", Version) })
		}
		return help(c, args)
	}
	root.SilenceUsage, root.SilenceErrors = true, true
	root.CompletionOptions.HiddenDefaultCmd = true
	root.Flags().BoolVarP(&version, "version", "v", false, "print the version")
	root.PersistentFlags().StringVar(&a.output, "output", "text", "how to print the result: text or json")
	root.PersistentPreRunE = func(*cobra.Command, []string) error {
		a.started = true
		if a.output != "text" && a.output != "json" {
			return usage("--output %q: want text or json", a.output)
		}
		return nil
	}
	root.AddCommand(a.nodeCmd(), a.devCmd(), a.keygenCmd(), a.govCmd(), a.appCmd(), a.ledgerCmd(), a.receiptCmd())
	root.SetHelpCommand(helpCmd(root))
	return root
}

// group is a command that only holds others.
func (a *app) group(use, short, long, example string, commands ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{
		Use: use, Short: short, Long: long, Example: example,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownCommand(c, args[0])
			}
			return nil
		},
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(commands...)
	return c
}

func unknownCommand(c *cobra.Command, name string) error {
	c.SuggestionsMinimumDistance = 2
	text := fmt.Sprintf("%s has no command %q", c.CommandPath(), name)
	if like := c.SuggestionsFor(name); len(like) > 0 {
		text += fmt.Sprintf(" (did you mean %s?)", strings.Join(like, " or "))
	}
	return errors.New(text)
}

func helpCmd(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use:     "help [COMMAND]...",
		Short:   "Say what a command does",
		Example: "  concordat help gov propose",
		RunE: func(_ *cobra.Command, args []string) error {
			c, rest, err := root.Find(args)
			if err != nil {
				return &coded{exitUsage, err}
			}
			if len(rest) > 0 {
				return &coded{exitUsage, unknownCommand(c, rest[0])}
			}
			return c.Help()
		},
	}
}

// print writes v as JSON, or lets text write it for people.
func (a *app) print(v any, text func(io.Writer)) error {
	if a.output == "json" {
		e := json.NewEncoder(a.Out)
		e.SetEscapeHTML(false)
		e.SetIndent("", "  ")
		return e.Encode(v)
	}
	text(a.Out)
	return nil
}

// exactArgs is cobra's check in our words.
func exactArgs(n int, what string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) != n {
			return fmt.Errorf("want %s, not %d arguments", what, len(args))
		}
		return nil
	}
}

// atLeastOne wants one argument or more.
func atLeastOne(what string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) == 0 {
			return fmt.Errorf("want %s", what)
		}
		return nil
	}
}

// atMostOne wants one argument or none.
func atMostOne(what string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) > 1 {
			return fmt.Errorf("want at most %s, not %d arguments", what, len(args))
		}
		return nil
	}
}
