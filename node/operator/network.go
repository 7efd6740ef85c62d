package operator

import (
	"net/http"
	"slices"
	"strings"

	"concordat/governance/tables"
	"concordat/ledger"
	"concordat/ledger/jsondoc"
	"concordat/node/frontend"
)

func (h *handlers) network() []frontend.Endpoint {
	return []frontend.Endpoint{
		get("/network", frontend.ForwardSometimes, frontend.ReadOnly, h.getNetwork),
		get("/network/nodes", frontend.ForwardSometimes, frontend.ReadOnly, h.getNodes),
		get("/network/nodes/{node_id}", frontend.ForwardSometimes, frontend.ReadOnly, h.getNode),
		get("/network/nodes/self", frontend.ForwardNever, frontend.ReadOnly, h.getSelf),
		get("/network/nodes/primary", frontend.ForwardSometimes, frontend.ReadOnly, h.getPrimaryNode),
		get("/network/removable_nodes", frontend.ForwardSometimes, frontend.ReadOnly, h.getRemovable),
		{Verb: http.MethodDelete, Path: "/network/nodes/{node_id}", Handler: h.deleteNode, Doc: &frontend.Doc{}},
	}
}

// nodeInfo is a node as clients see it.
type nodeInfo struct {
	LastWritten ledger.Seqno              `json:"last_written"`
	Data        jsondoc.Opaque            `json:"node_data"`
	ID          string                    `json:"node_id"`
	Primary     bool                      `json:"primary"`
	Interfaces  map[string]jsondoc.Opaque `json:"rpc_interfaces"`
	Status      tables.NodeStatus         `json:"status"`
}

// networkInfo is the answer of /node/network.
type networkInfo struct {
	Created     *string              `json:"current_service_create_txid"`
	View        *ledger.View         `json:"current_view"`
	Primary     *string              `json:"primary_id"`
	Recovered   uint64               `json:"recovery_count"`
	Certificate string               `json:"service_certificate"`
	Data        jsondoc.Opaque       `json:"service_data"`
	Status      tables.ServiceStatus `json:"service_status"`
}

func (h *handlers) getNetwork(c *frontend.Context) error {
	row, ok, err := cell(c, tables.Service)
	if err != nil || !ok {
		return orNotFound(err, "Service state not available.")
	}
	info := networkInfo{Certificate: row.Cert, Data: row.ServiceData, Status: row.Status}
	if row.CurrentServiceCreateTxID != "" {
		info.Created = &row.CurrentServiceCreateTxID
	}
	if row.RecoveryCount != nil {
		info.Recovered = *row.RecoveryCount
	}
	if l := c.Ledger(); l != nil && l.View() != 0 {
		view, id := l.View(), h.Node.ID()
		info.View = &view
		if l.CanReplicate() {
			info.Primary = &id
		}
	}
	return c.JSON(info)
}

// cell reads a table with one row; there is none before the node has a ledger.
func cell[V any](c *frontend.Context, t tables.Cell[V]) (row V, ok bool, err error) {
	if c.Tx() == nil {
		return row, false, nil
	}
	return t.Get(c.Tx())
}

// nodeRow is the row of a node, likewise.
func nodeRow(c *frontend.Context, id string) (row tables.NodeInfo, ok bool, err error) {
	if c.Tx() == nil {
		return row, false, nil
	}
	return tables.Nodes.Get(c.Tx(), id)
}

func orNotFound(err error, message string) error {
	if err != nil {
		return err
	}
	return notFound(message)
}

func (h *handlers) info(c *frontend.Context, id string, row *tables.NodeInfo) nodeInfo {
	written, _ := c.Tx().Map(tables.NodesInfo).Version([]byte(id))
	interfaces := row.RPCInterfaces
	if interfaces == nil {
		interfaces = map[string]jsondoc.Opaque{}
	}
	return nodeInfo{
		LastWritten: written, Data: row.NodeData, ID: id, Primary: h.isPrimary(c, id), Interfaces: interfaces, Status: row.Status,
	}
}

func (h *handlers) isPrimary(c *frontend.Context, id string) bool {
	l := c.Ledger()
	return id == h.Node.ID() && l != nil && l.CanReplicate()
}

