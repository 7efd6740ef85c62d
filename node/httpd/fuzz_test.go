package httpd

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

var seeds = []string{
	"GET / HTTP/1.1\r\n\r\n", "GET /a?b=c#d HTTP/1.1\r\nHost: x\r\nA:\r\nB: c\r\n\r\n", "POST / HTTP/1.1\r\ncontent-length: 3\r\n\r\nabc",
	"POST / HTTP/1.1\r\ntransfer-encoding: gzip, chunked\r\n\r\n3;x=\"y\"\r\nabc\r\n0\r\nt: v\r\n\r\n", "\r\n\nGET /\r\n\r\n", "GET http://u@h:1/p HTTP/1.0\r\n\r\n",
	"CONNECT a:1 HTTP/1.1\r\n\r\n", "OPTIONS * HTTP/1.1\r\nx: 1\r\nX: 2\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "M-SEARCH /x HTTP/1.1\r\n\r\n", "\x01", "GET /\xff HTTP/1.1\r\n\r\n",
	"POST / HTTP/1.1\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", "POST / HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 1\r\n\r\na",
	"GET / HTTP/1.1\r\nhost\r\n\r\n", "GET_PARAMETER / HTTP/1.1\r\n\r\n", "POST / HTTP/1.1\r\ncontent-length: 18446744073709551616\r\n\r\n",
}

// FuzzHead checks that a head parses the same in one piece and byte by byte, that offsets of errors lie inside the input, and that what was
// understood means the same when it is written down again.
func FuzzHead(f *testing.F) {
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	lim := (Limits{Header: Limit{64, "64B"}, Headers: 8}).withDefaults()
	f.Fuzz(func(t *testing.T, in []byte) {
		var whole head
		whole.reset()
		done, fault := whole.parse(in, &lim)
		var step head
		step.reset()
		var stepDone bool
		stepFault := fault
		for n := 0; n <= len(in); n++ {
			if stepDone, stepFault = step.parse(in[:n], &lim); stepDone || stepFault != nil {
				break
			}
		}
		if stepDone != done || (stepFault == nil) != (fault == nil) {
			t.Fatalf("whole: %v %+v, in steps: %v %+v", done, fault, stepDone, stepFault)
		}
		if fault != nil {
			if fault.kind == faultParsing && (fault.at < 0 || fault.at > len(in) || *fault != *stepFault) {
				t.Fatalf("whole %+v, in steps %+v, input of %d bytes", fault, stepFault, len(in))
			}
			return
		}
		if !done {
			return
		}
		var req Request
		whole.request(in, &req)
		rewritten := fmt.Appendf(nil, "%s %s HTTP/1.1\r\n", req.Method, req.Target)
		for _, f := range req.Fields {
			if f.Name != "" && f.Value != "" {
				rewritten = fmt.Appendf(rewritten, "%s: %s\r\n", f.Name, f.Value)
			}
		}
		rewritten = append(rewritten, "\r\n"...)
		var again head
		again.reset()
		ok, fault := again.parse(rewritten, &lim)
		if special([]byte(req.Method)) || req.Target == "" || fault != nil && whole.pending != "" || strings.Contains(string(rewritten), "transfer-encoding") {
			return // PRI and an empty target exist without a version only; an empty framing header, or codings over several lines, do not survive being one line
		}
		if !ok {
			t.Fatalf("%q became %q: %+v", in, rewritten, fault)
		}
		var second Request
		again.request(rewritten, &second)
		keep := func(f Field) bool { return f.Value == "" }
		if req.Method != second.Method || req.Target != second.Target ||
			!slices.Equal(slices.DeleteFunc(req.Fields, keep), slices.DeleteFunc(second.Fields, keep)) {
			t.Fatalf("%q became %q: %+v, %+v", in, rewritten, req, second)
		}
	})
}

// pipeConn is a connection whose input is given and whose output is kept.
type pipeConn struct {
	in    *bytes.Reader
	chunk int
	out   bytes.Buffer
}

