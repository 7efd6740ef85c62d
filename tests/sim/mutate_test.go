package sim

import (
	"encoding/json"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// mutation is a bug to be put into a file of the core.
type mutation struct{ name, file, old, new string }

// mutations are bugs that somebody could write. Each must be found by mutationSeeds.
var mutations = []mutation{
	{"commit before the disk has it", "core.go", "index := c.rn.BasicStatus().GetCommit()", "index := c.log.last()"},
	{"acknowledge before fdatasync", "disk.go", "if wrote && d.Mode == SyncCommit {", "if wrote && d.Mode == SyncAsync {"},
	{"ignore a disk error", "disk.go", "if err := d.write(w.Append); err != nil {\n\t\t\treturn err\n\t\t}", "_ = d.write(w.Append)"},
	{"forget to restore the frontier", "sign.go", "c.to(seg, Ready)\n\tc.drain()", "c.to(seg, Ready)\n\tc.tip = seg.end\n\tc.drain()"},
	{"skip a refused segment", "sign.go", "c.to(seg, Held)\n\t\tc.heldAt = applied\n\t\treturn false", "c.pipeline = c.pipeline[1:]\n\t\treturn true"},
	{"give the seqnos of a refused segment again", "sign.go", "c.to(seg, Held)\n\t\tc.heldAt = applied",
		"c.pipeline = nil\n\t\tc.rollback()\n\t\tc.open()\n\t\tc.pipeline[0].start = c.tip\n\t\tc.beginFold(c.pipeline[0])"},
	{"seal a signature twice, first to learn its size", "sign.go", "j.entry, _, j.leaf, err = ledger.AppendEntry(",
		"_, _, _, _ = ledger.AppendEntry(nil, j.ID, 0, ledger.Digest{}, j.writes[:2], j.secret)\n\tj.entry, _, j.leaf, err = ledger.AppendEntry("},
	{"sequence without looking at conflicts", "sequence.go", "if r.Tx != nil && c.cfg.State.Conflicts(r.Tx) {", "if r.Tx == nil {"},
	{"keep the state of what was dropped", "core.go", "c.cfg.State.Rollback(to)", "_ = to"},
	{"call Invalid what a newer view does not know", "status.go", "case c.commit.View > id.View:", "case c.leadTerm > id.View:"},
	{"call Committed what is in the log", "status.go", "case id.Seqno <= c.commit.Seqno && local == id.View:", "case id.Seqno <= c.tip.last.Seqno && local == id.View:"},
	{"forget what a signature writes", "sign.go", "c.cfg.State.Fill(seg.sig, j.writes)", ""},
	{"start a view without a signature", "core.go", "if c.cfg.Origin.SignFirst || c.tip.last != c.cfg.Origin.Last {", "if c.cfg.Origin.SignFirst {"},
	{"never start the chunk's count again", "sign.go", "seg.end.rotation.Add(j.flags,", "seg.end.rotation.Add(0,"},
	{"forget a forced chunk", "sign.go", "if seg.roll.Due() || seg.chunk || seg.snapshotDue {", "if seg.roll.Due() || seg.snapshotDue {"},
	{"store the tree of the wrong peaks", "sign.go", "peaks: &seg.start.peaks, seg: seg}", "peaks: &c.tip.peaks, seg: seg}"},
	{"tell a root before all is folded", "core.go", "if t, ok := c.folded(); ok && t.Size() == c.next {", "if t, ok := c.folded(); ok {"},
	{"drop the segments of a lost view from the ledger only", "core.go", "c.leadTerm, c.pipeline, c.proposed, c.holdUntil = 0, nil, nil, 0\n\tc.spare = nil",
		"c.leadTerm, c.proposed, c.holdUntil = 0, nil, 0\n\tc.spare = nil"},
}

var gate = flag.Bool("mutations", false, "run the mutation gate: one build of the simulator for each mutation")

const mutationSeeds = "60"

// TestMutations is the proof that the seeds would notice: it builds this package
// against a core with one bug each, and expects TestSeeds to fail. The source
// tree is not touched.
func TestMutations(t *testing.T) {
	if !*gate {
		t.Skip("builds the simulator once for each mutation: ask for it with -mutations")
	}
	for _, m := range mutations {
		t.Run(strings.ReplaceAll(m.name, " ", "-"), func(t *testing.T) {
			binary := build(t, m)
			out, err := exec.Command(binary, "-test.run", "TestSeeds", "-seeds", mutationSeeds, "-enough", "1").CombinedOutput()
			if err == nil {
				t.Errorf("%s seeds do not find it", mutationSeeds)
			}
			t.Log(firstFinding(string(out)))
		})
	}
}

// TestMutationsStillApply keeps the list honest between runs of the gate.
func TestMutationsStillApply(t *testing.T) {
	for _, m := range mutations {
		if _, source := m.source(t); strings.Count(source, m.old) != 1 {
			t.Errorf("%s: %s no longer holds once: %s", m.name, m.file, m.old)
		}
	}
}

func (m mutation) source(t *testing.T) (path, source string) {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("..", "..", "consensus", "core", m.file))
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return path, string(b)
}

// build compiles the simulator over a mutated copy of one file.
func build(t *testing.T, m mutation) string {
	t.Helper()
	path, source := m.source(t)
	tmp := t.TempDir()
	mutant, overlay, binary := filepath.Join(tmp, m.file), filepath.Join(tmp, "overlay.json"), filepath.Join(tmp, "sim.test")
	replace, err := json.Marshal(map[string]any{"Replace": map[string]string{path: mutant}})
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{mutant: strings.Replace(source, m.old, m.new, 1), overlay: string(replace)} {
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("go", "test", "-c", "-overlay", overlay, "-o", binary, ".")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("the mutant does not compile: %v\n%s", err, out)
	}
	return binary
}

func firstFinding(out string) string {
	for _, line := range strings.Split(out, "\n") {
		if strings.Contains(line, "seed ") || strings.HasPrefix(line, "panic: ") {
			return strings.TrimSpace(line)
		}
	}
	return "no finding"
}
