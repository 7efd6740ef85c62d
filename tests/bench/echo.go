package main

import (
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"time"

	"concordat/ledger/keys"
)

// serveEcho answers each request with its body, over TLS 1.3, by net/http with a
// P-384 certificate: the yardstick.
func serveEcho() error {
	key, err := keys.Generate(elliptic.P384(), rand.Reader)
	if err != nil {
		return err
	}
	pem, err := keys.NodeSelfCert(rand.Reader, key, "CN=echo", []keys.SAN{keys.HostSAN("127.0.0.1")}, keys.Days(time.Now().Add(-time.Hour), 2))
	if err != nil {
		return err
	}
	cert, err := keys.ParseCertPEM(pem)
	if err != nil {
		return err
	}
	if err := os.WriteFile(os.Getenv("BENCH_CERT"), pem, 0o644); err != nil {
		return err
	}
	conf := &tls.Config{
		MinVersion: tls.VersionTLS13, ClientAuth: tls.RequestClientCert, NextProtos: []string{"http/1.1"},
		Certificates: []tls.Certificate{{Certificate: [][]byte{cert.Raw}, PrivateKey: key.ECDSA()}},
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(ln.Addr())
	return http.Serve(tls.NewListener(ln, conf), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		w.Header()["Date"] = nil
		w.Header().Set("Content-Type", "application/octet-stream")
		w.Header().Set("Content-Length", fmt.Sprint(len(body)))
		_, _ = w.Write(body)
	}))
}
