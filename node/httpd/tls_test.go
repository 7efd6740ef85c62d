package httpd

//lint:file-ignore SA1019 the tests use the same library as the server.

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"io"
	"math/big"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"concordat/ledger/fixture"

	"golang.org/x/net/http2"
)

type observedTLS struct {
	ALPN, Cipher, Curve, Version string
	ChainLength                  int    `json:"server_chain_length"`
	Requested                    bool   `json:"client_certificate_requested"`
	Error                        string `json:"handshake_error"`
}

func handshake(addr string, cfg *tls.Config) observedTLS {
	requested := false
	cfg.InsecureSkipVerify = true
	if cfg.GetClientCertificate == nil {
		cfg.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			requested = true
			return &tls.Certificate{}, nil
		}
	}
	nc, err := tls.DialWithDialer(&net.Dialer{Timeout: 10 * time.Second}, "tcp", addr, cfg)
	if err != nil {
		return observedTLS{Error: err.Error()}
	}
	defer nc.Close()
	st := nc.ConnectionState()
	return observedTLS{
		ALPN: st.NegotiatedProtocol, Cipher: tls.CipherSuiteName(st.CipherSuite), Curve: st.CurveID.String(), Version: tls.VersionName(st.Version),
		ChainLength: len(st.PeerCertificates), Requested: requested,
	}
}

// TestRecordedHandshakes repeats the recorded handshakes, made by the same client library.
func TestRecordedHandshakes(t *testing.T) {
	s, addr := serveOn(t, nodeInterface(), echo)
	h2 := listenOn(t, s, &Interface{Name: "h2", Authority: AuthorityNode, HTTP2: true})
	var records []struct {
		ID, Interface string
		Observed      observedTLS
	}
	fixture.JSON(t, &records, "http-transcripts/15-tls.json")
	configs := map[string]*tls.Config{
		"default": {}, "sni": {ServerName: "example.com"},
		"tls12":        {MaxVersion: tls.VersionTLS12},
		"tls11":        {MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11},
		"tls12-chacha": {MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256}},
		"tls12-cbc":    {MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA}},
		"tls12-aes128": {MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256}},
		"x25519-only":  {CurvePreferences: []tls.CurveID{tls.X25519}},
		"p256-only":    {CurvePreferences: []tls.CurveID{tls.CurveP256}},
		"p384-only":    {CurvePreferences: []tls.CurveID{tls.CurveP384}},
		"p521-only":    {CurvePreferences: []tls.CurveID{tls.CurveP521}},
		"alpn-h1":      {NextProtos: []string{"http/1.1"}}, "alpn-h2": {NextProtos: []string{"h2"}},
		"alpn-both": {NextProtos: []string{"h2", "http/1.1"}}, "alpn-other": {NextProtos: []string{"spdy/3"}},
		"h2-alpn-both":        {NextProtos: []string{"h2", "http/1.1"}},
		"client-cert-user":    {Certificates: []tls.Certificate{*testCert(t, "user")}},
		"client-cert-expired": {Certificates: []tls.Certificate{*testCert(t, "user")}},
		"client-cert-future":  {Certificates: []tls.Certificate{*testCert(t, "user")}},
	}
	for _, r := range records {
		name := strings.TrimPrefix(r.ID, "15-tls.")
		cfg, ok := configs[name]
		if !ok {
			continue
		}
		at := addr
		if r.Interface == "h2" {
			at = h2
		}
		if got := handshake(at, cfg); got != r.Observed {
			t.Errorf("%s:\n got %+v\nwant %+v", name, got, r.Observed)
		}
	}
}

