package httpd

import (
	"math"
	"math/bits"
	"strings"
)

// headerLine parses one header line at h.pos, or the empty line that ends the head.
func (h *head) headerLine(buf []byte, lim *Limits) (bool, *fault) {
	i := h.pos
	if i >= len(buf) {
		return false, nil
	}
	switch buf[i] {
	case '\r':
		return h.endOfHead(buf, lim)
	case '\n':
		return false, bad(hpeToken, "Invalid header field char", i+1)
	case ':':
		return false, bad(hpeToken, "Invalid header token", i)
	case ' ', '\t':
		if h.stage == stageHeader {
			return false, bad(hpeToken, "Unexpected whitespace after header value", i)
		}
		if buf[i] == ' ' {
			return false, bad(hpeSpace, "Unexpected space after start line", i+1)
		}
	}
	for i < len(buf) && class[buf[i]]&classToken != 0 {
		i++
	}
	name := span{h.pos, i}
	if h.pending != "" && len(h.pending)+i-h.pos > lim.Header.Bytes {
		return false, keyTooLarge(h.pending+lowerString(name.of(buf)), lim)
	}
	if i-h.pos > lim.Header.Bytes {
		return false, keyTooLarge(lowerString(name.of(buf)), lim)
	}
	if i >= len(buf) {
		return false, nil
	}
	kind := framingHeader(name.of(buf))
	if buf[i] != ':' {
		if buf[i] == ' ' && kind != plainHeader {
			return false, bad(hpeToken, "Invalid header field char", i+1)
		}
		return false, bad(hpeToken, "Invalid header token", i)
	}
	i++
	if f := h.framingAllowed(kind, i); f != nil {
		return false, f
	}
	return h.headerValue(buf, i, name, kind, lim)
}

func (h *head) headerValue(buf []byte, i int, name span, kind headerKind, lim *Limits) (bool, *fault) {
	for i < len(buf) && (buf[i] == ' ' || buf[i] == '\t') {
		i++
	}
	from := i
	for i < len(buf) && class[buf[i]]&classValue != 0 {
		i++
	}
	value := span{from, i}
	if f := h.checkFraming(kind, buf, value); f != nil {
		return false, f
	}
	if i-from > lim.Header.Bytes {
		return false, valueTooLarge(h.pending+lowerString(name.of(buf)), lim)
	}
	if i >= len(buf) {
		return false, nil
	}
	if f := valueEnd(buf, i, i == from); f != nil {
		return false, f
	}
	if i+1 >= len(buf) {
		return false, nil
	}
	if buf[i+1] != '\n' {
		if i == from {
			return false, bad(hpeStrict, "Expected LF after CR", i+1)
		}
		return false, bad(hpeLF, "Missing expected LF after header value", i+1)
	}
	if f := h.applyFraming(kind, buf, value); f != nil {
		return false, f
	}
	h.pos, h.stage = i+2, stageHeader
	return h.field(buf, name, value, lim)
}

func valueEnd(buf []byte, i int, empty bool) *fault {
	switch {
	case buf[i] == '\r':
		return nil
	case buf[i] == '\n' && !empty:
		return bad(hpeCR, "Missing expected CR after header value", i)
	}
	return bad(hpeToken, "Invalid header value char", i)
}

// field records a finished line. Only the first of several headers with one name counts.
func (h *head) field(buf []byte, name, value span, lim *Limits) (bool, *fault) {
	if h.lines++; h.lines > maxHeaderLines || h.pos > lim.headBytes() {
		return false, &fault{kind: faultHeader, message: "Request head is too large"}
	}
	f := fieldSpan{name: name, value: value}
	if h.pending != "" {
		f.merged = h.pending + lowerString(name.of(buf))
		h.pending = ""
	}
	if value.from == value.to {
		if h.pending = f.merged; h.pending == "" {
			h.pending = lowerString(name.of(buf))
		}
		return true, nil
	}
	if h.known(buf, &f) {
		return true, nil
	}
	if len(h.fields) >= lim.Headers {
		return false, tooManyHeaders(lim)
	}
	h.fields = append(h.fields, f)
	return true, nil
}

func (h *head) known(buf []byte, f *fieldSpan) bool {
	n := f.name.to - f.name.from
	if f.merged != "" {
		n = len(f.merged)
	}
	for i := range h.fields {
		g := &h.fields[i]
		m := g.name.to - g.name.from
		if g.merged != "" {
			m = len(g.merged)
		}
		if n == m && equalNames(buf, f, g) {
			return true
		}
	}
	return false
}

func equalNames(buf []byte, f, g *fieldSpan) bool {
	if f.merged == "" && g.merged == "" {
		return equalFold(f.name.of(buf), g.name.of(buf))
	}
	text := func(s *fieldSpan) string {
		if s.merged != "" {
			return s.merged
		}
		return string(s.name.of(buf))
	}
	return strings.EqualFold(text(f), text(g))
}

