package httpd

import (
	"context"
	"crypto/tls"
	"net"
	"slices"
	"sync"
	_ "unsafe" // for linkname

	"golang.org/x/crypto/cryptobyte"
)

// TLS 1.3 suites cannot be configured in crypto/tls, and its own order prefers AES-128 and allows ChaCha20. CCF allows exactly these two and
// prefers AES-256; so does this process, as client and server. The variables are open to linkname in the standard library.
//
//go:linkname defaultCipherSuitesTLS13 crypto/tls.defaultCipherSuitesTLS13
var defaultCipherSuitesTLS13 []uint16

//go:linkname defaultCipherSuitesTLS13NoAES crypto/tls.defaultCipherSuitesTLS13NoAES
var defaultCipherSuitesTLS13NoAES []uint16

func init() {
	defaultCipherSuitesTLS13 = []uint16{tls.TLS_AES_256_GCM_SHA384, tls.TLS_AES_128_GCM_SHA256}
	defaultCipherSuitesTLS13NoAES = defaultCipherSuitesTLS13
}

// TLS 1.2 suites in order of preference, and key exchange groups in CCF's order.
var (
	suitesTLS12 = []uint16{
		tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
		tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
	}
	groups       = []tls.CurveID{tls.CurveP521, tls.CurveP384, tls.CurveP256}
	hybridGroups = append([]tls.CurveID{tls.X25519MLKEM768}, groups...)
)

// secure runs the handshake, unless the interface is plaintext. A Service interface without a certificate refuses before it.
func (s *Server) secure(nc net.Conn, iface *Interface, base *tls.Config) (net.Conn, []byte, bool) {
	if iface.Authority == AuthorityUnsecured {
		return nc, nil, true
	}
	if s.certs.of(iface.Authority) == nil {
		return nil, nil, false
	}
	limit := handshakeTimeout
	if iface.Idle > 0 {
		limit = min(limit, iface.Idle)
	}
	ctx, cancel := context.WithTimeout(s.ctx, limit)
	defer cancel()
	hc := &helloConn{Conn: nc, recording: true}
	tc := tls.Server(hc, base)
	if err := tc.HandshakeContext(ctx); err != nil {
		s.log().Debug("TLS handshake", "interface", iface.Name, "remote", nc.RemoteAddr().String(), "err", err)
		return nil, nil, false
	}
	hc.stop()
	var peer []byte
	if certs := tc.ConnectionState().PeerCertificates; len(certs) > 0 {
		peer = certs[0].Raw
	}
	return tc, peer, true
}

// tlsConfig makes the interface's configuration. It asks for a client certificate and never verifies it: callers are known by the digest of the
// certificate they present. Each handshake gets a variant that leaves crypto/tls no choice where CCF's order differs from its own.
func (s *Server) tlsConfig(iface *Interface) *tls.Config {
	v := &variants{proto: "http/1.1", groups: groups}
	if iface.HTTP2 {
		v.proto = "h2"
	}
	if iface.Hybrid {
		v.groups = hybridGroups
	}
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		ClientAuth: tls.RequestClientCert,
		GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
			return v.config(s.certs.of(iface.Authority), hello), nil
		},
	}
}

// variants caches the configurations that handshakes need: a few combinations for each certificate.
type variants struct {
	proto  string
	groups []tls.CurveID
	cache  sync.Map // variant → *tls.Config
}

type variant struct {
	cert  *tls.Certificate
	group tls.CurveID
	suite uint16
	alpn  bool
}

func (v *variants) config(cert *tls.Certificate, hello *tls.ClientHelloInfo) *tls.Config {
	var shares []tls.CurveID
	if hc, ok := hello.Conn.(*helloConn); ok {
		shares = keyShares(hc.seen)
	}
	key := variant{
		cert:  cert,
		group: chooseGroup(v.groups, hello.SupportedCurves, shares),
		suite: first(suitesTLS12, hello.CipherSuites),
		alpn:  slices.Contains(hello.SupportedProtos, v.proto), // without a common protocol the handshake goes on without any
	}
	if c, ok := v.cache.Load(key); ok {
		return c.(*tls.Config)
	}
	c := v.build(key)
	if v.stale(cert) {
		v.cache.Clear()
	}
	v.cache.Store(key, c)
	return c
}

