//go:build deps

package concordat

import (
	_ "github.com/anishathalye/porcupine"
	_ "github.com/cockroachdb/datadriven"
	_ "github.com/cockroachdb/pebble/v2"
	_ "github.com/cockroachdb/pebble/v2/vfs"
	_ "github.com/fxamacker/cbor/v2"
	_ "github.com/golang-jwt/jwt/v5"
	_ "github.com/prometheus/client_golang/prometheus"
	_ "github.com/rogpeppe/go-internal/testscript"
	_ "github.com/spf13/cobra"
	_ "go.etcd.io/raft/v3"
	_ "golang.org/x/crypto/cryptobyte"
	_ "golang.org/x/crypto/nacl/secretbox"
	_ "golang.org/x/net/http2"
	_ "gopkg.in/yaml.v3"
	_ "modernc.org/libc"
	_ "modernc.org/libquickjs"
)
