package httpd

import (
	"strings"
	"unsafe"
)

// head is the resumable parser of a request line and header lines. Offsets count from the start of the message, which stays in the read buffer until
// the head is complete. Each call continues at the line it could not finish, so bytes that trickle in are looked at again only within their own line.
type head struct {
	pos    int // start of the line being parsed
	stage  stage
	method span
	target span
	lines  int
	fields []fieldSpan

	// pending is the name of a header with an empty value: the next header's name is appended to it, because CCF collects names until it sees a
	// value. Clients can observe this, so it is kept; framing headers are recognised line by line and are not affected.
	pending string

	length    int64 // content-length, -1 when absent
	transfer  bool  // a transfer-encoding header was seen
	chunked   bool  // its last coding was chunked
	lastPlain bool  // its last coding was something else
}

type span struct{ from, to int }

func (s span) of(b []byte) []byte { return b[s.from:s.to] }

type fieldSpan struct {
	name, value span
	merged      string // the whole lower-case name when it came from more than one line
}

type stage uint8

const (
	stageLine stage = iota
	stageFirstHeader
	stageHeader
	stageDone
)

func (h *head) reset() {
	*h = head{fields: h.fields[:0], length: -1}
}

// parse reads as much of buf as it can. It returns true when the head is complete; h.pos is then the first byte of the body.
func (h *head) parse(buf []byte, lim *Limits) (bool, *fault) {
	if h.stage == stageLine {
		if ok, f := h.requestLine(buf); !ok {
			return false, f
		}
		h.stage = stageFirstHeader
	}
	for h.stage != stageDone {
		if ok, f := h.headerLine(buf, lim); !ok {
			return false, f
		}
	}
	return true, nil
}

// requestLine parses "METHOD target HTTP/1.1\r\n", where leading line ends are skipped and the version may be missing (HTTP/0.9).
func (h *head) requestLine(buf []byte) (bool, *fault) {
	i := h.pos
	for i < len(buf) && (buf[i] == '\r' || buf[i] == '\n') {
		i++
	}
	h.pos = i
	end, ok, f := scanMethod(buf, i)
	if !ok {
		return false, f
	}
	h.method = span{i, end}
	i = end + 1
	for i < len(buf) && buf[i] == ' ' {
		i++
	}
	connect := string(h.method.of(buf)) == "CONNECT"
	from := i
	i, ok, f = scanTarget(buf, i, connect)
	if !ok {
		if f == nil && len(buf)-from > maxTarget {
			f = &fault{kind: faultHeader, message: "Request target is too large"}
		}
		return false, f
	}
	h.target = span{from, i}
	return h.version(buf, i)
}

const versionLine = " HTTP/1.1\r\n"

func (h *head) version(buf []byte, i int) (bool, *fault) {
	if len(buf)-i >= len(versionLine) && string(buf[i:i+len(versionLine)]) == versionLine && !special(h.method.of(buf)) {
		h.pos = i + len(versionLine)
		return true, nil
	}
	if buf[i] != ' ' { // HTTP/0.9
		return h.lineEnd(buf, i, hpeURL, "Expected CRLF")
	}
	for i < len(buf) && buf[i] == ' ' {
		i++
	}
	i, ok, f := h.protocol(buf, i)
	if !ok {
		return false, f
	}
	if string(h.method.of(buf)) == "PRI" {
		return preface(buf, i)
	}
	return h.lineEnd(buf, i, hpeVersion, "Expected CRLF after version")
}

// special reports methods that need more than an HTTP version after the target.
func special(method []byte) bool {
	switch string(method) {
	case "GET", "POST", "PUT", "DELETE":
		return false
	case "PRI":
		return true
	}
	return streaming(method)
}

func streaming(method []byte) bool {
	for _, m := range streamingMethods {
		if string(method) == m {
			return true
		}
	}
	return false
}

