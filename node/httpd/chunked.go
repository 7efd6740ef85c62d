package httpd

// Chunked request bodies. Each part is parsed from c.buf[c.r:c.w]; a part that is not complete is parsed again when more input has arrived.

const (
	maxChunkLine   = 4096 // size line with extensions, and each trailer line
	maxTrailers    = 64
	maxChunkDigits = 15
)

func (c *conn) readChunked() (*fault, error) {
	var body []byte
	for {
		n, f, err := c.chunkSize()
		if f != nil || err != nil {
			return f, err
		}
		if n == 0 {
			break
		}
		if n > int64(c.lim.Body.Bytes-len(body)) {
			return bodyTooLarge(&c.lim), nil
		}
		if body, err = c.chunkData(body, int(n)); err != nil {
			return nil, err
		}
		if f, err = c.chunkEnd(); f != nil || err != nil {
			return f, err
		}
	}
	c.req.Body = body
	return c.trailers()
}

// chunkSize parses "HEX[;extensions]\r\n".
func (c *conn) chunkSize() (int64, *fault, error) {
	for {
		n, used, f := parseChunkSize(c.buf[c.r:c.w])
		if f != nil {
			return 0, f, nil
		}
		if used > 0 {
			c.r += used
			return n, nil, nil
		}
		if err := c.fill(); err != nil {
			return 0, nil, err
		}
	}
}

// parseChunkSize returns the bytes used, 0 when the line is not complete.
func parseChunkSize(b []byte) (n int64, used int, f *fault) {
	const badSize = "Invalid character in chunk size"
	i := 0
	for ; i < len(b) && class[b[i]]&classHex != 0; i++ {
		if i >= maxChunkDigits {
			return 0, 0, bad(hpeChunk, "Chunk size overflow", i)
		}
		n = n<<4 | int64(hexValue(b[i]))
	}
	if i >= len(b) {
		return 0, 0, nil
	}
	if i == 0 {
		return 0, 0, bad(hpeChunk, badSize, i)
	}
	switch b[i] {
	case '\r':
	case '\n':
		return 0, 0, bad(hpeCR, "Missing expected CR after chunk size", i+1)
	case ';':
		for i < len(b) && b[i] != '\r' {
			if class[b[i]]&classValue == 0 || i > maxChunkLine {
				return 0, 0, bad(hpeStrict, "Invalid character in chunk extensions", i)
			}
			i++
		}
	default:
		return 0, 0, bad(hpeChunk, badSize, i)
	}
	if i+1 >= len(b) {
		return 0, 0, nil
	}
	if b[i+1] != '\n' {
		return 0, 0, bad(hpeStrict, "Expected LF after chunk size", i+1)
	}
	return n, i + 2, nil
}

func hexValue(c byte) byte {
	switch {
	case c <= '9':
		return c - '0'
	case c <= 'F':
		return c - 'A' + 10
	}
	return c - 'a' + 10
}

func (c *conn) chunkData(body []byte, n int) ([]byte, error) {
	for n > 0 {
		if c.r == c.w {
			if err := c.fill(); err != nil {
				return nil, err
			}
		}
		take := min(n, c.w-c.r)
		body = append(body, c.buf[c.r:c.r+take]...)
		c.r += take
		n -= take
	}
	return body, nil
}

func (c *conn) chunkEnd() (*fault, error) {
	for i := range 2 {
		if c.r == c.w {
			if err := c.fill(); err != nil {
				return nil, err
			}
		}
		if c.buf[c.r] != "\r\n"[i] {
			return bad(hpeStrict, "Expected LF after chunk data", 0), nil
		}
		c.r++
	}
	return nil, nil
}

// trailers checks and drops the header lines after the last chunk.
func (c *conn) trailers() (*fault, error) {
	for lines := 0; ; {
		used, f := parseTrailer(c.buf[c.r:c.w])
		switch {
		case f != nil:
			return f, nil
		case used == 2:
			c.r += used
			return nil, nil
		case used > 0:
			c.r += used
			if lines++; lines > maxTrailers {
				return tooManyHeaders(&c.lim), nil
			}
			continue
		}
		if err := c.fill(); err != nil {
			return nil, err
		}
	}
}

func parseTrailer(b []byte) (int, *fault) {
	i := 0
	for i < len(b) && b[i] != '\r' {
		if class[b[i]]&classValue == 0 || i > maxChunkLine {
			return 0, bad(hpeToken, "Invalid header token", i)
		}
		i++
	}
	if i+1 >= len(b) {
		return 0, nil
	}
	if b[i+1] != '\n' {
		return 0, bad(hpeLF, "Missing expected LF after header value", i+1)
	}
	return i + 2, nil
}
