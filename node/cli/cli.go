// Package cli is the command line: it reads flags, files and the environment,
// calls the packages that do the work, and turns their answers into text or JSON
// and an exit code. Only this package and its main read either.
package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"
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
	env    func(string) string
	output string // "text" or "json"
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
	err := root.Execute()
	if err == nil {
		return exitOK
	}
	return a.fail(err)
}

// asNodeCommand lets the binary stand where a CCF application executable stood:
// `concordat --config FILE` means `concordat node --config FILE`.
func asNodeCommand(args []string) []string {
	if len(args) == 0 {
		return args
	}
	switch args[0] {
	case "-c", "--config", "--check", "--log-level", "--config-timeout":
		return append([]string{"node"}, args...)
	}
	for _, prefix := range []string{"--config=", "--log-level=", "--config-timeout="} {
		if len(args[0]) > len(prefix) && args[0][:len(prefix)] == prefix {
			return append([]string{"node"}, args...)
		}
	}
	return args
}

// fail prints the error once, in the asked-for form, and picks the exit code.
func (a *app) fail(err error) int {
	code := exitError
	var c *coded
	if errors.As(err, &c) {
		code = c.code
	}
	if a.output == "json" {
		_ = json.NewEncoder(a.Err).Encode(map[string]any{"error": err.Error(), "exit_code": code})
	} else {
		fmt.Fprintf(a.Err, "concordat: %v\n", err)
	}
	return code
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:           "concordat",
		Short:         "A confidential consortium ledger",
		Long:          "Organisations that trust neither each other nor whoever runs the machines share one service.\nStart with `concordat dev`.",
		SilenceUsage:  true,
		SilenceErrors: true,
		Version:       Version,
	}
	root.SetVersionTemplate("concordat {{.Version}}\n")
	root.CompletionOptions.HiddenDefaultCmd = true
	root.PersistentFlags().StringVar(&a.output, "output", "text", "how to print the result: text or json")
	root.PersistentPreRunE = func(*cobra.Command, []string) error {
		if a.output != "text" && a.output != "json" {
			return usage("--output %q: want text or json", a.output)
		}
		return nil
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usage("%w", err) })
	root.AddCommand(a.nodeCmd(), a.devCmd(), a.keygenCmd(), a.govCmd(), a.appCmd(), a.ledgerCmd(), a.receiptCmd())
	return root
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

// exactArgs is cobra's check with our exit code and words.
func exactArgs(n int, what string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) != n {
			return usage("want %s; see --help", what)
		}
		return nil
	}
}
