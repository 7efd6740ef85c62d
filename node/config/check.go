package config

import (
	"errors"
	"fmt"
	"math"
	"net"
	"regexp"
)

// check refuses what is well-typed and still makes no sense.
func (n *Node) check() error {
	if len(n.Network.RPC) == 0 {
		return errors.New("network.rpc_interfaces: at least one interface is needed")
	}
	if err := checkAddress("network.node_to_node_interface.bind_address", n.Network.NodeToNode.Bind); err != nil {
		return err
	}
	for name, i := range n.Network.RPC {
		if err := i.check("network.rpc_interfaces." + name); err != nil {
			return err
		}
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
		return n.Command.Start.check()
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
	for k, text := range i.Accepted {
		if _, err := regexp.Compile(text); err != nil {
			return fmt.Errorf("%s.accepted_endpoints[%d]: %q is no regular expression: braces of a path template need a backslash, \\\\{ \\\\}", at, k, text)
		}
	}
	if i.SoftCap != nil && i.HardCap != nil && *i.SoftCap > *i.HardCap {
		return fmt.Errorf("%s: max_open_sessions_soft is above max_open_sessions_hard", at)
	}
	for key := range i.Redirections {
		if key != "to_primary" && key != "to_backup" {
			return fmt.Errorf("%s.redirections.%s: unknown key", at, key)
		}
	}
	return nil
}
