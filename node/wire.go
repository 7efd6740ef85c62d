package node

import (
	"context"
	"log/slog"

	"concordat/governance"
	"concordat/governance/tables"
	"concordat/js-apps/api"
	"concordat/ledger"
	"concordat/node/appapi"
	"concordat/node/attest"
	"concordat/node/frontend"
	"concordat/node/frontend/openapi"
	"concordat/node/frontend/policy"
	"concordat/node/govapi"
	"concordat/node/historical"
	"concordat/node/httpd"
	"concordat/node/operator"
)

// wire makes the frontends over the ledger and the server over the frontends.
func (n *Node) wire() (err error) {
	o := &n.opts
	policies := policy.Set{Now: o.Now}
	n.apps = api.NewApps()
	n.history = historical.New(historical.Config{
		Source: n.replica, Secrets: n.secrets, Committed: n.replica.Committed, Now: o.Now,
		SoftLimit: int(o.Config.HistoricalLimit.Bytes),
	})
	n.app = appapi.New(appapi.Config{
		Apps: n.apps, Policies: policies.ForApps(), AllOf: policy.AllOf, Consensus: appView{n.replica}, Historical: n.history, Log: o.Log,
	})
	n.frontend, err = frontend.New(frontend.Config{
		Actors: n.actors(), Ledger: func() frontend.Ledger { return ledgerView{n.replica} }, Topology: n,
		Interfaces: n.rules(), MaxUncommitted: o.Config.Consensus.MaxUncommitted, Receipt: n.receipt, Log: o.Log,
	})
	if err != nil {
		return err
	}
	n.server = httpd.NewServer(httpd.Config{Handler: n.frontend.Handle, Log: o.Log})
	return nil
}

func (n *Node) rules() map[string]*frontend.InterfaceRules {
	m := map[string]*frontend.InterfaceRules{}
	for _, l := range n.rpc {
		m[l.name] = l.rules
	}
	return m
}

func (n *Node) actors() []frontend.Actor {
	cfg := operator.Config{Node: n, Historical: n.history, Version: "ccf-7.0.0-concordat-" + n.opts.Version, JSVersion: api.EngineVersion}
	common := append(operator.Common(cfg), openapi.Endpoint())
	with := func(own []frontend.Endpoint) []frontend.Endpoint { return append(own, common...) }
	gov := govapi.New(n.engine(), nil)
	return []frontend.Actor{
		{Name: "node", Exempt: true, Endpoints: with(operator.Endpoints(cfg)), Info: frontend.Info{
			Title: "CCF Public Node API", Description: "This API provides public, uncredentialed access to service and node state.", Version: "4.14.0",
		}},
		{Name: "gov", Open: n.govOpen.Load, Endpoints: append(gov.Endpoints(), govCommon(cfg)...), Info: frontend.Info{
			Title: "CCF Governance API", Description: "This API is used to submit and query proposals which affect CCF's public governance tables.", Version: "4.5.0",
		}},
		{Name: "app", Open: n.appOpen.Load, Endpoints: with(n.opts.AppEndpoints), Dynamic: n.app},
	}
}

// govCommon are the common endpoints with the documents of governance's versions.
func govCommon(cfg operator.Config) []frontend.Endpoint {
	api := openapi.Endpoint()
	api.Handler = govapi.Document(api.Handler)
	return append(operator.Common(cfg), api)
}

// engine is governance over this node's keys.
func (n *Node) engine() *governance.Engine {
	return &governance.Engine{
		Scripts: api.NewScripts(),
		Node: &governance.Node{
			ServiceKey: n.id.service, Secrets: n.secrets, Rekeys: n.rekeys, Rand: n.opts.Random, Now: n.opts.Now,
		},
		Log: func(level slog.Level, tag, msg string) { n.opts.Log.Log(context.Background(), level, "["+tag+"] "+msg) },
	}
}

// receipt makes the JSON receipt of a committed transaction at once.
func (n *Node) receipt(ctx context.Context, id ledger.TxID) ([]byte, error) {
	t, err := n.history.Fetch(ctx, id.Seqno)
	if err != nil {
		return nil, err
	}
	r, err := t.Receipt()
	if err != nil {
		return nil, err
	}
	return r.Marshal(), nil
}

// Primary implements frontend.Topology.
func (n *Node) Primary(iface string) (string, bool) {
	if !n.replica.CanReplicate() {
		return "", false
	}
	for _, l := range n.rpc {
		if l.name == iface {
			return l.published, true
		}
	}
	return "", false
}

// Backup implements frontend.Topology: a lone node has none.
func (n *Node) Backup(string) (string, bool) { return "", false }

// State implements operator.Node.
func (n *Node) State() operator.State { return operator.PartOfNetwork }

// StopNotice implements operator.Node.
func (n *Node) StopNotice() bool { return n.stopNotice.Load() }

// StartupSeqno implements operator.Node: this node started without a snapshot.
func (n *Node) StartupSeqno() ledger.Seqno { return 0 }

// SelfSignedCertPEM implements operator.Node.
func (n *Node) SelfSignedCertPEM() string { return *n.selfSigned.Load() }

// Evidence implements operator.Node.
func (n *Node) Evidence() *attest.Evidence { return n.id.evidence }

// Ready implements operator.Node.
func (n *Node) Ready(actor string) bool {
	return n.govOpen.Load() && (actor != "app" || n.appOpen.Load())
}

// Own implements operator.Node.
func (n *Node) Own() tables.NodeInfo {
	info, _ := n.info() // what cannot be read is not shown: the node does not start with it
	return info
}

// Sessions implements operator.Node.
func (n *Node) Sessions() httpd.Metrics { return n.server.Metrics() }

// NodeAddress implements operator.Node.
func (n *Node) NodeAddress() string { return n.peer.Published }

// JSMetrics implements operator.Node.
func (n *Node) JSMetrics(c *frontend.Context) (any, error) { return n.app.Metrics(c) }
