package cli

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"concordat/ledger"
	"concordat/ledger/audit"
)

type verifyFlags struct {
	serviceCert  string
	recoveryKeys []string
	snapshots    []string
	receipts     []string
	atLeast      string
	partial      bool
	committed    bool
	most         int
}

func (a *app) ledgerVerifyCmd() *cobra.Command {
	var f verifyFlags
	c := &cobra.Command{
		Use:   "verify DIR...",
		Short: "Check a ledger, byte by byte",
		Long: "Reads the chunk files of a ledger, also of one that CCF wrote, recomputes every digest and root, and checks every\n" +
			"signature and certificate. With --service-cert also that the ledger is that service's. With members' recovery keys,\n" +
			"as many as the threshold asks, private tables are opened and checked too. A finding names file and offset.\n" +
			"Exit code 4 means that the ledger was altered or is incomplete; a part that is not signed yet is reported, not refused.",
		Example: "  concordat ledger verify ledger --service-cert service_cert.pem\n" +
			"  concordat ledger verify ledger --recovery-key member0_enc_privk.pem --recovery-key member1_enc_privk.pem",
		Args: atLeastOne("the ledger's directories"),
		RunE: func(_ *cobra.Command, args []string) error { return a.verifyLedger(f, args) },
	}
	c.Flags().StringVar(&f.serviceCert, "service-cert", "", "certificate of the service the ledger must be of")
	c.Flags().StringArrayVar(&f.recoveryKeys, "recovery-key", nil, "private encryption key of a member; may be repeated")
	c.Flags().StringArrayVar(&f.snapshots, "snapshot", nil, "snapshot file to check against the ledger; may be repeated")
	c.Flags().StringArrayVar(&f.receipts, "receipt", nil, "receipt whose transaction must be in the ledger, which shows a fork or a cut; may be repeated")
	c.Flags().StringVar(&f.atLeast, "at-least", "", "transaction id up to which the ledger must be signed, which shows a cut")
	c.Flags().BoolVar(&f.partial, "partial", false, "older chunks are archived elsewhere: start at the first file there is")
	c.Flags().BoolVar(&f.committed, "committed-only", false, "leave out files that are not marked as committed")
	c.Flags().IntVar(&f.most, "max-findings", 0, "stop listing after so many findings (0: the default)")
	return c
}

func (f *verifyFlags) options() (o audit.Options, err error) {
	o = audit.Options{
		Snapshots: f.snapshots, Receipts: f.receipts, Partial: f.partial, CommittedOnly: f.committed, MaxFindings: f.most,
	}
	if f.serviceCert != "" {
		if o.ServiceCert, err = os.ReadFile(f.serviceCert); err != nil {
			return o, fmt.Errorf("the service's certificate: %w", err)
		}
	}
	if f.atLeast != "" {
		if o.AtLeast, err = ledger.ParseTxID(f.atLeast); err != nil {
			return o, usage("--at-least %q: %w", f.atLeast, err)
		}
	}
	for _, name := range f.recoveryKeys {
		key, err := os.ReadFile(name)
		if err != nil {
			return o, fmt.Errorf("a member's recovery key: %w", err)
		}
		o.RecoveryKeys = append(o.RecoveryKeys, key)
	}
	return o, nil
}

// auditResult is what ledger verify prints.
type auditResult struct {
	Valid          bool            `json:"valid"`
	Entries        uint64          `json:"entries"`
	Signatures     int             `json:"signatures"`
	COSESignatures int             `json:"cose_signatures"`
	Files          int             `json:"files"`
	First          string          `json:"first"`
	Last           string          `json:"last"`
	LastSigned     string          `json:"last_signed"`
	Root           string          `json:"signed_root"`
	ServiceStatus  string          `json:"service_status,omitempty"`
	Services       int             `json:"services"`
	Opened         uint64          `json:"entries_opened"`
	Private        uint64          `json:"private_entries_opened"`
	Requests       int             `json:"member_requests"`
	Receipts       int             `json:"receipts"`
	Findings       []auditFinding  `json:"findings"`
	Unsigned       string          `json:"unsigned,omitempty"`
	Torn           string          `json:"torn,omitempty"`
	Uncovered      []uncoveredByte `json:"uncovered,omitempty"`
}

type auditFinding struct {
	Severity string `json:"severity"`
	File     string `json:"file"`
	Offset   int64  `json:"offset"`
	TxID     string `json:"transaction_id,omitempty"`
	Text     string `json:"text"`
}

