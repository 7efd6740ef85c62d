package httpd

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"sync/atomic"
)

// Field is one header line. Names are in lower case on both sides.
type Field struct {
	Name, Value string
}

// Request is one parsed request. It is reused for the next request of the connection, so a handler must not keep the Request or its Fields
// slice; the strings and the body inside may be kept.
type Request struct {
	Method string
	Target string  // exactly as sent: path, query and fragment
	Proto  string  // "HTTP/1.1" or "HTTP/2"
	Fields []Field // first value of each name, in order of arrival
	Body   []byte
}

// Lookup returns the value of a header by its lower-case name.
func (r *Request) Lookup(name string) (string, bool) {
	for i := range r.Fields {
		if r.Fields[i].Name == name {
			return r.Fields[i].Value, true
		}
	}
	return "", false
}

// Get returns the value of a header, or "" when it is absent.
func (r *Request) Get(name string) string {
	v, _ := r.Lookup(name)
	return v
}

// HTTP2 reports whether the request came over HTTP/2, where there is neither session consistency nor forwarding.
func (r *Request) HTTP2() bool { return r.Proto == protoHTTP2 }

// Response is what a handler fills in. The zero value after Reset is an empty 200.
type Response struct {
	Status int
	Fields []Field
	Body   []byte
	Close  bool // close the connection after this response

	// Later finishes the response after the handler returned, when something it waits for takes long. On HTTP/1.1 the connection goes on with the
	// pipelined requests it has at hand, and calls Later in order before it waits for more input. It may change the response it is given.
	Later func(*Response)

	length    int64
	hasLength bool
}

// Reset makes the response an empty 200 again, keeping its storage.
func (r *Response) Reset() {
	*r = Response{Status: 200, Fields: r.Fields[:0]}
}

// Set replaces the header of that lower-case name, or appends it.
func (r *Response) Set(name, value string) {
	for i := range r.Fields {
		if r.Fields[i].Name == name {
			r.Fields[i].Value = value
			return
		}
	}
	r.Fields = append(r.Fields, Field{name, value})
}

// Get returns a header set so far, or "".
func (r *Response) Get(name string) string {
	for i := range r.Fields {
		if r.Fields[i].Name == name {
			return r.Fields[i].Value
		}
	}
	return ""
}

// Del removes a header.
func (r *Response) Del(name string) {
	kept := r.Fields[:0]
	for _, f := range r.Fields {
		if f.Name != name {
			kept = append(kept, f)
		}
	}
	r.Fields = kept
}

// SetLength announces a content-length other than that of the body: a HEAD handler names the size of the resource.
func (r *Response) SetLength(n int64) {
	r.length, r.hasLength = n, true
}

// Length is the content-length that will be sent.
func (r *Response) Length() int64 {
	if r.hasLength {
		return r.length
	}
	return int64(len(r.Body))
}

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
