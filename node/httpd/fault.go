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