// TestGroups checks what the recordings do not show: key shares win over our order, and the hybrid group is offered only where configured.
func TestGroups(t *testing.T) {
	s, addr := serveOn(t, nodeInterface(), echo)
	hybrid := listenOn(t, s, &Interface{Name: "hybrid", Authority: AuthorityNode, Hybrid: true})
	for _, tt := range []struct {
		addr   string
		curves []tls.CurveID
		want   string
	}{
		{addr, []tls.CurveID{tls.CurveP256, tls.CurveP384, tls.CurveP521}, "CurveP256"}, // Go sends a share for its first group
		{addr, []tls.CurveID{tls.X25519, tls.CurveP384}, "CurveP384"},
		{hybrid, nil, "X25519MLKEM768"},
		{hybrid, []tls.CurveID{tls.CurveP384}, "CurveP384"},
	} {
		if got := handshake(tt.addr, &tls.Config{CurvePreferences: tt.curves}); got.Curve != tt.want {
			t.Errorf("client with %v: %+v, want %s", tt.curves, got, tt.want)
		}
	}
	if got := handshake(hybrid, &tls.Config{MaxVersion: tls.VersionTLS12}); got.Curve != "CurveP521" {
		t.Errorf("TLS 1.2 on the hybrid interface: %+v", got)
	}
}

// TestServiceCertificate checks that a Service interface refuses before its handshake until there is a certificate, and that a swap needs no restart.
func TestServiceCertificate(t *testing.T) {
	s, _ := serveOn(t, nodeInterface(), echo)
	service := listenOn(t, s, &Interface{Name: "service", Authority: AuthorityService})
	acme := listenOn(t, s, &Interface{Name: "acme", Authority: AuthorityACME})
	for _, addr := range []string{service, acme} {
		if got := handshake(addr, &tls.Config{}); got.Error == "" {
			t.Fatalf("handshake without a certificate: %+v", got)
		}
	}
	for _, name := range []string{"first", "second"} {
		s.SetServiceCertificate(testCert(t, name))
		c := dial(t, service, nil)
		if got := c.nc.(*tls.Conn).ConnectionState().PeerCertificates[0].Subject.CommonName; got != name {
			t.Errorf("certificate %q, want %q", got, name)
		}
	}
}

// TestPeerCertificate checks that any certificate is taken, also one outside its validity, and named by its digest.
func TestPeerCertificate(t *testing.T) {
	_, addr := serveOn(t, nodeInterface(), echo)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(7), NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1, 0)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	c := dial(t, addr, &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}})
	c.send("GET / HTTP/1.1\r\n\r\n")
	sum := sha256.Sum256(der)
	if a := c.read(false); !strings.Contains(a.body, `"Peer":"`+hex.EncodeToString(sum[:])+`"`) {
		t.Errorf("answer %s", a.body)
	}
}

func TestUnsecured(t *testing.T) {
	s, _ := serveOn(t, nodeInterface(), echo)
	addr := listenOn(t, s, &Interface{Name: "plain", Authority: AuthorityUnsecured, Limits: Limits{SoftCap: 1, HardCap: 5}})
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	c := newClient(t, nc)
	c.send("GET /x HTTP/1.1\r\n\r\n")
	if a := c.read(false); a.status != 200 || !strings.Contains(a.body, `"Peer":""`) {
		t.Errorf("%d %s", a.status, a.body)
	}
	nc2, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	if a := newClient(t, nc2).read(false); a.status != 503 {
		t.Errorf("over the soft cap: %d", a.status)
	}
}

func http2Client(addr string) *http.Client {
	return &http.Client{Timeout: 20 * time.Second, Transport: &http2.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableCompression: true,
	}}
}

