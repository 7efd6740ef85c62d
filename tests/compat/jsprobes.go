package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// acceptAll is a resolve that accepts every valid proposal, which the recordings assume.
const acceptAll = "export function resolve(proposal, proposerId, votes, proposalId) { return \"Accepted\"; }\n"

// startLimit bounds how long a fresh service may take to serve.
const startLimit = time.Minute

// jsProbes starts a fresh one-member service and plays the JavaScript recordings.
func jsProbes(work string) (scores, []difference, error) {
	dir := filepath.Join(work, "jsprobes")
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	url, wait, err := startSandbox(ctx, dir)
	if err != nil {
		return nil, nil, err
	}
	defer func() { stop(); wait() }()

	common := filepath.Join(dir, "sandbox_common")
	out := filepath.Join(work, "jsprobes.json")
	cmd := exec.Command(python(), filepath.Join(shared, "tools", "jsprobes.py"),
		filepath.Join(shared, "fixtures", "js-probes"), "--url", url,
		"--service-cert", filepath.Join(common, "service_cert.pem"),
		"--member-cert", filepath.Join(common, "member0_cert.pem"),
		"--member-key", filepath.Join(common, "member0_privk.pem"), "--json", out)
	cmd.Stderr = os.Stderr
	if err := replayed(cmd.Run()); err != nil {
		return nil, nil, err
	}
	var result struct {
		Probes map[string]struct{ Pass, Total int }
		// Differs of one call: what differs, what was expected, what came.
		Differences []struct {
			ID      string
			Differs []struct {
				What          string
				Expected, Got any
			}
		}
	}
	if err := readJSON(out, &result); err != nil {
		return nil, nil, err
	}
	got := scores{}
	for p, s := range result.Probes {
		got[p] = score{s.Pass, s.Total}
	}
	var diffs []difference
	for _, d := range result.Differences {
		text := ""
		if len(d.Differs) > 0 {
			first := d.Differs[0]
			text = fmt.Sprintf("(%s: expected %.160s, got %.160s)", first.What, fmt.Sprint(first.Expected), fmt.Sprint(first.Got))
		}
		diffs = append(diffs, difference{d.ID, text})
	}
	return got, diffs, nil
}

// startSandbox runs `concordat dev` without an app under a constitution that
// accepts every proposal, and returns the address it serves at.
func startSandbox(ctx context.Context, dir string) (url string, wait func(), err error) {
	resolve := filepath.Join(filepath.Dir(dir), "accept_all.js")
	if err := os.WriteFile(resolve, []byte(acceptAll), 0o644); err != nil {
		return "", nil, err
	}
	files := constitution()
	files[2] = resolve
	cmd := exec.CommandContext(ctx, "bin/concordat", "dev", "--workspace", dir, "--members", "1", "--users", "0",
		"--http-port", "0", "--no-app", "--signature-delay", "100ms", "--constitution", strings.Join(files, ","))
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 20 * time.Second
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return "", nil, err
	}
	log, err := os.Create(filepath.Join(filepath.Dir(dir), "jsprobes-node.log"))
	if err != nil {
		return "", nil, err
	}
	cmd.Stderr = log
	if err := cmd.Start(); err != nil {
		return "", nil, err
	}
	lines := make(chan string)
	go func() {
		defer close(lines)
		for s := bufio.NewScanner(stdout); s.Scan(); {
			lines <- s.Text()
		}
	}()
	limit := time.After(startLimit)
	for {
		select {
		case line, open := <-lines:
			if !open {
				return "", nil, errors.New("the sandbox ended before it served; see " + log.Name())
			}
			if at, ok := strings.CutPrefix(line, "Serving at "); ok {
				go func() {
					for range lines { // keeps the pipe from filling
					}
				}()
				return strings.TrimSpace(at), func() { _ = cmd.Wait() }, nil
			}
		case <-limit:
			return "", nil, errors.New("the sandbox did not serve in time; see " + log.Name())
		}
	}
}
