package audit

import (
	"fmt"
	"strings"

	"concordat/ledger"
)

// Severity tells what a finding means.
type Severity uint8

const (
	// Odd is something an honest service may have written, but that an auditor
	// should know of.
	Odd Severity = iota
	// Invalid is something no honest service wrote: the ledger was altered, or
	// its writer is broken.
	Invalid
)

// String is the word used in reports.
func (s Severity) String() string {
	if s == Invalid {
		return "invalid"
	}
	return "odd"
}

// Finding is one thing that is wrong, and where.
type Finding struct {
	Severity Severity
	File     string
	Offset   int64       // of the entry, or of the byte where there is no entry
	TxID     ledger.TxID // of the entry, if there is one
	Text     string
}

// String is one line for a person.
func (f Finding) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s", f.Severity, f.File)
	if f.Offset > 0 || !f.TxID.IsZero() {
		fmt.Fprintf(&b, " at byte %d", f.Offset)
	}
	if !f.TxID.IsZero() {
		fmt.Fprintf(&b, " (%v)", f.TxID)
	}
	b.WriteString(": ")
	b.WriteString(f.Text)
	return b.String()
}

// File is what was found in one chunk file.
type File struct {
	Path      string
	First     ledger.Seqno
	Entries   uint64
	Complete  bool // it has a positions table
	Committed bool // its name says so
	Torn      int64
}

// Last is the last seqno of the file, 0 when it is empty.
func (f File) Last() ledger.Seqno {
	if f.Entries == 0 {
		return 0
	}
	return f.First + f.Entries - 1
}

// Span is a stretch of entries without a covering signature.
type Span struct {
	First, Last ledger.TxID
	File        string
	Offset      int64 // of the first entry
}

// Torn is an entry that was cut off while it was written.
type Torn struct {
	File   string
	Offset int64
	Bytes  int64
}

// Uncovered is a run of bytes of the last signature entry whose value nothing
// at hand can prove.
type Uncovered struct {
	File   string
	Offset int64
	Length int64
	What   string
}

// ViewStart is the first entry of a view.
type ViewStart struct {
	View  ledger.View
	First ledger.Seqno
}

// Service is the service as the ledger last describes it.
type Service struct {
	Cert          string
	KeyID         string
	Status        string
	CreateTxID    string
	RecoveryCount uint64
}

// Report is the outcome of an audit.
type Report struct {
	Files          []File
	Entries        uint64
	Types          map[ledger.EntryType]int
	Signatures     int
	COSESignatures int
	First, Last    ledger.TxID
	LastSigned     ledger.TxID   // the last signature transaction
	SignedRoot     ledger.Digest // which it signed
	Root           ledger.Digest // over all entries, the unsigned ones too
	Views          []ViewStart
	Service        Service
	Services       int // service identities seen: one more than recoveries
	Identities     int // COSE identity endorsements checked
	Requests       int // signed requests of members checked
	SnapshotsSeen  int // evidence of snapshots
	Snapshots      int // snapshot files checked
	Receipts       int // receipts from elsewhere that are of this ledger

	SecretStarts   []ledger.Seqno // of every ledger secret the ledger speaks of
	SecretsKnown   []ledger.Seqno // of those at hand
	Opened         uint64         // entries whose tag was checked
	Evidence       uint64         // commit evidences checked
	PrivateEntries uint64         // entries with a private domain, among those opened

	Unsigned  *Span
	Torn      *Torn
	Uncovered []Uncovered
	Findings  []Finding
	Dropped   int // findings beyond the limit

	max     int
	invalid int
}

// OK reports whether nothing invalid was found. A torn or unsigned tail is not
// invalid, but says that less is proven: see LastSigned.
func (r *Report) OK() bool { return r.invalid == 0 }

func (r *Report) add(f Finding) {
	if f.Severity == Invalid {
		r.invalid++
	}
	if len(r.Findings) >= r.max {
		r.Dropped++
		return
	}
	r.Findings = append(r.Findings, f)
}

// conclude puts what invalidates the ledger first.
func (r *Report) conclude() {
	sorted := make([]Finding, 0, len(r.Findings))
	for _, severity := range []Severity{Invalid, Odd} {
		for _, f := range r.Findings {
			if f.Severity == severity {
				sorted = append(sorted, f)
			}
		}
	}
	r.Findings = sorted
}

// Summary is the report in a few lines for a person.
func (r *Report) Summary() string {
	var b strings.Builder
	fmt.Fprintf(&b, "entries %d, from %v to %v, in %d files\n", r.Entries, r.First, r.Last, len(r.Files))
	fmt.Fprintf(&b, "signatures %d, of which with COSE %d; last signed %v, root %s\n", r.Signatures, r.COSESignatures, r.LastSigned, r.SignedRoot.Hex())
	fmt.Fprintf(&b, "service %s, status %s, recoveries %d\n", r.Service.KeyID, r.Service.Status, max(r.Services-1, 0))
	if r.Opened > 0 {
		fmt.Fprintf(&b, "private part: %d entries opened with %d secrets, %d commit evidences match\n", r.Opened, len(r.SecretsKnown), r.Evidence)
	}
	if r.Unsigned != nil {
		fmt.Fprintf(&b, "NOT SIGNED: %v to %v, from byte %d of %s\n", r.Unsigned.First, r.Unsigned.Last, r.Unsigned.Offset, r.Unsigned.File)
	}
	if r.Torn != nil {
		fmt.Fprintf(&b, "torn: %d bytes of an unfinished entry at byte %d of %s\n", r.Torn.Bytes, r.Torn.Offset, r.Torn.File)
	}
	for _, u := range r.Uncovered {
		fmt.Fprintf(&b, "not provable: %s, %d bytes at byte %d of %s\n", u.What, u.Length, u.Offset, u.File)
	}
	for _, f := range r.Findings {
		fmt.Fprintln(&b, f)
	}
	if r.Dropped > 0 {
		fmt.Fprintf(&b, "and %d more findings\n", r.Dropped)
	}
	return b.String()
}