func (p *pipeConn) Read(b []byte) (int, error)       { return p.in.Read(b[:min(len(b), p.chunk)]) }
func (p *pipeConn) Write(b []byte) (int, error)      { return p.out.Write(b) }
func (p *pipeConn) Close() error                     { return nil }
func (p *pipeConn) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (p *pipeConn) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (p *pipeConn) SetDeadline(time.Time) error      { return nil }
func (p *pipeConn) SetReadDeadline(time.Time) error  { return nil }
func (p *pipeConn) SetWriteDeadline(time.Time) error { return nil }

// FuzzConnection feeds a whole connection. Every answer must be well-formed, requests must be the same however the input is cut into reads, and
// a final 400, 413 or 431 may only come last.
func FuzzConnection(f *testing.F) {
	for _, s := range seeds {
		f.Add([]byte(s), uint8(3))
		f.Add([]byte(s+s), uint8(200))
		f.Add([]byte(seeds[2]+seeds[3]+s), uint8(0))
	}
	f.Fuzz(func(t *testing.T, in []byte, cut uint8) {
		whole := runConnection(t, in, 1<<20)
		parts := runConnection(t, in, 1+int(cut))
		if !slices.Equal(whole, parts) {
			t.Fatalf("in one piece %q, in pieces of %d: %q", whole, 1+int(cut), parts)
		}
	})
}

// runConnection returns what the handler saw, one line per request, and checks the answers.
func runConnection(t *testing.T, in []byte, chunk int) (seen []string) {
	lim := Limits{Body: Limit{100, "100B"}, Header: Limit{64, "64B"}, Headers: 8}
	iface := &Interface{Name: "fuzz", Limits: lim.withDefaults()}
	s := NewServer(Config{Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Handler: func(_ context.Context, _ *Session, req *Request, resp *Response) {
		seen = append(seen, fmt.Sprintf("%q %q %q %q", req.Method, req.Target, req.Fields, req.Body))
		resp.Body = req.Body
	}})
	nc := &pipeConn{in: bytes.NewReader(in), chunk: chunk}
	newConn(s, nc, NewSession(iface, "", nil)).serve(context.Background())
	checkAnswers(t, nc.out.Bytes(), len(seen))
	return seen
}

func checkAnswers(t *testing.T, out []byte, requests int) {
	n := 0
	for ; len(out) > 0; n++ {
		head, rest, ok := bytes.Cut(out, []byte("\r\n\r\n"))
		if !ok || !bytes.HasPrefix(head, []byte("HTTP/1.1 ")) {
			t.Fatalf("answer %d is malformed: %q", n, out)
		}
		_, after, _ := bytes.Cut(head, []byte("content-length: "))
		digits, _, _ := bytes.Cut(after, []byte("\r\n"))
		length, err := strconv.Atoi(string(digits))
		if err != nil {
			t.Fatalf("answer %d has no content-length: %q", n, head)
		}
		if n == requests && bytes.HasPrefix(head, []byte("HTTP/1.1 4")) && length <= len(rest) {
			out = rest[length:]
			continue
		}
		if length > len(rest) { // the answer to HEAD carries no body
			t.Fatalf("answer %d is cut: %q", n, out)
		}
		out = rest[length:]
	}
	if n != requests && n != requests+1 {
		t.Fatalf("%d requests, %d answers", requests, n)
	}
}

// FuzzClientHello checks that the parser of key shares takes any bytes.
func FuzzClientHello(f *testing.F) {
	c, s := net.Pipe()
	go tls.Client(c, &tls.Config{InsecureSkipVerify: true}).Handshake() // only its first bytes matter
	hello := make([]byte, 4096)
	n, err := s.Read(hello)
	if err != nil {
		f.Fatal(err)
	}
	c.Close()
	if got := keyShares(hello[:n]); !slices.Contains(got, tls.X25519) {
		f.Fatalf("key shares of a real ClientHello: %v", got)
	}
	f.Add(hello[:n])
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, g := range keyShares(b) {
			if g == 0 && len(b) < 4 {
				t.Fatal("a group out of nothing")
			}
		}
	})
}
