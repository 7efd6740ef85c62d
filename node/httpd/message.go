package httpd

// Field is one header line. Names are in lower case on both sides.
type Field struct {
	Name, Value string
}

// Request is one parsed request. It is reused for the next request of the connection, so a handler must not keep the Request or its Fields
// slice; the strings and the body inside may be kept.
type Request struct {
	Method string
	Target string  // exactly as sent: path, query and fragment
	Proto  string  // "HTTP/1.1" or "HTTP/2"
	Fields []Field // first value of each name, in order of arrival
	Body   []byte
}

// Lookup returns the value of a header by its lower-case name.
func (r *Request) Lookup(name string) (string, bool) {
	for i := range r.Fields {
		if r.Fields[i].Name == name {
			return r.Fields[i].Value, true
		}
	}
	return "", false
}

// Get returns the value of a header, or "" when it is absent.
func (r *Request) Get(name string) string {
	v, _ := r.Lookup(name)
	return v
}

// HTTP2 reports whether the request came over HTTP/2, where there is neither session consistency nor forwarding.
func (r *Request) HTTP2() bool { return r.Proto == protoHTTP2 }

// Response is what a handler fills in. The zero value after Reset is an empty 200.
type Response struct {
	Status int
	Fields []Field
	Body   []byte
	Close  bool // close the connection after this response

	length    int64
	hasLength bool
}

// Reset makes the response an empty 200 again, keeping its storage.
func (r *Response) Reset() {
	*r = Response{Status: 200, Fields: r.Fields[:0]}
}

// Set replaces the header of that lower-case name, or appends it.
func (r *Response) Set(name, value string) {
	for i := range r.Fields {
		if r.Fields[i].Name == name {
			r.Fields[i].Value = value
			return
		}
	}
	r.Fields = append(r.Fields, Field{name, value})
}

// Get returns a header set so far, or "".
func (r *Response) Get(name string) string {
	for i := range r.Fields {
		if r.Fields[i].Name == name {
			return r.Fields[i].Value
		}
	}
	return ""
}

// Del removes a header.
func (r *Response) Del(name string) {
	kept := r.Fields[:0]
	for _, f := range r.Fields {
		if f.Name != name {
			kept = append(kept, f)
		}
	}
	r.Fields = kept
}

// SetLength announces a content-length other than that of the body: a HEAD handler names the size of the resource.
func (r *Response) SetLength(n int64) {
	r.length, r.hasLength = n, true
}

// Length is the content-length that will be sent.
func (r *Response) Length() int64 {
	if r.hasLength {
		return r.length
	}
	return int64(len(r.Body))
}
