// Package badinput meets a node and the offline tools with what they must refuse:
// real processes, real files, real TLS. Whatever comes in, the answer is clear,
// nothing is written, and nothing falls over.
package badinput

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"concordat/node/cli"
)

// asBinary makes this test's own executable behave as the product, so that what
// is tested is what was compiled.
const asBinary = "BE_THE_BINARY"

func TestMain(m *testing.M) {
	if os.Getenv(asBinary) != "" {
		os.Exit(cli.Main(os.Args[1:], cli.Stdio{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}, os.Getenv))
	}
	os.Setenv(asBinary, "yes") // for the children
	os.Exit(m.Run())
}

// commandLimit is far above what any refusal takes, on a busy machine too.
const commandLimit = 30 * time.Second

// concordat runs a command in a folder.
func concordat(t *testing.T, dir string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), commandLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, self, args...)
	cmd.Dir = dir
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err = cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	if strings.Contains(errs.String(), "goroutine ") || strings.Contains(errs.String(), "panic:") {
		t.Fatalf("%v panicked:\n%s", args, errs.String())
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
