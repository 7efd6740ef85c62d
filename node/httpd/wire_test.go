package httpd

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"concordat/ledger/fixture"
)

type record struct {
	ID     string `json:"id"`
	Method string `json:"method"`
	Raw    struct {
		UTF8 string `json:"utf8"`
	} `json:"raw_request"`
	Status  int               `json:"status"`
	Headers map[string]string `json:"response_headers"`
	Body    struct {
		UTF8 string `json:"utf8"`
	} `json:"response_body"`
	Closed bool `json:"connection_closed_by_server"`
}

func records(t testing.TB, name string) []record {
	var rs []record
	fixture.JSON(t, &rs, "http-transcripts/"+name)
	return rs
}

// TestRecordedMalformed sends the malformed requests recorded from CCF and compares answers byte by byte.
func TestRecordedMalformed(t *testing.T) {
	_, addr := serveOn(t, nodeInterface(), echo)
	n := 0
	for _, r := range records(t, "12-http.json") {
		if r.Method != "RAW" {
			continue
		}
		n++
		t.Run(r.ID, func(t *testing.T) {
			c := dial(t, addr, nil)
			c.send(r.Raw.UTF8)
			a := c.read(false)
			if r.Status != 400 { // answered by the endpoints above this package
				if a.status != 200 {
					t.Fatalf("status %d: %s", a.status, a.body)
				}
				return
			}
			if a.status != r.Status || a.body != r.Body.UTF8 {
				t.Errorf("got %d %q\nwant %d %q", a.status, a.body, r.Status, r.Body.UTF8)
			}
			if fmt.Sprint(a.header) != fmt.Sprint(r.Headers) {
				t.Errorf("headers %v, want %v", a.header, r.Headers)
			}
			if c.closed() != r.Closed {
				t.Errorf("closed %v, want %v", !r.Closed, r.Closed)
			}
		})
	}
	if n < 15 {
		t.Errorf("only %d raw records found", n)
	}
}

