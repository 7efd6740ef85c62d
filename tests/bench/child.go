package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"concordat/governance/constitution"
	"concordat/js-apps/bundle"
	"concordat/node/sandbox"
)

// child is a server under measurement, in a process of its own.
type child struct {
	pid     int
	address string
	tls     *tls.Config
	ledger  string // folder, for the node
	stop    func()
}

func (c *child) dial() (*conn, error) {
	t, err := tls.Dial("tcp", c.address, c.tls)
	if err != nil {
		return nil, err
	}
	return &conn{Conn: t, r: bufio.NewReaderSize(t, 64<<10)}, nil
}

// clockTick is what /proc counts in: USER_HZ is 100 on every Linux.
const clockTick = 10 * time.Millisecond

// cpu is the user and system time the process has used.
func (c *child) cpu() time.Duration {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", c.pid))
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return time.Duration(user+system) * clockTick
}

func (c *child) ledgerBytes() (int64, error) {
	var total int64
	err := filepath.WalkDir(c.ledger, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			total += info.Size()
		}
		return err
	})
	return total, err
}

func startChild(kind string) (*child, error) {
	if kind == "echo" {
		return startEcho()
	}
	return startNode()
}

// startNode runs a sandbox whose node is this program.
func startNode() (*child, error) {
	dir, err := os.MkdirTemp("", "concordat-bench-")
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	var texts []string
	for _, f := range constitution.Files() {
		texts = append(texts, f.Text)
	}
	s, err := sandbox.Start(context.Background(), sandbox.Options{
		Workspace: filepath.Join(dir, "ws"), App: func() (*bundle.Bundle, error) { return bundle.Build("js-apps/logging") }, Members: 1, Users: 1, Constitution: texts,
		SignatureDelay: "1000ms", Binary: self, NodeLog: os.Stderr, Progress: func(string, ...any) {},
	})
	if err != nil {
		return nil, err
	}
	common := filepath.Join(dir, "ws", "sandbox_common")
	conf, err := identity(filepath.Join(common, "service_cert.pem"), filepath.Join(common, "user0_cert.pem"), filepath.Join(common, "user0_privk.pem"))
	if err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	u, err := url.Parse(s.URL)
	if err != nil {
		return nil, err
	}
	return &child{
		pid: s.PID(), address: u.Host, tls: conf, ledger: filepath.Join(dir, "ws", "sandbox_0", "ledger"),
		stop: func() { _ = s.Stop(); os.RemoveAll(dir) },
	}, nil
}

func identity(ca, cert, key string) (*tls.Config, error) {
	pool := x509.NewCertPool()
	b, err := os.ReadFile(ca)
	if err != nil {
		return nil, err
	}
	pool.AppendCertsFromPEM(b)
	conf := &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS13}
	if cert != "" {
		pair, err := tls.LoadX509KeyPair(cert, key)
		if err != nil {
			return nil, err
		}
		conf.Certificates = []tls.Certificate{pair}
	}
	return conf, nil
}

// startEcho runs this program as the yardstick.
func startEcho() (*child, error) {
	dir, err := os.MkdirTemp("", "concordat-bench-")
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cert := filepath.Join(dir, "cert.pem")
	cmd := exec.Command(self, "-serve", "echo")
	cmd.Env = append(os.Environ(), "BENCH_CERT="+cert)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return nil, fmt.Errorf("the echo server did not start: %w", err)
	}
	conf, err := identity(cert, "", "")
	return &child{pid: cmd.Process.Pid, address: strings.TrimSpace(line), tls: conf, stop: func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		os.RemoveAll(dir)
	}}, err
}
