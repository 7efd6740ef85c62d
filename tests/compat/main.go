// Command compat replays answers recorded from a running CCF against a node
// built here, prints how many match, and fails when a number falls below the
// one recorded in the repository.
//
//	go run ./tests/compat [-update] [-only jsprobes|transcripts] [-keep]
//
// The recordings and the programs that replay them live beside the project
// (../shared); without them there is nothing to do, and it says so.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
)

const (
	shared       = "../shared"
	recordedFile = "tests/compat/recorded.json"
	listFile     = "docs/CCF_COMPATIBILITY.md"
)

// score counts one probe or one group.
type score struct {
	Match int `json:"match"`
	Total int `json:"total"`
}

// scores is one replay: by probe or group name.
type scores map[string]score

// difference is one recorded answer that was not matched.
type difference struct {
	ID   string
	Text string
}

// replay is one of the two recordings.
type replay struct {
	name string
	run  func(work string) (scores, []difference, error)
}

func main() {
	update := flag.Bool("update", false, "write the numbers reached to "+recordedFile)
	only := flag.String("only", "", "jsprobes or transcripts")
	keep := flag.Bool("keep", false, "keep the workspace and print its path")
	flag.Parse()
	if err := run(*update, *only, *keep); err != nil {
		fmt.Fprintln(os.Stderr, "compat:", err)
		os.Exit(1)
	}
}

func run(update bool, only string, keep bool) error {
	if _, err := os.Stat(filepath.Join(shared, "tools", "jsprobes.py")); err != nil {
		fmt.Println("compat: skipped: the recordings are not beside the project (" + shared + ")")
		return nil
	}
	if err := needPython(); err != nil {
		return err
	}
	work, err := os.MkdirTemp("", "concordat-compat-")
	if err != nil {
		return err
	}
	if keep {
		fmt.Println("workspace:", work)
	} else {
		defer os.RemoveAll(work)
	}
	listed, err := readList(listFile)
	if err != nil {
		return err
	}
	recorded, err := readRecorded()
	if err != nil {
		return err
	}
	failed := false
	for _, r := range []replay{{"jsprobes", jsProbes}, {"transcripts", transcripts}} {
		if only != "" && only != r.name {
			continue
		}
		got, diffs, err := r.run(work)
		if err != nil {
			return fmt.Errorf("%s: %w", r.name, err)
		}
		report(r.name, got, diffs, listed)
		if update {
			recorded[r.name] = got
		} else if fell(r.name, recorded[r.name], got) {
			failed = true
		}
	}
	if update {
		return writeRecorded(recorded)
	}
	if failed {
		return errors.New("fewer answers match than " + recordedFile + " records")
	}
	return nil
}

// report prints a line a group, then the answers that differ and are not listed.
func report(name string, got scores, diffs []difference, listed map[string]string) {
	names := slices.Sorted(maps.Keys(got))
	var sum score
	for _, n := range names {
		fmt.Printf("%-12s %-28s %4d/%d\n", name, n, got[n].Match, got[n].Total)
		sum.Match += got[n].Match
		sum.Total += got[n].Total
	}
	deliberate, open := 0, []difference{}
	for _, d := range diffs {
		if _, ok := listed[d.ID]; ok {
			deliberate++
			continue
		}
		open = append(open, d)
	}
	fmt.Printf("%-12s total %d/%d; %d differences are deliberate (%s), %d are open\n", name, sum.Match, sum.Total, deliberate, listFile, len(open))
	for _, d := range open {
		fmt.Printf("  open: %s %s\n", d.ID, d.Text)
	}
}

// fell tells, and prints, whether a number is below the recorded one.
func fell(name string, want, got scores) bool {
	bad := false
	for n, w := range want {
		if got[n].Match < w.Match {
			fmt.Printf("%s: %s fell from %d to %d of %d\n", name, n, w.Match, got[n].Match, w.Total)
			bad = true
		}
	}
	return bad
}

func readRecorded() (map[string]scores, error) {
	all := map[string]scores{}
	b, err := os.ReadFile(recordedFile)
	if errors.Is(err, os.ErrNotExist) {
		return all, nil
	}
	if err != nil {
		return nil, err
	}
	return all, json.Unmarshal(b, &all)
}

func writeRecorded(all map[string]scores) error {
	b, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(recordedFile, append(b, '\n'), 0o644)
}

// needPython finds or installs what the replaying programs import.
func needPython() error {
	needs := exec.Command("bash", "tests/run/needs")
	needs.Stdout, needs.Stderr = os.Stderr, os.Stderr
	return needs.Run()
}

// python prefers the distribution's own interpreter, which sees its packages.
func python() string {
	if _, err := os.Stat("/usr/bin/python3"); err == nil {
		return "/usr/bin/python3"
	}
	return "python3"
}