// stale reports whether the cache holds variants of another certificate: after a renewal the old ones are dropped.
func (v *variants) stale(cert *tls.Certificate) (found bool) {
	v.cache.Range(func(k, _ any) bool {
		found = k.(variant).cert != cert
		return !found
	})
	return found
}

func (v *variants) build(key variant) *tls.Config {
	c := &tls.Config{
		MinVersion:                  tls.VersionTLS12,
		ClientAuth:                  tls.RequestClientCert,
		CurvePreferences:            []tls.CurveID{key.group},
		CipherSuites:                suitesTLS12,
		DynamicRecordSizingDisabled: true,
	}
	if key.cert != nil {
		c.Certificates = []tls.Certificate{*key.cert}
	}
	if key.suite != 0 {
		c.CipherSuites = []uint16{key.suite}
	}
	if key.alpn {
		c.NextProtos = []string{v.proto}
	}
	return c
}

// chooseGroup picks a group for which the client sent a key share, otherwise the first in our order that it supports.
func chooseGroup(ours, supported, shares []tls.CurveID) tls.CurveID {
	for _, g := range ours {
		if slices.Contains(shares, g) && slices.Contains(supported, g) {
			return g
		}
	}
	if g := first(ours, supported); g != 0 {
		return g
	}
	return ours[0] // no common group: the handshake fails on it
}

// first of ours that is among theirs, or 0.
func first[T ~uint16](ours, theirs []T) T {
	for _, o := range ours {
		if slices.Contains(theirs, o) {
			return o
		}
	}
	return 0
}

// helloConn keeps the first bytes of a connection until its handshake is done: tls.ClientHelloInfo does not show for which groups the client sent
// key shares, and the choice of the group depends on it.
type helloConn struct {
	net.Conn
	recording bool
	seen      []byte
}

const maxHello = 64 << 10

// Read implements net.Conn.
func (c *helloConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if c.recording && n > 0 && len(c.seen)+n <= maxHello {
		c.seen = append(c.seen, p[:n]...)
	}
	return n, err
}

func (c *helloConn) stop() {
	c.recording, c.seen = false, nil
}

// keyShares lists the groups of a ClientHello's key_share extension, nil when there is none or the bytes are not a ClientHello.
func keyShares(records []byte) []tls.CurveID {
	const (
		recordHandshake = 22
		clientHello     = 1
		keyShare        = 51
	)
	var msg []byte
	s := cryptobyte.String(records)
	for !s.Empty() { // a ClientHello may span records
		var kind uint8
		var version uint16
		var body cryptobyte.String
		if !s.ReadUint8(&kind) || kind != recordHandshake || !s.ReadUint16(&version) || !s.ReadUint16LengthPrefixed(&body) {
			break
		}
		msg = append(msg, body...)
	}
	m := cryptobyte.String(msg)
	var kind uint8
	var hello, skip, extensions cryptobyte.String
	if !m.ReadUint8(&kind) || kind != clientHello || !m.ReadUint24LengthPrefixed(&hello) ||
		!hello.Skip(2+32) || !hello.ReadUint8LengthPrefixed(&skip) || !hello.ReadUint16LengthPrefixed(&skip) ||
		!hello.ReadUint8LengthPrefixed(&skip) || !hello.ReadUint16LengthPrefixed(&extensions) {
		return nil
	}
	for !extensions.Empty() {
		var ext uint16
		var data cryptobyte.String
		if !extensions.ReadUint16(&ext) || !extensions.ReadUint16LengthPrefixed(&data) {
			return nil
		}
		if ext == keyShare {
			return shareGroups(data)
		}
	}
	return nil
}

func shareGroups(data cryptobyte.String) (groups []tls.CurveID) {
	var list cryptobyte.String
	if !data.ReadUint16LengthPrefixed(&list) {
		return nil
	}
	for !list.Empty() {
		var group uint16
		var key cryptobyte.String
		if !list.ReadUint16(&group) || !list.ReadUint16LengthPrefixed(&key) {
			return nil
		}
		groups = append(groups, tls.CurveID(group))
	}
	return groups
}
