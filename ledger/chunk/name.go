package chunk

import (
	"strconv"
	"strings"

	"concordat/ledger"
)

// Parts of file names.
const (
	namePrefix      = "ledger_"
	suffixCommitted = ".committed"
	suffixRecovery  = ".recovery"
	suffixIgnored   = ".ignored"
)

// Name is what a chunk file's name says.
type Name struct {
	First     ledger.Seqno
	Last      ledger.Seqno // 0 when the name has no end: an open chunk
	Committed bool
	Recovery  bool // written by a recovery that had not opened the service yet
	Ignored   bool // set aside; not part of the ledger
}

// ParseName reads a file name without its directory. ok is false for files that
// are no chunk files. Only the one way to write each name is accepted.
func ParseName(s string) (n Name, ok bool) {
	rest, ok := strings.CutPrefix(s, namePrefix)
	if !ok {
		return Name{}, false
	}
	rest, n.Ignored = strings.CutSuffix(rest, suffixIgnored)
	rest, n.Recovery = strings.CutSuffix(rest, suffixRecovery)
	rest, n.Committed = strings.CutSuffix(rest, suffixCommitted)
	first, last, ranged := strings.Cut(rest, "-")
	if n.First, ok = parseSeqno(first); !ok {
		return Name{}, false
	}
	if ranged {
		if n.Last, ok = parseSeqno(last); !ok || n.Last < n.First {
			return Name{}, false
		}
	}
	if n.Committed && !ranged {
		return Name{}, false
	}
	return n, true
}

func parseSeqno(s string) (ledger.Seqno, bool) {
	if s == "" || s[0] < '1' || s[0] > '9' {
		return 0, false
	}
	n, err := strconv.ParseUint(s, 10, 63) // room to add a file's entries
	return n, err == nil
}

// String is the file name.
func (n Name) String() string {
	b := strconv.AppendUint([]byte(namePrefix), n.First, 10)
	if n.Last != 0 {
		b = strconv.AppendUint(append(b, '-'), n.Last, 10)
	}
	if n.Committed {
		b = append(b, suffixCommitted...)
	}
	if n.Recovery {
		b = append(b, suffixRecovery...)
	}
	if n.Ignored {
		b = append(b, suffixIgnored...)
	}
	return string(b)
}
