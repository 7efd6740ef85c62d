package httpd

//lint:file-ignore SA1019 net/http cannot serve a connection whose preface has been read, so the library under it is called directly.

import (
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/http2"
)

// serveHTTP2 speaks HTTP/2 on a connection whose handshake is done. The preface is read here, because CCF closes silently when a client speaks
// something else, while the library would send its settings first.
func (s *Server) serveHTTP2(nc net.Conn, sess *Session, over bool) {
	iface := sess.Interface
	if !readPreface(nc, iface.Idle) {
		return
	}
	base := &http.Server{MaxHeaderBytes: iface.Limits.headBytes(), IdleTimeout: iface.Idle, ErrorLog: nil}
	base.HTTP2 = &http.HTTP2Config{
		MaxConcurrentStreams:      int(iface.Limits.Streams),
		MaxReadFrameSize:          int(iface.Limits.FrameSize),
		MaxReceiveBufferPerStream: int(iface.Limits.WindowSize),
	}
	h2 := &http2.Server{IdleTimeout: iface.Idle, MaxConcurrentStreams: iface.Limits.Streams, MaxReadFrameSize: iface.Limits.FrameSize}
	h2.ServeConn(nc, &http2.ServeConnOpts{
		Context:          s.ctx,
		BaseConfig:       base,
		SawClientPreface: true,
		Handler:          &streams{srv: s, conn: sess, over: over},
	})
}

func readPreface(nc net.Conn, idle time.Duration) bool {
	if idle <= 0 {
		idle = DefaultIdle
	}
	if nc.SetReadDeadline(time.Now().Add(idle)) != nil {
		return false
	}
	var got [len(http2.ClientPreface)]byte
	for n := 0; n < len(got); {
		m, err := nc.Read(got[n:])
		if err != nil || string(got[n:n+m]) != http2.ClientPreface[n:n+m] {
			return false
		}
		n += m
	}
	return nc.SetReadDeadline(time.Time{}) == nil
}

// streams adapts net/http's handler to ours. Each stream is a session of its own, as in CCF.
type streams struct {
	srv  *Server
	conn *Session
	over bool
}

// ServeHTTP implements http.Handler.
func (h *streams) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	iface := h.conn.Interface
	sess := NewSession(iface, h.conn.Remote, h.conn.PeerDER)
	var resp Response
	resp.Reset()
	req, f := fromHTTP2(r, &iface.Limits)
	switch {
	case h.over:
		odata(&resp, 503, "SessionCapExhausted", busyText)
	case f != nil:
		f.count(&iface.counters)
		f.fill(&resp)
	case req == nil: // the stream ended early; nobody reads an answer
		return
	default:
		h.srv.cfg.Handler(r.Context(), sess, req, &resp)
		if later := resp.Later; later != nil {
			later(&resp)
		}
		if err := resp.Check(); err != nil {
			h.srv.log().Error("handler made an invalid response", "target", req.Target, "err", err)
			odata(&resp, 500, "InternalError", err.Error())
		}
	}
	writeHTTP2(w, &resp, r.Method == http.MethodHead)
}

// fromHTTP2 translates a request, with the pseudo headers among the others as CCF shows them to applications.
func fromHTTP2(r *http.Request, lim *Limits) (*Request, *fault) {
	req := &Request{Method: r.Method, Target: r.RequestURI, Proto: protoHTTP2}
	req.Fields = append(req.Fields, Field{":authority", r.Host}, Field{":method", r.Method}, Field{":path", r.RequestURI}, Field{":scheme", "https"})
	names := make([]string, 0, len(r.Header))
	for name := range r.Header {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if len(r.Header[name]) > 0 {
			req.Fields = append(req.Fields, Field{strings.ToLower(name), r.Header[name][0]})
		}
	}
	if len(req.Fields) > lim.Headers {
		return nil, tooManyHeaders(lim)
	}
	for _, f := range req.Fields {
		if len(f.Name) > lim.Header.Bytes {
			return nil, keyTooLarge(f.Name, lim)
		}
		if len(f.Value) > lim.Header.Bytes {
			return nil, valueTooLarge(f.Value, lim) // CCF names the value here, not the header
		}
	}
	if r.ContentLength > int64(lim.Body.Bytes) {
		return nil, bodyTooLarge(lim)
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, int64(lim.Body.Bytes)+1))
	if err != nil {
		return nil, nil
	}
	if len(body) > lim.Body.Bytes {
		return nil, bodyTooLarge(lim)
	}
	req.Body = body
	return req, nil
}

func writeHTTP2(w http.ResponseWriter, resp *Response, headOnly bool) {
	header := w.Header()
	header["Date"], header["Content-Type"] = nil, nil // neither is added for us
	for _, f := range resp.Fields {
		header[http.CanonicalHeaderKey(f.Name)] = []string{f.Value}
	}
	length := resp.Length()
	if headOnly && !resp.hasLength {
		length = 0
	}
	header.Set("Content-Length", strconv.FormatInt(length, 10))
	if resp.Close {
		header.Set("Connection", "close") // becomes GOAWAY
	}
	w.WriteHeader(resp.Status)
	if !headOnly {
		w.Write(resp.Body) // the client is gone, or status 204 allows no body
	}
}
