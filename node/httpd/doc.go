// Package httpd serves HTTP to clients: an HTTP/1.1 loop of its own over crypto/tls, and HTTP/2 over net/http for interfaces that ask for it.
//
// # Why not net/http or fasthttp for HTTP/1.1
//
// CCF clients and tools see details of the wire that neither library can produce. Header names go out in lower case, and date, server and
// connection never go out. A repeated request header counts once and its first value wins. A malformed request is answered with the name of the
// parser error and its byte offset, followed by the bytes read. Header names, values and their number have separate limits, each with its own
// answer, and these limits hold before routing. "connection: close", HTTP/1.0 and request lines without a version keep the connection open. A
// session over the soft cap is answered before it has sent anything. Doing all of that as work-arounds inside another server costs more code than the
// loop below, which also halves the CPU a request takes compared to net/http (BenchmarkEchoTLS measures both in one run).
//
// # Goroutines
//
// Server.Serve runs one accept loop per listener in its caller's goroutine and starts one goroutine per connection, which reads, parses, runs the
// handler and writes. The idle timer is the connection's read deadline. Server.Close closes listeners and connections and waits for all of them.
// HTTP/2 connections are served by x/net/http2 in the same goroutine plus the ones that package starts for streams.
//
// # Trust
//
// Everything read from a connection is hostile: it is bounded before it is kept. Client certificates are requested, never verified: they are
// compared by digest with those that governance registered, by the authentication policies above this package.
package httpd
