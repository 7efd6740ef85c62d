package main

import (
	"bufio"
	"os"
	"strings"
)

// readList reads the deliberate differences: rows of a Markdown table whose first
// cell is the id of a recorded answer in backquotes and whose last is the reason.
func readList(path string) (map[string]string, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	listed := map[string]string{}
	for s := bufio.NewScanner(f); s.Scan(); {
		cells := strings.Split(s.Text(), "|")
		if len(cells) < 4 {
			continue
		}
		for _, id := range strings.Split(cells[1], ",") {
			id = strings.TrimSpace(id)
			if len(id) > 2 && id[0] == '`' && id[len(id)-1] == '`' {
				listed[strings.Trim(id, "`")] = strings.TrimSpace(cells[2])
			}
		}
	}
	return listed, nil
}
