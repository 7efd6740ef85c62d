package httpd

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"time"
)

// conn is one HTTP/1.1 connection. All fields belong to its goroutine.
type conn struct {
	srv   *Server
	iface *Interface
	nc    net.Conn // *tls.Conn or the plain socket
	sess  *Session
	lim   Limits

	buf   []byte // input; buf[r:w] is not consumed yet
	r, w  int
	block int // where in buf the bytes of the latest read begin
	out   []byte

	head     head
	req      Request
	resp     Response
	deferred []deferred // answers that are not finished, and those behind them

	readArmed, writeArmed time.Time
}

const (
	lingerTime  = time.Second // how long input is discarded after a final answer, so that the client gets to read it
	lingerBytes = 8 << 20
	blockSize   = 4096 // CCF parses its input in blocks of this size and quotes the block an error was found in
	rearmEvery  = time.Second
)

// deferred is a response in the order of requests; its Later may still have to run.
type deferred struct {
	resp Response
	head bool
}

// errClosed ends the loop after an answer that closes the connection.
var errClosed = errors.New("connection closed by the answer")

// serve runs requests until the connection ends.
func (c *conn) serve(ctx context.Context) {
	for {
		f, err := c.read()
		if f != nil {
			if c.settle() == nil {
				c.refuse(f)
			}
			return
		}
		if err != nil {
			c.flushNow() // the connection ends either way
			return
		}
		c.resp.Reset()
		c.srv.cfg.Handler(ctx, c.sess, &c.req, &c.resp)
		if c.answer() != nil {
			return
		}
	}
}

// answer queues the handler's response, behind those that are not finished.
func (c *conn) answer() error {
	headOnly := c.req.Method == "HEAD"
	if c.resp.Later == nil && len(c.deferred) == 0 {
		return c.write(&c.resp, headOnly)
	}
	c.deferred = append(c.deferred, deferred{c.resp, headOnly})
	c.resp = Response{} // the queued one keeps its storage
	if len(c.deferred) < maxDeferred {
		return nil
	}
	return c.settle()
}

// settle finishes the queued responses in order. What was ready before leaves first, since the wait may be long.
func (c *conn) settle() error {
	if len(c.deferred) == 0 {
		return nil
	}
	if err := c.flushNow(); err != nil {
		return err
	}
	for i := range c.deferred {
		d := &c.deferred[i]
		if later := d.resp.Later; later != nil {
			later(&d.resp)
		}
		if err := c.write(&d.resp, d.head); err != nil {
			return err
		}
		*d = deferred{}
	}
	c.deferred = c.deferred[:0]
	return nil
}

// write appends a finished response to the output.
func (c *conn) write(resp *Response, headOnly bool) error {
	c.guard(resp)
	c.out = appendResponse(c.out, resp, headOnly)
	if resp.Close {
		c.finish()
		return errClosed
	}
	if len(c.out) >= flushAt {
		return c.flushNow()
	}
	return nil
}

// guard replaces a response that must not reach the wire.
func (c *conn) guard(resp *Response) {
	if err := resp.Check(); err != nil {
		c.srv.log().Error("handler made an invalid response", "interface", c.iface.Name, "err", err)
		odata(resp, 500, "InternalError", err.Error())
	}
}

// read fills c.req with the next request. Responses are written out only when the input at hand does not hold a whole request, so that pipelined
// requests are answered in one record.
func (c *conn) read() (*fault, error) {
	c.head.reset()
	for {
		done, f := c.head.parse(c.buf[c.r:c.w], &c.lim)
		if f != nil {
			return f, nil
		}
		if done {
			break
		}
		if err := c.fill(); err != nil {
			return nil, err
		}
	}
	c.head.request(c.buf[c.r:c.w], &c.req)
	c.r += c.head.pos
	switch {
	case c.head.chunked:
		return c.readChunked()
	case c.head.length > int64(c.lim.Body.Bytes):
		return bodyTooLarge(&c.lim), nil
	case c.head.length > 0:
		return nil, c.readBody(int(c.head.length))
	}
	return nil, nil
}

