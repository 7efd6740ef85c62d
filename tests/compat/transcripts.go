package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// constitution is the default one, in the order the recordings name.
func constitution() []string {
	var files []string
	for _, n := range []string{"validate.js", "apply.js", "resolve.js", "actions.js", "virtual.js"} {
		files = append(files, filepath.Join("governance", "constitution", "js", n))
	}
	return files
}

// transcripts plays the HTTP recordings: the program starts the binary itself.
func transcripts(work string) (scores, []difference, error) {
	out := filepath.Join(work, "transcripts.json")
	args := []string{
		filepath.Join(shared, "tools", "transcripts.py"),
		filepath.Join(shared, "fixtures", "http-transcripts"), "-",
		"--binary", "bin/concordat", "--workspace", filepath.Join(work, "transcripts"),
		"--logging-app", "js-apps/logging", "--json", out, "--constitution",
	}
	cmd := exec.Command(python(), append(args, constitution()...)...)
	cmd.Stderr = os.Stderr
	if err := replayed(cmd.Run()); err != nil {
		return nil, nil, err
	}
	var result struct {
		Groups      map[string]struct{ Main [2]int }
		Differences []struct {
			ID          string
			Request     string
			Differences []struct {
				Where         string
				Expected, Got any
			}
		}
	}
	if err := readJSON(out, &result); err != nil {
		return nil, nil, err
	}
	got := scores{}
	for g, s := range result.Groups {
		got[g] = score{s.Main[0], s.Main[1]}
	}
	var diffs []difference
	for _, d := range result.Differences {
		text := d.Request
		if len(d.Differences) > 0 {
			first := d.Differences[0]
			text += fmt.Sprintf(" (%s: expected %.160s, got %.160s)", first.Where, fmt.Sprint(first.Expected), fmt.Sprint(first.Got))
		}
		diffs = append(diffs, difference{d.ID, text})
	}
	return got, diffs, nil
}

// replayed accepts the exit code that means "some answers differ".
func replayed(err error) error {
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() == 1 {
		return nil
	}
	return err
}

func readJSON(path string, v any) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return json.Unmarshal(b, v)
}
