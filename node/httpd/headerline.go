package httpd

import "strings"

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
