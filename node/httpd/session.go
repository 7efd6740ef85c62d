package httpd

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"sync/atomic"
)

// Handler answers one request. ctx ends when the server stops. Handlers of one HTTP/1.1 connection run one after another.
type Handler func(ctx context.Context, s *Session, req *Request, resp *Response)

// Session is one connection (HTTP/1.1) or one stream (HTTP/2). Its methods are for the goroutine that runs the handler.
type Session struct {
	ID        uint64
	Interface *Interface
	Remote    string
	PeerDER   []byte // TLS client certificate as presented; never verified, nil when there is none

	// View is the consensus view the session's first request ran in; 0 until then. The frontend keeps it (session consistency).
	View uint64

	flush       func() error
	peer        *x509.Certificate
	peerErr     error
	fingerprint string
	pem         string
}

var lastSession atomic.Uint64

// NewSession makes a session; tests and in-process callers use it to call a Handler without a socket.
func NewSession(iface *Interface, remote string, peerDER []byte) *Session {
	return &Session{ID: lastSession.Add(1), Interface: iface, Remote: remote, PeerDER: peerDER}
}

// PeerCertificate parses the client certificate once; nil without an error means that none was presented.
func (s *Session) PeerCertificate() (*x509.Certificate, error) {
	if s.peer == nil && s.peerErr == nil && s.PeerDER != nil {
		s.peer, s.peerErr = x509.ParseCertificate(s.PeerDER)
	}
	return s.peer, s.peerErr
}

// PeerID is the lower-case hex SHA-256 of the client certificate's DER, which is a user's or member's id; "" without a certificate.
func (s *Session) PeerID() string {
	if s.fingerprint == "" && s.PeerDER != nil {
		sum := sha256.Sum256(s.PeerDER)
		s.fingerprint = hex.EncodeToString(sum[:])
	}
	return s.fingerprint
}

// PeerPEM is the client certificate as PEM; "" without one.
func (s *Session) PeerPEM() string {
	if s.pem == "" && s.PeerDER != nil {
		s.pem = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.PeerDER}))
	}
	return s.pem
}

// Flush writes the answers of earlier pipelined requests that are still buffered. A handler calls it before it waits for something slow.
func (s *Session) Flush() {
	if s.flush != nil {
		s.flush() //nolint:errcheck // the connection's next write reports it
	}
}
