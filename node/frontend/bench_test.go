package frontend

import (
	"context"
	"testing"

	"concordat/node/httpd"
)

// BenchmarkHandle is the pipeline's own cost: routing, rules, a transaction over the store in memory, the response.
func BenchmarkHandle(b *testing.B) {
	for _, bb := range []struct{ name, method, target string }{
		{"read", "GET", "/app/get?id=1"}, {"write", "POST", "/app/set"}, {"command", "GET", "/node/state"}, {"template", "GET", "/app/js/17"},
	} {
		b.Run(bb.name, func(b *testing.B) {
			w := newWorld(b, func(c *Config) {
				for i := range c.Actors {
					if c.Actors[i].Name == "app" {
						c.Actors[i].Endpoints = append(c.Actors[i].Endpoints, Endpoint{Verb: "POST", Path: "/set", Handler: func(c *Context) error {
							c.Tx().Map("m").Put([]byte("k"), c.Req.Body)
							return c.Raw(200, "application/json", []byte("true"))
						}})
					}
				}
				c.Interfaces = map[string]*InterfaceRules{"main": {Accepted: []string{".*"}}}
			})
			w.call("POST", "/app/put", "x")
			req := &httpd.Request{Method: bb.method, Target: bb.target, Proto: "HTTP/1.1", Body: []byte("value"), Fields: []httpd.Field{{Name: "host", Value: "x"}}}
			var resp httpd.Response
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				resp.Reset()
				w.front.Handle(context.Background(), w.session, req, &resp)
				if resp.Status != 200 {
					b.Fatal(show(&resp))
				}
				if i%100 == 0 {
					w.ledger.commitAll()
				}
			}
		})
	}
}
