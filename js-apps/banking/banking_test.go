package banking

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"

	"concordat/js-apps/bundle"
)

func TestBundle(t *testing.T) {
	b, err := bundle.Read(App())
	if err != nil {
		t.Fatal(err)
	}
	if len(b.Modules) != 1 || b.Modules[0].Name != "banking.js" {
		t.Errorf("modules %v", b.Modules)
	}
	fromDisk, err := bundle.Build(".")
	if err != nil || fromDisk.Hash() != b.Hash() {
		t.Errorf("the embedded application differs from the folder: %v", err)
	}
}

// TestExports: every endpoint's function is exported by its module.
func TestExports(t *testing.T) {
	source, err := os.ReadFile("src/banking.js")
	if err != nil {
		t.Fatal(err)
	}
	metadata, err := os.ReadFile("app.json")
	if err != nil {
		t.Fatal(err)
	}
	list := regexp.MustCompile(`(?s)export \{(.*)\}`).FindSubmatch(source)
	if list == nil {
		t.Fatal("no export list")
	}
	exported := map[string]bool{}
	for _, name := range regexp.MustCompile(`\w+`).FindAllString(string(list[1]), -1) {
		exported[name] = true
	}
	for _, m := range regexp.MustCompile(`"js_function": "(\w+)"`).FindAllStringSubmatch(string(metadata), -1) {
		if !exported[m[1]] {
			t.Errorf("%s is not exported", m[1])
		}
	}
}

// npmTool finds a pinned tool, which `npm ci` installs.
func npmTool(t *testing.T, name string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("node_modules", ".bin", name))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Skip("npm packages not installed: run npm ci here to include this test")
	}
	return path
}

// TestBuildIsReproducible: the checked-in bundle is what the sources give.
func TestBuildIsReproducible(t *testing.T) {
	out := filepath.Join(t.TempDir(), "banking.js")
	cmd := exec.Command(npmTool(t, "esbuild"), "ts/main.ts", "--bundle", "--format=esm", "--target=es2022", "--charset=utf8", "--outfile="+out)
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	built, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	checkedIn, err := os.ReadFile("src/banking.js")
	if err != nil {
		t.Fatal(err)
	}
	if string(built) != string(checkedIn) {
		t.Error("src/banking.js is stale: run npm run build")
	}
}

func TestTypes(t *testing.T) {
	if text, err := exec.Command(npmTool(t, "tsc"), "--noEmit").CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, text)
	}
}

// TestUnits runs the application's own unit tests on a ledger in memory.
func TestUnits(t *testing.T) {
	out := filepath.Join(t.TempDir(), "banking.test.mjs")
	build := exec.Command(npmTool(t, "esbuild"), "test/banking.test.ts", "--bundle", "--format=esm", "--platform=node", "--target=node20", "--outfile="+out)
	if text, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if text, err := exec.Command("node", "--test", out).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, text)
	}
}