// equalFold compares tokens of equal length without case.
func equalFold(a, b []byte) bool {
	for i := range a {
		x, y := a[i], b[i]
		if x == y {
			continue
		}
		if x|0x20 != y|0x20 || class[x]&classAlpha == 0 {
			return false
		}
	}
	return true
}

func (h *head) endOfHead(buf []byte, lim *Limits) (bool, *fault) {
	if h.pos+1 >= len(buf) {
		return false, nil
	}
	if buf[h.pos+1] != '\n' {
		return false, bad(hpeStrict, "Expected LF after headers", h.pos+1)
	}
	if (h.pending != "" || h.lines == 0) && len(h.fields) >= lim.Headers {
		return false, tooManyHeaders(lim)
	}
	h.pos += 2
	if h.transfer && h.lastPlain {
		return false, bad(hpeTransfer, "Request has invalid `Transfer-Encoding`", h.pos)
	}
	h.stage = stageDone
	return true, nil
}

// headBytes bounds a whole request head. CCF does not bound it beside the bounds of its parts; their product would let one connection hold megabytes.
func (l *Limits) headBytes() int { return max(l.Headers*l.Header.Bytes, 64<<10) }

// Framing: which headers decide where a request ends. They are recognised on their own line, before any merging or de-duplication, and anything
// ambiguous is an error, so that no two readers of the same bytes can disagree about where the next request starts.

type headerKind uint8

const (
	plainHeader headerKind = iota
	contentLengthHeader
	transferEncodingHeader
)

func framingHeader(name []byte) headerKind {
	switch len(name) {
	case len("content-length"):
		if foldIs(name, "content-length") {
			return contentLengthHeader
		}
	case len("transfer-encoding"):
		if foldIs(name, "transfer-encoding") {
			return transferEncodingHeader
		}
	}
	return plainHeader
}

// foldIs compares a token with a lower-case word of the same length.
func foldIs(b []byte, word string) bool {
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != word[i] {
			return false
		}
	}
	return true
}

func (h *head) framingAllowed(kind headerKind, at int) *fault {
	switch {
	case kind == transferEncodingHeader && h.length >= 0:
		return bad(hpeTransfer, "Transfer-Encoding can't be present with Content-Length", at)
	case kind == contentLengthHeader && h.transfer:
		return bad(hpeLength, "Content-Length can't be present with Transfer-Encoding", at)
	}
	return nil
}

// checkFraming reports errors of a framing value as soon as its bytes show them.
func (h *head) checkFraming(kind headerKind, buf []byte, value span) *fault {
	switch kind {
	case contentLengthHeader:
		if value.from < value.to && h.length >= 0 {
			return bad(hpeDupLength, "Duplicate Content-Length", value.from)
		}
		_, f := parseLength(buf, value)
		return f
	case transferEncodingHeader:
		if h.chunked && value.from < value.to {
			return bad(hpeTransfer, "Invalid `Transfer-Encoding` header value", value.from+1)
		}
	}
	return nil
}

// parseLength refuses what does not fit 64 bits; what does not fit the signed type is far above any limit, and is shown as its maximum.
func parseLength(buf []byte, value span) (int64, *fault) {
	var n uint64
	i := value.from
	for ; i < value.to && digit(buf[i]); i++ {
		high, low := bits.Mul64(n, 10)
		sum, carry := bits.Add64(low, uint64(buf[i]-'0'), 0)
		if high+carry != 0 {
			return 0, bad(hpeLength, "Content-Length overflow", i+1)
		}
		n = sum
	}
	for ; i < value.to; i++ {
		if buf[i] != ' ' && buf[i] != '\t' {
			return 0, bad(hpeLength, "Invalid character in Content-Length", i)
		}
	}
	return int64(min(n, math.MaxInt64)), nil
}

// applyFraming takes the value of a complete framing line.
func (h *head) applyFraming(kind headerKind, buf []byte, value span) *fault {
	empty := value.from == value.to
	switch kind {
	case contentLengthHeader:
		if empty {
			return bad(hpeLength, "Empty Content-Length", value.to+2)
		}
		n, f := parseLength(buf, value)
		h.length = n
		return f
	case transferEncodingHeader:
		if empty {
			return bad(hpeTransfer, "Empty Transfer-Encoding", value.to+2)
		}
		return h.applyTransfer(buf, value)
	}
	return nil
}

// applyTransfer accepts codings before a last "chunked" and nothing after it.
func (h *head) applyTransfer(buf []byte, value span) *fault {
	h.transfer = true
	for i := value.from; i <= value.to; {
		end := i
		for end < value.to && buf[end] != ',' {
			end++
		}
		if h.chunked {
			return bad(hpeTransfer, "Invalid `Transfer-Encoding` header value", i)
		}
		coding := trimBlanks(buf[i:end])
		h.chunked = len(coding) == len("chunked") && foldIs(coding, "chunked")
		h.lastPlain = !h.chunked
		i = end + 1
	}
	return nil
}

func trimBlanks(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t') {
		b = b[1:]
	}
	for len(b) > 0 && (b[len(b)-1] == ' ' || b[len(b)-1] == '\t') {
		b = b[:len(b)-1]
	}
	return b
}
