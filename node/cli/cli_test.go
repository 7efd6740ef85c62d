package cli

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// call runs one command line in process.
func call(args ...string) (stdout, stderr string, code int) {
	var out, errs bytes.Buffer
	code = Main(args, Stdio{In: strings.NewReader(""), Out: &out, Err: &errs}, noEnv)
	return out.String(), errs.String(), code
}

// every visits all commands that a reader of --help finds.
func every(c *cobra.Command, f func(*cobra.Command)) {
	f(c)
	for _, sub := range c.Commands() {
		if !sub.Hidden {
			every(sub, f)
		}
	}
}

func TestEveryCommandExplainsItself(t *testing.T) {
	a := &app{env: noEnv}
	n := 0
	every(a.root(), func(c *cobra.Command) {
		n++
		path := strings.Fields(c.CommandPath())[1:]
		out, _, code := call(append(path, "--help")...)
		if code != exitOK || !strings.Contains(out, "Usage:") || !strings.Contains(out, "--output") {
			t.Errorf("%v --help: %d\n%s", path, code, out)
		}
		if c.Short == "" || !strings.Contains(out, "Examples:\n  ") {
			t.Errorf("%s: no example in its help", c.CommandPath())
		}
		for _, line := range strings.Split(c.Example, "\n") {
			if !strings.Contains(line, "concordat ") {
				t.Errorf("%s: example %q does not call the binary", c.CommandPath(), line)
			}
		}
	})
	if n < 17 {
		t.Errorf("only %d commands", n)
	}
}

// TestExamplesParse runs the command lines of all examples as far as their flags
// go: an example with a flag that does not exist helps nobody.
func TestExamplesParse(t *testing.T) {
	a := &app{env: noEnv}
	every(a.root(), func(c *cobra.Command) {
		for _, line := range strings.Split(c.Example, "\n") {
			for _, part := range strings.Split(line, "|") {
				part, _, _ = strings.Cut(part, ">")
				_, part, ok := strings.Cut(part, "concordat ")
				if !ok {
					continue
				}
				args := asNodeCommand(strings.Fields(part))
				root := (&app{env: noEnv}).root()
				found, rest, err := root.Find(args)
				if err == nil {
					err = found.ParseFlags(rest)
				}
				if err == nil {
					err = found.ValidateArgs(found.Flags().Args())
				}
				if err != nil {
					t.Errorf("%s: example %q: %v", c.CommandPath(), part, err)
				}
			}
		}
	})
}

// TestMisuse: what is wrong with the command line itself is exit code 2, says what, and where help is.
func TestMisuse(t *testing.T) {
	for _, tt := range []struct {
		args string
		want []string
	}{
		{"nosuch", []string{`has no command "nosuch"`, "`concordat --help`"}},
		{"ledgr", []string{"did you mean ledger?"}},
		{"ledger bogus", []string{`concordat ledger has no command "bogus"`, "`concordat ledger --help`"}},
		{"gov prpose x", []string{"did you mean propose?"}},
		{"help nosuch", []string{`no command "nosuch"`}},
		{"help gov nosuch", []string{`concordat gov has no command "nosuch"`}},
		{"--nosuch", []string{"unknown flag: --nosuch"}},
		{"gov show --nosuch", []string{"unknown flag: --nosuch", "`concordat gov show --help`"}},
		{"gov show a b", []string{"want at most one proposal's id, not 2 arguments"}},
		{"gov vote", []string{"want the proposal's id, not 0 arguments"}},
		{"gov vote a b", []string{"not 2 arguments"}},
		{"gov propose", []string{"want the proposal's file, or -"}},
		{"gov constitution x", []string{"want no arguments, not 1 arguments"}},
		{"gov activate", []string{"--member-cert and --member-key are needed"}},
		{"gov activate --member-cert a --member-key b --timeout 0s", []string{"--timeout 0s: want more than 0"}},
		{"gov activate --timeout soon", []string{`invalid argument "soon"`}},
		{"gov vote id --no --ballot b --member-cert a --member-key b", []string{"--no and --ballot exclude each other"}},
		{"ledger verify", []string{"want the ledger's directories"}},
		{"ledger show", []string{"want the ledger's directories"}},
		{"ledger show x --from one", []string{`invalid argument "one"`}},
		{"receipt verify", []string{"want the receipt's file, or -"}},
		{"receipt verify x --claims-digest 00", []string{"want 64 hex digits"}},
		{"receipt verify x --transaction 2", []string{`--transaction "2"`}},
		{"app proposal", []string{"want the app's folder"}},
		{"dev a b", []string{"want at most the app's folder, not 2 arguments"}},
		{"dev --nodes 3", []string{"this version runs one node"}},
		{"dev --members 0", []string{"at least one member"}},
		{"dev --users -1", []string{"--users -1"}},
		{"dev --http-port 70000", []string{"want 0 to 65535"}},
		{"dev --no-app dir", []string{"--no-app and APP_DIR exclude each other"}},
		{"keygen", []string{"--name is needed"}},
		{"keygen --name a/b", []string{"plain name"}},
		{"keygen --name ..", []string{"plain name"}},
		{"keygen --name a --curve ed25519", []string{`--curve "ed25519": want secp256r1, secp384r1 or secp521r1`}},
		{"node", []string{"--config is needed"}},
		{"node x --config c", []string{"want no arguments"}},
		{"node --config c --log-level loud", []string{`--log-level "loud"`}},
		{"node --config c --set nothing", []string{`--set "nothing": want KEY=VALUE`}},
		{"node --config c --config-timeout 1m", []string{"--config-timeout"}},
		{"--check", []string{"--config is needed"}},
		{"gov constitution --output xml", []string{`--output "xml": want text or json`}},
	} {
		out, errs, code := call(strings.Fields(tt.args)...)
		if code != exitUsage || out != "" || strings.Count(errs, "\n") != 1 {
			t.Errorf("concordat %s: exit code %d, stdout %q, stderr %q", tt.args, code, out, errs)
		}
		for _, want := range append(tt.want, "concordat: ", "--help`") {
			if !strings.Contains(errs, want) {
				t.Errorf("concordat %s: %q is not in %q", tt.args, want, errs)
			}
		}
	}
}

