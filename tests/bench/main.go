// Command bench measures the service on this machine, against a bare TLS echo by
// net/http in the same run, and prints ratios. It never fails on a number: on
// shared cores only ratios taken in one run mean anything.
//
//	go run ./tests/bench [-seconds 3] [-json FILE] [-profile FILE] [-only PREFIX]
//
// The server of each workload is a process of its own, so that its CPU time is
// its own; the load comes from this process, over loopback, bounded in time.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strings"
	"time"
)

func main() {
	if file, ok := asNode(); ok {
		exit(serveNode(file))
	}
	seconds := flag.Float64("seconds", 3, "length of each measurement")
	out := flag.String("json", "", "also write the numbers to this file")
	profile := flag.String("profile", "", "write a CPU profile of the node to this file")
	only := flag.String("only", "", "measure only workloads whose name begins so")
	serve := flag.String("serve", "", "internal: be the server of a workload")
	flag.Parse()
	var err error
	if *serve != "" {
		err = serveChild(*serve)
	} else {
		if *profile != "" {
			os.Setenv(profileVariable, *profile)
		}
		err = run(time.Duration(*seconds*float64(time.Second)), *out, *only)
	}
	exit(err)
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// shape is how load is offered.
type shape struct {
	name        string
	connections int
	depth       int // requests in flight on each
}

var shapes = []shape{{"1 connection", 1, 1}, {"16 connections", 16, 1}, {"64 connections", 64, 1}, {"8 x 32 pipelined", 8, 32}}

// workload is one kind of request to one server.
type workload struct {
	name    string
	server  string
	request func(conn, i int) []byte
	shapes  []shape
}

// result is one measurement.
type result struct {
	Workload  string  `json:"workload"`
	Shape     string  `json:"shape"`
	PerSecond float64 `json:"per_second"`
	ServerCPU float64 `json:"server_cpu_us_per_op"`
	P50       float64 `json:"p50_us"`
	P99       float64 `json:"p99_us"`
	Refused   int     `json:"refused"` // 503s, warm-up included; not counted in the rate
}

// report is everything a run measured.
type report struct {
	Calibration calibration `json:"calibration"`
	Results     []result    `json:"results"`
	Commit      latency     `json:"commit_latency"`
	LedgerBytes float64     `json:"ledger_bytes_per_transaction"`
}

func run(length time.Duration, out, only string) error {
	var rep report
	var err error
	if rep.Calibration, err = calibrate(); err != nil {
		return err
	}
	echo, err := startChild("echo")
	if err != nil {
		return err
	}
	defer echo.stop()
	node, err := startChild("node")
	if err != nil {
		return err
	}
	defer node.stop()
	servers := map[string]*child{"echo": echo, "node": node}
	before, err := node.ledgerBytes()
	if err != nil {
		return err
	}
	writes := 0
	for _, w := range workloads() {
		if !strings.HasPrefix(w.name, only) {
			continue
		}
		for _, s := range w.shapes {
			r, n, err := measure(servers[w.server], w, s, length)
			if err != nil {
				return fmt.Errorf("%s, %s: %w", w.name, s.name, err)
			}
			if w.name == nativeWrite || w.name == jsWrite {
				writes += n
			}
			rep.Results = append(rep.Results, r)
			fmt.Fprintf(os.Stderr, "%-28s %-18s %9.0f/s %7.1f us server CPU\n", r.Workload, r.Shape, r.PerSecond, r.ServerCPU)
		}
	}
	if rep.Commit, err = commitLatency(node); err != nil {
		return err
	}
	after, err := node.ledgerBytes()
	if err != nil {
		return err
	}
	rep.LedgerBytes = float64(after-before) / float64(writes)
	if only == "" {
		rep.print(os.Stdout)
	}
	if out == "" {
		return nil
	}
	b, err := json.MarshalIndent(rep, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(out, append(b, '\n'), 0o644)
}
