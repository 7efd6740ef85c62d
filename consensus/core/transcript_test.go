package core

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	"concordat/ledger"
)

// TestTranscripts replays testdata: stories of segments, one command a paragraph.
func TestTranscripts(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		var s *stage
		var out strings.Builder
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			out.Reset()
			if d.Cmd == "node" {
				s = newStage(t, func(c *Config) { configure(t, d, c) })
				s.say = func(format string, args ...any) { fmt.Fprintf(&out, format+"\n", args...) }
				s.elect()
				s.say("%s", describe(s.core))
				return out.String()
			}
			command, ok := commands[d.Cmd]
			if !ok {
				d.Fatalf(t, "unknown command")
			}
			command(t, s, d)
			if out.Len() == 0 {
				return "nothing happens\n"
			}
			return out.String()
		})
	})
}

func configure(t *testing.T, d *datadriven.TestData, c *Config) {
	c.SigRate = -1
	c.InFlight = 100
	arg(t, d, "segment-tx", &c.SegmentTx)
	arg(t, d, "in-flight", &c.InFlight)
	arg(t, d, "max-uncommitted", &c.MaxUncommittedTx)
	arg(t, d, "burst", &c.SigBurst)
	for name, to := range map[string]*uint64{"chunk-size": &c.ChunkSize, "raft-bytes": &c.RaftBytes, "snapshot-tx": &c.SnapshotTxCount} {
		arg(t, d, name, to)
	}
	var rate, delay int
	arg(t, d, "rate", &rate)
	arg(t, d, "delay-ms", &delay)
	if rate != 0 {
		c.SigRate = float64(rate)
	}
	c.SigDelay = time.Duration(delay) * time.Millisecond
}

func arg(t *testing.T, d *datadriven.TestData, name string, to any) {
	if d.HasArg(name) {
		d.ScanArgs(t, name, to)
	}
}

func describe(c *Core) string {
	r := c.Role()
	return fmt.Sprintf("%s in view %d; sequenced up to %v, committed %v", r.Name, r.View, c.Last(), c.Committed())
}

var commands = map[string]func(*testing.T, *stage, *datadriven.TestData){
	"submit": func(t *testing.T, s *stage, d *datadriven.TestData) {
		n := 1
		arg(t, d, "n", &n)
		for range n {
			id, err := s.submit("public:m", "k", "v", Request{
				ForceChunk: d.HasArg("force-chunk"), ForceSnapshot: d.HasArg("force-snapshot"), StartsChunk: d.HasArg("starts-chunk"),
			})
			if err != nil {
				s.say("refused: %v", err)
				return
			}
			s.say("sequenced %v", id)
			if !d.HasArg("unsealed") {
				s.seal(-1)
			}
		}
	},
	"seal": func(t *testing.T, s *stage, d *datadriven.TestData) { s.seal(-1) },
	"sign": func(t *testing.T, s *stage, d *datadriven.TestData) { s.sign() },
	"disk": func(t *testing.T, s *stage, d *datadriven.TestData) {
		n := -1
		arg(t, d, "n", &n)
		s.disk(n)
	},
	"wait": func(t *testing.T, s *stage, d *datadriven.TestData) {
		var ms int
		d.ScanArgs(t, "ms", &ms)
		s.now += time.Duration(ms) * time.Millisecond
		s.core.Wake(s.now)
		s.take()
	},
	"tick": func(t *testing.T, s *stage, d *datadriven.TestData) {
		n := 1
		arg(t, d, "n", &n)
		for range n {
			s.now += 100 * time.Millisecond
			s.core.Tick(s.now)
			s.take()
		}
		s.say("%s", describe(s.core))
	},
	"depose": func(t *testing.T, s *stage, d *datadriven.TestData) {
		view := s.core.Role().View + 1
		err := s.core.Step(&Message{
			Type: raftpb.MsgHeartbeat.Enum(), From: proto.Uint64(9), To: proto.Uint64(1), Term: &view, Commit: proto.Uint64(0),
		})
		if err != nil {
			t.Fatal(err)
		}
		s.take()
		s.say("%s", describe(s.core))
	},
	"elect": func(t *testing.T, s *stage, d *datadriven.TestData) {
		s.elect()
		s.say("%s", describe(s.core))
	},
	"status": func(t *testing.T, s *stage, d *datadriven.TestData) {
		for _, a := range d.CmdArgs {
			id, err := ledger.ParseTxID(a.Key)
			if err != nil {
				t.Fatal(err)
			}
			s.say("%v is %s", id, s.core.TxStatus(id))
		}
	},
	"flags": func(t *testing.T, s *stage, d *datadriven.TestData) {
		for n := ledger.Seqno(1); n < s.core.next; n++ {
			if raw, ok := s.core.Entry(n); ok && raw[1] != 0 {
				s.say("entry %d has flags %d", n, raw[1])
			}
		}
	},
	"views": func(t *testing.T, s *stage, d *datadriven.TestData) { s.say("%v", s.core.Views()) },
	"show":  func(t *testing.T, s *stage, d *datadriven.TestData) { s.say("%s", describe(s.core)) },
	"settle": func(t *testing.T, s *stage, d *datadriven.TestData) {
		s.settle()
		s.say("%s", describe(s.core))
	},
}
