package govapi

import (
	"concordat/governance/tables"
	"concordat/ledger/jsondoc"
	"concordat/ledger/kv"
	"concordat/node/frontend"
)

type interfaceView struct {
	Protocol         string `json:"protocol,omitempty"`
	PublishedAddress string `json:"publishedAddress"`
}

type nodeView struct {
	Certificate      string                   `json:"certificate,omitempty"`
	NodeData         any                      `json:"nodeData"`
	NodeID           string                   `json:"nodeId"`
	QuoteInfo        any                      `json:"quoteInfo"`
	RetiredCommitted bool                     `json:"retiredCommitted"`
	RPCInterfaces    map[string]interfaceView `json:"rpcInterfaces"`
	Status           tables.NodeStatus        `json:"status"`
}

func viewNode(tx *kv.Tx, id string, info tables.NodeInfo) (nodeView, error) {
	cert, _ := tables.EndorsedCerts.PEM(tx, id)
	out := nodeView{
		Certificate: cert, NodeData: orNull(info.NodeData), NodeID: id, RetiredCommitted: info.RetiredCommitted,
		RPCInterfaces: map[string]interfaceView{}, Status: info.Status,
	}
	for name, b := range info.RPCInterfaces {
		var i tables.Interface
		if err := jsondoc.Unmarshal(b, &i); err != nil {
			return out, err
		}
		out.RPCInterfaces[name] = interfaceView{i.AppProtocol, i.PublishedAddress}
	}
	var err error
	out.QuoteInfo, err = viewQuote(info.QuoteInfo)
	return out, err
}

type virtualView struct {
	Details struct {
		HostData    string `json:"hostData"`
		Measurement string `json:"measurement"`
		ReportData  []byte `json:"reportData"`
	} `json:"details"`
	Format   tables.QuoteFormat `json:"format"`
	RawQuote []byte             `json:"rawQuote"`
}

type snpView struct {
	EndorsedTCB     string             `json:"endorsedTcb,omitempty"`
	Format          tables.QuoteFormat `json:"format"`
	UVMEndorsements []byte             `json:"uvmEndorsements,omitempty"`
}

type sgxView struct {
	Endorsements []byte             `json:"endorsements"`
	Format       tables.QuoteFormat `json:"format"`
	Quote        []byte             `json:"quote"`
}

// viewQuote shows what a platform's evidence says. The SEV-SNP report itself is
// left to the /node interface.
func viewQuote(q tables.QuoteInfo) (any, error) {
	switch q.Format {
	case tables.QuoteSNP:
		return snpView{q.EndorsedTCB, q.Format, q.UVMEndorsements}, nil
	case tables.QuoteSGX:
		return sgxView{q.Endorsements, q.Format, q.Quote}, nil
	}
	var content tables.VirtualQuote
	if err := jsondoc.Unmarshal(q.Quote, &content); err != nil {
		return nil, err
	}
	v := virtualView{Format: q.Format, RawQuote: q.Quote}
	v.Details.HostData, v.Details.Measurement, v.Details.ReportData = content.HostData, content.Measurement, content.ReportData
	return v, nil
}

func listNodes(c *frontend.Context) error {
	out := newList()
	var bad error
	err := tables.Nodes.Each(c.Tx(), func(id string, info tables.NodeInfo) bool {
		var node nodeView
		node, bad = viewNode(c.Tx(), id, info)
		out.Value = append(out.Value, node)
		return bad == nil
	})
	if err == nil {
		err = bad
	}
	if err != nil {
		return err
	}
	return answer(c, out)
}

func getNode(c *frontend.Context) error {
	id, err := idParam(c, "nodeId", "node")
	if err != nil {
		return err
	}
	info, ok, err := tables.Nodes.Get(c.Tx(), id)
	if err != nil {
		return err
	}
	if !ok {
		return notFound("Node n[%s] does not exist.", id)
	}
	node, err := viewNode(c.Tx(), id, info)
	if err != nil {
		return err
	}
	return answer(c, node)
}