type uncoveredByte struct {
	File   string `json:"file"`
	Offset int64  `json:"offset"`
	Length int64  `json:"length"`
	What   string `json:"what"`
}

// errRefused is printed after the findings, which say all there is to say.
var errRefused = errors.New("the ledger is not what the service wrote; see the findings")

func (a *app) verifyLedger(f verifyFlags, dirs []string) error {
	o, err := f.options()
	if err != nil {
		return err
	}
	o.Progress = a.auditProgress()
	r, err := audit.Verify(dirs, o)
	if err != nil {
		return err
	}
	out := resultOf(r)
	if err := a.print(out, func(w io.Writer) { out.write(w) }); err != nil {
		return err
	}
	if !out.Valid {
		return refused(errRefused)
	}
	return nil
}

// progressStep is how many bytes pass between two lines of progress.
const progressStep = 64 << 20

// auditProgress reports on long audits.
func (a *app) auditProgress() func(audit.Progress) {
	next := int64(progressStep)
	return func(p audit.Progress) {
		if p.Read < next {
			return
		}
		next = p.Read + progressStep
		fmt.Fprintf(a.Err, "verified %d of %d MiB, up to seqno %d\n", p.Read>>20, p.Total>>20, p.Seqno)
	}
}

func idText(id ledger.TxID) string {
	if id.IsZero() {
		return ""
	}
	return id.String()
}

func resultOf(r *audit.Report) *auditResult {
	out := &auditResult{
		Valid: r.OK(), Entries: r.Entries, Signatures: r.Signatures, COSESignatures: r.COSESignatures, Files: len(r.Files),
		First: idText(r.First), Last: idText(r.Last), LastSigned: idText(r.LastSigned), Root: r.SignedRoot.Hex(),
		ServiceStatus: r.Service.Status, Services: r.Services, Opened: r.Opened, Private: r.PrivateEntries, Requests: r.Requests, Receipts: r.Receipts, Findings: []auditFinding{},
	}
	for _, x := range r.Findings {
		out.Findings = append(out.Findings, auditFinding{x.Severity.String(), x.File, x.Offset, idText(x.TxID), x.Text})
	}
	if s := r.Unsigned; s != nil {
		out.Unsigned = fmt.Sprintf("%s to %s, in %s from offset %d", s.First, s.Last, s.File, s.Offset)
	}
	if t := r.Torn; t != nil {
		out.Torn = fmt.Sprintf("%d bytes of an unfinished entry, in %s at offset %d", t.Bytes, t.File, t.Offset)
	}
	for _, u := range r.Uncovered {
		out.Uncovered = append(out.Uncovered, uncoveredByte{u.File, u.Offset, u.Length, u.What})
	}
	return out
}

func (r *auditResult) write(w io.Writer) {
	for _, x := range r.Findings {
		fmt.Fprintf(w, "%s: %s, offset %d", x.Severity, x.File, x.Offset)
		if x.TxID != "" {
			fmt.Fprintf(w, " (entry %s)", x.TxID)
		}
		fmt.Fprintf(w, ": %s\n", x.Text)
	}
	word := "valid"
	if !r.Valid {
		word = "NOT valid"
	}
	fmt.Fprintf(w, "the ledger is %s: %d entries in %d files, %s to %s, %d signatures (%d COSE)\n",
		word, r.Entries, r.Files, r.First, r.Last, r.Signatures, r.COSESignatures)
	fmt.Fprintf(w, "  last signed %s, root %s\n", r.LastSigned, r.Root)
	if r.Opened > 0 {
		fmt.Fprintf(w, "  opened with the recovered ledger secrets: %d entries, %d of them with private tables\n", r.Opened, r.Private)
	}
	fmt.Fprintf(w, "  signed requests of members checked: %d\n", r.Requests)
	if r.Receipts > 0 {
		fmt.Fprintf(w, "  receipts that are of this ledger: %d\n", r.Receipts)
	}
	if r.Unsigned != "" {
		fmt.Fprintf(w, "  not signed yet: %s\n", r.Unsigned)
	}
	if r.Torn != "" {
		fmt.Fprintf(w, "  torn: %s\n", r.Torn)
	}
	for _, u := range r.Uncovered {
		fmt.Fprintf(w, "  not provable without the ledger secret or a later signature: %d bytes at offset %d of %s (%s)\n", u.Length, u.Offset, u.File, u.What)
	}
}
