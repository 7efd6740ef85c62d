package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"concordat/ledger"
	"concordat/ledger/chunk"
)

func (a *app) ledgerCmd() *cobra.Command {
	return a.group("ledger", "Check and read ledger directories, offline", "",
		"  concordat ledger verify ledger --service-cert service_cert.pem", a.ledgerVerifyCmd(), a.ledgerShowCmd())
}

type showFlags struct {
	from, to uint64
	tables   []string
	values   bool
}

func (a *app) ledgerShowCmd() *cobra.Command {
	var f showFlags
	c := &cobra.Command{
		Use:   "show DIR...",
		Short: "Print what the entries of a ledger say in public",
		Long: "One line an entry: transaction id, file and offset, size, and the tables it touches. --values prints the public\n" +
			"rows too. Private tables are ciphertext; only their size shows. Nothing is verified: see ledger verify.",
		Example: "  concordat ledger show ledger\n  concordat ledger show ledger --table public:ccf.gov.proposals_info --values",
		Args:    atLeastOne("the ledger's directories"),
		RunE:    func(_ *cobra.Command, args []string) error { return a.showLedger(f, args) },
	}
	c.Flags().Uint64Var(&f.from, "from", 1, "first seqno to print")
	c.Flags().Uint64Var(&f.to, "to", ^uint64(0), "last seqno to print")
	c.Flags().StringArrayVar(&f.tables, "table", nil, "only this table, and only entries that touch it; may be repeated")
	c.Flags().BoolVar(&f.values, "values", false, "print keys and values of public tables")
	return c
}

// shownEntry is one entry as ledger show prints it.
type shownEntry struct {
	ID      string       `json:"transaction_id"`
	File    string       `json:"file"`
	Offset  int64        `json:"offset"`
	Size    int          `json:"size"`
	Flags   uint8        `json:"flags,omitempty"`
	Claims  string       `json:"claims_digest,omitempty"`
	Private int          `json:"private_bytes"`
	Tables  []shownTable `json:"tables"`
}

type shownTable struct {
	Name    string            `json:"name"`
	Writes  int               `json:"writes"`
	Removes int               `json:"removes"`
	Rows    map[string]string `json:"rows,omitempty"`
}

// errEnough ends a walk early.
var errEnough = errors.New("enough")

func (a *app) showLedger(f showFlags, dirs []string) error {
	d, err := chunk.OpenDir(dirs...)
	if err != nil {
		return err
	}
	out := a.entries()
	err = d.Walk(f.from, func(it chunk.Item) error {
		if it.Seqno > f.to {
			return errEnough
		}
		e, err := ledger.ParseEntry(it.Raw)
		if err != nil {
			return fmt.Errorf("%s, offset %d: %w", it.File, it.Offset, err)
		}
		if shown, ok := f.entry(e, it); ok {
			return out.put(shown)
		}
		return nil
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	return errors.Join(err, out.end())
}

// entryList prints entries as they come: a ledger does not fit in memory. As JSON
// it is one list, with an entry a line.
type entryList struct {
	w    io.Writer
	json bool
	any  bool
}

func (a *app) entries() *entryList { return &entryList{w: a.Out, json: a.output == "json"} }

func (l *entryList) put(s *shownEntry) error {
	if !l.json {
		s.write(l.w)
		return nil
	}
	separator := "[\n"
	if l.any {
		separator = ","
	}
	l.any = true
	if _, err := io.WriteString(l.w, separator); err != nil {
		return err
	}
	e := json.NewEncoder(l.w)
	e.SetEscapeHTML(false)
	return e.Encode(s)
}

func (l *entryList) end() (err error) {
	switch {
	case l.json && l.any:
		_, err = io.WriteString(l.w, "]\n")
	case l.json:
		_, err = io.WriteString(l.w, "[]\n")
	}
	return err
}

func (f *showFlags) entry(e *ledger.Entry, it chunk.Item) (*shownEntry, bool) {
	s := &shownEntry{
		ID: e.ID().String(), File: it.File, Offset: it.Offset, Size: len(it.Raw), Flags: uint8(e.Header.Flags), Private: len(e.Sealed),
	}
	if !e.Public.Claims.IsZero() {
		s.Claims = e.Public.Claims.Hex()
	}
	s.Tables = []shownTable{}
	wanted := len(f.tables) == 0
	for _, m := range e.Public.Writes {
		if len(f.tables) == 0 || slices.Contains(f.tables, m.Name) {
			wanted = true
			s.Tables = append(s.Tables, f.table(&m))
		}
	}
	return s, wanted
}

func (f *showFlags) table(m *ledger.MapWrites) shownTable {
	t := shownTable{Name: m.Name, Writes: len(m.Writes), Removes: len(m.Removes)}
	if !f.values {
		return t
	}
	t.Rows = map[string]string{}
	for _, w := range m.Writes {
		t.Rows[printable(w.Key)] = printable(w.Value)
	}
	return t
}

// printable is text as it is, and anything else in hex.
func printable(b []byte) string {
	if utf8.Valid(b) && !hasControl(b) {
		return string(b)
	}
	return fmt.Sprintf("0x%x", b)
}

func hasControl(b []byte) bool {
	for _, c := range b {
		if c < 0x20 && c != '\n' && c != '\r' && c != '\t' {
			return true
		}
	}
	return false
}

// oneLine quotes a text that would not stay on its line.
func oneLine(s string) string {
	if strings.ContainsAny(s, "\n\r\t") {
		return strconv.Quote(s)
	}
	return s
}

func (s *shownEntry) write(w io.Writer) {
	fmt.Fprintf(w, "%-10s %s+%d, %d bytes", s.ID, s.File, s.Offset, s.Size)
	if s.Private > 0 {
		fmt.Fprintf(w, ", %d private", s.Private)
	}
	fmt.Fprintln(w)
	for _, t := range s.Tables {
		fmt.Fprintf(w, "           %s: %d writes, %d removes\n", t.Name, t.Writes, t.Removes)
		for _, k := range slices.Sorted(maps.Keys(t.Rows)) {
			fmt.Fprintf(w, "             %s = %s\n", oneLine(k), oneLine(t.Rows[k]))
		}
	}
}
