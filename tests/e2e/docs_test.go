package e2e

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// manuals are the pages for each audience, and what their lines print, in order.
var manuals = map[string][]string{
	"OPERATOR.md": {
		"config.json is valid", `"service_status":"Opening"`, "is active", "Accepted: 2 ballots", `"state":"PartOfNetwork"`, "ended well", "node stopping",
		"ledger_1", "the ledger is valid", "already holds files", "exit code 1", "config.json is valid",
	},
	"APP.md": {
		`{"text":"pay the rent","author":"`, "x-concordat-receipt: ", "receipt.json is valid", "claims", "receipt.cose is valid", "claims", "}200",
	},
	"AUDITOR.md": {
		"receipt.json is valid", "rent-1", "receipt.json is valid", "claims", "the receipt is not valid", "exit code 4",
		"the ledger is valid", "invalid: ledger_1-", "the ledger is NOT valid", "exit code 4", "the ledger is valid", "the ledger is NOT valid", "exit code 4",
		"public:ccf.gov.constitution", `"state":"Accepted"`, "opened with the recovered ledger secrets", `"valid": true`, `"exit_code":4`,
	},
	"MEMBER.md": {
		"wrote dave_enc_pubk.pem", "Open: 1 ballots", `"organisation":"Dave & Co"`, "Accepted: 2 ballots", "is active", "Open: 1 ballots", "Open: 2 ballots", "Accepted: 3 ballots",
		"Withdrawn", "export function validate", "44", "the ledger is valid", "opened with the recovered ledger secrets",
	},
}

// TestManuals runs every shell block of every page in one terminal, as a reader
// would: a line that fails ends the page.
func TestManuals(t *testing.T) {
	for page, want := range manuals {
		t.Run(page, func(t *testing.T) {
			text, err := os.ReadFile(filepath.Join(root, "docs", page))
			if err != nil {
				t.Fatal(err)
			}
			var script strings.Builder
			for _, m := range regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
				script.WriteString(m[1])
			}
			expect(t, terminal(t, checkout(t), script.String()), want)
		})
	}
}

// TestEveryManualRuns: a page with shell blocks that is not run may say anything.
func TestEveryManualRuns(t *testing.T) {
	pages, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	if err != nil || len(pages) < 4 {
		t.Fatalf("%d pages: %v", len(pages), err)
	}
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := manuals[filepath.Base(page)]; !ok && strings.Contains(string(text), "```sh") {
			t.Errorf("%s has shell blocks that no test runs", page)
		}
	}
}

// pageLimit bounds one page; each starts one service.
const pageLimit = 3 * time.Minute

// terminal runs a script whose services may run in the background; they end with it.
func terminal(t *testing.T, dir, script string) string {
	t.Helper()
	port := freePort(t)
	script = strings.NewReplacer("127.0.0.1:8000", "127.0.0.1:"+port, "concordat dev ", "concordat dev --http-port "+port+" ").Replace(script)
	ctx, cancel := context.WithTimeout(context.Background(), pageLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-c", "set -euo pipefail\n"+script)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CONCORDAT_URL=https://127.0.0.1:"+port)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	end := func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.Cancel = end
	cmd.WaitDelay = 5 * time.Second
	out, err := cmd.CombinedOutput()
	_ = end() // whatever a page that failed left running
	if err != nil {
		t.Fatalf("%v\nscript:\n%s\noutput:\n%s", err, script, out)
	}
	t.Logf("%s", out)
	return string(out)
}
