package cli

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"concordat/node"
	"concordat/node/attest/virtual"
	"concordat/node/config"
)

type nodeFlags struct {
	config, level string
	set           []string
	timeout       string
	check         bool
}

func (a *app) nodeCmd() *cobra.Command {
	var f nodeFlags
	c := &cobra.Command{
		Use:   "node --config FILE",
		Short: "Run a node from CCF 7's configuration file",
		Long: "Reads the JSON configuration of a CCF 7 node (YAML works too) and runs the node until SIGINT, SIGTERM or SIGHUP.\n" +
			"CONCORDAT_* variables and --set override the file, with dots or two underscores between levels. An unknown key is an\n" +
			"error; a key without effect here is named in the log. `concordat --config FILE` is the same.",
		Example: "  concordat node --config config.json\n  CONCORDAT_LEDGER__CHUNK_SIZE=1MB concordat node --config config.json --set ledger.sync=none",
		Args:    exactArgs(0, "no arguments"),
		RunE:    func(c *cobra.Command, _ []string) error { return a.node(c.Context(), f) },
	}
	c.Flags().StringVarP(&f.config, "config", "c", "", "configuration file")
	c.Flags().StringVar(&f.level, "log-level", "info", "trace, debug, info, fail or fatal, or 0 to 4")
	c.Flags().StringArrayVar(&f.set, "set", nil, "override one key, e.g. ledger.chunk_size=1MB; may be repeated")
	c.Flags().StringVar(&f.timeout, "config-timeout", "0s", "how long to wait for the file to appear")
	c.Flags().BoolVar(&f.check, "check", false, "only check the configuration")
	return c
}

// Log levels in CCF's words, and the numbers it takes for them.
var levels = map[string]slog.Level{
	"trace": slog.LevelDebug - 4, "debug": slog.LevelDebug, "info": slog.LevelInfo, "fail": slog.LevelError, "fatal": slog.LevelError + 4,
	"0": slog.LevelDebug - 4, "1": slog.LevelDebug, "2": slog.LevelInfo, "3": slog.LevelError, "4": slog.LevelError + 4,
}

func (a *app) node(ctx context.Context, f nodeFlags) error {
	if f.config == "" {
		return usage("--config is needed: which configuration file?")
	}
	level, ok := levels[strings.ToLower(f.level)]
	if !ok {
		return usage("--log-level %q: want trace, debug, info, fail or fatal", f.level)
	}
	c, idle, err := a.readConfig(f)
	if err != nil {
		return err
	}
	if f.check {
		return a.print(map[string]any{"valid": true, "without_effect": idle}, func(w io.Writer) { fmt.Fprintf(w, "%s is valid\n", f.config) })
	}
	log := newLog(a.Err, c.Logging.Format, level)
	for _, key := range idle {
		log.Warn("configuration key has no effect in this version", "key", key)
	}
	return runNode(ctx, c, log)
}

// readConfig waits for the file as long as it was told to.
func (a *app) readConfig(f nodeFlags) (*config.Node, []string, error) {
	limit, err := config.ParseDuration(f.timeout)
	if err != nil {
		return nil, nil, usage("--config-timeout: %w", err)
	}
	flags := config.Overrides{}
	for _, pair := range f.set {
		key, value, ok := strings.Cut(pair, "=")
		if !ok {
			return nil, nil, usage("--set %q: want KEY=VALUE", pair)
		}
		flags[key] = value
	}
	for end := time.Now().Add(limit.Duration); ; time.Sleep(100 * time.Millisecond) {
		text, err := os.ReadFile(f.config)
		if err == nil {
			var c *config.Node
			var idle []string
			if c, idle, err = config.Read(text, config.Environment(os.Environ()), flags); err == nil {
				return c, idle, nil
			}
			err = fmt.Errorf("%s: %w", f.config, err)
		}
		if time.Now().After(end) {
			return nil, nil, err
		}
	}
}

func newLog(w io.Writer, format string, level slog.Level) *slog.Logger {
	o := &slog.HandlerOptions{Level: level}
	if format == "Json" {
		return slog.New(slog.NewJSONHandler(w, o))
	}
	return slog.New(slog.NewTextHandler(w, o))
}

// runNode runs a node until it is told to stop or fails.
func runNode(ctx context.Context, c *config.Node, log *slog.Logger) error {
	platform, err := platform(log)
	if err != nil {
		return err
	}
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer signal.Stop(signals)
	n, err := node.Start(node.Options{
		Config: c, Dir: ".", Platform: platform, Log: log, Now: time.Now, Random: rand.Reader, Version: Version,
	})
	if err != nil {
		return err
	}
	log.Info("node started", "node_id", n.ID())
	cause := waitForEnd(ctx, n, signals, c.IgnoreFirstTerm, log)
	log.Info("node stopping")
	return errors.Join(cause, n.Stop())
}

func waitForEnd(ctx context.Context, n *node.Node, signals <-chan os.Signal, ignoreFirst bool, log *slog.Logger) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-n.Failed():
			return fmt.Errorf("the node cannot go on: %w", err)
		case s := <-signals:
			if s == syscall.SIGTERM && ignoreFirst {
				ignoreFirst = false
				log.Info("first SIGTERM: no longer ready, still serving")
				n.Notice()
				continue
			}
			return nil
		}
	}
}

// platform is the virtual one: this version knows no other.
func platform(log *slog.Logger) (*virtual.Provider, error) {
	path, err := os.Executable()
	if err != nil {
		return nil, err
	}
	f, err := os.Open(filepath.Clean(path))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	log.Warn("the platform is virtual: this machine can read and change everything; do not trust this node with secrets")
	return virtual.New(f)
}
