package operator

import (
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"runtime"
	"sync/atomic"

	"concordat/governance/tables"
	"concordat/ledger"
	"concordat/ledger/jsondoc"
	"concordat/node/frontend"
)

func (h *handlers) self() []frontend.Endpoint {
	never, noTx := frontend.ForwardNever, frontend.NoTx
	return []frontend.Endpoint{
		get("/state", never, frontend.ReadOnly, h.getState),
		get("/primary", never, noTx, h.getPrimary),
		{Verb: http.MethodHead, Path: "/primary", Mode: noTx, Forwarding: never, Handler: h.headPrimary, Doc: &frontend.Doc{}},
		get("/backup", never, noTx, h.getBackup),
		get("/config", never, noTx, h.getConfig),
		get("/consensus", never, noTx, h.getConsensus),
		get("/self_signed_certificate", never, noTx, h.getSelfSigned),
		get("/version", never, noTx, h.getVersion),
		get("/memory", never, noTx, h.getMemory),
		get("/metrics", never, noTx, h.getMetrics),
		get("/js_metrics", frontend.ForwardSometimes, frontend.ReadOnly, h.getJSMetrics),
		get("/jwt_keys/refresh/metrics", never, noTx, h.getRefreshMetrics),
		get("/index/strategies", never, noTx, h.getStrategies),
		get("/ready/app", never, noTx, h.ready("app")),
		get("/ready/gov", never, noTx, h.ready("gov")),
		get("/quotes/self", never, frontend.ReadOnly, h.getQuote),
		get("/attestations/self", never, frontend.ReadOnly, h.getQuote),
		get("/quotes", frontend.ForwardSometimes, frontend.ReadOnly, h.quotes("quotes")),
		get("/attestations", frontend.ForwardSometimes, frontend.ReadOnly, h.quotes("attestations")),
	}
}

func (h *handlers) getState(c *frontend.Context) error {
	touch(c)
	return c.JSON(struct {
		LastSigned ledger.Seqno `json:"last_signed_seqno"`
		ID         string       `json:"node_id"`
		Startup    ledger.Seqno `json:"startup_seqno"`
		State      State        `json:"state"`
		Stop       bool         `json:"stop_notice"`
	}{h.Node.LastSigned(), h.Node.ID(), h.Node.StartupSeqno(), h.Node.State(), h.Node.StopNotice()})
}

// touch looks at the service's row, so that the answer names the transaction it
// was given at, as CCF's does for these endpoints.
func touch(c *frontend.Context) {
	if tx := c.Tx(); tx != nil {
		tx.Map(tables.ServiceInfoTable).Has(tables.Z8)
	}
}

func leads(c *frontend.Context) bool {
	l := c.Ledger()
	return l != nil && l.CanReplicate()
}

func (h *handlers) getPrimary(c *frontend.Context) error {
	if !leads(c) {
		return notFound("Node is not primary")
	}
	return c.Raw(http.StatusOK, "", nil)
}

func (h *handlers) headPrimary(c *frontend.Context) error {
	if !leads(c) {
		return internal("Primary unknown")
	}
	return c.Raw(http.StatusOK, "", nil)
}

func (h *handlers) getBackup(c *frontend.Context) error {
	if leads(c) {
		return notFound("Node is not backup")
	}
	return c.Raw(http.StatusOK, "", nil)
}

type address struct {
	Address string `json:"address"`
}

func (h *handlers) getConfig(c *frontend.Context) error {
	if c.Ledger() == nil {
		return notFound("No configured consensus")
	}
	return c.JSON(map[string]address{h.Node.ID(): {h.Node.NodeAddress()}})
}

// getConsensus shows a group of one, which is all there is.
func (h *handlers) getConsensus(c *frontend.Context) error {
	l := c.Ledger()
	if l == nil {
		return notFound("No configured consensus")
	}
	details := map[string]any{
		"acks": map[string]any{},
		"configs": []any{map[string]any{
			"idx": 1, "rid": 1, "nodes": map[string]address{h.Node.ID(): {h.Node.NodeAddress()}},
		}},
		"current_view":     l.View(),
		"leadership_state": "Leader",
		"membership_state": "Active", "reconfiguration_type": "OneTransaction",
		"primary_id": h.Node.ID(),
		"ticking":    true,
	}
	if !l.CanReplicate() {
		details["leadership_state"], details["primary_id"] = "Follower", nil
	}
	return c.JSON(map[string]any{"details": details})
}

