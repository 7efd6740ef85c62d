package httpd

import (
	"encoding/json"
	"strconv"
)

// fault is why a connection's input is refused. The connection closes after the answer.
type fault struct {
	kind    faultKind
	name    string // llhttp's error name, for faultParsing
	message string
	at      int // offset of the offending byte from the start of the message, for faultParsing
}

type faultKind uint8

const (
	faultParsing faultKind = iota
	faultHeader
	faultBody
)

// Names of llhttp's errors, which CCF shows to clients.
const (
	hpeMethod    = "HPE_INVALID_METHOD"
	hpeURL       = "HPE_INVALID_URL"
	hpeConstant  = "HPE_INVALID_CONSTANT"
	hpeVersion   = "HPE_INVALID_VERSION"
	hpeToken     = "HPE_INVALID_HEADER_TOKEN"
	hpeSpace     = "HPE_UNEXPECTED_SPACE"
	hpeLength    = "HPE_INVALID_CONTENT_LENGTH"
	hpeDupLength = "HPE_UNEXPECTED_CONTENT_LENGTH"
	hpeTransfer  = "HPE_INVALID_TRANSFER_ENCODING"
	hpeChunk     = "HPE_INVALID_CHUNK_SIZE"
	hpeStrict    = "HPE_STRICT"
	hpeLF        = "HPE_LF_EXPECTED"
	hpeCR        = "HPE_CR_EXPECTED"
	hpeUpgrade   = "HPE_PAUSED_H2_UPGRADE"
)

func bad(name, message string, at int) *fault {
	return &fault{kind: faultParsing, name: name, message: message, at: at}
}

func keyTooLarge(key string, lim *Limits) *fault {
	return &fault{kind: faultHeader, message: "Header key for '" + key + "' is too large (max size allowed: " + lim.Header.Text + ")"}
}

func valueTooLarge(key string, lim *Limits) *fault {
	return &fault{kind: faultHeader, message: "Header value for '" + key + "' is too large (max size allowed: " + lim.Header.Text + ")"}
}

func tooManyHeaders(lim *Limits) *fault {
	return &fault{kind: faultHeader, message: "Too many headers (max number allowed: " + strconv.Itoa(lim.Headers) + ")"}
}

func bodyTooLarge(lim *Limits) *fault {
	return &fault{kind: faultBody, message: "HTTP request body is too large (max size allowed: " + lim.Body.Text + ")"}
}

// parsingText is the body of the 400 that answers malformed bytes: chunk is the block of input in which the error was found.
func (f *fault) parsingText(chunk []byte, at int) []byte {
	b := make([]byte, 0, 192+len(chunk))
	b = append(b, "Unable to parse data as a HTTP request. Error message is: HTTP parsing failed ("...)
	b = append(b, f.name...)
	b = append(b, ": "...)
	b = append(b, f.message...)
	b = append(b, ") around byte "...)
	b = strconv.AppendInt(b, int64(at), 10)
	b = append(b, "\nError occurred while parsing fragment:\n"...)
	return append(b, chunk...)
}

// fill makes the OData answer of a limit.
func (f *fault) fill(resp *Response) {
	switch f.kind {
	case faultHeader:
		odata(resp, 431, "RequestHeaderTooLarge", f.message)
	default:
		odata(resp, 413, "RequestBodyTooLarge", f.message)
	}
}

func (f *fault) count(c *counters) {
	switch f.kind {
	case faultParsing:
		c.parsing.Add(1)
	case faultHeader:
		c.headerTooLarge.Add(1)
	default:
		c.bodyTooLarge.Add(1)
	}
}

func odata(resp *Response, status int, code, message string) {
	quoted, err := json.Marshal(message)
	if err != nil { // a string always marshals
		quoted = []byte(`""`)
	}
	resp.Reset()
	resp.Status = status
	resp.Set("content-type", "application/json")
	resp.Body = append([]byte(`{"error":{"code":"`+code+`","message":`), append(quoted, "}}"...)...)
}

// Character classes of RFC 9110 as llhttp reads them.
const (
	classToken  = 1 << iota // header names
	classURL                // path, query and fragment
	classValue              // header values
	classServer             // authority of an absolute target
	classAlpha
	classHex
)

var class = func() (t [256]uint8) {
	mark := func(s string, c uint8) {
		for i := range len(s) {
			t[s[i]] |= c
		}
	}
	const digits = "0123456789"
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	mark(digits+letters+"!#$%&'*+-.^_`|~", classToken)
	mark(digits+letters+"-_.!~*'();:&=+$,%[]@", classServer)
	mark(letters, classAlpha)
	mark(digits+"abcdefABCDEF", classHex)
	for c := 0x21; c < 0x7f; c++ {
		t[c] |= classURL
	}
	t['?'] &^= classURL
	t['#'] &^= classURL
	for c := 0x20; c < 256; c++ {
		t[c] |= classValue
	}
	t['\t'] |= classValue
	t[0x7f] &^= classValue
	return t
}()

// methods that llhttp knows for HTTP. Others, among them lower-case ones, are malformed.
var methods = [...]string{
	"GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "CONNECT", "TRACE", "COPY", "LOCK", "MKCOL", "MOVE", "PROPFIND", "PROPPATCH", "SEARCH",
	"UNLOCK", "BIND", "REBIND", "UNBIND", "ACL", "REPORT", "MKACTIVITY", "CHECKOUT", "MERGE", "M-SEARCH", "NOTIFY", "SUBSCRIBE", "UNSUBSCRIBE", "PURGE",
	"MKCALENDAR", "LINK", "UNLINK", "SOURCE", "PRI", "QUERY",
}

// streamingMethods are known to llhttp for RTSP only: their bytes match, then the request line fails.
var streamingMethods = [...]string{
	"DESCRIBE", "ANNOUNCE", "SETUP", "PLAY", "PAUSE", "TEARDOWN", "GET_PARAMETER", "SET_PARAMETER", "REDIRECT", "RECORD", "FLUSH",
}

// reasons are llhttp's status texts where they differ from the registry's, or are not in it.
var reasons = map[int]string{
	110: "Response is Stale", 111: "Revalidation Failed", 112: "Disconnected Operation", 113: "Heuristic Expiration", 199: "Miscellaneous Warning",
	214: "Transformation Applied", 218: "This is fine", 299: "Miscellaneous Persistent Warning", 306: "Switch Proxy", 413: "Payload Too Large", 414: "URI Too Long",
	416: "Range Not Satisfiable", 418: "I'm a Teapot", 419: "Page Expired", 420: "Enhance Your Calm", 430: "Request Header Fields Too Large", 440: "Login Timeout",
	444: "No Response", 449: "Retry With", 450: "Blocked by Parental Controls", 460: "Client Closed Load Balanced Request", 463: "Invalid X-Forwarded-For",
	494: "Request Header Too Large", 495: "SSL Certificate Error", 496: "SSL Certificate Required", 497: "HTTP Request Sent to HTTPS Port", 498: "Invalid Token",
	499: "Client Closed Request", 509: "Bandwidth Limit Exceeded", 520: "Web Server Returned Unknown Error", 521: "Web Server Is Down", 522: "Connection Timed Out",
	523: "Origin Is Unreachable", 524: "A Timeout Occurred", 525: "SSL Handshake Failed", 526: "Invalid SSL Certificate", 527: "Railgun Error", 529: "Site Is Overloaded",
	530: "Site Is Frozen", 561: "Unauthorized", 598: "Network Read Timeout Error", 599: "Network Connect Timeout Error",
}
