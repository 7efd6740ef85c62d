package httpd

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// TestLimits checks each limit at its value and one above, on the default limits and on those of an interface of its own.
func TestLimits(t *testing.T) {
	s, addr := serveOn(t, nodeInterface(), echo)
	small := &Interface{Name: "small", Authority: AuthorityNode, Limits: Limits{Body: Limit{1024, "1KB"}, Header: Limit{512, "512B"}, Headers: 16}}
	smallAddr := listenOn(t, s, small)
	header := func(name, value string) string { return "GET / HTTP/1.1\r\n" + name + ": " + value + "\r\n\r\n" }
	many := func(n int, name func(int) string) string {
		var b strings.Builder
		b.WriteString("GET / HTTP/1.1\r\n")
		for i := range n {
			fmt.Fprintf(&b, "%s: v\r\n", name(i))
		}
		return b.String() + "\r\n"
	}
	distinct := func(i int) string { return fmt.Sprintf("x-h%d", i) }
	same := func(int) string { return "x-same" }
	body := func(n int) string {
		return fmt.Sprintf("POST / HTTP/1.1\r\ncontent-length: %d\r\n\r\n%s", n, strings.Repeat("a", n))
	}
	chunks := func(n int) string {
		return fmt.Sprintf("POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n%x\r\n%s\r\n1\r\nb\r\n0\r\n\r\n", n-1, strings.Repeat("a", n-1))
	}
	h := strings.Repeat("h", 16385)
	for _, tt := range []struct {
		name, addr, raw string
		status          int
		message         string
	}{
		{"body at limit", addr, body(1048576), 200, ""},
		{"body over", addr, body(1048577), 413, `{"error":{"code":"RequestBodyTooLarge","message":"HTTP request body is too large (max size allowed: 1MB)"}}`},
		{"chunked body at limit", addr, chunks(1048576), 200, ""},
		{"chunked body over", addr, chunks(1048577), 413, "(max size allowed: 1MB)"},
		{"name at limit", addr, header(h[1:], "v"), 200, ""},
		{"name over", addr, header(h, "v"), 431, "Header key for '" + h + "' is too large (max size allowed: 16KB)"},
		{"value at limit", addr, header("x-a", h[1:]), 200, ""},
		{"value over", addr, header("X-A", h), 431, "Header value for 'x-a' is too large (max size allowed: 16KB)"},
		{"merged name over", addr, "GET / HTTP/1.1\r\n" + h[1:] + ":\r\nb: v\r\n\r\n", 431, "Header key for '" + h[1:] + "b' is too large"},
		{"256 headers", addr, many(256, distinct), 200, ""},
		{"257 headers", addr, many(257, distinct), 431, `{"error":{"code":"RequestHeaderTooLarge","message":"Too many headers (max number allowed: 256)"}}`},
		{"300 times one header", addr, many(300, same), 200, ""},
		{"a target of 20000 bytes", addr, "GET /" + strings.Repeat("h", 20000) + " HTTP/1.1\r\n\r\n", 200, ""},
		{"small: body at limit", smallAddr, body(1024), 200, ""},
		{"small: body over", smallAddr, body(1025), 413, "(max size allowed: 1KB)"},
		{"small: value at limit", smallAddr, header("x-a", h[:512]), 200, ""},
		{"small: value over", smallAddr, header("x-a", h[:513]), 431, "(max size allowed: 512B)"},
		{"small: 16 headers", smallAddr, many(16, distinct), 200, ""},
		{"small: 17 headers", smallAddr, many(17, distinct), 431, "(max number allowed: 16)"},
		{"too many lines of one name", addr, many(maxHeaderLines+1, same), 431, "Request head is too large"},
		{"target without end", addr, "GET /" + strings.Repeat("h", maxTarget+1), 431, "Request target is too large"},
	} {
		c := dial(t, tt.addr, nil)
		if _, err := io.WriteString(c.nc, tt.raw); err != nil && tt.status < 400 {
			t.Fatalf("%s: %v", tt.name, err)
		}
		a := c.read(false)
		if a.status != tt.status || !strings.Contains(a.body, tt.message) {
			t.Errorf("%s: %d %.200q, want %d %.200q", tt.name, a.status, a.body, tt.status, tt.message)
		}
		if tt.status >= 400 && !c.closed() {
			t.Errorf("%s: connection stays open", tt.name)
		}
	}
	m := s.Metrics().Interfaces
	if got, want := m["main"].Errors, (Errors{Parsing: 0, HeaderTooLarge: 6, BodyTooLarge: 2}); got != want {
		t.Errorf("counters of main: %+v, want %+v", got, want)
	}
	if got, want := m["small"].Errors, (Errors{Parsing: 0, HeaderTooLarge: 2, BodyTooLarge: 1}); got != want {
		t.Errorf("counters of small: %+v, want %+v", got, want)
	}
}