// readBody takes n bytes. Memory is taken as bytes arrive, not as announced.
func (c *conn) readBody(n int) error {
	have := min(n, c.w-c.r)
	body := make([]byte, have, min(n, max(have, initialBody)))
	copy(body, c.buf[c.r:c.r+have])
	c.r += have
	for len(body) < n {
		if len(body) == cap(body) {
			grown := make([]byte, len(body), min(n, 2*cap(body)))
			copy(grown, body)
			body = grown
		}
		got, err := c.input(body[len(body):cap(body)])
		if err != nil {
			return err
		}
		body = body[:len(body)+got]
	}
	c.req.Body = body
	return nil
}

// fill reads more input into the buffer, making room first.
func (c *conn) fill() error {
	if c.r > 0 {
		copy(c.buf, c.buf[c.r:c.w])
		c.w -= c.r
		c.r = 0
	}
	if c.w == 0 && len(c.buf) > readBufferSize {
		c.buf = make([]byte, readBufferSize)
	}
	if len(c.buf)-c.w < minRead {
		grown := make([]byte, 2*len(c.buf))
		copy(grown, c.buf[:c.w])
		c.buf = grown
	}
	n, err := c.input(c.buf[c.w:])
	c.block = c.w
	c.w += n
	return err
}

// input finishes and flushes what is due and reads once.
func (c *conn) input(p []byte) (int, error) {
	if err := c.settle(); err != nil {
		return 0, err
	}
	if err := c.flushNow(); err != nil {
		return 0, err
	}
	if c.iface.Idle > 0 {
		if now := time.Now(); now.Sub(c.readArmed) >= min(rearmEvery, c.iface.Idle/8) {
			if err := c.nc.SetReadDeadline(now.Add(c.iface.Idle)); err != nil {
				return 0, err
			}
			c.readArmed = now
		}
	}
	n, err := c.nc.Read(p)
	if n > 0 {
		err = nil // an error comes again with the next read
	}
	return n, err
}

// flushNow writes what has been answered so far.
func (c *conn) flushNow() error {
	if len(c.out) == 0 {
		return nil
	}
	if now := time.Now(); now.Sub(c.writeArmed) >= rearmEvery {
		if err := c.nc.SetWriteDeadline(now.Add(writeTimeout)); err != nil {
			return err
		}
		c.writeArmed = now
	}
	_, err := c.nc.Write(c.out)
	if cap(c.out) > maxRetainedBufferSize {
		c.out = make([]byte, 0, writeBufferSize)
	}
	c.out = c.out[:0]
	return err
}

// refuse answers input that cannot be a request, and ends the connection.
func (c *conn) refuse(f *fault) {
	f.count(&c.iface.counters)
	if f.kind == faultParsing {
		c.resp.Reset()
		c.resp.Status = 400
		c.resp.Set("content-type", "text/plain")
		chunk, at := c.culprit(f.at)
		c.resp.Body = f.parsingText(chunk, at)
	} else {
		f.fill(&c.resp)
	}
	c.out = appendResponse(c.out, &c.resp, false)
	c.finish()
}

// culprit is the block of input that holds the byte at offset at of the message, and the byte's offset in it.
func (c *conn) culprit(at int) ([]byte, int) {
	pos := min(c.r+at, c.w)
	from := min(c.block, pos)
	if over := pos - from; over > blockSize {
		from += (over - 1) / blockSize * blockSize
	}
	return c.buf[from:min(from+blockSize, c.w)], pos - from
}

// finish writes the last answer and closes in the way that lets the client read it: end of output first, then input is discarded for a while.
func (c *conn) finish() {
	if c.flushNow() != nil {
		return
	}
	var err error
	switch nc := c.nc.(type) {
	case *tls.Conn:
		err = nc.CloseWrite()
	case *net.TCPConn:
		err = nc.CloseWrite()
	}
	if err != nil || c.nc.SetReadDeadline(time.Now().Add(lingerTime)) != nil {
		return
	}
	for total := 0; total < lingerBytes; {
		n, err := c.nc.Read(c.buf)
		if err != nil {
			return
		}
		total += n
	}
}