// eachNode visits the rows of nodes.info.
func eachNode(c *frontend.Context, f func(id string, row *tables.NodeInfo)) error {
	return tables.Nodes.Each(c.Tx(), func(id string, row tables.NodeInfo) bool {
		f(id, &row)
		return true
	})
}

var nodeStates = []tables.NodeStatus{tables.NodePending, tables.NodeTrusted, tables.NodeRetired}

func (h *handlers) getNodes(c *frontend.Context) error {
	host, byHost := c.Query.Lookup("host")
	port, byPort := c.Query.Lookup("port")
	status, byStatus := c.Query.Lookup("status")
	if byStatus && !slices.Contains(nodeStates, tables.NodeStatus(status)) {
		return frontend.Errorf(http.StatusBadRequest, frontend.CodeInvalidQueryParameterValue,
			"Query parameter '%s' is not a valid node status", status)
	}
	nodes := []nodeInfo{}
	err := eachNode(c, func(id string, row *tables.NodeInfo) {
		if (!byStatus || string(row.Status) == status) && published(row, host, byHost, port, byPort) {
			nodes = append(nodes, h.info(c, id, row))
		}
	})
	if err != nil {
		return err
	}
	return c.JSON(map[string]any{"nodes": nodes})
}

// published reports whether one interface has the asked-for published address. A
// node without interfaces never matches.
func published(row *tables.NodeInfo, host string, byHost bool, port string, byPort bool) bool {
	for _, raw := range row.RPCInterfaces {
		var i tables.Interface
		if jsondoc.Unmarshal(raw, &i) != nil {
			continue
		}
		if i.PublishedAddress == "" {
			i.PublishedAddress = i.BindAddress
		}
		at := strings.LastIndexByte(i.PublishedAddress, ':')
		if at < 0 {
			continue
		}
		if (!byHost || i.PublishedAddress[:at] == host) && (!byPort || i.PublishedAddress[at+1:] == port) {
			return true
		}
	}
	return false
}

func (h *handlers) node(c *frontend.Context, id string) error {
	row, ok, err := nodeRow(c, id)
	if err != nil || !ok {
		return orNotFound(err, "Node not found")
	}
	return c.JSON(h.info(c, id, &row))
}

func (h *handlers) getNode(c *frontend.Context) error { return h.node(c, c.Param("node_id")) }

// getSelf falls back to the configuration until the node is on the ledger.
func (h *handlers) getSelf(c *frontend.Context) error {
	id := h.Node.ID()
	row, ok, err := nodeRow(c, id)
	switch {
	case err != nil:
		return err
	case ok:
		return c.JSON(h.info(c, id, &row))
	}
	row = h.Node.Own()
	return c.JSON(nodeInfo{Data: row.NodeData, ID: id, Interfaces: row.RPCInterfaces, Status: tables.NodePending})
}

func (h *handlers) getPrimaryNode(c *frontend.Context) error {
	l := c.Ledger()
	switch {
	case l == nil:
		return notFound("No configured consensus")
	case !l.CanReplicate():
		return internal("Primary unknown")
	}
	return h.node(c, h.Node.ID())
}

// getRemovable lists nodes whose retirement is complete: there is none while a
// service is one node.
func (h *handlers) getRemovable(c *frontend.Context) error {
	nodes := []nodeInfo{}
	err := eachNode(c, func(id string, row *tables.NodeInfo) {
		if row.Status == tables.NodeRetired && row.RetiredCommitted {
			info := h.info(c, id, row)
			info.Primary = false
			nodes = append(nodes, info)
		}
	})
	if err != nil {
		return err
	}
	return c.JSON(map[string]any{"nodes": nodes})
}

func (h *handlers) deleteNode(c *frontend.Context) error {
	id := c.Param("node_id")
	row, ok, err := nodeRow(c, id)
	if err != nil || !ok {
		return orNotFound(err, "No such node")
	}
	if row.Status != tables.NodeRetired || !row.RetiredCommitted {
		return frontend.Errorf(http.StatusBadRequest, frontend.CodeNodeNotRetiredCommitted, "Node is not completely retired")
	}
	tables.Nodes.Delete(c.Tx(), id)
	tables.EndorsedCerts.Delete(c.Tx(), id)
	return c.JSON(true)
}