// TestMalformed covers what the recordings do not: texts and offsets of the other refusals.
func TestMalformed(t *testing.T) {
	_, addr := serveOn(t, nodeInterface(), echo)
	for _, tt := range []struct{ raw, want string }{
		{"GETX / HTTP/1.1\r\n\r\n", "HPE_INVALID_METHOD: Expected space after method) around byte 3"},
		{"BREW / HTTP/1.1\r\n\r\n", "HPE_INVALID_METHOD: Invalid method encountered) around byte 1"},
		{"GET  HTTP/1.1\r\n\r\n", "HPE_INVALID_URL: Unexpected char in url schema) around byte 9"},
		{"GET \r\n\r\n", "HPE_INVALID_URL: Invalid characters in url) around byte 5"},
		{"GET /a\x7f HTTP/1.1\r\n\r\n", "HPE_INVALID_URL: Invalid char in url path) around byte 6"},
		{"GET /a?\x01 HTTP/1.1\r\n\r\n", "HPE_INVALID_URL: Invalid char in url query) around byte 7"},
		{"GET /a#\x01 HTTP/1.1\r\n\r\n", "HPE_INVALID_URL: Invalid char in url fragment start) around byte 7"},
		{"GET http://a@b@c/ HTTP/1.1\r\n\r\n", "200"},
		{"GET http://a@@c/ HTTP/1.1\r\n\r\n", "HPE_INVALID_URL: Double @ in url) around byte 14"},
		{"GET / HTTX/1.1\r\n\r\n", "HPE_INVALID_CONSTANT: Expected HTTP/, RTSP/ or ICE/) around byte 9"},
		{"PLAY / HTTP/1.1 \r\n\r\n", "HPE_INVALID_CONSTANT: Invalid method for HTTP/x.x request) around byte 11"},
		{"GET / HTTP/3.1\r\n\r\n", "HPE_INVALID_VERSION: Invalid HTTP version) around byte 14"},
		{"GET / HTTP/x.1\r\n\r\n", "HPE_INVALID_VERSION: Invalid major version) around byte 11"},
		{"GET / HTTP/1x1\r\n\r\n", "HPE_INVALID_VERSION: Expected dot) around byte 12"},
		{"GET / HTTP/1.x\r\n\r\n", "HPE_INVALID_VERSION: Invalid minor version) around byte 13"},
		{"GET / HTTP/1.1 \r\n\r\n", "HPE_INVALID_VERSION: Expected CRLF after version) around byte 14"},
		{"GET / HTTP/1.1\n\n", "HPE_INVALID_VERSION: Expected CRLF after version) around byte 14"},
		{"GET / HTTP/1.1\r\n a: b\r\n\r\n", "HPE_UNEXPECTED_SPACE: Unexpected space after start line) around byte 17"},
		{"GET / HTTP/1.1\r\na: b\r\n c\r\n\r\n", "HPE_INVALID_HEADER_TOKEN: Unexpected whitespace after header value) around byte 22"},
		{"GET / HTTP/1.1\r\n: b\r\n\r\n", "HPE_INVALID_HEADER_TOKEN: Invalid header token) around byte 16"},
		{"GET / HTTP/1.1\r\na: b\x00\r\n\r\n", "HPE_INVALID_HEADER_TOKEN: Invalid header value char) around byte 20"},
		{"GET / HTTP/1.1\r\na: b\n\r\n", "HPE_CR_EXPECTED: Missing expected CR after header value) around byte 20"},
		{"GET / HTTP/1.1\r\na: b\r\r\n", "HPE_LF_EXPECTED: Missing expected LF after header value) around byte 21"},
		{"POST / HTTP/1.1\r\ncontent-length : 1\r\n\r\n", "HPE_INVALID_HEADER_TOKEN: Invalid header field char) around byte 32"},
		{"POST / HTTP/1.1\r\ncontent-length:\r\n\r\n", "HPE_INVALID_CONTENT_LENGTH: Empty Content-Length) around byte 34"},
		{"POST / HTTP/1.1\r\ncontent-length: 99999999999999999999\r\n\r\n", "HPE_INVALID_CONTENT_LENGTH: Content-Length overflow) around byte 53"},
		{"POST / HTTP/1.1\r\ntransfer-encoding: gzip\r\n\r\n", "HPE_INVALID_TRANSFER_ENCODING: Request has invalid `Transfer-Encoding`) around byte 44"},
		{"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\ncontent-length: 2\r\n\r\n",
			"HPE_INVALID_CONTENT_LENGTH: Content-Length can't be present with Transfer-Encoding) around byte 60"},
		{"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n", "Invalid `Transfer-Encoding` header value"},
		{"POST / HTTP/1.1\r\ntransfer-encoding: chunked, gzip\r\n\r\n", "Invalid `Transfer-Encoding` header value"},
		{"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n1\r\nabc", "HPE_STRICT: Expected LF after chunk data"},
		{"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n1 \r\na", "HPE_INVALID_CHUNK_SIZE: Invalid character in chunk size"},
		{"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n1111111111111111\r\n", "HPE_INVALID_CHUNK_SIZE: Chunk size overflow"},
		{"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\x00: b\r\n\r\n", "HPE_INVALID_HEADER_TOKEN"},
		{"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n", "HPE_INVALID_VERSION: Expected HTTP/2 Connection Preface) around byte 18"},
	} {
		c := dial(t, addr, nil)
		c.send(tt.raw)
		a := c.read(false)
		if tt.want == "200" {
			if a.status != 200 {
				t.Errorf("%q: %d %q", tt.raw, a.status, a.body)
			}
			continue
		}
		if a.status != 400 || !strings.Contains(a.body, tt.want) {
			t.Errorf("%q: %d %q, want %q", tt.raw, a.status, a.body, tt.want)
		}
		if !strings.HasSuffix(a.body, "fragment:\n"+tt.raw) {
			t.Errorf("%q: body does not quote the input: %q", tt.raw, a.body)
		}
		if !c.closed() {
			t.Errorf("%q: connection stays open", tt.raw)
		}
	}
}

// TestMalformedAfterGood checks that offsets count from the block of input, and that earlier answers come first.
func TestMalformedAfterGood(t *testing.T) {
	_, addr := serveOn(t, nodeInterface(), echo)
	c := dial(t, addr, nil)
	good := "GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
	c.send(good + "\x01")
	if a := c.read(false); a.status != 200 {
		t.Fatalf("first answer %d", a.status)
	}
	a := c.read(false)
	if want := fmt.Sprintf("around byte %d\nError occurred while parsing fragment:\n%s\x01", len(good), good); !strings.HasSuffix(a.body, want) {
		t.Errorf("body %q does not end with %q", a.body, want)
	}
}

