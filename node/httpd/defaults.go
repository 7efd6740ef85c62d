package httpd

import "time"

// Defaults of CCF 7's interface configuration.
const (
	DefaultMaxBody        = 1 << 20
	DefaultMaxHeader      = 16 << 10
	DefaultMaxHeaders     = 256
	DefaultSoftCap        = 1000
	DefaultHardCap        = 1010
	DefaultMaxStreams     = 100
	DefaultWindowSize     = 64 << 10
	DefaultFrameSize      = 16 << 10
	DefaultIdle           = 60 * time.Second
	protoHTTP1            = "HTTP/1.1"
	protoHTTP2            = "HTTP/2"
	handshakeTimeout      = 20 * time.Second // a client that cannot finish its handshake in this time holds a session slot for nothing
	writeTimeout          = 60 * time.Second // a client that does not read its answers
	maxTarget             = 1 << 20          // CCF does not bound the request target separately; this bound keeps it from growing without end
	maxHeaderLines        = 1 << 14          // repeated names are not counted by CCF's limit; this bounds their number
	readBufferSize        = 20 << 10         // a whole TLS record and a bit
	writeBufferSize       = 8 << 10
	maxRetainedBufferSize = 64 << 10 // larger buffers go back to the collector, not to the pool
)

func (l Limits) withDefaults() Limits {
	or := func(v *int, d int) {
		if *v <= 0 {
			*v = d
		}
	}
	or32 := func(v *uint32, d uint32) {
		if *v == 0 {
			*v = d
		}
	}
	if l.Body.Text == "" {
		l.Body = Limit{DefaultMaxBody, "1MB"}
	}
	if l.Header.Text == "" {
		l.Header = Limit{DefaultMaxHeader, "16KB"}
	}
	or(&l.Headers, DefaultMaxHeaders)
	or(&l.SoftCap, DefaultSoftCap)
	or(&l.HardCap, DefaultHardCap)
	or32(&l.Streams, DefaultMaxStreams)
	or32(&l.WindowSize, DefaultWindowSize)
	or32(&l.FrameSize, DefaultFrameSize)
	return l
}

const (
	minRead     = 4 << 10  // room for a read; the buffer grows below it
	initialBody = 64 << 10 // first allocation for a body that is not in the buffer yet
	flushAt     = 64 << 10 // answers to pipelined requests are written at the latest when they add up to this
)
