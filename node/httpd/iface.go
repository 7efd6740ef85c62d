package httpd

import "time"

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
