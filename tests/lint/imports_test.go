package lint

import (
	"strings"
	"testing"
)

// rooms lists what each room of the house must never import; nothing imports tests.
var rooms = []struct {
	room  string
	never []string
}{
	{"ledger", []string{"consensus", "governance", "js-apps", "node", "tests"}},
	{"consensus", []string{"governance", "js-apps", "node", "tests"}},
	{"js-apps", []string{"consensus", "governance", "node", "tests"}},
	{"governance", []string{"consensus", "node", "tests"}},
	{"node", []string{"tests"}},
	{"node/client", []string{"consensus", "governance", "js-apps", "ledger/store", "ledger/kv", "node/httpd", "node/frontend"}},
	{"node/httpd", []string{"ledger", "consensus", "governance", "js-apps"}},
}

func TestRoomsImportOnlyDownwards(t *testing.T) {
	for _, p := range packages(t) {
		for _, rule := range rooms {
			if !in(p.ImportPath, rule.room) {
				continue
			}
			for _, imp := range p.Imports {
				if strings.HasPrefix(imp, module) && inAny(imp, rule.never) {
					t.Errorf("%s imports %s: %s must not", p.ImportPath, imp, rule.room)
				}
			}
		}
	}
}

// TestFixturesAreForTestsOnly: go list names what non-test files import.
func TestFixturesAreForTestsOnly(t *testing.T) {
	for _, p := range packages(t) {
		for _, imp := range p.Imports {
			if inAny(imp, []string{"ledger/fixture"}) && !in(p.ImportPath, "ledger/fixture") {
				t.Errorf("%s imports %s outside of its tests", p.ImportPath, imp)
			}
		}
	}
}

// owners names the one folder that may import each dependency.
var owners = map[string]string{
	"github.com/cockroachdb/pebble": "ledger/store",
	"go.etcd.io/raft":               "consensus",
	"modernc.org/libquickjs":        "js-apps/runtime",
	"modernc.org/libc":              "js-apps/runtime",
	"github.com/spf13/cobra":        "node/cli",
	"gopkg.in/yaml.v3":              "node/config",
	"github.com/golang-jwt/jwt":     "node/frontend/jwt",
	"golang.org/x/net/http2":        "node/httpd",
	"github.com/fxamacker/cbor":     "ledger/cose",
}

func TestEachDependencyHasOneOwner(t *testing.T) {
	for _, p := range packages(t) {
		for _, imp := range p.Imports {
			for dep, owner := range owners {
				if strings.HasPrefix(imp, dep) && !in(p.ImportPath, owner) && !in(p.ImportPath, "tests") {
					t.Errorf("%s imports %s: only %s may, and wraps it", p.ImportPath, imp, owner)
				}
			}
		}
	}
}

// light lists packages that auditors embed, and what they must not even reach.
var light = map[string][]string{
	"ledger/receipt": {"go.etcd.io/raft", "net/http", "github.com/cockroachdb/pebble", "modernc.org"},
	"ledger/audit":   {"go.etcd.io/raft", "net/http", "github.com/cockroachdb/pebble", "modernc.org"},
}

func TestAuditorsToolsStayLight(t *testing.T) {
	for _, p := range packages(t) {
		for _, heavy := range light[strings.TrimPrefix(p.ImportPath, module)] {
			for _, dep := range p.Deps {
				if dep == heavy || strings.HasPrefix(dep, heavy+"/") {
					t.Errorf("%s reaches %s", p.ImportPath, dep)
				}
			}
		}
	}
}
