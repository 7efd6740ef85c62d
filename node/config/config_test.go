package config

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"concordat/ledger/fixture"
)

const minimal = `{"network":{"node_to_node_interface":{"bind_address":"127.0.0.1:0"},"rpc_interfaces":{"main":{"bind_address":"127.0.0.1:0"}}},
"command":{"type":"Start","start":{"constitution_files":["c.js"],"members":[{"certificate_file":"m.pem"}]}}}`

// TestRecordedFiles reads the files CCF ran with.
func TestRecordedFiles(t *testing.T) {
	n, idle, err := Read(fixture.Read(t, "http-transcripts/config-n0.json"))
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(idle, []string{"snapshots.tx_count", "consensus.message_timeout", "consensus.election_timeout"}) {
		t.Errorf("keys without effect: %v", idle)
	}
	small := n.Network.RPC["small"]
	for _, c := range []struct{ got, want any }{
		{n.Command.Type, "Start"}, {n.Command.Start.CertDays, uint64(30)}, {n.Command.Start.Service.Threshold, uint64(2)},
		{n.Command.Start.COSE.Issuer, "transcript.example.com"}, {n.Command.Start.Members[2].RecoveryRole, "Participant"},
		{n.Consensus.ElectionTimeout.Duration, 6 * time.Second}, {n.IdleTimeout.Duration, time.Minute}, {n.IgnoreFirstTerm, true},
		{n.Ledger.ChunkSize, Size{50 << 10, "50KB"}}, {n.LedgerSignatures.Delay.Duration, 150 * time.Millisecond},
		{len(n.Network.RPC), 10}, {*n.Network.RPC["caps"].HardCap, uint64(3)}, {n.Network.RPC["h2"].AppProtocol, "HTTP2"},
		{n.Network.RPC["redir_static"].Redirections["to_backup"].Target.Address, "backup.example.com:443"},
		{n.Network.RPC["restricted"].Accepted[1], `/node/network/nodes/\{node_id\}`},
		{small.HTTP.MaxBody, Size{1024, "1KB"}}, {small.HTTP.MaxHeader, Size{512, "512B"}}, {small.HTTP.MaxHeaders, uint64(16)},
		{n.NodeCertificate.SANs, []string{"iPAddress:127.0.0.1"}}, {n.Ledger.Sync, "commit"}, {n.Output.NodeCert, "nodecert.pem"},
	} {
		if !reflect.DeepEqual(c.got, c.want) {
			t.Errorf("got %v, want %v", c.got, c.want)
		}
	}
	raw, err := json.Marshal(small.Raw["http_configuration"])
	if err != nil || string(raw) != `{"max_body_size":"1KB","max_header_size":"512B","max_headers_count":16}` {
		t.Errorf("echo of an interface: %s %v", raw, err)
	}
	for _, name := range []string{"config-n1.json", "config-n2.json"} {
		if n, _, err := Read(fixture.Read(t, "http-transcripts/"+name)); err != nil || n.Command.Type != "Join" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestEveryKey reads a file that has every key of the structs, and compares the keys without effect with their tags.
func TestEveryKey(t *testing.T) {
	var idle []string
	doc := sample(reflect.TypeFor[Node](), "", &idle).(map[string]any)
	text, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	_, got, err := Read(text)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	slices.Sort(idle)
	slices.Sort(got)
	if !slices.Equal(got, idle) {
		t.Errorf("keys without effect\n got %v\nwant %v", got, idle)
	}
}

// sample makes a valid document for a type.
func sample(typ reflect.Type, at string, idle *[]string) any {
	switch typ {
	case reflect.TypeFor[Size]():
		return "16KB"
	case reflect.TypeFor[Duration]():
		return "1s"
	}
	switch typ.Kind() {
	case reflect.Pointer:
		return sample(typ.Elem(), at, idle)
	case reflect.Slice:
		return []any{sample(typ.Elem(), at+"[0]", idle)}
	case reflect.Map:
		key := "to_primary"
		return map[string]any{key: sample(typ.Elem(), join(at, key), idle)}
	case reflect.Uint64:
		return 7
	case reflect.Bool:
		return true
	case reflect.Interface:
		return map[string]any{}
	case reflect.Struct:
		m := map[string]any{}
		for i := range typ.NumField() {
			f := parseTag(typ.Field(i).Tag.Get("key"))
			if strings.HasPrefix(f.name, "-") {
				continue
			}
			m[f.name] = sample(typ.Field(i).Type, join(at, f.name), idle)
			if len(f.oneOf) > 0 {
				m[f.name] = f.oneOf[0]
			}
			if f.idle {
				*idle = append(*idle, join(at, f.name))
			}
		}
		return m
	}
	switch {
	case strings.Contains(at, "address"):
		return "127.0.0.1:0"
	case strings.Contains(at, "subject_alt_names"):
		return "dNSName:a"
	}
	return "x"
}

func TestRefusals(t *testing.T) {
	iface := func(extra string) string {
		return strings.Replace(minimal, `"main":{"bind_address":"127.0.0.1:0"}`, `"main":{"bind_address":"127.0.0.1:0",`+extra+`}`, 1)
	}
	top := func(extra string) string { return `{` + extra + `,` + minimal[1:] }
	for _, tt := range []struct{ text, want string }{
		{``, "empty"},
		{`{`, "not valid JSON"},
		{"{\n\"a\": x}", "(line 2)"},
		{minimal + "{}", "goes on after"},
		{`[]`, "neither JSON nor YAML"},
		{`{}`, "network: missing"},
		{top(`"bogus":1`), "bogus: unknown key"},
		{top(`"ledger":{"chunksize":1}`), "ledger.chunksize: unknown key (did you mean chunk_size?)"},
		{top(`"ledger":{"chunk_size":"5 parsecs"}`), `ledger.chunk_size: size "5 parsecs": want a number and B, KB`},
		{top(`"ledger":{"chunk_size":true}`), "ledger.chunk_size: want a text with a unit, not true or false"},
		{top(`"ledger":{"chunk_size":0}`), "ledger.chunk_size: 0: want 1 byte"},
		{top(`"ledger":{"sync":"perhaps"}`), `ledger.sync: "perhaps": want one of commit, async, none`},
		{top(`"ledger":[]`), "ledger: want an object, not a list"},
		{top(`"ledger":null`), "ledger: want an object, not null"},
		{top(`"ledger_signatures":{"tx_count":-1}`), "ledger_signatures.tx_count: -1: want a whole number"},
		{top(`"ledger_signatures":{"tx_count":1.5}`), "ledger_signatures.tx_count: 1.5: want a whole number"},
		{top(`"ledger_signatures":{"tx_count":0}`), "ledger_signatures.tx_count: want at least 1"},
		{top(`"consensus":{"message_timeout":"-1ms"}`), "consensus.message_timeout: time"},
		{top(`"ignore_first_sigterm":"yes"`), "ignore_first_sigterm: want true or false, not a text"},
		{top(`"node_certificate":{"subject_alt_names":["127.0.0.1"]}`), `node_certificate.subject_alt_names[0]: "127.0.0.1": want iPAddress:ADDRESS or dNSName:NAME`},
		{top(`"node_certificate":{"subject_alt_names":[7]}`), "node_certificate.subject_alt_names[0]: want a text, not a number"},
		{top(`"node_certificate":{"curve_id":"P256"}`), "node_certificate.curve_id"},
		{iface(`"protocol":"udp"`), "network.rpc_interfaces.main.protocol: udp is not served"},
		{top(`"node_certificate":{"initial_validity_days":0}`), "node_certificate.initial_validity_days: 0: want 1 to 365, which is command.start.service_configuration.maximum_node_certificate_validity_days"},
		{top(`"node_certificate":{"initial_validity_days":366}`), "node_certificate.initial_validity_days: 366"},
		{strings.Replace(minimal, `"start":{`, `"start":{"initial_service_certificate_validity_days":18446744073709551615,`, 1), "command.start.initial_service_certificate_validity_days"},
		{strings.Replace(minimal, `"start":{`, `"start":{"service_configuration":{"maximum_service_certificate_validity_days":36501},`, 1), "maximum_service_certificate_validity_days: 36501: want 1 to 36500"},
		{iface(`"protocol":"sctp"`), `network.rpc_interfaces.main.protocol: "sctp": want one of tcp, udp`},
		{iface(`"app_protocol":"HTTP3"`), "network.rpc_interfaces.main.app_protocol"},
		{iface(`"accepted_endpoints":["("]`), "network.rpc_interfaces.main.accepted_endpoints[0]"},
		{iface(`"max_open_sessions_soft":5,"max_open_sessions_hard":4`), "max_open_sessions_soft is above max_open_sessions_hard"},
		{iface(`"max_open_sessions_soft":2000`), "is above the default of max_open_sessions_hard"},
		{iface(`"max_open_sessions_hard":0`), "want at least 1"},
		{iface(`"published_address":"nowhere"`), "published_address"},
		{iface(`"http_configuration":{"max_body_size":"0"}`), "max_body_size: 0: want 1 byte"},
		{iface(`"http_configuration":{"max_frame_size":"1KB"}`), "max_frame_size: 1KB: want 16KB to 16MB"},
		{iface(`"http_configuration":{"max_headers_count":70000}`), "max_headers_count"},
		{iface(`"http_configuration":{"max_concurrent_streams_count":4294967296}`), "max_concurrent_streams_count"},
		{iface(`"redirections":{"to_moon":{"kind":"NodeByRole"}}`), "redirections.to_moon: unknown key"},
		{iface(`"redirections":{"to_primary":{"kind":"StaticAddress"}}`), "redirections.to_primary.target.address: missing"},
		{iface(`"redirections":{"to_primary":{}}`), "redirections.to_primary.kind: missing"},
		{strings.Replace(minimal, `"bind_address":"127.0.0.1:0"}}}`, `"bind_address":"127.0.0.1"}}}`, 1), `"127.0.0.1": want HOST:PORT`},
		{strings.Replace(minimal, `"main":{"bind_address":"127.0.0.1:0"}`, ``, 1), "at least one interface"},
		{strings.Replace(minimal, `["c.js"]`, `[]`, 1), "command.start.constitution_files"},
		{strings.Replace(minimal, `"Start"`, `"Stop"`, 1), `command.type: "Stop": want one of Start, Join, Recover`},
		{"network: {a: 2020-01-01}", "network.a: YAML understands this as"},
		{"network: {1: x}", "network: YAML understands this as"},
		{strings.Repeat(" ", maxFile+1), "over 4194304 bytes"},
	} {
		_, _, err := Read([]byte(tt.text))
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%.150s\n got %v\nwant %s", tt.text, err, tt.want)
		}
	}
}

func TestYAMLAndOverrides(t *testing.T) {
	text := `
network:
  node_to_node_interface: {bind_address: "127.0.0.1:0"}
  rpc_interfaces:
    main: {bind_address: "127.0.0.1:0", max_open_sessions_soft: 7}
command:
  type: Start
  start: {constitution_files: [c.js], members: [{certificate_file: m.pem}]}
idle_connection_timeout: null
ledger_signatures: {delay: 20ms}
`
	env := Environment([]string{"PATH=/bin", "CONCORDAT_LEDGER__CHUNK_SIZE=1MB", "CONCORDAT_LEDGER__SYNC=none", "CONCORDAT_IGNORE_FIRST_SIGTERM=true"})
	flags := Overrides{"ledger.sync": "async", "network.rpc_interfaces.main.max_open_sessions_soft": "9"}
	n, _, err := Read([]byte(text), env, flags)
	if err != nil {
		t.Fatal(err)
	}
	if n.IdleTimeout != nil || n.LedgerSignatures.Delay.Duration != 20*time.Millisecond || n.LedgerSignatures.TxCount != 5000 {
		t.Errorf("file: %+v", n)
	}
	if n.Ledger.ChunkSize.Bytes != 1<<20 || n.Ledger.Sync != "async" || !n.IgnoreFirstTerm || *n.Network.RPC["main"].SoftCap != 9 {
		t.Errorf("overrides: %+v", n.Ledger)
	}
	for _, bad := range []Overrides{{"ledger.sinc": "none"}, {"ledger.sync.x": "1", "ledger.sync": "none"}, {"ledger": "1"}} {
		if _, _, err := Read([]byte(text), bad); err == nil {
			t.Errorf("%v was taken", bad)
		}
	}
}

func TestUnits(t *testing.T) {
	for s, want := range map[string]uint64{"0": 0, "7": 7, "7B": 7, "1KB": 1 << 10, "5mb": 5 << 20, "1Gb": 1 << 30, "2TB": 2 << 40, "3PB": 3 << 50, "18446744073709551615": 1<<64 - 1} {
		if v, err := ParseSize(s); err != nil || v != (Size{want, s}) {
			t.Errorf("size %q: %v %v", s, v, err)
		}
	}
	for _, s := range []string{"", "B", "-1", "+1", "1.5KB", " 1", "1 KB", "1K", "1KBB", "18446744073709551616", "16384PB", "1e3", "0x10"} {
		if v, err := ParseSize(s); err == nil {
			t.Errorf("size %q was taken as %v", s, v)
		}
	}
	for s, want := range map[string]time.Duration{"0": 0, "5": 5 * time.Microsecond, "5us": 5 * time.Microsecond, "100ms": 100 * time.Millisecond,
		"3s": 3 * time.Second, "30min": 30 * time.Minute, "2h": 2 * time.Hour} {
		if v, err := ParseDuration(s); err != nil || v.Duration != want {
			t.Errorf("time %q: %v %v", s, v, err)
		}
	}
	for _, s := range []string{"", "s", "-1s", "+1s", "1m", "1.5s", "1 s", "1S", "9223372036854775807h", "1d"} {
		if v, err := ParseDuration(s); err == nil {
			t.Errorf("time %q was taken as %v", s, v)
		}
	}
}

// FuzzUnits checks that what is taken as a size or a time says the same when written in base units.
func FuzzUnits(f *testing.F) {
	for _, s := range []string{"5MB", "1", "30min", "9us", "99999999999PB", "-1", "+5KB", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if v, err := ParseSize(s); err == nil {
			text, _ := json.Marshal(v.Bytes)
			if again, err := ParseSize(string(text)); err != nil || again.Bytes != v.Bytes || v.Text != s {
				t.Fatalf("size %q is %v, and %s is %v %v", s, v, text, again, err)
			}
		}
		if v, err := ParseDuration(s); err == nil {
			text, _ := json.Marshal(v.Microseconds())
			if again, err := ParseDuration(string(text)); err != nil || again != v {
				t.Fatalf("time %q is %v, and %s is %v %v", s, v, text, again, err)
			}
		}
	})
}

// FuzzRead checks that any text is taken or refused with an error that says something.
func FuzzRead(f *testing.F) {
	f.Add(minimal)
	f.Add("network: {rpc_interfaces: {a: &x {bind_address: ':1'}, b: *x}}")
	f.Add(`{"attestation":{"environment":{"a":null}},"network":{"rpc_interfaces":{"a":{"endorsement":{"acme_configuration":null}}}}}`)
	f.Fuzz(func(t *testing.T, text string) {
		n, _, err := Read([]byte(text))
		if err != nil && len(err.Error()) < 5 {
			t.Fatalf("%q: %v", text, err)
		}
		if err == nil && (n.Command.Type == "" || len(n.Network.RPC) == 0) {
			t.Fatalf("%q was taken as %+v", text, n)
		}
	})
}
