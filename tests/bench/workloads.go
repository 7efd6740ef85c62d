package main

import (
	"fmt"
	"os"
	"strings"
	"time"
)

// Names of the workloads that ratios are made of.
const (
	echoWork    = "echo, net/http, 256 B"
	nativeWrite = "native write, 256 B private"
	nativeRead  = "native read"
	jsWrite     = "JavaScript write, 256 B"
	jsRead      = "JavaScript read"
)

// valueSize is the size of every value written; keySpace how many keys there are.
const (
	valueSize = 256
	keySpace  = 10_000
)

func post(path, body, contentType string) []byte {
	return fmt.Appendf(nil, "POST %s HTTP/1.1\r\nhost: bench\r\ncontent-type: %s\r\ncontent-length: %d\r\n\r\n%s", path, contentType, len(body), body)
}

func get(path string) []byte { return fmt.Appendf(nil, "GET %s HTTP/1.1\r\nhost: bench\r\n\r\n", path) }

// keyOf spreads the connections over the keys, so that conflicts are rare.
func keyOf(conn, i int) int { return (conn*7919 + i) % keySpace }

func workloads() []workload {
	value := strings.Repeat("v", valueSize)
	one, few := shapes[2:3], shapes
	return []workload{
		{echoWork, "echo", func(int, int) []byte { return post("/", value, "text/plain") }, few},
		{nativeWrite, "node", func(c, i int) []byte {
			return post(fmt.Sprintf("/app/bench/%d", keyOf(c, i)), value, "text/plain")
		}, few},
		{nativeRead, "node", func(c, i int) []byte { return get("/app/bench/0") }, one},
		{jsWrite, "node", func(c, i int) []byte {
			return post("/app/log/private", fmt.Sprintf(`{"id":%d,"msg":"%s"}`, keyOf(c, i), value), "application/json")
		}, few},
		{jsRead, "node", func(c, i int) []byte { return get("/app/log/private?id=0") }, one},
	}
}

// latency is a distribution in microseconds.
type latency struct {
	P50 float64 `json:"p50_us"`
	P99 float64 `json:"p99_us"`
}

// commitSamples are spaced so that the token bucket never empties: light load.
const (
	commitSamples = 200
	commitSpacing = 25 * time.Millisecond
)

// commitLatency times single writes that answer when they are committed.
func commitLatency(c *child) (latency, error) {
	conn, err := c.dial()
	if err != nil {
		return latency{}, err
	}
	defer conn.Close()
	var times []time.Duration
	body := strings.Repeat("v", valueSize)
	for i := range commitSamples {
		req := fmt.Appendf(nil, "POST /app/bench/%d HTTP/1.1\r\nhost: bench\r\nx-concordat-wait: committed\r\ncontent-length: %d\r\n\r\n%s", i, len(body), body)
		started := time.Now()
		if _, err := conn.Write(req); err != nil {
			return latency{}, err
		}
		status, text, err := conn.answer()
		if err != nil || status != 200 {
			return latency{}, fmt.Errorf("a write that waits for commit answered %d %s: %w", status, text, err)
		}
		times = append(times, time.Since(started))
		time.Sleep(commitSpacing)
	}
	return latency{percentile(times, 50), percentile(times, 99)}, nil
}

// serveChild is what this program does as a server.
func serveChild(kind string) error {
	if kind == "echo" {
		return serveEcho()
	}
	return fmt.Errorf("no such server: %s", kind)
}

// asNode reports whether the program was called as a sandbox calls a node.
func asNode() (config string, ok bool) {
	if len(os.Args) == 4 && os.Args[1] == "node" && os.Args[2] == "--config" {
		return os.Args[3], true
	}
	return "", false
}
