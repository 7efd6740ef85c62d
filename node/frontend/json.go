package frontend

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"concordat/ledger/jsondoc"
	"concordat/node/httpd"
)

const (
	contentType     = "content-type"
	applicationJSON = "application/json"
)

func field(name, value string) httpd.Field { return httpd.Field{Name: name, Value: value} }

// Decode parses the request body as JSON into v, as CCF's JSON adapter does: GET bodies are ignored and an empty body is an empty object. The error is
// a 400 InvalidInput.
func (c *Context) Decode(v any) error {
	body := c.Req.Body
	if c.Req.Method == http.MethodGet || len(body) == 0 {
		body = []byte("{}")
	}
	if err := json.Unmarshal(body, v); err != nil {
		return InvalidInput(body, err)
	}
	return nil
}

// InvalidInput is the 400 for a body that is no JSON or has the wrong types. The text follows the shape of CCF's JSON library: clients compare the code.
func InvalidInput(body []byte, err error) *Error {
	text := err.Error()
	switch e := err.(type) { // encoding/json returns these unwrapped
	case *json.SyntaxError:
		line, column := position(body, int(e.Offset))
		text = fmt.Sprintf("[json.exception.parse_error.101] parse error at line %d, column %d: syntax error - %s", line, column, e)
	case *json.UnmarshalTypeError:
		text = fmt.Sprintf("[json.exception.type_error.302] At #/%s: type must be %s, but is %s", strings.ReplaceAll(e.Field, ".", "/"), e.Type, e.Value)
	}
	return Errorf(http.StatusBadRequest, CodeInvalidInput, "%s", text)
}

func position(body []byte, offset int) (line, column int) {
	before := body[:min(offset, len(body))]
	last := bytes.LastIndexByte(before, '\n')
	return 1 + bytes.Count(before, []byte("\n")), len(before) - 1 - last
}

// JSON answers 200 with v, honouring the accept header. A nil v answers 204. Keys of maps are sorted; the fields of structs must be declared in the
// order of their names.
func (c *Context) JSON(v any) error {
	if v == nil {
		c.Resp.Status = http.StatusNoContent
		return nil
	}
	if accept, ok := c.Req.Lookup("accept"); ok {
		if err := checkAccept(accept); err != nil {
			return err
		}
	}
	body, err := jsondoc.Plain(v)
	if err != nil {
		return fmt.Errorf("rendering a response: %w", err)
	}
	return c.Raw(http.StatusOK, applicationJSON, body)
}

// Raw answers with a body as it is, ignoring the accept header. An empty contentType sends none.
func (c *Context) Raw(status int, mime string, body []byte) error {
	c.Resp.Status, c.Resp.Body = status, body
	if mime != "" {
		c.Resp.Set(contentType, mime)
	}
	return nil
}

// checkAccept finds application/json in an accept header. Beside wildcards the comparison is exact: parameters other than q are not understood.
func checkAccept(accept string) error {
	found := false
	if accept == "" {
		return notAcceptable(accept)
	}
	for entry := range strings.SplitSeq(accept, ",") {
		entry = strings.Trim(entry, " \t")
		mime, q, hasQ := strings.Cut(entry, ";q=")
		if hasQ {
			if _, err := strconv.ParseFloat(q, 32); err != nil {
				return Errorf(http.StatusBadRequest, CodeInvalidHeaderValue, "Could not parse q-factor from MIME type in Accept header: %s", entry)
			}
		}
		kind, sub, ok := strings.Cut(mime, "/")
		if !ok || kind == "" || sub == "" || strings.Contains(sub, "/") {
			return Errorf(http.StatusBadRequest, CodeInvalidHeaderValue, "Entry in Accept header is not a valid MIME type: %s", entry)
		}
		found = found || (kind == "*" || kind == "application") && (sub == "*" || sub == "json")
	}
	if !found {
		return notAcceptable(accept)
	}
	return nil
}

func notAcceptable(accept string) error {
	return Errorf(http.StatusNotAcceptable, CodeUnsupportedContentType,
		"No supported content type in accept header: %s\nOnly application/json is currently supported", accept)
}

// fail makes err the response: an *Error as it is, anything else a 500 with its text.
func (c *Context) fail(err error) {
	e, ok := asError(err)
	if !ok {
		e = Errorf(http.StatusInternalServerError, CodeInternalError, "%s", err.Error())
	}
	e.fill(c.Resp)
}

func (e *Error) fill(resp *httpd.Response) {
	resp.Reset()
	resp.Status, resp.Close = e.Status, e.Close
	resp.Set(contentType, applicationJSON)
	for _, f := range e.Header {
		resp.Set(f.Name, f.Value)
	}
	resp.Body = e.Body()
}

type odataError struct {
	Code    string `json:"code"`
	Details []any  `json:"details,omitempty"`
	Message string `json:"message"`
}

// Body renders the OData error.
func (e *Error) Body() []byte {
	b, err := jsondoc.Plain(map[string]odataError{"error": {e.Code, e.Details, e.Message}})
	if err != nil { // details hold what JSON cannot say
		b, _ = jsondoc.Plain(map[string]odataError{"error": {e.Code, nil, e.Message}})
	}
	return b
}