// TestErrorsAsJSON: with --output json an error is one JSON object, wherever the flag stands.
func TestErrorsAsJSON(t *testing.T) {
	for args, want := range map[string]int{
		"--output json nosuch":                                    2,
		"ledger bogus --output=json":                              2,
		"--nosuch --output json":                                  2,
		"gov vote --output json":                                  2,
		"gov show --nosuch --output=json":                         2,
		"keygen --output json":                                    2,
		"node --output json":                                      2,
		"dev --nodes 2 --output json":                             2,
		"node --config nosuch.json --output json":                 1,
		"--config nosuch.json --output json":                      1,
		"ledger verify nosuch --output json":                      1,
		"ledger show nosuch --output json":                        1,
		"receipt verify nosuch --output json":                     1,
		"app proposal nosuch --output json":                       1,
		"gov show --output json":                                  1,
		"gov propose nosuch --output json":                        1,
		"gov vote x --member-cert a --member-key b --output json": 1,
	} {
		out, errs, code := call(strings.Fields(args)...)
		var got struct {
			Error    string `json:"error"`
			ExitCode int    `json:"exit_code"`
		}
		if err := json.Unmarshal([]byte(errs), &got); err != nil || got.ExitCode != want || code != want || got.Error == "" {
			t.Errorf("concordat %s: exit code %d, want %d, stderr %q: %v", args, code, want, errs, err)
		}
		if out != "" && !json.Valid([]byte(out)) {
			t.Errorf("concordat %s: stdout %q", args, out)
		}
	}
}

func TestVersion(t *testing.T) {
	for _, flag := range []string{"--version", "-v"} {
		if out, _, code := call(flag); code != exitOK || out != "concordat "+Version+"\n" {
			t.Errorf("%s: %d %q", flag, code, out)
		}
	}
	out, _, code := call("--version", "--output", "json")
	if code != exitOK || out != "{\n  \"version\": \""+Version+"\"\n}\n" {
		t.Errorf("as JSON: %d %q", code, out)
	}
}

// TestHelpOfGroups: a group called alone says what it holds.
func TestHelpOfGroups(t *testing.T) {
	for _, args := range []string{"", "gov", "ledger", "receipt", "app", "help gov", "help"} {
		out, errs, code := call(strings.Fields(args)...)
		if code != exitOK || errs != "" || !strings.Contains(out, "Available Commands:") {
			t.Errorf("concordat %s: %d %q %q", args, code, out, errs)
		}
	}
}

// noEnv is an environment without variables.
func noEnv(string) string { return "" }
