package e2e

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestREADMEWalkthrough runs the README's walk-through line by line, in a copy of
// the working tree, with another port so that it disturbs nobody.
func TestREADMEWalkthrough(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	blocks := walkthrough(t, string(text))
	dir := checkout(t)
	port := freePort(t)
	change := strings.NewReplacer("https://127.0.0.1:8000", "https://127.0.0.1:"+port, "dev --no-app", "dev --http-port "+port+" --no-app", "make build\n", "")

	service := shell(t, dir, change.Replace(blocks[0]))
	out := &strings.Builder{}
	service.Stdout, service.Stderr = out, out
	if err := service.Start(); err != nil {
		t.Fatal(err)
	}
	stopped := false
	stop := func() {
		if !stopped {
			stopped = true
			_ = service.Process.Signal(os.Interrupt)
			_ = service.Wait()
		}
	}
	t.Cleanup(stop)
	waitFor(t, port)

	// All but the last block run while the service does, the last one after it.
	live := strings.Join(blocks[1:len(blocks)-1], "\n")
	last := blocks[len(blocks)-1]
	got := runShell(t, dir, change.Replace(live), "CONCORDAT_URL=https://127.0.0.1:"+port)
	expect(t, got, []string{"Accepted", `"balance":30`, "receipt.json is valid", "the receipt is not valid", "exit code 4"})
	stop()
	enter := blocks[1] // sets PATH and the folder, as the reader's terminal still has them
	got = runShell(t, dir, change.Replace(enter+"\n"+last))
	expect(t, got, []string{"the ledger is valid", "invalid: ledger_", "offset", "the ledger is NOT valid", "exit code 4"})
}

// walkthrough returns the shell blocks of the README's walk-through.
func walkthrough(t *testing.T, text string) []string {
	t.Helper()
	_, section, ok := strings.Cut(text, "## Walk through it")
	if !ok {
		t.Fatal("the README has no walk-through")
	}
	section, _, _ = strings.Cut(section, "\n## ")
	var blocks []string
	for _, m := range regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(section, -1) {
		blocks = append(blocks, m[1])
	}
	if len(blocks) < 5 {
		t.Fatalf("the walk-through has %d blocks", len(blocks))
	}
	return blocks
}

// checkout makes a folder that looks like the repository after `make build`.
func checkout(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	for from, to := range map[string]string{binary: filepath.Join("bin", "concordat"), filepath.Join(root, "js-apps"): "js-apps"} {
		if err := os.Symlink(from, filepath.Join(dir, to)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return fmt.Sprint(l.Addr().(*net.TCPAddr).Port)
}

func waitFor(t *testing.T, port string) {
	t.Helper()
	for end := time.Now().Add(startLimit); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		cmd := exec.Command("curl", "-skf", "-o", os.DevNull, "https://127.0.0.1:"+port+"/node/ready/app")
		if cmd.Run() == nil {
			return
		}
	}
	t.Fatal("the service did not open")
}

// shell runs a script as the reader's terminal would: the commands replace it, so
// that an interrupt reaches the service itself.
func shell(t *testing.T, dir, script string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("bash", "-c", "exec "+strings.TrimSpace(script))
	cmd.Dir = dir
	return cmd
}

func runShell(t *testing.T, dir, script string, env ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-c", script)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\nscript:\n%s\noutput:\n%s", err, script, out)
	}
	t.Logf("%s", out)
	return string(out)
}

// expect finds the texts in order.
func expect(t *testing.T, out string, texts []string) {
	t.Helper()
	rest := out
	for _, want := range texts {
		_, after, ok := strings.Cut(rest, want)
		if !ok {
			t.Fatalf("missing %q after the texts before it in:\n%s", want, out)
		}
		rest = after
	}
}
