package httpd

import (
	"math"
	"math/bits"
)

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
