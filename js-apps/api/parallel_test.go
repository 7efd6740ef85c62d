package api_test

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"testing"

	"concordat/js-apps/api"
	"concordat/ledger/kv"
)

// countingApp answers with its version and how often its module was used.
type countingApp int

func (v countingApp) Version() string { return strconv.Itoa(int(v)) }

func (v countingApp) Module(name string) ([]byte, bool) {
	return fmt.Appendf(nil, `import { version } from "./v%[1]d.js"; let n = 0;
const t = ccf.kv["t"];
export function f(r) { n++; t.set(ccf.strToBuf(r.body.text()), ccf.strToBuf("v")); return { body: [version, n, r.body.text(), t.size] } }
`, int(v)), true
}

// TestParallelRequests runs requests for several versions at once, fresh and
// reused, while the pool is flushed: each must see its own version, its own
// request and its own transaction, and a fresh one a pristine interpreter.
func TestParallelRequests(t *testing.T) {
	store := kv.New(kv.NewMemBase(), kv.Options{})
	apps := api.NewApps()
	defer apps.Close()
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for k := range 60 {
				if g == 0 && k%20 == 19 {
					apps.Flush()
				}
				parallelCall(t, store, apps, countingApp(k%3), k, fmt.Sprintf("%d-%d", g, k))
			}
		}()
	}
	wg.Wait()
}

func parallelCall(t *testing.T, store *kv.Store, apps *api.Apps, app countingApp, k int, body string) {
	e := api.Endpoint{Module: "/m.js", Function: "f"}
	if k%2 == 1 {
		key := "key" + strconv.Itoa(k%5)
		e.ReuseKey = &key
	}
	o := api.DefaultOptions()
	o.CachedInterpreters = 3
	tx := store.Begin()
	defer tx.Release()
	out, err := apps.Call(context.Background(), e, selfImporting{app}, o, &api.Request{Body: []byte(body)}, &api.Host{Tx: tx})
	if err != nil || out.Error != nil {
		t.Error(err, out)
		return
	}
	var version, n, size int
	var got string
	if _, err := fmt.Sscanf(string(out.Body), "[%d,%d,%q,%d]", &version, &n, &got, &size); err != nil {
		t.Errorf("%s: %v", out.Body, err)
		return
	}
	if version != int(app) || got != body || size != 1 || e.ReuseKey == nil && n != 1 {
		t.Errorf("version %d, request %s: %s", app, body, out.Body)
	}
}

// selfImporting gives /vN.js the exports that /m.js asks for.
type selfImporting struct{ countingApp }

func (s selfImporting) Module(name string) ([]byte, bool) {
	if name == "/m.js" {
		return s.countingApp.Module(name)
	}
	return fmt.Appendf(nil, "export const version = %d;", int(s.countingApp)), name == "/v"+s.Version()+".js"
}

// TestManyEndpoints holds that idle interpreters are bounded.
func TestManyEndpoints(t *testing.T) {
	store := kv.New(kv.NewMemBase(), kv.Options{})
	apps := api.NewApps()
	defer apps.Close()
	tx := store.Begin()
	defer tx.Release()
	for k := range 100 {
		e := api.Endpoint{Module: fmt.Sprintf("/m%d.js", k%80), Function: "f"}
		out, err := apps.Call(context.Background(), e, everyModule{}, api.DefaultOptions(), &api.Request{}, &api.Host{Tx: tx})
		if err != nil || out.Error != nil || string(out.Body) != e.Module {
			t.Fatal(err, out)
		}
	}
	if n := apps.Idle(); n > api.MaxIdle {
		t.Errorf("%d idle interpreters", n)
	}
}

type everyModule struct{}

func (everyModule) Version() string { return "" }

func (everyModule) Module(name string) ([]byte, bool) {
	return []byte(`export const f = () => ({ body: "` + name + `" })`), true
}
