package node

import (
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"

	"concordat/ledger/jsondoc"
	"concordat/node/config"
	"concordat/node/frontend"
	"concordat/node/httpd"
)

// listener is one bound interface, before it serves.
type listener struct {
	net.Listener
	name      string
	iface     *httpd.Interface
	rules     *frontend.InterfaceRules
	published string
	echo      jsondoc.Opaque // as nodes.info stores it
}

// bind binds every interface first, so that a taken port is known before a
// service exists, and so that port 0 has become a number.
func bind(c *config.Node) (rpc []*listener, peer *peerAddress, err error) {
	defer func() {
		if err != nil {
			closeAll(rpc)
		}
	}()
	for _, name := range slices.Sorted(maps.Keys(c.Network.RPC)) {
		i := c.Network.RPC[name]
		ln, err := listenOn("network.rpc_interfaces."+name, i.Bind)
		if err != nil {
			return rpc, nil, err
		}
		l := &listener{Listener: ln, name: name, iface: interfaceOf(name, &i, c), rules: rulesOf(&i)}
		rpc = append(rpc, l)
		if err := l.publish(&i); err != nil {
			return rpc, nil, err
		}
	}
	peer, err = bindPeer(c.Network.NodeToNode)
	return rpc, peer, err
}

func closeAll(list []*listener) {
	for _, l := range list {
		l.Close()
	}
}

func listenOn(what, address string) (net.Listener, error) {
	ln, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("%s: cannot listen on %s: %w: choose another address, or stop what uses this one", what, address, err)
	}
	return ln, nil
}

// peerAddress is the place other nodes would reach this one at. A lone node
// listens to nobody there, but the address is on the ledger, so it must be free.
type peerAddress struct {
	Bind, Published string
}

func bindPeer(a config.Address) (*peerAddress, error) {
	ln, err := listenOn("network.node_to_node_interface", a.Bind)
	if err != nil {
		return nil, err
	}
	bound := ln.Addr().String()
	if err := ln.Close(); err != nil {
		return nil, err
	}
	return &peerAddress{Bind: withPort(a.Bind, bound), Published: published(a.Bind, a.Published, bound)}, nil
}

// withPort replaces port 0 by the one the system chose.
func withPort(address, bound string) string {
	host, port, err := net.SplitHostPort(address)
	if err != nil || port != "0" {
		return address
	}
	_, actual, _ := net.SplitHostPort(bound)
	return net.JoinHostPort(host, actual)
}

func published(bind, published, bound string) string {
	if published == "" {
		published = bind
	}
	return withPort(published, bound)
}

// publish completes what the interface is known as.
func (l *listener) publish(i *config.Interface) (err error) {
	bound := l.Addr().String()
	l.published = published(i.Bind, i.Published, bound)
	echo := map[string]any{}
	for k, v := range i.Raw {
		echo[k] = v
	}
	echo["bind_address"] = withPort(i.Bind, bound)
	echo["published_address"] = l.published
	l.echo, err = jsondoc.Marshal(echo)
	return err
}

var authorities = map[string]httpd.Authority{
	"": httpd.AuthorityService, "Service": httpd.AuthorityService, "Node": httpd.AuthorityNode,
	"Unsecured": httpd.AuthorityUnsecured, "ACME": httpd.AuthorityACME,
}

func interfaceOf(name string, i *config.Interface, c *config.Node) *httpd.Interface {
	h := i.HTTP.OrDefault()
	out := &httpd.Interface{
		Name: name, Authority: authorities[i.Endorsement.Authority], HTTP2: i.AppProtocol == "HTTP2", Hybrid: i.HybridKeyExchange,
		Limits: httpd.Limits{
			Body: limit(h.MaxBody), Header: limit(h.MaxHeader), Headers: int(h.MaxHeaders),
			SoftCap: capOr(i.SoftCap, config.DefaultSoftCap), HardCap: capOr(i.HardCap, config.DefaultHardCap),
			Streams: uint32(h.MaxStreams), WindowSize: uint32(h.Window.Bytes), FrameSize: uint32(h.MaxFrame.Bytes),
		},
	}
	if c.IdleTimeout != nil {
		out.Idle = c.IdleTimeout.Duration
	}
	return out
}

func limit(s config.Size) httpd.Limit { return httpd.Limit{Bytes: int(s.Bytes), Text: s.Text} }

func capOr(v *uint64, otherwise int) int {
	if v == nil {
		return otherwise
	}
	return int(*v)
}

func rulesOf(i *config.Interface) *frontend.InterfaceRules {
	r := &frontend.InterfaceRules{Accepted: i.Accepted, Unsecured: i.Endorsement.Authority == "Unsecured", Features: i.Features}
	if d, ok := i.Redirections["to_primary"]; ok {
		r.ToPrimary = redirectionOf(d)
	}
	if d, ok := i.Redirections["to_backup"]; ok {
		r.ToBackup = redirectionOf(d)
	}
	return r
}

func redirectionOf(d config.Redirect) *frontend.Redirection {
	if d.Kind == "StaticAddress" {
		return &frontend.Redirection{Static: d.Target.Address}
	}
	return &frontend.Redirection{Interface: d.Target.Interface, Role: d.Target.Role}
}

// hostPort splits an address into the two texts that nodes.info keeps.
func hostPort(address string) (host, port string) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return address, strconv.Itoa(0)
	}
	return host, port
}