// TestTrickle sends every request byte by byte and expects the same as in one piece.
func TestTrickle(t *testing.T) {
	_, addr := serveOn(t, &Interface{Name: "plain", Authority: AuthorityNode}, echo)
	for _, raw := range []string{
		"\r\nPOST /x?y#z HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nX-E:\r\nX-F: 1\r\n\r\nhello",
		"POST /x HTTP/1.1\r\ntransfer-encoding: gzip, chunked\r\n\r\n3;a=b\r\nabc\r\n2\r\nde\r\n0\r\nt: v\r\n\r\n",
		"GET /x\r\n\r\n",
		"GET http://h/x HTTP/1.0\r\na: b\r\n\r\n",
		"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: abc\r\n\r\n",
		"GET / HTTP/1.1\r\nho st: x\r\n\r\n",
	} {
		whole := dial(t, addr, nil)
		whole.send(raw)
		want := whole.read(false)
		slow := dial(t, addr, nil)
		for i := range len(raw) {
			if _, err := slow.nc.Write([]byte{raw[i]}); err != nil {
				break // refused already
			}
		}
		got := slow.read(false)
		if got.status != want.status || want.status == 200 && got.body != want.body {
			t.Errorf("%q: trickled %d %q, whole %d %q", raw, got.status, got.body, want.status, want.body)
		}
	}
}

func TestHeaderQuirks(t *testing.T) {
	_, addr := serveOn(t, nodeInterface(), echo)
	for _, tt := range []struct{ raw, want string }{
		{"X-A:   a b  \r\n", `[{"N":"x-a","V":"a b  "}]`},
		{"X-Dup: 1\r\nx-dup: 2\r\n", `[{"N":"x-dup","V":"1"}]`},
		{"", `[{"N":"","V":""}]`},
		{"x-empty:\r\nx-next: n\r\n", `[{"N":"x-emptyx-next","V":"n"}]`},
		{"x-e1: \r\nX-e2:\r\nx-next: n\r\n", `[{"N":"x-e1x-e2x-next","V":"n"}]`},
		{"a: b\r\nx-last:\r\n", `[{"N":"a","V":"b"},{"N":"x-last","V":""}]`},
		{"ab: 1\r\na:\r\nB: 2\r\n", `[{"N":"ab","V":"1"}]`},
	} {
		c := dial(t, addr, nil)
		c.send("GET / HTTP/1.1\r\n" + tt.raw + "\r\n")
		if a := c.read(false); !strings.Contains(a.body, `"Fields":`+tt.want+"}") {
			t.Errorf("%q: %s", tt.raw, a.body)
		}
	}
}

func TestConnectionStaysOpen(t *testing.T) {
	_, addr := serveOn(t, nodeInterface(), echo)
	c := dial(t, addr, nil)
	for _, raw := range []string{
		"GET /1 HTTP/1.1\r\nconnection: close\r\n\r\n", "GET /2 HTTP/1.0\r\n\r\n", "GET /3\r\n\r\n", "\r\n\r\nGET /4 HTTP/1.1\r\n\r\n",
		"POST /5 HTTP/1.1\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\nab", "CONNECT a:1 HTTP/1.1\r\n\r\n",
		"GET /6 HTTP/1.1\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n",
	} {
		c.send(raw)
		if a := c.read(false); a.status != 200 {
			t.Errorf("%q: %d %s", raw, a.status, a.body)
		}
	}
}

func TestPipeliningInOrder(t *testing.T) {
	_, addr := serveOn(t, nodeInterface(), echo)
	c := dial(t, addr, nil)
	var b strings.Builder
	const n = 200
	for i := range n {
		fmt.Fprintf(&b, "POST /%d HTTP/1.1\r\ncontent-length: %d\r\n\r\n%s", i, i, strings.Repeat("x", i))
	}
	c.send(b.String())
	for i := range n {
		if a := c.read(false); !strings.Contains(a.body, fmt.Sprintf(`"Target":"/%d","Body":"%s"`, i, strings.Repeat("x", i))) {
			t.Fatalf("answer %d: %s", i, a.body)
		}
	}
}

