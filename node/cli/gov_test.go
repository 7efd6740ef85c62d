package cli

import (
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// pretend is a service that answers what a test wants, in the words of the real one.
type pretend struct {
	status string // of every transaction: what /node/tx says
	refuse string // "STATUS CODE MESSAGE" for everything under /gov, or ""
}

func (p *pretend) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	proposal := `{"ballotCount":1,"finalVotes":{"b":false,"aaaaaaaaaaaa":true},"proposalId":"p1","proposalState":"Accepted","proposerId":"m"}`
	switch {
	case strings.HasPrefix(r.URL.Path, "/gov") && p.refuse != "":
		var status int
		var code, message string
		_, _ = fmt.Sscanf(p.refuse, "%d %s %q", &status, &code, &message)
		w.WriteHeader(status)
		fmt.Fprintf(w, `{"error":{"code":%q,"message":%q}}`, code, message)
	case r.URL.Path == "/node/tx":
		fmt.Fprintf(w, `{"status":%q,"transaction_id":"2.9"}`, p.status)
	case strings.HasSuffix(r.URL.Path, ":ack"):
		w.Header().Set("x-ms-ccf-transaction-id", "2.9")
		w.WriteHeader(http.StatusNoContent)
	case r.Method == http.MethodGet && r.URL.Path == "/gov/members/proposals":
		fmt.Fprint(w, `{"value":[]}`)
	default:
		if r.Method == http.MethodPost {
			w.Header().Set("x-ms-ccf-transaction-id", "2.9")
		}
		fmt.Fprint(w, proposal)
	}
}

// member makes the keys of alice and returns the flags of a command she signs,
// against the pretended service.
func (p *pretend) start(t *testing.T) []string {
	t.Helper()
	s := httptest.NewTLSServer(p)
	t.Cleanup(s.Close)
	dir := t.TempDir()
	cert := filepath.Join(dir, "service_cert.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	if err := os.WriteFile(cert, text, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, errs, code := call("keygen", "--name", "alice", "--dir", dir); code != exitOK {
		t.Fatal(errs)
	}
	return []string{"--url", s.URL, "--service-cert", cert,
		"--member-cert", filepath.Join(dir, "alice_cert.pem"), "--member-key", filepath.Join(dir, "alice_privk.pem")}
}

// lines are the commands that change something.
var lines = [][]string{{"gov", "vote", "p1"}, {"gov", "vote", "p1", "--no"}, {"gov", "withdraw", "p1"}, {"gov", "activate"}}

func with(line []string, more ...string) []string {
	return append(append([]string{}, line...), more...)
}

func TestCommandsWaitForCommit(t *testing.T) {
	flags := (&pretend{status: "Committed"}).start(t)
	for _, line := range lines {
		out, errs, code := call(with(line, flags...)...)
		if code != exitOK || errs != "" || !strings.Contains(out, "transaction 2.9, committed)") {
			t.Errorf("%v: %d %q %q", line, code, out, errs)
		}
	}
	out, _, code := call(with([]string{"gov", "vote", "p1"}, flags...)...)
	if want := "p1 Accepted: 1 ballots, aaaaaaaa… yes, b no (transaction 2.9, committed)\n"; code != exitOK || out != want {
		t.Errorf("%d %q, want %q", code, out, want)
	}
}

// TestWaitThatEnds: exit code 3 says that the transaction exists and is not committed, and what was done is printed all the same.
func TestWaitThatEnds(t *testing.T) {
	for status, want := range map[string]string{
		"Pending": "transaction 2.9 is not committed after 50ms: it may still commit",
		"Unknown": "transaction 2.9 is not committed after 50ms",
		"Invalid": "2.9: the transaction was discarded and will never commit; submit it again",
	} {
		flags := with((&pretend{status: status}).start(t), "--timeout", "50ms", "--output", "json")
		for _, line := range lines {
			out, errs, code := call(with(line, flags...)...)
			var result struct {
				Transaction string `json:"transaction_id"`
				Committed   *bool
			}
			if err := json.Unmarshal([]byte(out), &result); err != nil || result.Transaction != "2.9" || result.Committed == nil || *result.Committed {
				t.Errorf("%s, %v: stdout %q: %v", status, line, out, err)
			}
			if code != exitNotReady || !strings.Contains(errs, want) {
				t.Errorf("%s, %v: exit code %d, stderr %q, want %q", status, line, code, errs, want)
			}
		}
	}
}

func TestNoWait(t *testing.T) {
	flags := with((&pretend{status: "Pending"}).start(t), "--wait=false")
	for _, line := range lines {
		out, errs, code := call(with(line, flags...)...)
		if code != exitOK || errs != "" || !strings.Contains(out, "transaction 2.9, not committed yet)") {
			t.Errorf("%v: %d %q %q", line, code, out, errs)
		}
	}
}

// TestServiceRefuses tells "not now" (3) from "no" (1).
func TestServiceRefuses(t *testing.T) {
	for refuse, want := range map[string]int{
		`404 FrontendNotOpen "Frontend is not open."`:                  exitNotReady,
		`503 TransactionReplicationFailed "Transaction was not sent."`: exitNotReady,
		`503 TooManyPendingTransactions "Too many."`:                   exitNotReady,
		`404 ProposalNotFound "Could not find proposal p1."`:           exitError,
		`403 AuthorizationFailed "Member is not active."`:              exitError,
		`500 InternalError "Broken."`:                                  exitError,
	} {
		flags := (&pretend{status: "Committed", refuse: refuse}).start(t)
		for _, line := range withLines(lines, []string{"gov", "show"}, []string{"gov", "show", "p1"}) {
			args := with(line, flags...)
			if line[1] == "show" {
				args = with(line, flags[:4]...)
			}
			out, errs, code := call(args...)
			words := strings.SplitN(refuse, " ", 3)
			if code != want || out != "" || !strings.Contains(errs, words[1]) || !strings.Contains(errs, strings.Trim(words[2], `"`)) {
				t.Errorf("%s, %v: exit code %d, want %d: %q %q", refuse, line, code, want, out, errs)
			}
		}
	}
}

func withLines(list [][]string, more ...[]string) [][]string {
	return append(append([][]string{}, list...), more...)
}

func TestNothingListens(t *testing.T) {
	s := httptest.NewTLSServer(http.NotFoundHandler())
	dir := t.TempDir()
	cert := filepath.Join(dir, "c.pem")
	if err := os.WriteFile(cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o644); err != nil {
		t.Fatal(err)
	}
	s.Close()
	_, errs, code := call("gov", "show", "--url", s.URL, "--service-cert", cert)
	if code != exitNotReady || !strings.Contains(errs, "connection refused") {
		t.Errorf("exit code %d: %q", code, errs)
	}
}

// TestForeignService: a service with another certificate is an error, not a matter of waiting.
func TestForeignService(t *testing.T) {
	flags := (&pretend{}).start(t)
	dir := t.TempDir()
	if _, errs, code := call("keygen", "--name", "other", "--dir", dir); code != exitOK {
		t.Fatal(errs)
	}
	_, errs, code := call("gov", "show", "--url", flags[1], "--service-cert", filepath.Join(dir, "other_cert.pem"))
	if code != exitError || !strings.Contains(errs, "certificate") {
		t.Errorf("exit code %d: %q", code, errs)
	}
}

func TestEmptyListIsAList(t *testing.T) {
	flags := (&pretend{}).start(t)
	out, _, code := call("gov", "show", "--url", flags[1], "--service-cert", flags[3], "--output", "json")
	if code != exitOK || out != "[]\n" {
		t.Errorf("%d %q", code, out)
	}
}
