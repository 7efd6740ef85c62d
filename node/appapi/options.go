package appapi

import (
	"encoding/json"
	"fmt"
	"math"
	"time"

	"concordat/js-apps/api"
)

// ParseOptions reads the row of js_runtime_options. Numbers are stored as they
// were proposed, so negative ones exist: they mean the least there is.
func ParseOptions(row []byte) (api.Options, error) {
	o := api.DefaultOptions()
	var stored struct {
		Heap   *float64 `json:"max_heap_bytes"`
		Stack  *float64 `json:"max_stack_bytes"`
		Time   *float64 `json:"max_execution_time_ms"`
		Log    bool     `json:"log_exception_details"`
		Return bool     `json:"return_exception_details"`
		Cached *float64 `json:"max_cached_interpreters"`
	}
	if err := json.Unmarshal(row, &stored); err != nil {
		return o, fmt.Errorf("js_runtime_options: %w", err)
	}
	set := func(dst *uint64, v *float64) {
		if v != nil {
			*dst = clamp(*v)
		}
	}
	set(&o.HeapBytes, stored.Heap)
	set(&o.StackBytes, stored.Stack)
	if stored.Time != nil {
		o.Time = time.Duration(min(clamp(*stored.Time), math.MaxInt64/uint64(time.Millisecond))) * time.Millisecond
	}
	if stored.Cached != nil {
		o.CachedInterpreters = int(min(clamp(*stored.Cached), maxCached))
	}
	o.LogDetails, o.ReturnDetails = stored.Log, stored.Return
	return o, nil
}

// maxCached bounds how many interpreters a proposal can make a node keep.
const maxCached = 1024

func clamp(v float64) uint64 {
	switch {
	case v <= 0 || math.IsNaN(v):
		return 0
	case v >= math.MaxInt64:
		return math.MaxInt64
	}
	return uint64(v)
}
