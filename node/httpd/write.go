package httpd

import (
	"fmt"
	"net/http"
	"strconv"
)

// appendResponse writes a response in HTTP/1.1. Header names go out sorted, with content-length among them, as CCF sends them.
func appendResponse(out []byte, resp *Response, headOnly bool) []byte {
	out = appendStatus(out, resp.Status)
	sortFields(resp.Fields)
	length := resp.Length()
	if headOnly && !resp.hasLength {
		length = 0
	}
	sent := false
	for _, f := range resp.Fields {
		if f.Name == "content-length" {
			continue
		}
		if !sent && f.Name > "content-length" {
			out, sent = appendLength(out, length), true
		}
		out = append(out, f.Name...)
		out = append(out, ": "...)
		out = append(out, f.Value...)
		out = append(out, "\r\n"...)
	}
	if !sent {
		out = appendLength(out, length)
	}
	out = append(out, "\r\n"...)
	if headOnly {
		return out
	}
	return append(out, resp.Body...)
}

func appendLength(out []byte, n int64) []byte {
	out = append(out, "content-length: "...)
	out = strconv.AppendInt(out, n, 10)
	return append(out, "\r\n"...)
}

func appendStatus(out []byte, status int) []byte {
	if status == http.StatusOK {
		return append(out, "HTTP/1.1 200 OK\r\n"...)
	}
	out = append(out, "HTTP/1.1 "...)
	out = strconv.AppendInt(out, int64(status), 10)
	out = append(out, ' ')
	out = append(out, Reason(status)...)
	return append(out, "\r\n"...)
}

// Reason is the reason phrase of a status.
func Reason(status int) string {
	if r, ok := reasons[status]; ok {
		return r
	}
	return http.StatusText(status)
}

// sortFields is an insertion sort: responses have a handful of headers.
func sortFields(f []Field) {
	for i := 1; i < len(f); i++ {
		for j := i; j > 0 && f[j].Name < f[j-1].Name; j-- {
			f[j], f[j-1] = f[j-1], f[j]
		}
	}
}

// Check refuses a response that would break the framing for the client: a status outside 100..599, a header name that is no token, a value with control
// characters, or a content-length of the handler's own. Pipelines call it before they commit; the connection calls it again before it writes.
func (r *Response) Check() error {
	if r.Status < 100 || r.Status > 599 {
		return fmt.Errorf("status %d is not an HTTP status", r.Status)
	}
	for i := range r.Fields {
		if err := checkField(&r.Fields[i]); err != nil {
			return err
		}
	}
	return nil
}

func checkField(f *Field) error {
	if f.Name == "" {
		return fmt.Errorf("response header with an empty name")
	}
	for i := range len(f.Name) {
		if c := f.Name[i]; class[c]&classToken == 0 || c >= 'A' && c <= 'Z' {
			return fmt.Errorf("response header name %q is not a lower-case token", f.Name)
		}
	}
	for i := range len(f.Value) {
		if class[f.Value[i]]&classValue == 0 {
			return fmt.Errorf("response header %q has a control character in its value", f.Name)
		}
	}
	switch f.Name {
	case "content-length", "transfer-encoding":
		return fmt.Errorf("response header %q belongs to the server", f.Name)
	}
	return nil
}
