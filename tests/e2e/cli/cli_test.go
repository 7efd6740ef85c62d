// Package cli holds transcripts of the command line: each script in testdata is a
// terminal session, run by the same code as the binary's main.
package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"concordat/node/cli"
	"concordat/node/client"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"concordat": func() {
			os.Exit(cli.Main(os.Args[1:], cli.Stdio{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}, os.Getenv))
		},
	})
}

// startLimit bounds how long a service may take to start, on a busy machine.
const startLimit = 60 * time.Second

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"exit": exit, "json": isJSON, "mode": mode, "service": service, "fetch": fetch, "flip": flip, "swap": swap, "ask": ask, "term": term,
		},
	})
}

// exit CODE PROGRAM ARG... runs a program that must end with this exit code.
func exit(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exit CODE PROGRAM [ARG]...")
	}
	err := ts.Exec(args[1], args[2:]...)
	code := 0
	var e *exec.ExitError
	switch {
	case errors.As(err, &e):
		code = e.ExitCode()
	case err != nil:
		ts.Fatalf("%v", err)
	}
	if strconv.Itoa(code) != args[0] {
		ts.Fatalf("%s ended with exit code %d, want %s\nstdout: %s\nstderr: %s",
			strings.Join(args[1:], " "), code, args[0], ts.ReadFile("stdout"), ts.ReadFile("stderr"))
	}
}

// json FILE [PATH=VALUE]... wants one JSON value, and parts of it: a path is
// made of keys and indexes with dots between them, and ? stands for any value.
// With PATH>NAME a value becomes the variable NAME.
func isJSON(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 {
		ts.Fatalf("usage: json FILE [PATH=VALUE | PATH>NAME]...")
	}
	var doc any
	text := ts.ReadFile(args[0])
	if err := json.Unmarshal([]byte(text), &doc); err != nil {
		ts.Fatalf("%s is not JSON: %v\n%s", args[0], err, text)
	}
	for _, want := range args[1:] {
		path, value, ok := strings.Cut(want, "=")
		if !ok {
			var name string
			path, name, _ = strings.Cut(want, ">")
			ts.Setenv(name, at(ts, doc, path))
			continue
		}
		if got := at(ts, doc, path); got != value && value != "?" {
			ts.Fatalf("%s: %s is %s, want %s", args[0], path, got, value)
		}
	}
}

func at(ts *testscript.TestScript, doc any, path string) string {
	for _, part := range strings.Split(path, ".") {
		switch d := doc.(type) {
		case map[string]any:
			value, ok := d[part]
			if !ok {
				ts.Fatalf("no %s of %s", part, path)
			}
			doc = value
		case []any:
			i, err := strconv.Atoi(part)
			if err != nil || i >= len(d) {
				ts.Fatalf("no %s of %s", part, path)
			}
			doc = d[i]
		default:
			ts.Fatalf("no %s of %s in %v", part, path, doc)
		}
	}
	if s, ok := doc.(string); ok {
		return s
	}
	b, err := json.Marshal(doc)
	ts.Check(err)
	return string(b)
}

// mode FILE PERMISSIONS
func mode(ts *testscript.TestScript, _ bool, args []string) {
	info, err := os.Stat(ts.MkAbs(args[0]))
	ts.Check(err)
	if got := fmt.Sprintf("%o", info.Mode().Perm()); got != args[1] {
		ts.Fatalf("%s has mode %s, want %s", args[0], got, args[1])
	}
}

// service WORKSPACE waits until the sandbox in it is open, and sets URL.
func service(ts *testscript.TestScript, _ bool, args []string) {
	addresses := ts.MkAbs(args[0] + "/sandbox_0/rpc_addresses.json")
	for end := time.Now().Add(startLimit); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		var names map[string]string
		b, err := os.ReadFile(addresses)
		if err != nil || json.Unmarshal(b, &names) != nil {
			continue
		}
		ts.Setenv("URL", "https://"+names["primary_rpc_interface"])
		a, err := connect(ts, args[0], "").Do(context.Background(), http.MethodGet, "/node/ready/app", nil, nil)
		if err == nil && a.Status == http.StatusNoContent {
			return
		}
	}
	ts.Fatalf("the service in %s did not open", args[0])
}

func connect(ts *testscript.TestScript, workspace, who string) *client.Client {
	read := func(name string) []byte {
		b, err := os.ReadFile(ts.MkAbs(workspace + "/sandbox_common/" + name))
		ts.Check(err)
		return b
	}
	o := client.Options{URL: ts.Getenv("URL"), ServiceCert: read("service_cert.pem")}
	if who != "" {
		id, err := client.Identity(read(who+"_cert.pem"), read(who+"_privk.pem"))
		ts.Check(err)
		o.Identity = id
	}
	c, err := client.New(o)
	ts.Check(err)
	return c
}

// fetch WORKSPACE WHO PATH FILE reads a resource as WHO; it asks again while the
// service says "not yet".
func fetch(ts *testscript.TestScript, _ bool, args []string) {
	c := connect(ts, args[0], args[1])
	for end := time.Now().Add(startLimit); ; time.Sleep(20 * time.Millisecond) {
		a, err := c.Do(context.Background(), http.MethodGet, args[2], nil, nil)
		ts.Check(err)
		if a.Status == http.StatusOK {
			ts.Check(os.WriteFile(ts.MkAbs(args[3]), a.Body, 0o644))
			return
		}
		if a.Status != http.StatusAccepted || time.Now().After(end) {
			ts.Fatalf("%s: %d %s", args[2], a.Status, a.Body)
		}
	}
}

// ask CODE PATH CERT ADDRESSES asks a node, whose certificate and addresses are in
// files, until it answers with the code. The answer's body becomes the file "answer".
func ask(ts *testscript.TestScript, _ bool, args []string) {
	last := "no answer"
	for end := time.Now().Add(startLimit); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		var names map[string]string
		b, err := os.ReadFile(ts.MkAbs(args[3]))
		if err != nil || json.Unmarshal(b, &names) != nil {
			continue
		}
		cert, err := os.ReadFile(ts.MkAbs(args[2]))
		ts.Check(err)
		c, err := client.New(client.Options{URL: "https://" + names["main"], ServiceCert: cert})
		ts.Check(err)
		a, err := c.Do(context.Background(), http.MethodGet, args[1], nil, nil)
		if err != nil {
			last = err.Error()
			continue
		}
		if last = strconv.Itoa(a.Status); last == args[0] {
			ts.Check(os.WriteFile(ts.MkAbs("answer"), a.Body, 0o644))
			return
		}
	}
	ts.Fatalf("%s: want %s: %s", args[1], args[0], last)
}

// term PIDFILE sends SIGTERM to the process a file names.
func term(ts *testscript.TestScript, _ bool, args []string) {
	pid, err := strconv.Atoi(strings.TrimSpace(ts.ReadFile(args[0])))
	ts.Check(err)
	ts.Check(syscall.Kill(pid, syscall.SIGTERM))
}

// flip FILE OFFSET changes one bit.
func flip(ts *testscript.TestScript, _ bool, args []string) {
	b := []byte(ts.ReadFile(args[0]))
	n, err := strconv.Atoi(args[1])
	ts.Check(err)
	b[n] ^= 1
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), b, 0o644))
}

// swap FILE OLD NEW replaces the first occurrence of a text.
func swap(ts *testscript.TestScript, _ bool, args []string) {
	text := ts.ReadFile(args[0])
	if !strings.Contains(text, args[1]) {
		ts.Fatalf("%s does not hold %q", args[0], args[1])
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(strings.Replace(text, args[1], args[2], 1)), 0o644))
}