func TestResponses(t *testing.T) {
	_, addr := serveOn(t, nodeInterface(), func(_ context.Context, _ *Session, req *Request, resp *Response) {
		switch req.Target {
		case "/empty":
			resp.Status = 204
		case "/length":
			resp.SetLength(1234)
		case "/body":
			resp.Body = []byte("abc")
		case "/crlf":
			resp.Set("x-a", "b\r\nx-injected: 1")
		case "/name":
			resp.Set("bad name", "b")
		case "/status":
			resp.Status = 1000
		case "/cl":
			resp.Set("content-length", "2")
		case "/teapot":
			resp.Status = 418
		case "/sorted":
			resp.Set("x-z", "1")
			resp.Set("allow", "2")
			resp.Set("content-type", "3")
		case "/close":
			resp.Close = true
		}
	})
	for _, tt := range []struct {
		request string
		status  int
		names   string
		body    string
	}{
		{"GET /empty", 204, "content-length", ""},
		{"HEAD /length", 200, "content-length", ""},
		{"HEAD /body", 200, "content-length", ""},
		{"GET /body", 200, "content-length", "abc"},
		{"GET /crlf", 500, "content-length content-type", "control character"},
		{"GET /name", 500, "content-length content-type", "lower-case token"},
		{"GET /status", 500, "content-length content-type", "not an HTTP status"},
		{"GET /cl", 500, "content-length content-type", "belongs to the server"},
		{"GET /teapot", 418, "content-length", ""},
		{"GET /sorted", 200, "allow content-length content-type x-z", ""},
		{"GET /close", 200, "content-length", ""},
	} {
		c := dial(t, addr, nil)
		c.send(tt.request + " HTTP/1.1\r\n\r\n")
		a := c.read(strings.HasPrefix(tt.request, "HEAD"))
		if a.status != tt.status || strings.Join(a.names, " ") != tt.names || !strings.Contains(a.body, tt.body) {
			t.Errorf("%s: %d %v %q", tt.request, a.status, a.names, a.body)
		}
		if tt.request == "HEAD /length" && a.header["content-length"] != "1234" || tt.request == "HEAD /body" && a.header["content-length"] != "0" {
			t.Errorf("%s: content-length %s", tt.request, a.header["content-length"])
		}
		if tt.request == "GET /close" && !c.closed() {
			t.Error("connection stays open after Close")
		}
	}
}

// TestLater checks that answers that wait keep their order, do not hold up the requests behind them, and that earlier answers leave before the wait.
func TestLater(t *testing.T) {
	started, release := make(chan string, 10), make(chan struct{})
	_, addr := serveOn(t, nodeInterface(), func(_ context.Context, _ *Session, req *Request, resp *Response) {
		started <- req.Target
		resp.Body = []byte(req.Target)
		if strings.HasPrefix(req.Target, "/wait") {
			resp.Later = func(r *Response) {
				<-release
				r.Set("x-late", "1")
			}
		}
		resp.Close = req.Target == "/wait/close"
	})
	c := dial(t, addr, nil)
	c.send("GET /a HTTP/1.1\r\n\r\nGET /wait/1 HTTP/1.1\r\n\r\nGET /b HTTP/1.1\r\n\r\nGET /wait/2 HTTP/1.1\r\n\r\nHEAD /wait/3 HTTP/1.1\r\n\r\n\x01")
	for _, want := range []string{"/a", "/wait/1", "/b", "/wait/2", "/wait/3"} {
		if got := <-started; got != want {
			t.Fatalf("handler ran for %s, want %s", got, want)
		}
	}
	if a := c.read(false); a.body != "/a" { // although /wait/1 is not released
		t.Fatalf("first answer %+v", a)
	}
	close(release)
	for _, want := range []string{"/wait/1", "/b", "/wait/2", ""} {
		if a := c.read(want == ""); a.status != 200 || a.body != want || (a.header["x-late"] == "1") != (want != "/b") {
			t.Errorf("answer %+v, want %s", a, want)
		}
	}
	if a := c.read(false); a.status != 400 || !c.closed() {
		t.Errorf("malformed bytes behind waiting answers: %d", a.status)
	}

	c = dial(t, addr, nil)
	c.send("GET /wait/close HTTP/1.1\r\n\r\nGET /never HTTP/1.1\r\n\r\n")
	if a := c.read(false); a.body != "/wait/close" || !c.closed() {
		t.Errorf("closing answer %+v", a)
	}
	many := dial(t, addr, nil)
	go func() {
		for range started { // more than the queue holds
		}
	}()
	many.send(strings.Repeat("GET /wait HTTP/1.1\r\n\r\n", 3*maxDeferred))
	for i := range 3 * maxDeferred {
		if a := many.read(false); a.header["x-late"] != "1" {
			t.Fatalf("answer %d: %+v", i, a)
		}
	}
}