// TestBodyLimitBeforeBody expects the answer although the announced body never comes.
func TestBodyLimitBeforeBody(t *testing.T) {
	_, addr := serveOn(t, nodeInterface(), echo)
	c := dial(t, addr, nil)
	c.send("POST / HTTP/1.1\r\ncontent-length: 9223372036854775807\r\n\r\n")
	if a := c.read(false); a.status != 413 {
		t.Errorf("status %d", a.status)
	}
}

func TestSessionCaps(t *testing.T) {
	s, addr := serveOn(t, nodeInterface(), echo)
	caps := &Interface{Name: "caps", Authority: AuthorityNode, Limits: Limits{SoftCap: 2, HardCap: 3}}
	capsAddr := listenOn(t, s, caps)
	var open []*client
	for range 2 {
		c := dial(t, capsAddr, nil)
		c.send("GET / HTTP/1.1\r\n\r\n")
		if a := c.read(false); a.status != 200 {
			t.Fatalf("session under the cap: %d", a.status)
		}
		open = append(open, c)
	}
	third := dial(t, capsAddr, nil) // answered before it has sent anything
	a := third.read(false)
	if want := `{"error":{"code":"SessionCapExhausted","message":"Service is currently busy and unable to serve new connections"}}`; a.status != 503 || a.body != want {
		t.Errorf("over the soft cap: %d %s", a.status, a.body)
	}
	if !third.closed() {
		t.Error("session over the soft cap stays open")
	}
	waitFor(t, func() bool { return s.Metrics().Interfaces["caps"].Active == 2 })

	idle, err := net.Dial("tcp", capsAddr) // a connection without a handshake counts
	if err != nil {
		t.Fatal(err)
	}
	defer idle.Close()
	waitFor(t, func() bool { return s.Metrics().Interfaces["caps"].Active == 3 })
	if nc, err := tls.Dial("tcp", capsAddr, &tls.Config{InsecureSkipVerify: true}); err == nil {
		nc.Close()
		t.Error("a session over the hard cap got its handshake")
	}
	m := s.Metrics().Interfaces["caps"]
	if want := (InterfaceMetrics{Active: 3, Peak: 3, Soft: 2, Hard: 3}); m != want {
		t.Errorf("metrics %+v, want %+v", m, want)
	}
	idle.Close()
	open[0].nc.Close()
	waitFor(t, func() bool { return s.Metrics().Interfaces["caps"].Active == 1 })
	again := dial(t, capsAddr, nil)
	again.send("GET / HTTP/1.1\r\n\r\n")
	if a := again.read(false); a.status != 200 {
		t.Errorf("after a session closed: %d", a.status)
	}
	other := dial(t, addr, nil)
	other.send("GET / HTTP/1.1\r\n\r\n")
	if a := other.read(false); a.status != 200 {
		t.Errorf("caps leak to another interface: %d", a.status)
	}
}

// waitFor polls a condition that another goroutine makes true.
func waitFor(t *testing.T, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("condition never came true")
		}
	}
}

func TestIdleTimeout(t *testing.T) {
	s, addr := serveOn(t, &Interface{Name: "idle", Authority: AuthorityNode, Idle: 500 * time.Millisecond}, echo)
	c := dial(t, addr, nil)
	c.send("GET / HTTP/1.1\r\n\r\n")
	if a := c.read(false); a.status != 200 {
		t.Fatalf("status %d", a.status)
	}
	if !c.closed() {
		t.Error("idle connection stays open")
	}
	silent, err := net.Dial("tcp", addr) // never starts its handshake
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	if err := silent.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := silent.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("silent connection: %v", err)
	}
	waitFor(t, func() bool { return s.Metrics().Active == 0 })
}
