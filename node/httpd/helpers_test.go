package httpd

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"io"
	"log/slog"
	"math/big"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"
)

func testCert(t testing.TB, name string) *tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// serveOn starts a server with one interface and returns its address.
func serveOn(t testing.TB, iface *Interface, h Handler) (*Server, string) {
	t.Helper()
	s := NewServer(Config{Handler: h, Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
	s.SetNodeCertificate(testCert(t, "node"))
	addr := listenOn(t, s, iface)
	return s, addr
}

func listenOn(t testing.TB, s *Server, iface *Interface) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Serve(ln, iface) }()
	t.Cleanup(func() {
		s.Close() // never fails
		if err := <-done; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return ln.Addr().String()
}

// client is a raw connection: tests say exactly which bytes they send.
type client struct {
	t  testing.TB
	nc net.Conn
	r  *bufio.Reader
}

func dial(t testing.TB, addr string, cfg *tls.Config) *client {
	t.Helper()
	if cfg == nil {
		cfg = &tls.Config{}
	}
	cfg.InsecureSkipVerify = true
	nc, err := tls.Dial("tcp", addr, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return newClient(t, nc)
}

func newClient(t testing.TB, nc net.Conn) *client {
	t.Cleanup(func() { nc.Close() })
	if err := nc.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return &client{t: t, nc: nc, r: bufio.NewReader(nc)}
}

func (c *client) send(raw string) {
	c.t.Helper()
	if _, err := io.WriteString(c.nc, raw); err != nil {
		c.t.Fatal(err)
	}
}

type answer struct {
	status int
	reason string
	header map[string]string
	names  []string
	body   string
}

// read parses one response strictly: header names in lower case and sorted, exactly one content-length.
func (c *client) read(head bool) answer {
	c.t.Helper()
	a, err := c.tryRead(head)
	if err != nil {
		c.t.Fatal(err)
	}
	return a
}

func (c *client) tryRead(head bool) (answer, error) {
	line, err := c.r.ReadString('\n')
	if err != nil {
		return answer{}, err
	}
	line = strings.TrimSuffix(line, "\r\n")
	a := answer{header: map[string]string{}}
	proto, rest, _ := strings.Cut(line, " ")
	code, reason, _ := strings.Cut(rest, " ")
	if proto != "HTTP/1.1" {
		c.t.Fatalf("status line %q", line)
	}
	a.reason = reason
	if a.status, err = strconv.Atoi(code); err != nil {
		return a, err
	}
	for {
		line, err := c.r.ReadString('\n')
		if err != nil {
			return a, err
		}
		if line == "\r\n" {
			break
		}
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\r\n"), ": ")
		a.header[name] = value
		a.names = append(a.names, name)
	}
	if head {
		return a, nil
	}
	n, err := strconv.Atoi(a.header["content-length"])
	if err != nil {
		return a, err
	}
	body := make([]byte, n)
	_, err = io.ReadFull(c.r, body)
	a.body = string(body)
	return a, err
}

// closed reports whether the server ended the connection.
func (c *client) closed() bool {
	if err := c.nc.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
		c.t.Fatal(err)
	}
	_, err := c.r.ReadByte()
	return err == io.EOF
}

func echo(_ context.Context, s *Session, req *Request, resp *Response) {
	type pair struct{ N, V string }
	var fields []pair
	for _, f := range req.Fields {
		fields = append(fields, pair{f.Name, f.Value})
	}
	b, err := json.Marshal(struct {
		Method, Target, Body, Peer string
		Fields                     []pair
	}{req.Method, req.Target, string(req.Body), s.PeerID(), fields})
	if err != nil {
		panic(err)
	}
	resp.Set("content-type", "application/json")
	resp.Body = b
}

func nodeInterface() *Interface {
	return &Interface{Name: "main", Authority: AuthorityNode, Idle: DefaultIdle}
}
