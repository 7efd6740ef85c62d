package node

import (
	"encoding/json"
	"fmt"

	"concordat/governance/tables"
	"concordat/ledger"
	"concordat/ledger/keys"
)

// follow registers what the node does when the ledger says so: serve a frontend,
// show another certificate, know another secret.
func (n *Node) follow() {
	n.state.OnApply(tables.NodesEndorsedCerts, n.endorsedApplied)
	n.state.OnCommit(tables.NodesEndorsedCerts, n.endorsedCommitted)
	n.state.OnCommit(tables.ServiceInfoTable, n.serviceCommitted)
	n.state.OnApply(tables.EncryptedSecretsTable, n.rekeys.Applied)
	n.state.OnRollback(n.secrets.Rollback)
	n.state.OnCommit(tables.SignaturesTable, func(id ledger.TxID, _ ledger.MapWrites) { n.lastSigned.Store(id.Seqno) })
}

// own is this node's row in a map's writes.
func (n *Node) own(w ledger.MapWrites) ([]byte, bool) {
	for _, write := range w.Writes {
		if string(write.Key) == n.id.node.ID() {
			return write.Value, true
		}
	}
	return nil, false
}

// endorsedApplied makes signatures show the newest certificate.
func (n *Node) endorsedApplied(_ ledger.TxID, w ledger.MapWrites) {
	if cert, ok := n.own(w); ok {
		text := string(cert)
		n.signer.endorsed.Store(&text)
	}
}

// endorsedCommitted serves the committed certificate, and opens governance: the
// first time, the service exists beyond doubt. Afterwards the self-signed
// certificate is renewed to the same validity (ccf-governance 6.7).
func (n *Node) endorsedCommitted(_ ledger.TxID, w ledger.MapWrites) {
	pem, ok := n.own(w)
	if !ok {
		return
	}
	cert, err := n.certificate(pem)
	if err != nil {
		n.fatal(fmt.Errorf("serving the endorsed certificate: %w", err))
		return
	}
	n.server.SetServiceCertificate(cert)
	if n.govOpen.Swap(true) {
		if err := n.renewSelfSigned(pem); err != nil {
			n.fatal(fmt.Errorf("renewing the self-signed certificate: %w", err))
		}
	}
}

func (n *Node) renewSelfSigned(endorsed []byte) error {
	like, err := keys.ParseCertPEM(endorsed)
	if err != nil {
		return err
	}
	o, err := n.opts.identity(n.published())
	if err != nil {
		return err
	}
	pem, err := keys.NodeSelfCert(n.opts.Random, n.id.node, o.nodeSubject, o.sans, keys.WindowOf(like))
	if err != nil {
		return err
	}
	cert, err := n.certificate(pem)
	if err != nil {
		return err
	}
	text := string(pem)
	n.selfSigned.Store(&text)
	n.server.SetNodeCertificate(cert)
	return nil
}

// serviceCommitted opens the application once the service is open under its
// current key.
func (n *Node) serviceCommitted(_ ledger.TxID, w ledger.MapWrites) {
	for _, write := range w.Writes {
		var row struct{ Cert, Status string }
		if err := json.Unmarshal(write.Value, &row); err != nil {
			continue // written by a constitution that knows what it does
		}
		cert, err := keys.ParseCertPEM([]byte(row.Cert))
		if err != nil {
			continue
		}
		if row.Status == string(tables.ServiceOpen) && keys.CertKeyID(cert) == n.id.service.ID() {
			n.appOpen.Store(true)
		}
	}
}
