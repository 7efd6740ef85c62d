package node

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
)

// writeOutputs writes what operators and their tools wait for. The addresses come
// last: who sees them finds the certificates there.
func (n *Node) writeOutputs() error {
	out := n.opts.Config.Output
	addresses := map[string]string{}
	for _, l := range n.rpc {
		addresses[l.name] = l.Addr().String()
	}
	files := []struct {
		what, name string
		content    any
	}{
		{"output_files.pid_file", out.PID, []byte(strconv.Itoa(os.Getpid()))},
		{"output_files.node_certificate_file", out.NodeCert, n.id.selfSigned},
		{"command.service_certificate_file", n.opts.Config.Command.ServiceCert, n.id.serviceCert},
		{"output_files.node_to_node_address_file", out.NodeAddress, map[string]string{"node_to_node_interface": n.peer.Bind}},
		{"output_files.rpc_addresses_file", out.RPCAddresses, addresses},
	}
	for _, f := range files {
		if f.name == "" {
			continue
		}
		content, ok := f.content.([]byte)
		if !ok {
			var err error
			if content, err = json.Marshal(f.content); err != nil {
				return err
			}
		}
		if err := writeWhole(n.opts.path(f.name), content); err != nil {
			return fmt.Errorf("%s: %w", f.what, err)
		}
	}
	return nil
}

// writeWhole makes a file appear with all of its content or not at all.
func writeWhole(path string, content []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".concordat-")
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	err = errors.Join(err, f.Chmod(0o644), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return err
}

func (n *Node) removePID() error {
	pid := n.opts.path(n.opts.Config.Output.PID)
	if pid == "" {
		return nil
	}
	if err := os.Remove(pid); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}
