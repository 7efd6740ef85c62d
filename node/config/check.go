package config

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"net"
	"regexp"
	"slices"
	"strings"
)

// check refuses what is well-typed and still makes no sense.
func (n *Node) check() error {
	if len(n.Network.RPC) == 0 {
		return errors.New("network.rpc_interfaces: at least one interface is needed")
	}
	if err := checkAddress("network.node_to_node_interface.bind_address", n.Network.NodeToNode.Bind); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(n.Network.RPC)) {
		i := n.Network.RPC[name]
		if err := i.check("network.rpc_interfaces." + name); err != nil {
			return err
		}
		n.Network.RPC[name] = i
	}
	if err := n.NodeCertificate.check(); err != nil {
		return err
	}
	if n.Ledger.ChunkSize.Bytes == 0 || n.Ledger.ChunkSize.Bytes > math.MaxUint32 {
		return fmt.Errorf("ledger.chunk_size: %s: want 1 byte to %d", n.Ledger.ChunkSize.Text, uint32(math.MaxUint32))
	}
	if n.LedgerSignatures.TxCount == 0 {
		return errors.New("ledger_signatures.tx_count: want at least 1")
	}
	if n.LedgerSignatures.Rate == 0 || n.LedgerSignatures.Burst == 0 {
		return errors.New("ledger_signatures.rate and ledger_signatures.burst: want at least 1")
	}
	if n.Command.Type == "Start" {
		return errors.Join(n.Command.Start.check(), n.checkDays())
	}
	return nil
}

// defaultMaxDays is the longest a certificate is valid unless the service's
// configuration says otherwise; maxDays bounds what it may say (a century).
const (
	defaultMaxDays = 365
	maxDays        = 36500
)

// checkDays compares the first certificates with what the service will allow.
func (n *Node) checkDays() error {
	const service = "command.start.service_configuration."
	s := n.Command.Start.Service
	for _, d := range []struct {
		at, maxAt string
		days      uint64
		most      *uint64
	}{
		{"node_certificate.initial_validity_days", service + "maximum_node_certificate_validity_days", n.NodeCertificate.Days, s.NodeCertDays},
		{"command.start.initial_service_certificate_validity_days", service + "maximum_service_certificate_validity_days", n.Command.Start.CertDays, s.ServiceCertDays},
	} {
		most := uint64(defaultMaxDays)
		if d.most != nil {
			most = *d.most
		}
		if most == 0 || most > maxDays {
			return fmt.Errorf("%s: %d: want 1 to %d", d.maxAt, most, maxDays)
		}
		if d.days == 0 || d.days > most {
			return fmt.Errorf("%s: %d: want 1 to %d, which is %s", d.at, d.days, most, d.maxAt)
		}
	}
	return nil
}

func (s *Start) check() error {
	if len(s.Constitution) == 0 {
		return errors.New("command.start.constitution_files: at least one file is needed (concordat gov constitution prints the default)")
	}
	if len(s.Members) == 0 {
		return errors.New("command.start.members: a service needs at least one member")
	}
	return nil
}

func checkAddress(at, address string) error {
	if _, _, err := net.SplitHostPort(address); err != nil {
		return fmt.Errorf("%s: %q: want HOST:PORT, e.g. 127.0.0.1:8000", at, address)
	}
	return nil
}

