package main

import (
	"fmt"
	"io"
)

// find returns a measurement by name and shape.
func (r *report) find(workload, shape string) result {
	for _, x := range r.Results {
		if x.Workload == workload && x.Shape == shape {
			return x
		}
	}
	return result{}
}

// print writes the table and the ratios the project watches.
func (r *report) print(w io.Writer) {
	fmt.Fprintf(w, "\n| workload | shape | per second | server CPU us/op | p50 us | p99 us | refused |\n|---|---|---|---|---|---|---|\n")
	for _, x := range r.Results {
		fmt.Fprintf(w, "| %s | %s | %.0f | %.1f | %.0f | %.0f | %d |\n", x.Workload, x.Shape, x.PerSecond, x.ServerCPU, x.P50, x.P99, x.Refused)
	}
	c := r.Calibration
	fmt.Fprintf(w, "\nP-384 signature %.0f us, fsync %.0f us: no commit can be faster than about %.0f us\n", c.Sign, c.Fsync, c.floor())
	fmt.Fprintf(w, "commit latency at light load: p50 %.0f us, p99 %.0f us\n", r.Commit.P50, r.Commit.P99)
	fmt.Fprintf(w, "ledger bytes per transaction, signatures included: %.0f\n\n", r.LedgerBytes)
	const many, piped = "64 connections", "8 x 32 pipelined"
	ratio := func(name string, a, b float64, aim string) { fmt.Fprintf(w, "%-62s %5.2f  (aim %s)\n", name, a/b, aim) }
	native := r.find(nativeWrite, many)
	ratio("native write CPU / echo CPU, 64 connections", native.ServerCPU, r.find(echoWork, many).ServerCPU, "<= 1.5")
	ratio("JavaScript write rate / native write rate, 64 connections", r.find(jsWrite, many).PerSecond, native.PerSecond, ">= 0.3")
	ratio("commit p50 / (2 signatures + fsync), light load", r.Commit.P50, c.floor(), "<= 3")
	ratio("pipelined native write rate / closed loop at 64", r.find(nativeWrite, piped).PerSecond, native.PerSecond, ">= 3")
}
