package main

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"sync"
	"time"
)

// measure offers one workload in one shape for a while, and returns also how many
// requests were answered in all.
func measure(c *child, w workload, s shape, length time.Duration) (result, int, error) {
	r := result{Workload: w.name, Shape: s.name}
	conns := make([]*conn, s.connections)
	for i := range conns {
		var err error
		if conns[i], err = c.dial(); err != nil {
			return r, 0, err
		}
		defer conns[i].Close()
	}
	total := 0
	// The first fifth warms caches and pools and is not counted.
	n, _, err := drive(conns, w, s.depth, length/5, 0)
	if err != nil {
		return r, n, err
	}
	total += n
	cpu := c.cpu()
	started := time.Now()
	n, times, err := drive(conns, w, s.depth, length, total)
	if err != nil {
		return r, total + n, err
	}
	took := time.Since(started)
	total += n
	r.PerSecond = float64(n) / took.Seconds()
	r.ServerCPU = float64((c.cpu() - cpu).Microseconds()) / float64(n)
	r.P50, r.P99 = percentile(times, 50), percentile(times, 99)
	for _, c := range conns {
		r.Refused += c.refused
	}
	return r, total, nil
}

// drive runs all connections until the time is up.
func drive(conns []*conn, w workload, depth int, length time.Duration, offset int) (int, []time.Duration, error) {
	var mu sync.Mutex
	var wg sync.WaitGroup
	var all []time.Duration
	var failed error
	until := time.Now().Add(length)
	for i, c := range conns {
		wg.Add(1)
		go func() {
			defer wg.Done()
			times, err := c.loop(i, offset, w, depth, until)
			mu.Lock()
			defer mu.Unlock()
			all = append(all, times...)
			failed = errors.Join(failed, err)
		}()
	}
	wg.Wait()
	return len(all), all, failed
}

func percentile(times []time.Duration, p int) float64 {
	if len(times) == 0 {
		return 0
	}
	slices.Sort(times)
	return float64(times[min(len(times)*p/100, len(times)-1)].Nanoseconds()) / 1000
}

// conn is one TLS connection that speaks just enough HTTP/1.1.
type conn struct {
	*tls.Conn
	r       *bufio.Reader
	refused int // 503: too much waits for commit
}

// loop keeps depth requests in flight until the time is up, then drains.
func (c *conn) loop(id, offset int, w workload, depth int, until time.Time) ([]time.Duration, error) {
	var times []time.Duration
	var out []byte
	for i := offset; time.Now().Before(until); i += depth {
		out = out[:0]
		for d := range depth {
			out = append(out, w.request(id, i+d)...)
		}
		sent := time.Now()
		if _, err := c.Write(out); err != nil {
			return times, err
		}
		for range depth {
			status, _, err := c.answer()
			if err != nil {
				return times, err
			}
			switch {
			case status == 503:
				c.refused++
			case status/100 != 2:
				return times, fmt.Errorf("%s answered %d", w.name, status)
			default:
				times = append(times, time.Since(sent))
			}
		}
	}
	return times, nil
}

// answer reads one response.
func (c *conn) answer() (status int, body []byte, err error) {
	line, err := c.r.ReadSlice('\n')
	if err != nil {
		return 0, nil, err
	}
	if len(line) < 12 {
		return 0, nil, fmt.Errorf("status line %q", line)
	}
	if status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return 0, nil, err
	}
	length := 0
	for {
		line, err := c.r.ReadSlice('\n')
		if err != nil {
			return status, nil, err
		}
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 {
			break
		}
		name, value, _ := bytes.Cut(line, []byte(": "))
		if bytes.EqualFold(name, []byte("content-length")) {
			if length, err = strconv.Atoi(string(value)); err != nil {
				return status, nil, err
			}
		}
	}
	body = make([]byte, length)
	_, err = io.ReadFull(c.r, body)
	return status, body, err
}
