// Package e2e runs real processes over real TLS with real files: the binary as a
// user, a member, an operator and an auditor meet it.
package e2e

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"concordat/node/client"
)

// binary is built once for all tests; root is the repository.
var binary, root string

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "concordat-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	wd, _ := os.Getwd()
	root = filepath.Join(wd, "..", "..")
	binary = filepath.Join(dir, "concordat")
	build := exec.Command("go", "build", "-o", binary, "./node/cmd/concordat")
	build.Dir = root
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "building the binary: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// service is a running `concordat dev`.
type service struct {
	t         *testing.T
	cmd       *exec.Cmd
	workspace string
	url       string
	log       string
	done      bool
}

const startLimit = 60 * time.Second

// start runs the sandbox and waits until it serves. It is stopped when the test
// ends, if the test did not.
func start(t *testing.T, args ...string) *service {
	t.Helper()
	dir := t.TempDir()
	s := &service{t: t, workspace: filepath.Join(dir, "workspace"), log: filepath.Join(dir, "log")}
	args = append([]string{"dev", "--workspace", s.workspace, "--http-port", "0", "--no-watch"}, args...)
	s.cmd = exec.Command(binary, args...)
	s.cmd.Dir = root
	log, err := os.Create(s.log)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	s.cmd.Stderr = log
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.stop)
	found := make(chan string, 1)
	go func() { // ends when the process closes its output
		for sc := bufio.NewScanner(out); sc.Scan(); {
			if m := regexp.MustCompile(`^Serving at (\S+)`).FindStringSubmatch(sc.Text()); m != nil {
				found <- m[1]
			}
		}
		close(found)
	}()
	select {
	case s.url = <-found:
	case <-time.After(startLimit):
	}
	if s.url == "" {
		t.Fatalf("the service did not start:\n%s", s.tail())
	}
	return s
}

// stop ends the service as Ctrl-C does.
func (s *service) stop() {
	if s.done {
		return
	}
	s.done = true
	_ = s.cmd.Process.Signal(os.Interrupt)
	kill := time.AfterFunc(20*time.Second, func() { _ = s.cmd.Process.Kill() })
	defer kill.Stop()
	if err := s.cmd.Wait(); err != nil {
		s.t.Errorf("the service ended badly: %v\n%s", err, s.tail())
	}
}

func (s *service) tail() string {
	b, _ := os.ReadFile(s.log)
	lines := strings.Split(string(b), "\n")
	return strings.Join(lines[max(0, len(lines)-40):], "\n")
}

func (s *service) file(name string) string {
	return filepath.Join(s.workspace, "sandbox_common", name)
}

// as connects with the TLS identity of a member or user, or with none.
func (s *service) as(who string) *client.Client {
	s.t.Helper()
	o := client.Options{URL: s.url, ServiceCert: s.read("service_cert.pem")}
	if who != "" {
		id, err := client.Identity(s.read(who+"_cert.pem"), s.read(who+"_privk.pem"))
		if err != nil {
			s.t.Fatal(err)
		}
		o.Identity = id
	}
	c, err := client.New(o)
	if err != nil {
		s.t.Fatal(err)
	}
	return c
}

func (s *service) read(name string) []byte {
	s.t.Helper()
	b, err := os.ReadFile(s.file(name))
	if err != nil {
		s.t.Fatal(err)
	}
	return b
}
