package httpd

import (
	"crypto/tls"
	"net"

	"golang.org/x/crypto/cryptobyte"
)

// helloConn keeps the first bytes of a connection until its handshake is done: tls.ClientHelloInfo does not show for which groups the client sent
// key shares, and the choice of the group depends on it.
type helloConn struct {
	net.Conn
	recording bool
	seen      []byte
}

const maxHello = 64 << 10

// Read implements net.Conn.
func (c *helloConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if c.recording && n > 0 && len(c.seen)+n <= maxHello {
		c.seen = append(c.seen, p[:n]...)
	}
	return n, err
}

func (c *helloConn) stop() {
	c.recording, c.seen = false, nil
}

// keyShares lists the groups of a ClientHello's key_share extension, nil when there is none or the bytes are not a ClientHello.
func keyShares(records []byte) []tls.CurveID {
	const (
		recordHandshake = 22
		clientHello     = 1
		keyShare        = 51
	)
	var msg []byte
	s := cryptobyte.String(records)
	for !s.Empty() { // a ClientHello may span records
		var kind uint8
		var version uint16
		var body cryptobyte.String
		if !s.ReadUint8(&kind) || kind != recordHandshake || !s.ReadUint16(&version) || !s.ReadUint16LengthPrefixed(&body) {
			break
		}
		msg = append(msg, body...)
	}
	m := cryptobyte.String(msg)
	var kind uint8
	var hello, skip, extensions cryptobyte.String
	if !m.ReadUint8(&kind) || kind != clientHello || !m.ReadUint24LengthPrefixed(&hello) ||
		!hello.Skip(2+32) || !hello.ReadUint8LengthPrefixed(&skip) || !hello.ReadUint16LengthPrefixed(&skip) ||
		!hello.ReadUint8LengthPrefixed(&skip) || !hello.ReadUint16LengthPrefixed(&extensions) {
		return nil
	}
	for !extensions.Empty() {
		var ext uint16
		var data cryptobyte.String
		if !extensions.ReadUint16(&ext) || !extensions.ReadUint16LengthPrefixed(&data) {
			return nil
		}
		if ext == keyShare {
			return shareGroups(data)
		}
	}
	return nil
}

func shareGroups(data cryptobyte.String) (groups []tls.CurveID) {
	var list cryptobyte.String
	if !data.ReadUint16LengthPrefixed(&list) {
		return nil
	}
	for !list.Empty() {
		var group uint16
		var key cryptobyte.String
		if !list.ReadUint16(&group) || !list.ReadUint16LengthPrefixed(&key) {
			return nil
		}
		groups = append(groups, tls.CurveID(group))
	}
	return groups
}