func TestHTTP2(t *testing.T) {
	iface := &Interface{Name: "h2", Authority: AuthorityNode, HTTP2: true, Idle: DefaultIdle}
	s, addr := serveOn(t, iface, func(ctx context.Context, sess *Session, req *Request, resp *Response) {
		switch req.Target {
		case "/empty":
			resp.Status = 204
		case "/bad":
			resp.Set("Bad", "x")
		default:
			echo(ctx, sess, req, resp)
		}
	})
	client := http2Client(addr)
	do := func(method, path string, body io.Reader, header ...string) (*http.Response, string) {
		t.Helper()
		r, err := http.NewRequest(method, "https://"+addr+path, body)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("user-agent", "")
		for i := 0; i < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		resp, err := client.Do(r)
		if err != nil {
			t.Fatalf("%s %s: %v", method, path, err)
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp, string(b)
	}
	resp, body := do("POST", "/x?q=1", strings.NewReader("hi"), "x-a", "b")
	want := `{"Method":"POST","Target":"/x?q=1","Body":"hi","Peer":"","Fields":[{"N":":authority","V":"` + addr + `"},{"N":":method","V":"POST"},` +
		`{"N":":path","V":"/x?q=1"},{"N":":scheme","V":"https"},{"N":"content-length","V":"2"},{"N":"x-a","V":"b"}]}`
	if body != want {
		t.Errorf("got %s\nwant %s", body, want)
	}
	if len(resp.Header) != 2 || resp.Header.Get("Content-Type") != "application/json" || resp.Header.Get("Content-Length") == "" {
		t.Errorf("headers %v", resp.Header)
	}
	if resp, _ := do("GET", "/empty", nil); resp.StatusCode != 204 || resp.Header.Get("Content-Length") != "0" || len(resp.Header) != 1 {
		t.Errorf("empty: %d %v", resp.StatusCode, resp.Header)
	}
	if resp, body := do("HEAD", "/x", nil); resp.StatusCode != 200 || body != "" || resp.Header.Get("Content-Length") != "0" {
		t.Errorf("head: %d %v", resp.StatusCode, resp.Header)
	}
	if resp, _ := do("GET", "/bad", nil); resp.StatusCode != 500 {
		t.Errorf("invalid response: %d", resp.StatusCode)
	}
	big := bytes.Repeat([]byte("a"), DefaultMaxBody+1)
	if resp, body := do("POST", "/x", bytes.NewReader(big)); resp.StatusCode != 413 || !strings.Contains(body, "RequestBodyTooLarge") {
		t.Errorf("body over: %d %s", resp.StatusCode, body)
	}
	if resp, _ := do("POST", "/x", io.MultiReader(bytes.NewReader(big))); resp.StatusCode != 413 { // without a content-length
		t.Errorf("streamed body over: %d", resp.StatusCode)
	}
	if resp, _ := do("POST", "/x", bytes.NewReader(big[1:])); resp.StatusCode != 200 {
		t.Errorf("body at limit: %d", resp.StatusCode)
	}
	long := strings.Repeat("v", DefaultMaxHeader+1)
	if resp, body := do("GET", "/x", nil, "x-a", long); resp.StatusCode != 431 || !strings.Contains(body, "Header value for '"+long+"' is too large") {
		t.Errorf("value over: %d %.100s", resp.StatusCode, body)
	}
	if got := s.Metrics().Interfaces["h2"]; got.Errors != (Errors{HeaderTooLarge: 1, BodyTooLarge: 2}) || got.Active != 1 {
		t.Errorf("metrics %+v", got)
	}
}

// TestWrongProtocol sends HTTP/1.1 to an HTTP/2 interface: it is closed without a byte.
func TestWrongProtocol(t *testing.T) {
	_, addr := serveOn(t, &Interface{Name: "h2", Authority: AuthorityNode, HTTP2: true}, echo)
	c := dial(t, addr, nil)
	c.send("GET /node/version HTTP/1.1\r\nhost: x\r\n\r\n")
	if b, err := io.ReadAll(c.nc); len(b) > 0 {
		t.Errorf("got %q %v", b, err)
	}
}

func TestHTTP2SoftCap(t *testing.T) {
	s, addr := serveOn(t, &Interface{Name: "h2", Authority: AuthorityNode, HTTP2: true, Limits: Limits{SoftCap: 1, HardCap: 5}}, echo)
	dial(t, addr, nil)
	waitFor(t, func() bool { return s.Metrics().Active == 1 })
	resp, err := http2Client(addr).Get("https://" + addr + "/")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 503 {
		t.Errorf("status %d", resp.StatusCode)
	}
}