func (i *Interface) check(at string) error {
	if err := checkAddress(at+".bind_address", i.Bind); err != nil {
		return err
	}
	if i.Published != "" {
		if err := checkAddress(at+".published_address", i.Published); err != nil {
			return err
		}
	}
	if i.Protocol == "udp" {
		return fmt.Errorf("%s.protocol: udp is not served by this version: leave the key out, or set it to tcp", at)
	}
	for k, text := range i.Accepted {
		if _, err := regexp.Compile(text); err != nil {
			return fmt.Errorf("%s.accepted_endpoints[%d]: %q is no regular expression: braces of a path template need a backslash, \\\\{ \\\\}", at, k, text)
		}
	}
	if err := i.checkCaps(at); err != nil {
		return err
	}
	if err := i.HTTP.check(at + ".http_configuration"); err != nil {
		return err
	}
	for key, r := range i.Redirections {
		if key != "to_primary" && key != "to_backup" {
			return fmt.Errorf("%s.redirections.%s: unknown key", at, key)
		}
		if r.Kind == "StaticAddress" && r.Target.Address == "" {
			return fmt.Errorf("%s.redirections.%s.target.address: missing: a StaticAddress needs one", at, key)
		}
	}
	return nil
}

func (i *Interface) checkCaps(at string) error {
	soft, hard := uint64(DefaultSoftCap), uint64(DefaultHardCap)
	if i.SoftCap != nil {
		soft = *i.SoftCap
	}
	if i.HardCap != nil {
		hard = *i.HardCap
	}
	if i.SoftCap != nil && i.HardCap == nil && soft > hard {
		return fmt.Errorf("%s.max_open_sessions_soft: %d is above the default of max_open_sessions_hard, %d: set both", at, soft, hard)
	}
	switch {
	case soft == 0 || hard == 0:
		return fmt.Errorf("%s: max_open_sessions_soft and max_open_sessions_hard: want at least 1", at)
	case i.HardCap != nil && i.SoftCap != nil && soft > hard:
		return fmt.Errorf("%s: max_open_sessions_soft is above max_open_sessions_hard", at)
	case soft > maxSessions || hard > maxSessions:
		return fmt.Errorf("%s: max_open_sessions_soft and max_open_sessions_hard: want at most %d", at, uint64(maxSessions))
	}
	return nil
}

// Bounds of what an interface may be told to take.
const (
	maxSessions   = 1 << 24
	maxHTTPSize   = 1 << 30 // bytes, of a body or a header
	maxHeaders    = 1 << 16
	minFrame      = 16 << 10 // RFC 9113 6.5.2
	maxFrame      = 1<<24 - 1
	maxFrameInCCF = 1 << 24 // CCF's schema allows one byte more than the protocol
)

func (h *HTTP) check(at string) error {
	for _, s := range []struct {
		key  string
		size Size
	}{{"max_body_size", h.MaxBody}, {"max_header_size", h.MaxHeader}, {"initial_window_size", h.Window}} {
		if s.size.Text != "" && (s.size.Bytes == 0 || s.size.Bytes > maxHTTPSize) {
			return fmt.Errorf("%s.%s: %s: want 1 byte to 1GB", at, s.key, s.size.Text)
		}
	}
	if f := h.MaxFrame; f.Text != "" && (f.Bytes < minFrame || f.Bytes > maxFrameInCCF) {
		return fmt.Errorf("%s.max_frame_size: %s: want 16KB to 16MB", at, f.Text)
	}
	if h.MaxFrame.Bytes == maxFrameInCCF {
		h.MaxFrame.Bytes = maxFrame
	}
	if h.MaxHeaders > maxHeaders {
		return fmt.Errorf("%s.max_headers_count: %d: want at most %d", at, h.MaxHeaders, maxHeaders)
	}
	if h.MaxStreams > math.MaxInt32 {
		return fmt.Errorf("%s.max_concurrent_streams_count: %d: want at most %d", at, h.MaxStreams, math.MaxInt32)
	}
	return nil
}

// check looks at the form of subject_alt_names; the addresses themselves are the operator's business.
func (c *NodeCertificate) check() error {
	for k, san := range c.SANs {
		kind, value, _ := strings.Cut(san, ":")
		ok := kind == "dNSName" && value != "" || kind == "iPAddress" && net.ParseIP(value) != nil
		if !ok {
			return fmt.Errorf("node_certificate.subject_alt_names[%d]: %q: want iPAddress:ADDRESS or dNSName:NAME", k, san)
		}
	}
	return nil
}
