package audit

import (
	"encoding/json"
	"slices"

	"concordat/ledger"
	"concordat/ledger/keys"
)

// nodeState is a node as the ledger describes it so far.
type nodeState struct {
	status  string
	removed bool
	own     string   // certificate in nodes.info, only in the oldest ledgers
	certs   []string // endorsed certificates, oldest first
	trusted bool     // was Trusted at some time
}

// States of a node.
const (
	statusPending = "Pending"
	statusTrusted = "Trusted"
	statusRetired = "Retired"
)

type nodeInfo struct {
	Status string `json:"status"`
	Cert   string `json:"cert"`
}

func (n *nodeState) hasCert(text string) bool {
	text = trimPEM(text)
	return n.own == text || slices.Contains(n.certs, text)
}

func (n *nodeState) anyCert() string {
	if len(n.certs) > 0 {
		return n.certs[len(n.certs)-1]
	}
	return n.own
}

// nodeTables follows the nodes of the service.
func (c *checker) nodeTables(ws ledger.WriteSet) {
	if m, ok := ws.Map(nodesInfoTable); ok {
		for _, w := range m.Writes {
			c.nodeInfo(string(w.Key), w.Value)
		}
		for _, key := range m.Removes {
			c.nodeRemoved(string(key))
		}
	}
	if m, ok := ws.Map(endorsedCertsTable); ok {
		for _, w := range m.Writes {
			c.nodeCert(string(w.Key), trimPEM(string(w.Value)))
		}
	}
}

func (c *checker) node(id string) *nodeState {
	n := c.nodes[id]
	if n == nil {
		n = &nodeState{}
		c.nodes[id] = n
	}
	return n
}

func (c *checker) nodeInfo(id string, row []byte) {
	var info nodeInfo
	if err := json.Unmarshal(row, &info); err != nil {
		c.invalid("%s of node %.64q is not the JSON it should be", nodesInfoTable, id)
		return
	}
	n := c.node(id)
	switch info.Status {
	case statusPending, statusTrusted, statusRetired:
	default:
		c.invalid("node %.64s has status %.40q", id, info.Status)
	}
	if n.status == statusRetired && info.Status != statusRetired && !n.removed {
		c.odd("node %.64s was retired and is %.40s again", id, info.Status)
	}
	n.status, n.removed = info.Status, false
	n.trusted = n.trusted || info.Status == statusTrusted
	if info.Cert != "" {
		n.own = trimPEM(info.Cert)
	}
}

func (c *checker) nodeRemoved(id string) {
	n := c.nodes[id]
	if n == nil || n.removed {
		c.odd("removes node %.64q, which is not there", id)
		return
	}
	if n.status == statusTrusted {
		c.invalid("removes node %.64s, which is still trusted", id)
	}
	n.removed = true
}

// nodeCert checks that the service endorsed the node's key, and the right one.
func (c *checker) nodeCert(id, text string) {
	cert, err := keys.ParseCertPEM([]byte(text))
	if err != nil {
		c.invalid("the endorsed certificate of node %.64q: %v", id, err)
		return
	}
	if got := keys.CertKeyID(cert); got != id {
		c.invalid("the endorsed certificate of node %.64q is of node %s", id, got)
		return
	}
	if c.service.cert == nil {
		if !c.partial {
			c.invalid("a node certificate before the ledger names its service")
		} else if c.trusted == nil || cert.CheckSignatureFrom(c.trusted) != nil {
			c.once("a node certificate of a service whose certificate is not at hand")
		}
	} else if err := cert.CheckSignatureFrom(c.service.cert); err != nil {
		c.invalid("the certificate of node %s is not signed by the service: %v", id, err)
		return
	}
	n := c.node(id)
	if len(n.certs) < maxCerts {
		n.certs = append(n.certs, text)
	}
}
