package httpd

import (
	"sync/atomic"
	"time"
)

// Authority says which certificate an interface presents.
type Authority uint8

// The authorities of CCF's configuration. ACME still parses but never gets a certificate.
const (
	AuthorityService   Authority = iota // endorsed by the service; not served before that certificate is committed
	AuthorityNode                       // self-signed, available from start
	AuthorityUnsecured                  // plaintext HTTP
	AuthorityACME                       // accepted in configuration, never served
)

// Limit is a bound on bytes and how the operator spelled it: error texts quote the spelling.
type Limit struct {
	Bytes int
	Text  string
}

// Limits bound one interface. Zero fields take the defaults.
type Limits struct {
	Body       Limit // one request body
	Header     Limit // each header name and each header value
	Headers    int   // distinct header names
	SoftCap    int   // sessions answered 503 beyond it
	HardCap    int   // connections closed at once beyond it
	Streams    uint32
	WindowSize uint32
	FrameSize  uint32
}

// Interface is one listening address. It must not change after Serve.
type Interface struct {
	Name      string
	Authority Authority
	HTTP2     bool
	Limits    Limits
	Idle      time.Duration // 0: never close an idle connection
	// Hybrid offers X25519MLKEM768 before the classical groups. Off by default, since a client that offers it would then see a group that CCF never selects.
	Hybrid bool

	counters counters
}

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
	maxDeferred = 256      // answers of one connection that may wait for their transactions at the same time
	flushAt     = 64 << 10 // answers to pipelined requests are written at the latest when they add up to this
)

// counters of one interface; every field is written by connection goroutines.
type counters struct {
	active, peak                          atomic.Int64
	parsing, headerTooLarge, bodyTooLarge atomic.Int64
}

// InterfaceMetrics is what GET /node/metrics shows of one interface, in CCF's names.
type InterfaceMetrics struct {
	Active int64  `json:"active"`
	Errors Errors `json:"errors"`
	Hard   int64  `json:"hard_cap"`
	Peak   int64  `json:"peak"`
	Soft   int64  `json:"soft_cap"`
}

// Errors counts connections closed because of what the client sent.
type Errors struct {
	Parsing        int64 `json:"parsing"`
	HeaderTooLarge int64 `json:"request_header_too_large"`
	BodyTooLarge   int64 `json:"request_payload_too_large"`
}

// Metrics is the whole server's: CCF's SessionMetrics.
type Metrics struct {
	Active     int64                       `json:"active"`
	Interfaces map[string]InterfaceMetrics `json:"interfaces"`
	Peak       int64                       `json:"peak"`
}

func (c *counters) open() int64 {
	return raise(&c.active, &c.peak)
}

func raise(active, peak *atomic.Int64) int64 {
	n := active.Add(1)
	for p := peak.Load(); n > p && !peak.CompareAndSwap(p, n); p = peak.Load() {
	}
	return n
}

func (i *Interface) metrics() InterfaceMetrics {
	c := &i.counters
	return InterfaceMetrics{
		Active: c.active.Load(),
		Errors: Errors{Parsing: c.parsing.Load(), HeaderTooLarge: c.headerTooLarge.Load(), BodyTooLarge: c.bodyTooLarge.Load()},
		Hard:   int64(i.Limits.HardCap),
		Peak:   c.peak.Load(),
		Soft:   int64(i.Limits.SoftCap),
	}
}
