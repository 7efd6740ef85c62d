package badinput

import (
	"crypto/elliptic"
	"crypto/rand"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"concordat/ledger/keys"
)

const goodConfig = `{
  "network": {
    "node_to_node_interface": {"bind_address": "127.0.0.1:0"},
    "rpc_interfaces": {"main": {"bind_address": "127.0.0.1:0"}}
  },
  "command": {
    "type": "Start",
    "start": {
      "constitution_files": ["c.js"],
      "members": [{"certificate_file": "m_cert.pem", "encryption_public_key_file": "m_enc_pubk.pem"}]
    }
  }
}`

// folder makes a folder in which a node could start, and one thing wrong with it.
func folder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if _, errs, code := concordat(t, dir, "keygen", "--name", "m", "--enc-key"); code != 0 {
		t.Fatal(errs)
	}
	text, errs, code := concordat(t, dir, "gov", "constitution")
	if code != 0 {
		t.Fatal(errs)
	}
	write(t, dir, "c.js", text)
	write(t, dir, "config.json", goodConfig)
	write(t, dir, "words.txt", "no PEM here\n")
	write(t, dir, "hollow.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
	write(t, dir, "half.json", `{"a": `)
	write(t, dir, "blank.js", " \n")
	for _, d := range []string{"full", "adir"} {
		if err := os.Mkdir(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	write(t, filepath.Join(dir, "full"), "ledger_1", "")
	write(t, dir, "tomorrow.pem", certFrom(t, time.Now().Add(24*time.Hour)))
	return dir
}

func certFrom(t *testing.T, from time.Time) string {
	t.Helper()
	_, cert, err := keys.NewIdentity(rand.Reader, elliptic.P384(), "tomorrow", keys.Days(from, 10))
	if err != nil {
		t.Fatal(err)
	}
	return string(cert)
}

func members(text string) string { return "command.start.members=[" + text + "]" }

// TestNodeRefusesToStart: one sentence that says what is wrong and what to do, exit
// code 1, and nothing left behind that would stop the next start.
func TestNodeRefusesToStart(t *testing.T) {
	dir := folder(t)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	const cert = `{"certificate_file":"m_cert.pem"}`
	for name, tt := range map[string]struct {
		set  string
		want []string // what is wrong, and what to do about it
	}{
		"ledger there":        {"ledger.directory=full", []string{"the ledger directory full already holds files", "move it away, or set ledger.directory"}},
		"ledger is a file":    {"ledger.directory=c.js", []string{"ledger.directory", "not a directory", "name a folder"}},
		"state is a file":     {"ledger.state_directory=c.js", []string{"ledger.state_directory", "not a directory"}},
		"no certificate":      {members(`{"certificate_file":"nosuch.pem"}`), []string{"command.start.members[0].certificate_file: open nosuch.pem", "concordat keygen"}},
		"folder as cert":      {members(`{"certificate_file":"adir"}`), []string{"command.start.members[0].certificate_file", "adir: is a directory", "name a file"}},
		"words as cert":       {members(`{"certificate_file":"words.txt"}`), []string{"member words.txt: certificate: ", "no CERTIFICATE found", "concordat keygen"}},
		"hollow cert":         {members(`{"certificate_file":"hollow.pem"}`), []string{"member hollow.pem: certificate: ", "malformed certificate", "concordat keygen"}},
		"key as cert":         {members(`{"certificate_file":"m_privk.pem"}`), []string{"member m_privk.pem: certificate: ", "no CERTIFICATE found"}},
		"no encryption key":   {members(`{"certificate_file":"m_cert.pem","encryption_public_key_file":"nosuch.pem"}`), []string{"command.start.members[0].encryption_public_key_file: open nosuch.pem", "concordat keygen"}},
		"words as key":        {members(`{"certificate_file":"m_cert.pem","encryption_public_key_file":"words.txt"}`), []string{"encryption public key", "no PUBLIC KEY found", "keygen --enc-key"}},
		"cert as key":         {members(`{"certificate_file":"m_cert.pem","encryption_public_key_file":"m_cert.pem"}`), []string{"encryption public key", "keygen --enc-key"}},
		"member twice":        {members(cert + "," + cert), []string{"another member has the same certificate", "name each member once"}},
		"role without key":    {members(`{"certificate_file":"m_cert.pem","data_json_file":"half.json"}`), []string{"members[0].data_json_file: half.json is not valid JSON"}},
		"no members":          {members(""), []string{"command.start.members: a service needs at least one member"}},
		"clock before cert":   {members(cert + `,{"certificate_file":"tomorrow.pem"}`), []string{"command.start.members[1].certificate_file: tomorrow.pem is valid from ", "clock says ", "set the clock"}},
		"no constitution":     {`command.start.constitution_files=["nosuch.js"]`, []string{"command.start.constitution_files: open nosuch.js", "`concordat gov constitution` prints the default"}},
		"blank constitution":  {`command.start.constitution_files=["blank.js"]`, []string{"none of the constitution files has any text", "concordat gov constitution"}},
		"constitution list":   {`command.start.constitution_files=[]`, []string{"command.start.constitution_files: at least one file", "concordat gov constitution"}},
		"threshold":           {"command.start.service_configuration.recovery_threshold=2", []string{"the recovery threshold (2) cannot be met", "lower it, or give more members"}},
		"join":                {"command.type=Join", []string{"can only start a new service", "set command.type to Start"}},
		"recover":             {"command.type=Recover", []string{"can only start a new service", "set command.type to Start"}},
		"dance":               {"command.type=Dance", []string{`command.type: "Dance": want one of Start, Join, Recover`}},
		"port taken":          {"network.rpc_interfaces.main.bind_address=" + taken.Addr().String(), []string{"network.rpc_interfaces.main: cannot listen on " + taken.Addr().String(), "address already in use", "choose another address, or stop"}},
		"peer port taken":     {"network.node_to_node_interface.bind_address=" + taken.Addr().String(), []string{"network.node_to_node_interface: cannot listen on", "choose another address, or stop"}},
		"foreign address":     {"network.rpc_interfaces.main.bind_address=192.0.2.1:8000", []string{"cannot listen on 192.0.2.1:8000", "choose another address"}},
		"no port":             {"network.rpc_interfaces.main.bind_address=127.0.0.1", []string{`network.rpc_interfaces.main.bind_address: "127.0.0.1": want HOST:PORT`}},
		"udp":                 {"network.rpc_interfaces.main.protocol=udp", []string{"udp is not served by this version", "set it to tcp"}},
		"PID file":            {"output_files.pid_file=words.txt", []string{"the PID file words.txt exists", "stop it, or remove the file"}},
		"PID in no folder":    {"output_files.pid_file=nosuch/pid", []string{"output_files.pid_file: nosuch/pid is not in a folder that exists", "make the folder"}},
		"cert onto a folder":  {"output_files.node_certificate_file=adir", []string{"output_files.node_certificate_file: adir is a folder", "name a file"}},
		"service in nowhere":  {"command.service_certificate_file=nosuch/s.pem", []string{"command.service_certificate_file: nosuch/s.pem is not in a folder"}},
		"unknown key":         {"ledger.chunk_sise=1MB", []string{"config.json: ledger.chunk_sise: unknown key (did you mean chunk_size?)"}},
		"unknown deep key":    {"network.rpc_interfaces.main.http_configuration.max_body=1MB", []string{"network.rpc_interfaces.main.http_configuration.max_body: unknown key"}},
		"wrong type":          {`ledger_signatures.tx_count="many"`, []string{"ledger_signatures.tx_count: want a whole number, not a text"}},
		"wrong unit":          {"ledger_signatures.delay=fast", []string{`ledger_signatures.delay: time "fast": want a number and us, ms, s, min or h`}},
		"list as object":      {"network.rpc_interfaces=[]", []string{"network.rpc_interfaces: want an object, not a list"}},
		"certificate for 0 d": {"node_certificate.initial_validity_days=0", []string{"node_certificate.initial_validity_days: 0: want 1 to 365"}},
		"certificate too old": {"command.start.initial_service_certificate_validity_days=9223372036854775807", []string{"initial_service_certificate_validity_days", "want 1 to 365"}},
		"subject":             {"node_certificate.subject_name=me", []string{`node_certificate.subject_name: subject name "me": want parts such as CN=NAME`}},
		"service subject":     {"command.start.service_subject_name=", []string{"command.start.service_subject_name: ", "want parts such as"}},
		"service data":        {"service_data_json_file=half.json", []string{"service_data_json_file: half.json is not valid JSON"}},
		"node data":           {"node_data_json_file=nosuch", []string{"node_data_json_file: open nosuch", "name a file"}},
	} {
		t.Run(name, func(t *testing.T) {
			before := listing(t, dir)
			_, errs, code := concordat(t, dir, "node", "--config", "config.json", "--set", tt.set)
			if code != 1 {
				t.Errorf("exit code %d", code)
			}
			last := lastLine(errs)
			if !strings.HasPrefix(last, "concordat: ") || strings.Contains(errs, "node started") {
				t.Errorf("stderr: %s", errs)
			}
			for _, want := range tt.want {
				if !strings.Contains(last, want) {
					t.Errorf("%q is not in %q", want, last)
				}
			}
			if after := listing(t, dir); after != before {
				t.Errorf("files before:\n%s\nand after:\n%s", before, after)
			}
		})
	}
}

func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[len(lines)-1]
}

// listing names the files in a folder and their sizes.
func listing(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.Walk(dir, func(path string, info os.FileInfo, err error) error {
		if err != nil {
			return err
		}
		if info.IsDir() {
			fmt.Fprintln(&b, path)
			return nil
		}
		fmt.Fprintln(&b, path, info.Size())
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestBrokenConfigurationFiles: files that are no configuration at all.
func TestBrokenConfigurationFiles(t *testing.T) {
	dir := t.TempDir()
	for text, want := range map[string]string{
		"":                           "the configuration is empty",
		"{":                          "not valid JSON",
		"{\n\n\"network\": nonsense": "(line 3)",
		"[1]":                        "neither JSON nor YAML",
		"{}":                         "network: missing",
		"\x00\x01\x02":               "neither JSON nor YAML",
		goodConfig + "x":             "goes on after its closing brace",
		strings.Repeat("[", 100000):  "neither JSON nor YAML",
		`{"network":` + strings.Repeat(`{"a":`, 20000): "not valid JSON",
		strings.Repeat(" ", 5<<20):                     "over 4194304 bytes",
	} {
		write(t, dir, "config.json", text)
		_, errs, code := concordat(t, dir, "node", "--config", "config.json")
		if code != 1 || !strings.Contains(errs, want) || len(errs) > 1000 {
			t.Errorf("%.40q: exit code %d, %.300q, want %q", text, code, errs, want)
		}
	}
}
