package httpd

import "sync/atomic"

// counters of one interface; every field is written by connection goroutines.
type counters struct {
	active, peak                          atomic.Int64
	parsing, headerTooLarge, bodyTooLarge atomic.Int64
}

// InterfaceMetrics is what GET /node/metrics shows of one interface, in CCF's names.
type InterfaceMetrics struct {
	Active int64  `json:"active"`
	Errors Errors `json:"errors"`
	Hard   int64  `json:"hard_cap"`
	Peak   int64  `json:"peak"`
	Soft   int64  `json:"soft_cap"`
}

// Errors counts connections closed because of what the client sent.
type Errors struct {
	Parsing        int64 `json:"parsing"`
	HeaderTooLarge int64 `json:"request_header_too_large"`
	BodyTooLarge   int64 `json:"request_payload_too_large"`
}

// Metrics is the whole server's: CCF's SessionMetrics.
type Metrics struct {
	Active     int64                       `json:"active"`
	Interfaces map[string]InterfaceMetrics `json:"interfaces"`
	Peak       int64                       `json:"peak"`
}

func (c *counters) open() int64 {
	return raise(&c.active, &c.peak)
}

func raise(active, peak *atomic.Int64) int64 {
	n := active.Add(1)
	for p := peak.Load(); n > p && !peak.CompareAndSwap(p, n); p = peak.Load() {
	}
	return n
}

func (i *Interface) metrics() InterfaceMetrics {
	c := &i.counters
	return InterfaceMetrics{
		Active: c.active.Load(),
		Errors: Errors{Parsing: c.parsing.Load(), HeaderTooLarge: c.headerTooLarge.Load(), BodyTooLarge: c.bodyTooLarge.Load()},
		Hard:   int64(i.Limits.HardCap),
		Peak:   c.peak.Load(),
		Soft:   int64(i.Limits.SoftCap),
	}
}
