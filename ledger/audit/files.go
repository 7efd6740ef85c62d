package audit

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"concordat/ledger"
)

// file is one chunk file as its name describes it.
type file struct {
	path      string
	name      string // base name, for findings
	first     ledger.Seqno
	last      ledger.Seqno // 0 when the name gives none
	committed bool
	recovery  bool // written by a recovery that has not ended
	size      int64
}

// Suffixes of chunk files.
const (
	prefixLedger    = "ledger_"
	suffixCommitted = ".committed"
	suffixRecovery  = ".recovery"
	suffixIgnored   = ".ignored"
)

// parseName reads ledger_<first>[-<last>][.committed][.recovery].
func parseName(name string) (f file, ok bool) {
	rest, ok := strings.CutPrefix(name, prefixLedger)
	if !ok {
		return f, false
	}
	f.name = name
	rest, f.recovery = strings.CutSuffix(rest, suffixRecovery)
	rest, f.committed = strings.CutSuffix(rest, suffixCommitted)
	first, last, ranged := strings.Cut(rest, "-")
	if f.first, ok = parseSeqno(first); !ok {
		return f, false
	}
	if ranged {
		if f.last, ok = parseSeqno(last); !ok || f.last < f.first {
			return f, false
		}
	}
	return f, ranged || !f.committed
}

func parseSeqno(s string) (ledger.Seqno, bool) {
	if s == "" || s[0] < '1' || s[0] > '9' {
		return 0, false
	}
	n, err := strconv.ParseUint(s, 10, 64)
	return n, err == nil
}

// gather lists the chunk files of the directories in the order of the ledger.
// Files that are superseded by others are left out, with a word about it.
func gather(dirs []string, committedOnly bool, r *Report) ([]file, error) {
	var found []file
	for _, dir := range dirs {
		entries, err := os.ReadDir(dir)
		if err != nil {
			return nil, fmt.Errorf("listing a ledger directory: %w", err)
		}
		for _, e := range entries {
			f, ok := parseName(e.Name())
			if !ok {
				if strings.HasPrefix(e.Name(), prefixLedger) && !strings.HasSuffix(e.Name(), suffixIgnored) {
					r.add(Finding{File: e.Name(), Text: "not the name of a ledger file; it was left out"})
				}
				continue
			}
			if committedOnly && !f.committed {
				continue
			}
			info, err := e.Info()
			if err != nil {
				return nil, fmt.Errorf("listing a ledger directory: %w", err)
			}
			f.path, f.size = filepath.Join(dir, e.Name()), info.Size()
			found = append(found, f)
		}
	}
	return arrange(found, r)
}

// arrange picks, for each stretch of the ledger, the file that is furthest on:
// committed before not, finished before one of a running recovery.
func arrange(found []file, r *Report) ([]file, error) {
	slices.SortStableFunc(found, func(a, b file) int {
		return cmp.Or(cmp.Compare(a.first, b.first), rank(a)-rank(b), cmp.Compare(b.last, a.last), cmp.Compare(b.size, a.size))
	})
	var out []file
	for _, f := range found {
		if len(out) == 0 {
			out = append(out, f)
			continue
		}
		last := &out[len(out)-1]
		switch {
		case f.name == last.name:
			if err := sameContent(*last, f, r); err != nil {
				return nil, err
			}
		case f.first == last.first, f.first <= last.last && !f.committed, f.last != 0 && f.last <= last.last:
			r.add(Finding{File: f.name, Text: "left out: " + last.name + " covers it"})
		case f.first <= last.last:
			r.add(Finding{Severity: Invalid, File: f.name, Text: "overlaps " + last.name})
		default:
			out = append(out, f)
		}
	}
	return out, nil
}

func rank(f file) int {
	n := 0
	if !f.committed {
		n += 2
	}
	if f.recovery {
		n++
	}
	return n
}

// sameContent checks that two files with the same name are the same file:
// committed chunks are identical on all nodes, and an open one may only be
// shorter.
func sameContent(a, b file, r *Report) error {
	same, err := isPrefix(b.path, a.path)
	if err != nil {
		return err
	}
	switch {
	case a.committed && (!same || a.size != b.size):
		r.add(Finding{Severity: Invalid, File: b.name, Text: "two committed files for the same entries differ: " + a.path + " and " + b.path})
	case !same:
		r.add(Finding{File: b.name, Text: "left out: it differs from the longer " + a.path})
	}
	return nil
}

// isPrefix reports whether the content of short starts that of long. The first
// eight bytes are left out for files of different sizes: they change when a file
// is completed.
func isPrefix(short, long string) (bool, error) {
	a, err := os.Open(short)
	if err != nil {
		return false, fmt.Errorf("comparing ledger files: %w", err)
	}
	defer a.Close()
	b, err := os.Open(long)
	if err != nil {
		return false, fmt.Errorf("comparing ledger files: %w", err)
	}
	defer b.Close()
	x, y := make([]byte, 64<<10), make([]byte, 64<<10)
	for {
		n, errA := io.ReadFull(a, x)
		m, errB := io.ReadFull(b, y[:n])
		if !bytes.Equal(x[:n], y[:m]) {
			return false, nil
		}
		if errors.Is(errA, io.EOF) || errors.Is(errA, io.ErrUnexpectedEOF) {
			return true, nil
		}
		if errA != nil || errB != nil {
			return false, fmt.Errorf("comparing ledger files: %w", errors.Join(errA, errB))
		}
	}
}