func (h *head) lineEnd(buf []byte, i int, name, text string) (bool, *fault) {
	if i >= len(buf) {
		return false, nil
	}
	if buf[i] != '\r' {
		return false, bad(name, text, i)
	}
	if i+1 >= len(buf) {
		return false, nil
	}
	if buf[i+1] != '\n' {
		return false, bad(name, text, i+1)
	}
	h.pos = i + 2
	return true, nil
}

// protocol parses "HTTP/major.minor" at i and returns the offset after it.
func (h *head) protocol(buf []byte, i int) (int, bool, *fault) {
	const expected = "Expected HTTP/, RTSP/ or ICE/"
	for k := range len("HTTP/") {
		if i+k >= len(buf) {
			return 0, false, nil
		}
		if buf[i+k] != "HTTP/"[k] {
			return 0, false, bad(hpeConstant, expected, i+k)
		}
	}
	if streaming(h.method.of(buf)) {
		return 0, false, bad(hpeConstant, "Invalid method for HTTP/x.x request", i+4)
	}
	i += len("HTTP/")
	if i >= len(buf) {
		return 0, false, nil
	}
	if !digit(buf[i]) {
		return 0, false, bad(hpeVersion, "Invalid major version", i)
	}
	if i+1 >= len(buf) {
		return 0, false, nil
	}
	if buf[i+1] != '.' {
		return 0, false, bad(hpeVersion, "Expected dot", i+1)
	}
	if i+2 >= len(buf) {
		return 0, false, nil
	}
	if !digit(buf[i+2]) {
		return 0, false, bad(hpeVersion, "Invalid minor version", i+2)
	}
	switch string(buf[i : i+3]) {
	case "0.9", "1.0", "1.1", "2.0":
		return i + 3, true, nil
	}
	return 0, false, bad(hpeVersion, "Invalid HTTP version", i+3)
}

func digit(c byte) bool { return c >= '0' && c <= '9' }

// preface checks the rest of an HTTP/2 connection preface, which an HTTP/1 interface refuses with its own error.
func preface(buf []byte, i int) (bool, *fault) {
	const rest = "\r\n\r\nSM\r\n\r\n"
	for k := range len(rest) {
		if i+k >= len(buf) {
			return false, nil
		}
		if buf[i+k] != rest[k] {
			return false, bad(hpeVersion, "Expected HTTP/2 Connection Preface", i+k)
		}
	}
	return false, bad(hpeUpgrade, "Pause on PRI/Upgrade", i+len(rest))
}

// scanMethod finds the end of the method at i. Not ok without a fault means that more bytes are needed.
func scanMethod(buf []byte, i int) (int, bool, *fault) {
	rest := buf[i:]
	for _, m := range methods[:4] {
		if len(rest) > len(m) && rest[len(m)] == ' ' && string(rest[:len(m)]) == m {
			return i + len(m), true, nil
		}
	}
	longest, exact := 0, -1
	try := func(m string) {
		n := 0
		for n < len(m) && n < len(rest) && rest[n] == m[n] {
			n++
		}
		longest = max(longest, n)
		if n == len(m) {
			exact = max(exact, n)
		}
	}
	for _, m := range methods {
		try(m)
	}
	for _, m := range streamingMethods {
		try(m)
	}
	switch {
	case longest == len(rest): // nothing contradicts yet
		return 0, false, nil
	case exact == longest && rest[exact] == ' ':
		return i + exact, true, nil
	case exact == longest:
		return 0, false, bad(hpeMethod, "Expected space after method", i+exact)
	}
	return 0, false, bad(hpeMethod, "Invalid method encountered", i+longest)
}

