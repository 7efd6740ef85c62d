package operator

import (
	"encoding/json"
	"net/http"
	"strings"

	"concordat/ledger"
	"concordat/ledger/kv"
	"concordat/node/frontend"
)

// Tables this package reads.
const (
	mapNodes       = "public:ccf.gov.nodes.info"
	mapEndorsed    = "public:ccf.gov.nodes.endorsed_certificates"
	mapService     = "public:ccf.gov.service.info"
	mapConfig      = "public:ccf.gov.service.config"
	mapPrevService = "public:ccf.gov.service.previous_service_identity"
)

// singleton is the key of tables with one row: eight zero bytes.
var singleton = make([]byte, 8)

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

// nodeRow is what the endpoints need of a row of nodes.info.
type nodeRow struct {
	Status           string                     `json:"status"`
	Interfaces       map[string]json.RawMessage `json:"rpc_interfaces"`
	Data             json.RawMessage            `json:"node_data"`
	RetiredCommitted bool                       `json:"retired_committed"`
	Quote            quoteRow                   `json:"quote_info"`
}

// nodeInfo is a node as clients see it.
type nodeInfo struct {
	LastWritten ledger.Seqno               `json:"last_written"`
	Data        json.RawMessage            `json:"node_data"`
	ID          string                     `json:"node_id"`
	Primary     bool                       `json:"primary"`
	Interfaces  map[string]json.RawMessage `json:"rpc_interfaces"`
	Status      string                     `json:"status"`
}

// serviceRow is what the endpoints need of service.info.
type serviceRow struct {
	Cert      string          `json:"cert"`
	Status    string          `json:"status"`
	Created   *string         `json:"current_service_create_txid"`
	Recovered uint64          `json:"recovery_count"`
	Data      json.RawMessage `json:"service_data"`
}

// networkInfo is the answer of /node/network.
type networkInfo struct {
	Created     *string         `json:"current_service_create_txid"`
	View        *ledger.View    `json:"current_view"`
	Primary     *string         `json:"primary_id"`
	Recovered   uint64          `json:"recovery_count"`
	Certificate string          `json:"service_certificate"`
	Data        json.RawMessage `json:"service_data"`
	Status      string          `json:"service_status"`
}

func (h *handlers) getNetwork(c *frontend.Context) error {
	var row serviceRow
	if ok, err := readRow(c.Tx(), mapService, singleton, &row); err != nil || !ok {
		return orNotFound(err, "Service state not available.")
	}
	info := networkInfo{
		Created: row.Created, Recovered: row.Recovered, Certificate: row.Cert, Data: orNull(row.Data), Status: row.Status,
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

// readRow decodes a JSON row; ok is false when there is none.
func readRow(tx *kv.Tx, mapName string, key []byte, v any) (ok bool, err error) {
	if tx == nil {
		return false, nil
	}
	b, ok := tx.Map(mapName).Get(key)
	if !ok {
		return false, nil
	}
	return true, json.Unmarshal(b, v)
}

func orNotFound(err error, message string) error {
	if err != nil {
		return err
	}
	return notFound(message)
}

func orNull(v json.RawMessage) json.RawMessage {
	if len(v) == 0 {
		return json.RawMessage("null")
	}
	return v
}

func (h *handlers) info(c *frontend.Context, id string, row *nodeRow) nodeInfo {
	written, _ := c.Tx().Map(mapNodes).Version([]byte(id))
	interfaces := row.Interfaces
	if interfaces == nil {
		interfaces = map[string]json.RawMessage{}
	}
	return nodeInfo{
		LastWritten: written, Data: orNull(row.Data), ID: id, Primary: h.isPrimary(c, id), Interfaces: interfaces, Status: row.Status,
	}
}

func (h *handlers) isPrimary(c *frontend.Context, id string) bool {
	l := c.Ledger()
	return id == h.Node.ID() && l != nil && l.CanReplicate()
}

// eachNode visits the rows of nodes.info.
func eachNode(c *frontend.Context, f func(id string, row *nodeRow)) error {
	var failed error
	c.Tx().Map(mapNodes).ForEach(func(k, v []byte) bool {
		var row nodeRow
		if failed = json.Unmarshal(v, &row); failed != nil {
			return false
		}
		f(string(k), &row)
		return true
	})
	return failed
}

func (h *handlers) getNodes(c *frontend.Context) error {
	host, byHost := c.Query.Lookup("host")
	port, byPort := c.Query.Lookup("port")
	status, byStatus := c.Query.Lookup("status")
	if byStatus && status != "Pending" && status != "Trusted" && status != "Retired" {
		return frontend.Errorf(http.StatusBadRequest, frontend.CodeInvalidQueryParameterValue,
			"Query parameter '%s' is not a valid node status", status)
	}
	nodes := []nodeInfo{}
	err := eachNode(c, func(id string, row *nodeRow) {
		if (!byStatus || row.Status == status) && published(row, host, byHost, port, byPort) {
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
func published(row *nodeRow, host string, byHost bool, port string, byPort bool) bool {
	for _, raw := range row.Interfaces {
		var i struct {
			Bind      string `json:"bind_address"`
			Published string `json:"published_address"`
		}
		if json.Unmarshal(raw, &i) != nil {
			continue
		}
		if i.Published == "" {
			i.Published = i.Bind
		}
		at := strings.LastIndexByte(i.Published, ':')
		if at < 0 {
			continue
		}
		if (!byHost || i.Published[:at] == host) && (!byPort || i.Published[at+1:] == port) {
			return true
		}
	}
	return false
}

func (h *handlers) node(c *frontend.Context, id string) error {
	var row nodeRow
	if ok, err := readRow(c.Tx(), mapNodes, []byte(id), &row); err != nil || !ok {
		return orNotFound(err, "Node not found")
	}
	return c.JSON(h.info(c, id, &row))
}

func (h *handlers) getNode(c *frontend.Context) error { return h.node(c, c.Param("node_id")) }

// getSelf falls back to the configuration until the node is on the ledger.
func (h *handlers) getSelf(c *frontend.Context) error {
	if c.Tx() != nil {
		if c.Tx().Map(mapNodes).Has([]byte(h.Node.ID())) {
			return h.node(c, h.Node.ID())
		}
	}
	row := nodeRow{Status: "Pending"}
	if err := json.Unmarshal(h.Node.Own(), &row); err != nil {
		return err
	}
	return c.JSON(nodeInfo{Data: orNull(row.Data), ID: h.Node.ID(), Interfaces: row.Interfaces, Status: "Pending"})
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
	err := eachNode(c, func(id string, row *nodeRow) {
		if row.Status == "Retired" && row.RetiredCommitted {
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
	id := []byte(c.Param("node_id"))
	var row nodeRow
	if ok, err := readRow(c.Tx(), mapNodes, id, &row); err != nil || !ok {
		return orNotFound(err, "No such node")
	}
	if row.Status != "Retired" || !row.RetiredCommitted {
		return frontend.Errorf(http.StatusBadRequest, frontend.CodeNodeNotRetiredCommitted, "Node is not completely retired")
	}
	c.Tx().Map(mapNodes).Delete(id)
	c.Tx().Map(mapEndorsed).Delete(id)
	return c.JSON(true)
}
