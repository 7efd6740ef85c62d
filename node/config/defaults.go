package config

import "time"

// Default returns the configuration of an empty file: CCF 7's defaults
// (ccf-http-api 10), and those of Concordat's own keys.
func Default() Node {
	idle := Duration{60 * time.Second}
	return Node{
		Command: Command{
			ServiceCert: "service_cert.pem",
			Start:       Start{CertDays: 1, ServiceSubject: "CN=CCF Service"},
			Join:        Join{FollowRedirect: true, FetchSnapshot: true},
		},
		NodeCertificate:  NodeCertificate{Subject: "CN=CCF Node", Curve: "Secp384R1", Days: 1},
		Ledger:           Ledger{Directory: "ledger", ChunkSize: mustSize("5MB"), Sync: "commit", State: "state"},
		Snapshots:        Snapshots{Directory: "snapshots", TxCount: 10000},
		Logging:          Logging{Format: "Text"},
		Consensus:        Consensus{Duration{100 * time.Millisecond}, Duration{5 * time.Second}, 10000},
		LedgerSignatures: Signatures{TxCount: 5000, Delay: Duration{time.Second}, Mode: "Dual", Rate: 50, Burst: 20},
		Output:           Output{NodeCert: "nodecert.pem", PID: "node.pid"},
		IdleTimeout:      &idle,
		HistoricalLimit:  mustSize("512MB"),
	}
}

// Limits of an interface that its http_configuration does not name.
func DefaultHTTP() HTTP {
	return HTTP{
		MaxBody: mustSize("1MB"), MaxHeader: mustSize("16KB"), MaxHeaders: 256,
		MaxStreams: 100, Window: mustSize("64KB"), MaxFrame: mustSize("16KB"),
	}
}

// Session caps of an interface that names none.
const (
	DefaultSoftCap = 1000
	DefaultHardCap = 1010
)

// OrDefault completes what the file left out.
func (h HTTP) OrDefault() HTTP {
	d := DefaultHTTP()
	if h.MaxBody.Text != "" {
		d.MaxBody = h.MaxBody
	}
	if h.MaxHeader.Text != "" {
		d.MaxHeader = h.MaxHeader
	}
	if h.MaxHeaders != 0 {
		d.MaxHeaders = h.MaxHeaders
	}
	if h.MaxStreams != 0 {
		d.MaxStreams = h.MaxStreams
	}
	if h.Window.Text != "" {
		d.Window = h.Window
	}
	if h.MaxFrame.Text != "" {
		d.MaxFrame = h.MaxFrame
	}
	return d
}
