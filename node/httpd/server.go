package httpd

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// Config is what a Server needs beside its interfaces.
type Config struct {
	Handler Handler
	Log     *slog.Logger
}

// Server accepts connections of any number of interfaces and hands their requests to one Handler.
type Server struct {
	cfg    Config
	ctx    context.Context // ends with Close; handlers see it
	cancel context.CancelFunc
	wg     sync.WaitGroup // accept loops and connections

	certs  certificates
	totals counters // active and peak over all interfaces

	mu struct {
		sync.Mutex
		closed    bool
		listeners map[net.Listener]struct{}
		conns     map[net.Conn]struct{}
		ifaces    map[string]*Interface
	}
}

// NewServer makes a server without listeners.
func NewServer(cfg Config) *Server {
	s := &Server{cfg: cfg}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.mu.listeners = map[net.Listener]struct{}{}
	s.mu.conns = map[net.Conn]struct{}{}
	s.mu.ifaces = map[string]*Interface{}
	return s
}

func (s *Server) log() *slog.Logger {
	if s.cfg.Log != nil {
		return s.cfg.Log
	}
	return slog.Default()
}

// SetServiceCertificate makes interfaces with authority Service answer; later calls replace it for new connections.
func (s *Server) SetServiceCertificate(c *tls.Certificate) { s.certs.service.Store(c) }

// SetNodeCertificate sets the self-signed certificate for interfaces with authority Node.
func (s *Server) SetNodeCertificate(c *tls.Certificate) { s.certs.node.Store(c) }

// Serve accepts on ln until Close; it returns nil after Close.
func (s *Server) Serve(ln net.Listener, iface *Interface) error {
	iface.Limits = iface.Limits.withDefaults()
	if err := s.register(ln, iface); err != nil {
		return err
	}
	defer s.wg.Done()
	defer s.forgetListener(ln)
	base := s.tlsConfig(iface)
	backoff := newBackoff()
	for {
		nc, err := ln.Accept()
		if s.ctx.Err() != nil {
			if nc != nil {
				nc.Close() // the server is closing
			}
			return nil
		}
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return fmt.Errorf("accepting on interface %q: %w", iface.Name, err)
			}
			s.log().Warn("accepting a connection", "interface", iface.Name, "err", err)
			backoff.wait(s.ctx)
			continue
		}
		backoff.reset()
		s.admit(nc, iface, base)
	}
}

func (s *Server) register(ln net.Listener, iface *Interface) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.closed {
		return errors.New("server is closed")
	}
	if old, ok := s.mu.ifaces[iface.Name]; ok && old != iface {
		return fmt.Errorf("interface %q is served already", iface.Name)
	}
	s.mu.ifaces[iface.Name] = iface
	s.mu.listeners[ln] = struct{}{}
	s.wg.Add(1)
	return nil
}

func (s *Server) forgetListener(ln net.Listener) {
	s.mu.Lock()
	delete(s.mu.listeners, ln)
	s.mu.Unlock()
	ln.Close() // nothing to do about it
}

// admit applies the session caps and starts the connection's goroutine.
func (s *Server) admit(nc net.Conn, iface *Interface, base *tls.Config) {
	if iface.counters.active.Load() >= int64(iface.Limits.HardCap) {
		nc.Close() // refused
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.closed {
		nc.Close() // the server is closing
		return
	}
	s.mu.conns[nc] = struct{}{}
	s.wg.Add(1)
	raise(&s.totals.active, &s.totals.peak)
	over := iface.counters.open() > int64(iface.Limits.SoftCap)
	go s.run(nc, iface, base, over)
}

func (s *Server) run(nc net.Conn, iface *Interface, base *tls.Config, over bool) {
	defer s.wg.Done()
	defer func() {
		nc.Close() // nothing to do about it
		iface.counters.active.Add(-1)
		s.totals.active.Add(-1)
		s.mu.Lock()
		delete(s.mu.conns, nc)
		s.mu.Unlock()
	}()
	secure, peer, ok := s.secure(nc, iface, base)
	if !ok {
		return
	}
	sess := NewSession(iface, nc.RemoteAddr().String(), peer)
	if iface.HTTP2 {
		s.serveHTTP2(secure, sess, over)
		return
	}
	c := newConn(s, secure, sess)
	defer c.release()
	if over {
		c.turnAway()
		return
	}
	c.serve(s.ctx)
}

// Metrics counts sessions and refused requests per interface.
func (s *Server) Metrics() Metrics {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := Metrics{Active: s.totals.active.Load(), Peak: s.totals.peak.Load(), Interfaces: make(map[string]InterfaceMetrics, len(s.mu.ifaces))}
	for name, i := range s.mu.ifaces {
		m.Interfaces[name] = i.metrics()
	}
	return m
}

// Close stops accepting, closes every connection and waits for their goroutines.
func (s *Server) Close() error {
	s.cancel()
	s.mu.Lock()
	s.mu.closed = true
	for ln := range s.mu.listeners {
		ln.Close() // Serve returns either way
	}
	for nc := range s.mu.conns {
		nc.Close() // its goroutine ends either way
	}
	s.mu.Unlock()
	s.wg.Wait()
	return nil
}

// backoff slows an accept loop down while the process is out of file descriptors.
type backoff struct {
	delay time.Duration
}

const maxBackoff = time.Second

func newBackoff() *backoff { return &backoff{} }

func (b *backoff) reset() { b.delay = 0 }

func (b *backoff) wait(ctx context.Context) {
	b.delay = min(max(2*b.delay, 5*time.Millisecond), maxBackoff)
	t := time.NewTimer(b.delay)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// buffers are what a connection borrows while it lives.
type buffers struct {
	in, out []byte
}

var bufferPool = sync.Pool{New: func() any {
	return &buffers{in: make([]byte, readBufferSize), out: make([]byte, 0, writeBufferSize)}
}}

func newConn(s *Server, nc net.Conn, sess *Session) *conn {
	b := bufferPool.Get().(*buffers)
	c := &conn{srv: s, iface: sess.Interface, nc: nc, sess: sess, lim: sess.Interface.Limits, buf: b.in, out: b.out}
	return c
}

// release gives the buffers back, cleared, since the next connection belongs to someone else.
func (c *conn) release() {
	if len(c.buf) != readBufferSize || cap(c.out) > maxRetainedBufferSize {
		return
	}
	clear(c.buf)
	clear(c.out[:cap(c.out)])
	bufferPool.Put(&buffers{in: c.buf, out: c.out[:0]})
}

// turnAway answers a session over the soft cap without reading a request.
func (c *conn) turnAway() {
	odata(&c.resp, 503, "SessionCapExhausted", busyText)
	c.out = appendResponse(c.out, &c.resp, false)
	c.finish()
}

const busyText = "Service is currently busy and unable to serve new connections"

// certificates are swapped while connections are being accepted.
type certificates struct {
	service, node atomic.Pointer[tls.Certificate]
}

func (c *certificates) of(a Authority) *tls.Certificate {
	switch a {
	case AuthorityService:
		return c.service.Load()
	case AuthorityNode:
		return c.node.Load()
	}
	return nil
}
