package node

import (
	"encoding/hex"

	"concordat/governance"
	"concordat/governance/tables"
	"concordat/ledger/jsondoc"
	"concordat/node/attest"
)

// genesis reads everything the first transaction of the service says.
func (n *Node) genesis() (*governance.Genesis, error) {
	o := &n.opts
	members, err := o.members()
	if err != nil {
		return nil, err
	}
	text, err := o.constitution()
	if err != nil {
		return nil, err
	}
	serviceData, err := o.readJSON("service_data_json_file", o.Config.ServiceDataFile)
	if err != nil {
		return nil, err
	}
	info, err := n.info()
	if err != nil {
		return nil, err
	}
	return &governance.Genesis{
		Members: members, Constitution: text, Config: o.serviceConfig(), ServiceCert: string(n.id.serviceCert),
		ServiceData: serviceData, NodeID: n.id.node.ID(), Node: info, EndorsedCert: string(n.id.endorsed), Trust: trustIn(n.id.evidence),
	}, nil
}

// info is this node's own row of nodes.info.
func (n *Node) info() (tables.NodeInfo, error) {
	data, err := n.opts.readJSON("node_data_json_file", n.opts.Config.NodeDataFile)
	if err != nil {
		return tables.NodeInfo{}, err
	}
	peer, err := jsondoc.Marshal(map[string]string{"bind_address": n.peer.Bind, "published_address": n.peer.Published})
	if err != nil {
		return tables.NodeInfo{}, err
	}
	encryption, err := n.id.encryption.PublicPEM()
	if err != nil {
		return tables.NodeInfo{}, err
	}
	ev := n.id.evidence
	info := tables.NodeInfo{
		CertificateSigningRequest: string(n.id.csr), CodeDigest: hex.EncodeToString([]byte(ev.Measurement)),
		EncryptionPubKey: string(encryption), NodeData: data, NodeToNodeInterface: peer,
		PublicKey:     string(n.id.node.PublicPEM()),
		QuoteInfo:     tables.QuoteInfo{Endorsements: ev.Endorsements, Format: tables.QuoteFormat(ev.Format), Quote: ev.Quote},
		RPCInterfaces: map[string]jsondoc.Opaque{}, Status: tables.NodeTrusted,
	}
	for _, l := range n.rpc {
		info.RPCInterfaces[l.name] = l.echo
	}
	info.NodeHost, info.NodePort = hostPort(n.peer.Published)
	info.RPCHost, info.RPCPort = hostPort(n.rpc[0].Addr().String())
	info.PubHost, info.PubPort = hostPort(n.rpc[0].published)
	return info, nil
}

// trustIn is the code that may join: the code that founds the service.
func trustIn(ev *attest.Evidence) governance.Trust {
	if ev.Format != attest.FormatVirtual {
		return governance.Trust{}
	}
	return governance.Trust{VirtualMeasurement: ev.Measurement, VirtualHostData: ev.HostData}
}