// scanTarget finds the end of the target at i: a space, or a line end for HTTP/0.9.
func scanTarget(buf []byte, i int, connect bool) (int, bool, *fault) {
	if i >= len(buf) {
		return 0, false, nil
	}
	if !connect {
		switch c := buf[i]; {
		case c == '/' || c == '*':
			return scanPart(buf, i+1, partPath)
		case class[c]&classAlpha == 0:
			if c == ' ' || c == '\r' || c == '\n' {
				return 0, false, bad(hpeURL, "Invalid characters in url", i+1)
			}
			return 0, false, bad(hpeURL, "Unexpected start char in url", i)
		}
		var ok bool
		var f *fault
		if i, ok, f = scanSchema(buf, i); !ok {
			return 0, false, f
		}
	}
	return scanServer(buf, i)
}

func scanSchema(buf []byte, i int) (int, bool, *fault) {
	for i < len(buf) && class[buf[i]]&classAlpha != 0 {
		i++
	}
	for k := range len("://") {
		if i+k >= len(buf) {
			return 0, false, nil
		}
		if c := buf[i+k]; c != "://"[k] {
			if c == ' ' || c == '\r' || c == '\n' {
				return 0, false, bad(hpeURL, "Invalid characters in url", i+k+1)
			}
			return 0, false, bad(hpeURL, "Unexpected char in url schema", i+k)
		}
	}
	return i + len("://"), true, nil
}

func scanServer(buf []byte, i int) (int, bool, *fault) {
	at := false
	for ; i < len(buf); i++ {
		switch c := buf[i]; {
		case c == ' ' || c == '\r' || c == '\n':
			return i, true, nil
		case c == '/':
			return scanPart(buf, i+1, partPath)
		case c == '?':
			return scanPart(buf, i+1, partQuery)
		case c == '@' && at:
			return 0, false, bad(hpeURL, "Double @ in url", i+1)
		case class[c]&classServer == 0:
			return 0, false, bad(hpeURL, "Unexpected char in url server", i)
		default:
			at = c == '@'
		}
	}
	return 0, false, nil
}

// What follows the server part of a target, each part up to the mark of the next.
const (
	partPath = iota
	partQuery
	partFragment
)

// targetParts says which marks are ordinary in each part, and its name in errors.
var targetParts = [...]struct{ also, name string }{{"", "path"}, {"?", "query"}, {"?#", "fragment start"}}

func scanPart(buf []byte, i, part int) (int, bool, *fault) {
	p := &targetParts[part]
	for i < len(buf) && (class[buf[i]]&classURL != 0 || strings.IndexByte(p.also, buf[i]) >= 0) {
		i++
	}
	if i >= len(buf) {
		return 0, false, nil
	}
	switch buf[i] {
	case ' ', '\r', '\n':
		return i, true, nil
	case '?':
		return scanPart(buf, i+1, partQuery)
	case '#':
		return scanPart(buf, i+1, partFragment)
	}
	return 0, false, bad(hpeURL, "Invalid char in url "+p.name, i)
}

// request turns the parsed spans into strings. They share one copy of the head, made here, so that they stay valid when the buffer is reused.
func (h *head) request(buf []byte, req *Request) {
	text := make([]byte, h.pos)
	copy(text, buf[:h.pos])
	for i := range h.fields {
		lower(h.fields[i].name.of(text))
	}
	str := unsafe.String(unsafe.SliceData(text), len(text)) // text is not written again
	cut := func(s span) string { return str[s.from:s.to] }
	req.Method, req.Target, req.Proto, req.Body = cut(h.method), cut(h.target), protoHTTP1, nil
	req.Fields = req.Fields[:0]
	for i := range h.fields {
		f := &h.fields[i]
		name := f.merged
		if name == "" {
			name = cut(f.name)
		}
		req.Fields = append(req.Fields, Field{name, cut(f.value)})
	}
	if h.pending != "" || h.lines == 0 { // CCF stores what it collected last even when it is nothing
		if _, dup := req.Lookup(h.pending); !dup {
			req.Fields = append(req.Fields, Field{h.pending, ""})
		}
	}
}

func lower(b []byte) {
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
}

func lowerString(b []byte) string {
	return strings.ToLower(string(b)) // tokens are ASCII
}
