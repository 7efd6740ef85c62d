package logging

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"concordat/js-apps/api"
	"concordat/js-apps/apptest"
	"concordat/ledger"
)

// past is a history in memory. Unlike a node's, its states are whole stores;
// the tests below write the record in every transaction they ask for.
type past struct {
	t       *testing.T
	app     *apptest.App
	states  map[ledger.Seqno]*api.State
	ready   bool
	dropped int
}

func (p *past) keep() {
	id := p.app.Head()
	tx := p.app.Begin()
	p.t.Cleanup(tx.Release)
	p.states[id.Seqno] = &api.State{ID: id, Tx: tx, Receipt: &api.Receipt{NodeID: "n"}}
}

func (p *past) StateRange(_ context.Context, r api.RangeRequest) ([]*api.State, error) {
	if r.First == 0 {
		return nil, fmt.Errorf("no seqno 0")
	}
	if !p.ready {
		return nil, nil
	}
	var out []*api.State
	for s := r.First; s <= r.Last; s++ {
		out = append(out, p.states[s])
	}
	return out, nil
}

func (p *past) Drop(uint64) bool { p.dropped++; return true }

func (p *past) LastCommitted() ledger.TxID { return p.app.Head() }

func (p *past) Status(id ledger.TxID) (string, error) {
	if id.Seqno > p.app.Head().Seqno {
		return "Unknown", nil
	}
	return "Committed", nil
}

func (p *past) ViewAt(s ledger.Seqno) (ledger.View, bool) { return 2, s <= p.app.Head().Seqno }

func newPast(t *testing.T) (*apptest.App, *past) {
	app := apptest.New(t, App())
	p := &past{t: t, app: app, states: map[ledger.Seqno]*api.State{}}
	app.Consensus, app.Historical = p, p
	for i := range 3 {
		app.Do(apptest.Request{Method: "POST", Target: "/log/private", Body: fmt.Sprintf(`{"id":7,"msg":"m%d"}`, i), Caller: user0})
		p.keep()
	}
	return app, p
}

func TestRange(t *testing.T) {
	app, p := newPast(t)
	get := func(query string) *apptest.Response {
		return app.Do(apptest.Request{Method: "GET", Target: "/log/private/historical/" + query, Caller: user0})
	}
	r := get("range?id=7")
	if want := "Historical transactions from 1 to 3 are not yet available, fetching now"; r.Status != 202 || r.Text() != want {
		t.Errorf("first answer %d %s", r.Status, r.Text())
	}
	for _, h := range []api.Header{{Name: "content-type", Value: "text/plain"}, {Name: "retry-after", Value: "1"}} {
		if !slices.Contains(r.Headers, h) {
			t.Errorf("headers %v lack %v", r.Headers, h)
		}
	}
	p.ready = true
	const thrown = "Exception thrown while executing."
	for query, want := range map[string]string{
		"range?id=7":                                           `{"entries":[{"seqno":1,"id":7,"msg":"m0"},{"seqno":2,"id":7,"msg":"m1"},{"seqno":3,"id":7,"msg":"m2"}]}`,
		"range?id=7&from_seqno=2&to_seqno=2":                   `{"entries":[{"seqno":2,"id":7,"msg":"m1"}]}`,
		"range?id=8":                                           `{"entries":[]}`,
		"range?id=7&from_seqno=10&to_seqno=5":                  `{"error":{"code":"InvalidInput","msg":"to_seqno must be >= from_seqno"}}`,
		"range?id=7&to_seqno=99999999":                         `{"error":{"code":"InvalidInput","msg":"End of range must be committed"}}`,
		"range":                                                thrown,
		"range?id=7&to_seqno=abc":                              thrown,
		"range?id=7&from_seqno=0&to_seqno=3":                   thrown,
		"sparse?id=7&seqnos=1,3":                               `{"entries":[{"seqno":1,"id":7,"msg":"m0"},{"seqno":3,"id":7,"msg":"m2"}]}`,
		"sparse?id=7&seqnos=1,x":                               `{"error":{"code":"InvalidInput","msg":"seqnos must be a list of positive integers"}}`,
		"sparse?id=7&seqnos=99":                                `{"error":{"code":"InvalidInput","msg":"Only committed transactions can be queried"}}`,
		"sparse?id=7&seqnos=" + strings.Repeat("1,", 20) + "1": `{"error":{"code":"InvalidInput","msg":"seqnos must name at most 20 transactions"}}`,
	} {
		if got := get(query).Text(); got != want {
			t.Errorf("%s:\n got  %s\n want %s", query, got, want)
		}
	}
	if p.dropped != 2 {
		t.Errorf("%d handles dropped", p.dropped)
	}
}

func TestRangePages(t *testing.T) {
	app, p := newPast(t)
	for p.app.Head().Seqno < 2001 {
		app.Put("other", "k", "v")
		p.keep()
	}
	app.Do(apptest.Request{Method: "POST", Target: "/log/private", Body: `{"id":7,"msg":"last"}`, Caller: user0})
	p.keep()
	p.ready = true
	target := "/log/private/historical/range?id=7"
	var seqnos []int
	for pages := 0; target != ""; pages++ {
		if pages > 3 {
			t.Fatal("no end of pages")
		}
		var page struct {
			Entries []struct{ Seqno int }
			Next    string `json:"@nextLink"`
		}
		r := app.Do(apptest.Request{Method: "GET", Target: target, Caller: user0})
		if err := json.Unmarshal(r.Body, &page); err != nil {
			t.Fatalf("%s: %v", r.Text(), err)
		}
		for _, e := range page.Entries {
			seqnos = append(seqnos, e.Seqno)
		}
		target = strings.TrimPrefix(page.Next, "/app")
	}
	if len(seqnos) != 2002 || seqnos[2001] != 2002 {
		t.Errorf("%d entries", len(seqnos))
	}
}

func TestHistorical(t *testing.T) {
	app, p := newPast(t)
	get := func(target string) *apptest.Response {
		return app.Do(apptest.Request{Method: "GET", Target: target, Caller: user0, Past: p.states[2]})
	}
	if r := get("/log/private/historical?id=7"); r.Text() != `{"msg":"m1"}` {
		t.Errorf("%d %s", r.Status, r.Text())
	}
	if r := get("/log/private/historical_receipt?id=7"); !bytes.HasPrefix(r.Body, []byte(`{"msg":"m1","receipt":{"signature":`)) {
		t.Errorf("%d %s", r.Status, r.Text())
	}
	if r := get("/log/private/historical_receipt?id=4"); r.Status != 404 || !bytes.HasPrefix(r.Body, []byte(`{"error":{"code":"ResourceNotFound"},"receipt":{"signature":`)) {
		t.Errorf("%d %s", r.Status, r.Text())
	}
	if r := get("/log/public/historical?id=7"); r.Status != 404 {
		t.Errorf("%d %s", r.Status, r.Text())
	}
}