func (h *handlers) getSelfSigned(c *frontend.Context) error {
	return c.JSON(map[string]string{"self_signed_certificate": h.Node.SelfSignedCertPEM()})
}

func (h *handlers) getVersion(c *frontend.Context) error {
	return c.JSON(map[string]any{"ccf_version": h.Version, "quickjs_version": h.JSVersion, "unsafe": false})
}

// peakHeap is the largest heap any request saw: Go keeps no such mark itself.
var peakHeap atomic.Uint64

func (h *handlers) getMemory(c *frontend.Context) error {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	for peak := peakHeap.Load(); m.HeapAlloc > peak && !peakHeap.CompareAndSwap(peak, m.HeapAlloc); {
		peak = peakHeap.Load()
	}
	return c.JSON(map[string]uint64{
		"current_allocated_heap_size": m.HeapAlloc,
		"max_total_heap_size":         ^uint64(0),
		"peak_allocated_heap_size":    peakHeap.Load(),
	})
}

func (h *handlers) getMetrics(c *frontend.Context) error {
	return c.JSON(map[string]any{"sessions": h.Node.Sessions()})
}

func (h *handlers) getJSMetrics(c *frontend.Context) error {
	m, err := h.Node.JSMetrics(c)
	if err != nil {
		return err
	}
	return c.JSON(m)
}

// getRefreshMetrics counts nothing: keys are set by governance only.
func (h *handlers) getRefreshMetrics(c *frontend.Context) error {
	return c.JSON(map[string]int{"attempts": 0, "failures": 0, "successes": 0})
}

func (h *handlers) getStrategies(c *frontend.Context) error { return c.JSON([]any{}) }

func (h *handlers) ready(actor string) func(*frontend.Context) error {
	return func(c *frontend.Context) error {
		if !h.Node.StopNotice() && h.Node.State() == PartOfNetwork && h.Node.Ready(actor) {
			return c.Raw(http.StatusNoContent, "", nil)
		}
		return c.Raw(http.StatusServiceUnavailable, "", nil)
	}
}

// quote is a node's evidence as clients see it.
type quote struct {
	Endorsements string `json:"endorsements"`
	Format       string `json:"format"`
	Measurement  string `json:"measurement,omitempty"`
	NodeID       string `json:"node_id"`
	Raw          string `json:"raw"`
	UVM          string `json:"uvm_endorsements,omitempty"`
}

func quoteOf(id string, q tables.QuoteInfo) (quote, error) {
	b64 := base64.StdEncoding.EncodeToString
	out := quote{Endorsements: b64(q.Endorsements), Format: string(q.Format), NodeID: id, Raw: b64(q.Quote), UVM: b64(q.UVMEndorsements)}
	measurement, err := measurementOf(q)
	if err != nil {
		return out, frontend.Errorf(http.StatusInternalServerError, frontend.CodeInvalidQuote, "Failed to read the measurement of node %s", id)
	}
	out.Measurement = hex.EncodeToString([]byte(measurement))
	return out, nil
}

// measurementOf reads a virtual quote: the measurement is text there, and shown
// as the hex of its bytes. Other platforms are read where they are verified.
func measurementOf(q tables.QuoteInfo) (string, error) {
	var v tables.VirtualQuote
	err := jsondoc.Unmarshal(q.Quote, &v)
	return v.Measurement, err
}

func (h *handlers) getQuote(c *frontend.Context) error {
	row, ok, err := nodeRow(c, h.Node.ID())
	if err != nil || !ok {
		return orNotFound(err, "Could not find node quote.")
	}
	q, err := quoteOf(h.Node.ID(), row.QuoteInfo)
	if err != nil {
		return err
	}
	return c.JSON(q)
}

func (h *handlers) quotes(name string) func(*frontend.Context) error {
	return func(c *frontend.Context) error {
		list := []quote{}
		var failed error
		err := eachNode(c, func(id string, row *tables.NodeInfo) {
			if row.Status != tables.NodeTrusted {
				return
			}
			q, err := quoteOf(id, row.QuoteInfo)
			if err != nil {
				failed = err
				return
			}
			list = append(list, q)
		})
		if err != nil {
			return err
		}
		if failed != nil {
			return failed
		}
		return c.JSON(map[string]any{name: list})
	}
}
