package httpd

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// BenchmarkEchoTLS measures the same exchange against this package and against net/http in one run: 64 connections over loopback, TLS 1.3, a POST of 64
// bytes answered with the same bytes. The client is the same raw loop in both, so the difference of cpu-µs/op is that of the servers; client-only is the
// client's own share, measured against a peer that writes a canned answer without parsing.
func BenchmarkEchoTLS(b *testing.B) {
	for _, depth := range []int{1, 16} {
		b.Run(fmt.Sprintf("httpd/pipeline=%d", depth), func(b *testing.B) {
			_, addr := serveOn(b, nodeInterface(), func(_ context.Context, _ *Session, req *Request, resp *Response) {
				resp.Set("content-type", "application/octet-stream")
				resp.Body = req.Body
			})
			load(b, addr, depth)
		})
		b.Run(fmt.Sprintf("nethttp/pipeline=%d", depth), func(b *testing.B) { load(b, netHTTP(b), depth) })
		b.Run(fmt.Sprintf("floor/pipeline=%d", depth), func(b *testing.B) { load(b, floor(b), depth) })
	}
}

const benchConns = 64

var benchRequest = "POST /app/log/private?id=1 HTTP/1.1\r\nhost: 127.0.0.1:8000\r\ncontent-type: application/json\r\nuser-agent: bench/1\r\ncontent-length: 64\r\n\r\n" +
	"0123456789012345678901234567890123456789012345678901234567890123"

func netHTTP(b *testing.B) string {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	srv := &http.Server{
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{*testCert(b, "node")}},
		ErrorLog:  log.New(io.Discard, "", 0),
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			if err != nil {
				return
			}
			w.Header().Set("Content-Type", "application/octet-stream")
			w.Header().Set("Content-Length", strconv.Itoa(len(body)))
			w.Write(body) // a benchmark
		}),
	}
	go srv.ServeTLS(ln, "", "") // ends with Close
	b.Cleanup(func() { srv.Close() })
	return ln.Addr().String()
}

// floor is the least a server could do: it counts request bytes and writes a canned answer.
func floor(b *testing.B) string {
	ln, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{*testCert(b, "node")}, DynamicRecordSizingDisabled: true})
	if err != nil {
		b.Fatal(err)
	}
	answer := "HTTP/1.1 200 OK\r\ncontent-length: 64\r\ncontent-type: application/octet-stream\r\n\r\n" + benchRequest[len(benchRequest)-64:]
	go func() {
		for {
			nc, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				buf := make([]byte, 32<<10)
				var out []byte
				for pending := 0; ; {
					n, err := nc.Read(buf)
					if err != nil {
						return
					}
					out = out[:0]
					for pending += n; pending >= len(benchRequest); pending -= len(benchRequest) {
						out = append(out, answer...)
					}
					if _, err := nc.Write(out); err != nil {
						return
					}
				}
			}()
		}
	}()
	b.Cleanup(func() { ln.Close() })
	return ln.Addr().String()
}

// load runs b.N requests over all connections, depth of them at a time on each.
func load(b *testing.B, addr string, depth int) {
	var conns []*tls.Conn
	for range benchConns {
		nc, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true, CurvePreferences: []tls.CurveID{tls.CurveP256}})
		if err != nil {
			b.Fatal(err)
		}
		defer nc.Close()
		conns = append(conns, nc)
	}
	batch := ""
	for range depth {
		batch += benchRequest
	}
	var left atomic.Int64
	left.Store(int64(b.N))
	var wg sync.WaitGroup
	b.ReportAllocs()
	b.ResetTimer()
	before := cpu()
	for _, nc := range conns {
		wg.Add(1)
		go func() {
			defer wg.Done()
			r := bufio.NewReaderSize(nc, 16<<10)
			for left.Add(-int64(depth)) > -int64(depth) {
				if _, err := io.WriteString(nc, batch); err != nil {
					b.Error(err)
					return
				}
				for range depth {
					if err := skipResponse(r); err != nil {
						b.Error(err)
						return
					}
				}
			}
		}()
	}
	wg.Wait()
	b.ReportMetric(float64((cpu()-before).Microseconds())/float64(b.N), "cpu-µs/op")
}

// skipResponse reads one answer with little work of its own.
func skipResponse(r *bufio.Reader) error {
	for {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return err
		}
		if len(line) == 2 {
			_, err := r.Discard(64)
			return err
		}
	}
}

func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
