package api_test

import (
	"context"
	"maps"
	"runtime"
	"testing"

	"concordat/js-apps/api"
	"concordat/ledger"
	"concordat/ledger/kv"
)

// The benchmarked endpoint: four modules, a request with headers and a caller,
// a JSON body, a regular expression, one read and one write, a JSON response.
var putApp = sources{
	"/main.js": `
import { parse } from "./lib/body.js";
import { table } from "./lib/store.js";
import { reply } from "./lib/reply.js";
export function put(request) {
  const { id, msg } = parse(request);
  const t = table();
  const key = ccf.strToBuf(id);
  const old = t.get(key);
  t.set(key, ccf.jsonCompatibleToBuf({ msg, by: request.caller.policy }));
  return reply({ id, replaced: old !== undefined });
}`,
	"/lib/body.js": `
const valid = /^[a-z0-9-]{1,64}$/;
export function parse(request) {
  const body = request.body.json();
  if (!valid.test(body.id)) throw new Error("bad id");
  return body;
}`,
	"/lib/store.js": `export const table = () => ccf.kv["public:records"];`,
	"/lib/reply.js": `export const reply = (body) => ({ statusCode: 200, headers: { "x-app": "bench" }, body });`,
}

// sources is an application held in memory.
type sources map[string]string

func (s sources) Version() string { return "1" }

func (s sources) Module(name string) ([]byte, bool) {
	text, ok := s[name]
	return []byte(text), ok
}

func putRequest() *api.Request {
	host := "service.example"
	return &api.Request{
		Method: "POST", Path: "/app/put", Route: "/app/put", URL: "/app/put", Hostname: &host,
		Headers: []api.Header{
			{Name: "content-length", Value: "42"}, {Name: "content-type", Value: "application/json"},
			{Name: "host", Value: host}, {Name: "user-agent", Value: "bench/1"},
		},
		Body:   []byte(`{"id":"record-17","msg":"hello, ledger of the world"}`),
		Caller: &api.Caller{Policy: "user_cert", ID: "227bdc2183c05d1f3ad5b0a4abe336988a59a233f162b5ba60ab87d550f46b07", Cert: "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"},
	}
}

func benchmarkPut(b *testing.B, app sources, reuse *string) {
	store := kv.New(kv.NewMemBase(), kv.Options{})
	tx := store.Begin()
	tx.Map("public:records").Put([]byte("record-17"), []byte(`{"msg":"first"}`))
	store.Apply(ledger.TxID{View: 2, Seqno: 1}, tx.WriteSet())
	tx.Release()
	apps := api.NewApps()
	defer apps.Close()
	e := api.Endpoint{Module: "/main.js", Function: "put", Method: "POST", Route: "/app/put", ReuseKey: reuse}
	req, o := putRequest(), api.DefaultOptions()
	h := &api.Host{}
	call := func() {
		h.Tx = store.Begin()
		defer h.Tx.Release()
		out, err := apps.Call(context.Background(), e, app, o, req, h)
		if err != nil || out.Error != nil || out.Status != 200 {
			b.Fatal(err, out.Error)
		}
	}
	call()
	runtime.GC()
	b.ReportAllocs()
	for b.Loop() {
		call()
	}
}

// BenchmarkPutFresh gives every request a pristine interpreter.
func BenchmarkPutFresh(b *testing.B) { benchmarkPut(b, putApp, nil) }

// BenchmarkPutReused keeps one interpreter.
func BenchmarkPutReused(b *testing.B) {
	key := "k"
	benchmarkPut(b, putApp, &key)
}

// BenchmarkPutImpure has a module that must be loaded for every request.
func BenchmarkPutImpure(b *testing.B) {
	app := maps.Clone(putApp)
	app["/main.js"] += "; export const seed = Math.random();"
	benchmarkPut(b, app, nil)
}
