package appapi

import (
	"concordat/governance/tables"
	"concordat/js-apps/api"
	"concordat/node/frontend"
)

// Metrics is what /node/js_metrics shows (ccf-http-api 3.2).
func (a *App) Metrics(c *frontend.Context) (any, error) {
	o, err := a.Options(c)
	if err != nil {
		return nil, err
	}
	size := 0 // of the stored bytecode, kept for tools that look at it; this node executes only what it compiled itself
	c.Tx().Map(tables.ModulesBytecode).ForEach(func(_, v []byte) bool {
		size += len(v)
		return true
	})
	version, _ := c.Tx().Map(tables.ModulesEngine).Get(tables.Z8)
	return struct {
		Size   int    `json:"bytecode_size"`
		Used   bool   `json:"bytecode_used"`
		Cached int    `json:"max_cached_interpreters"`
		Time   int64  `json:"max_execution_time"`
		Heap   uint64 `json:"max_heap_size"`
		Stack  uint64 `json:"max_stack_size"`
	}{size, string(version) == api.EngineVersion, o.CachedInterpreters, o.Time.Milliseconds(), o.HeapBytes, o.StackBytes}, nil
}
