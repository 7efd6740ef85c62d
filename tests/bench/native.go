package main

import (
	"context"
	"crypto/rand"
	"log/slog"
	"os"
	"os/signal"
	"runtime/pprof"
	"time"

	"concordat/node"
	"concordat/node/attest/virtual"
	"concordat/node/config"
	"concordat/node/frontend"
	"concordat/node/frontend/policy"
)

// nativeMap is where the native endpoint writes; private, as the logging app's.
const nativeMap = "bench.records"

// profileVariable names the file for a CPU profile of the node.
const profileVariable = "BENCH_CPU_PROFILE"

// nativeEndpoints are the application that a Go program would bring.
func nativeEndpoints() []frontend.Endpoint {
	users := []frontend.Policy{policy.Set{Now: time.Now}.UserCert()}
	return []frontend.Endpoint{
		{Verb: "POST", Path: "/bench/{id}", Auth: users, Handler: func(c *frontend.Context) error {
			c.Tx().Map(nativeMap).Put([]byte(c.Param("id")), c.Req.Body)
			return c.Raw(200, "application/json", []byte("true"))
		}},
		{Verb: "GET", Path: "/bench/{id}", Auth: users, Mode: frontend.ReadOnly, Handler: func(c *frontend.Context) error {
			v, ok := c.Tx().Map(nativeMap).Get([]byte(c.Param("id")))
			if !ok {
				return frontend.Errorf(404, frontend.CodeResourceNotFound, "no such record")
			}
			return c.Raw(200, "application/octet-stream", v)
		}},
	}
}

// serveNode is `node --config FILE` with the native endpoints.
func serveNode(file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	c, _, err := config.Read(text)
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	f, err := os.Open(self)
	if err != nil {
		return err
	}
	platform, err := virtual.New(f)
	f.Close()
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if profile := os.Getenv(profileVariable); profile != "" {
		f, err := os.Create(profile)
		if err != nil {
			return err
		}
		defer f.Close()
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	n, err := node.Start(node.Options{
		Config: c, Dir: ".", Platform: platform, Now: time.Now, Random: rand.Reader, Version: "bench",
		Log: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})), AppEndpoints: nativeEndpoints(),
	})
	if err != nil {
		return err
	}
	select {
	case <-ctx.Done():
	case err = <-n.Failed():
	}
	if stopped := n.Stop(); err == nil {
		err = stopped
	}
	return err
}
