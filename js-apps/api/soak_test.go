package api_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"testing"

	"concordat/js-apps/api"
	"concordat/ledger/kv"
)

// resident is the memory of the process in pages, 0 where that is not told.
func resident() int {
	raw, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	var size, rss int
	fmt.Fscan(bytes.NewReader(raw), &size, &rss)
	return rss
}

// TestNothingLeaks holds that requests of every kind leave no memory behind.
func TestNothingLeaks(t *testing.T) {
	if testing.Short() || resident() == 0 {
		t.Skip("needs /proc and some seconds")
	}
	store := kv.New(kv.NewMemBase(), kv.Options{})
	apps := api.NewApps()
	defer apps.Close()
	app := sources{
		"/pure.js":   `export const f = () => { const a = []; for (let i = 0; i < 1e4; i++) a.push({ i }); return { body: a.length } }`,
		"/impure.js": `const s = Math.random(); export const f = () => ({ body: new ArrayBuffer(1 << 20) })`,
		"/bad.js":    `export const f = () => { const a = []; for (;;) a.push(new ArrayBuffer(1 << 16)) }`,
		"/deep.js":   `export const f = () => { (function f() { f() })() }`,
		"/broken.js": `import "./no.js"; export const f = 1`,
	}
	o := api.DefaultOptions()
	o.HeapBytes = 4 << 20
	round := func(n int) {
		for range n {
			for module := range app {
				tx := store.Begin()
				_, err := apps.Call(context.Background(), api.Endpoint{Module: module, Function: "f"}, app, o, &api.Request{}, &api.Host{Tx: tx})
				tx.Release()
				if err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	round(10)
	before := resident()
	round(40)
	const allowed = 8 << 20 / 4096
	if grown := resident() - before; grown > allowed {
		t.Errorf("40 rounds took %d pages", grown)
	}
}
