package audit

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"concordat/ledger"
	"concordat/ledger/fixture"
	"concordat/ledger/secret"
)

func TestRecordedLedgersAreAccepted(t *testing.T) {
	for _, service := range services(t) {
		o := options(t, service)
		r := audited(t, o, filepath.Join(service, "ledger"))
		if !r.OK() || r.Entries == 0 || r.Opened != r.Entries || r.Evidence != r.Entries || r.Unsigned != nil || r.Torn != nil {
			t.Errorf("%s:\n%s", filepath.Base(service), r.Summary())
		}
		if r.Snapshots != len(o.Snapshots) || len(r.Uncovered) != 1 {
			t.Errorf("%s: %d of %d snapshots checked, %d fields uncovered", filepath.Base(service), r.Snapshots, len(o.Snapshots), len(r.Uncovered))
		}
		if !slices.Equal(r.SecretsKnown, r.SecretStarts) && len(r.SecretsKnown) != len(r.SecretStarts) {
			t.Errorf("%s: secrets from %v at hand, the ledger speaks of %v", filepath.Base(service), r.SecretsKnown, r.SecretStarts)
		}
	}
}

// TestReportsAgreeWithTheFacts compares the counts of the report with those of
// an independent parser.
func TestReportsAgreeWithTheFacts(t *testing.T) {
	for _, service := range glob(t, fixture.Dir(t, "ccf-services"), "*", "ledger") {
		service = filepath.Dir(service)
		var facts struct {
			Verified struct {
				Entries      uint64
				Last         string
				Views        [][2]uint64
				Signatures   int
				COSE         int               `json:"cose_signatures"`
				Root         string            `json:"root_over_all"`
				SecretStarts []ledger.Seqno    `json:"secret_starts"`
				Identities   []json.RawMessage `json:"identity_endorsements"`
				Tables       map[string]int
			}
		}
		fixture.Decode(t, fixture.File(t, filepath.Join(service, "facts.json")), &facts)
		f, r := facts.Verified, audited(t, options(t, service), filepath.Join(service, "ledger"))
		if r.Entries != f.Entries || r.Last.String() != f.Last || r.Signatures != f.Signatures || r.COSESignatures != f.COSE || r.Root.Hex() != f.Root {
			t.Errorf("%s: counts differ from the facts:\n%s", filepath.Base(service), r.Summary())
		}
		if n := f.Tables[signedGovTable]; n == 0 || r.Requests < n {
			t.Errorf("%s: %d signed requests checked of %d", filepath.Base(service), r.Requests, n)
		}
		if !slices.Equal(r.SecretStarts, f.SecretStarts) || r.Identities != len(f.Identities) || len(r.Views) != len(f.Views) {
			t.Errorf("%s: secrets %v, identities %d, views %v", filepath.Base(service), r.SecretStarts, r.Identities, r.Views)
		}
	}
}

// TestLedgersOnTheWay audits ledgers as they were before, during and after
// recoveries, with the names their files had then.
func TestLedgersOnTheWay(t *testing.T) {
	service := fixture.Dir(t, "ccf-services", "recover_twice_log")
	var facts struct{ Midway map[string][]string }
	fixture.Decode(t, fixture.File(t, filepath.Join(service, "facts.json")), &facts)
	certs := map[string]string{"0": "service_cert_0.pem", "1": "service_cert_1.pem", "2": "service_cert_2.pem"}
	status := map[string]string{
		"0_before_recovery": open, "1_recovering": recovering, "1_waiting": waiting, "1_one_share": waiting,
		"2_recovering": recovering, "2_waiting": waiting,
	}
	for name, files := range facts.Midway {
		dir := compose(t, files, filepath.Join(service, "midway", name, "ledger"), filepath.Join(service, "ledger"))
		o := options(t, service)
		o.Snapshots, o.ServiceCert = nil, fixture.File(t, filepath.Join(service, "common", certs[name[:1]]))
		r := audited(t, o, dir)
		if !r.OK() || r.Service.Status != status[name] || r.Opened == 0 {
			t.Errorf("%s:\n%s", name, r.Summary())
		}
	}
}

// TestPartialLedgers leaves out the first files of every recorded ledger, one
// more each time.
func TestPartialLedgers(t *testing.T) {
	for _, service := range services(t) {
		full := audited(t, options(t, service), filepath.Join(service, "ledger"))
		step := max(1, len(full.Files)/4)
		for skip := step; skip < len(full.Files); skip += step {
			var names []string
			for _, f := range full.Files[skip:] {
				names = append(names, filepath.Base(f.Path))
			}
			dir, o := compose(t, names, filepath.Join(service, "ledger")), options(t, service)
			o.Snapshots, o.Partial = nil, true
			r := audited(t, o, dir)
			if !r.OK() || r.LastSigned != full.LastSigned || r.Root != full.Root || r.First.Seqno != full.Files[skip].First {
				t.Errorf("%s without its first %d files:\n%s", filepath.Base(service), skip, r.Summary())
			}
			if o.Partial = false; audited(t, o, dir).OK() {
				t.Errorf("%s without its first %d files is accepted as whole", filepath.Base(service), skip)
			}
		}
	}
}

// TestPartialLedgersCatchChanges changes an entry in front of the first
// signature of a partial ledger.
func TestPartialLedgersCatchChanges(t *testing.T) {
	service := fixture.Dir(t, "ccf-services", "owner_p256")
	dir := compose(t, []string{"ledger_8-21.committed", "ledger_22-23.committed", "ledger_24-31.committed", "ledger_32"}, filepath.Join(service, "ledger"))
	name := filepath.Join(dir, "ledger_8-21.committed")
	b := fixture.File(t, name)
	b[8+8+3] ^= 1
	write(t, name, b)
	r := audited(t, Options{ServiceCert: options(t, service).ServiceCert, Partial: true}, dir)
	if r.OK() || !mentions(r, Invalid, "ledger_8-21.committed", "not what was signed") {
		t.Errorf("%s", r.Summary())
	}
}

// TestEntriesNearDamageAreStillChecked breaks the frame of one entry and the
// content of another before the next signature.
func TestEntriesNearDamageAreStillChecked(t *testing.T) {
	f := newForge(t)
	f.sign(nil)
	content := len(f.out)
	f.data()
	frame := len(f.out)
	f.data()
	end := len(f.out)
	f.sign(nil)
	f.data()
	f.sign(nil)
	f.out[content+10] ^= 1
	f.out[frame] ^= 1
	dir := t.TempDir()
	write(t, filepath.Join(dir, "ledger_1"), append(make([]byte, fileHeader), f.out[:end]...))
	write(t, filepath.Join(dir, "ledger_5"), append(make([]byte, fileHeader), f.out[end:]...))
	r := audited(t, Options{ServiceCert: f.serviceCert}, dir)
	if r.OK() || !mentions(r, Invalid, "ledger_1", "unknown version") || !mentions(r, Invalid, "ledger_1", "not what was signed at 2.5") || r.LastSigned.Seqno != 7 {
		t.Errorf("%s", r.Summary())
	}
}

// TestTornTails audits files of nodes that were killed while writing.
func TestTornTails(t *testing.T) {
	service := fixture.Dir(t, "ccf-services", "aborted_recovery")
	before := []string{"ledger_1-2.committed", "ledger_3-10.committed", "ledger_11-25.committed"}
	dir := compose(t, append(before, "ledger_26"), filepath.Join(service, "midway", "0_torn_before_recovery"), filepath.Join(service, "ledger"))
	o := Options{ServiceCert: fixture.File(t, filepath.Join(service, "common", "service_cert_0.pem"))}
	r := audited(t, o, dir)
	if !r.OK() || r.Torn == nil || r.Torn.File != "ledger_26" || r.LastSigned != (ledger.TxID{View: 2, Seqno: 25}) {
		t.Fatalf("torn before recovery:\n%s", r.Summary())
	}
	if r.Unsigned == nil || r.Unsigned.First.Seqno != 26 || r.Unsigned.File != "ledger_26" {
		t.Errorf("the unsigned tail is not reported:\n%s", r.Summary())
	}
	names := []string{"ledger_26-31.committed.recovery"}
	dir = compose(t, append(before, names...), filepath.Join(service, "midway", "1_after_aborted_attempt"), filepath.Join(service, "ledger"))
	if r := audited(t, Options{}, dir); !r.OK() || r.Service.Status != waiting {
		t.Errorf("after an aborted recovery:\n%s", r.Summary())
	}
}

func TestNodesThatFellBehind(t *testing.T) {
	service := fixture.Dir(t, "ccf-services", "rollback_trio")
	o := options(t, service)
	committed := compose(t, []string{"ledger_1-2.committed", "ledger_3-7.committed", "ledger_8-12.committed"}, filepath.Join(service, "ledger"))
	r := audited(t, o, committed, filepath.Join(service, "ledger_old_primary"))
	if !r.OK() || r.Last.View != 2 || r.Opened != r.Entries {
		t.Errorf("a primary whose last entries were rolled back:\n%s", r.Summary())
	}
	trio := fixture.Dir(t, "ccf-services", "trio_log")
	r = audited(t, options(t, trio), filepath.Join(trio, "ledger_killed_primary"))
	if snapshotsBeyond := r.invalid; snapshotsBeyond == 0 || r.Last.Seqno < 66 {
		t.Errorf("snapshots taken later must not be accepted for the ledger of a killed primary:\n%s", r.Summary())
	}
	o = options(t, trio)
	o.Snapshots = nil
	if r = audited(t, o, filepath.Join(trio, "ledger_killed_primary")); !r.OK() {
		t.Errorf("a killed primary:\n%s", r.Summary())
	}
}

// TestTwoDirectories reads a ledger that is spread over a main and a read-only
// directory, with committed files in both.
func TestTwoDirectories(t *testing.T) {
	trio := fixture.Dir(t, "ccf-services", "trio_log")
	o := options(t, trio)
	r := audited(t, o, filepath.Join(trio, "ledger"), filepath.Join(trio, "ledger_killed_primary"))
	if !r.OK() || r.Entries != 124 {
		t.Fatalf("%s", r.Summary())
	}
	if !mentions(r, Odd, "ledger_66", "left out") {
		t.Errorf("the superseded file is not mentioned:\n%s", r.Summary())
	}
	o.CommittedOnly, o.Snapshots = true, nil
	if r = audited(t, o, filepath.Join(trio, "ledger")); !r.OK() || r.Last.Seqno != 115 {
		t.Errorf("committed files alone:\n%s", r.Summary())
	}
}

func mentions(r *Report, s Severity, file, text string) bool {
	for _, f := range r.Findings {
		if f.Severity == s && (file == "" || f.File == file) && strings.Contains(f.Text, text) {
			return true
		}
	}
	return false
}

func TestDamagedDirectories(t *testing.T) {
	service := fixture.Dir(t, "ccf-services", "recover_twice_log")
	all := make([]string, 0, 12)
	for _, path := range glob(t, service, "ledger", "*") {
		all = append(all, filepath.Base(path))
	}
	without := func(name string) []string {
		return slices.DeleteFunc(slices.Clone(all), func(s string) bool { return s == name })
	}
	o := Options{ServiceCert: options(t, service).ServiceCert}
	for name, c := range map[string]struct {
		files  []string
		change func(dir string)
		file   string
		want   string
	}{
		"gap":       {without("ledger_13-34.committed"), nil, "ledger_35-39.committed", "entries 13 to 34 are missing"},
		"beginning": {without("ledger_1-2.committed"), nil, "ledger_3-12.committed", "the ledger begins at 3"},
		"name": {all, func(dir string) { rename(t, dir, "ledger_3-12.committed", "ledger_3-11.committed") },
			"ledger_3-11.committed", "its name ends at 11, its entries at 12"},
		"other name": {all, func(dir string) { rename(t, dir, "ledger_78", "ledger_79") }, "ledger_79", "78"},
		"overlap": {all, func(dir string) {
			write(t, filepath.Join(dir, "ledger_11-13.committed"), fixture.File(t, filepath.Join(dir, "ledger_40-41.committed")))
		}, "ledger_11-13.committed", "overlaps ledger_3-12.committed"},
		"cut": {all, func(dir string) { truncate(t, filepath.Join(dir, "ledger_3-12.committed"), 5000) }, "ledger_3-12.committed", "positions table"},
		"open but called committed": {all, func(dir string) { rename(t, dir, "ledger_78", "ledger_78-89.committed") },
			"ledger_78-89.committed", "no positions table"},
		"empty": {all, func(dir string) { truncate(t, filepath.Join(dir, "ledger_13-34.committed"), 3) }, "ledger_13-34.committed", "first eight bytes"},
	} {
		dir := compose(t, c.files, filepath.Join(service, "ledger"))
		if c.change != nil {
			c.change(dir)
		}
		if r := audited(t, o, dir); r.OK() || !mentions(r, Invalid, c.file, c.want) {
			t.Errorf("%s: no finding %q in\n%s", name, c.want, r.Summary())
		}
	}
}

func rename(t *testing.T, dir, from, to string) {
	t.Helper()
	if err := os.Rename(filepath.Join(dir, from), filepath.Join(dir, to)); err != nil {
		t.Fatal(err)
	}
}

func truncate(t *testing.T, name string, size int64) {
	t.Helper()
	if err := os.Truncate(name, size); err != nil {
		t.Fatal(err)
	}
}

// TestOtherChunkSizes offers a file whose entries are in a longer one too, as
// nodes with different chunk sizes have them.
func TestOtherChunkSizes(t *testing.T) {
	service := fixture.Dir(t, "ccf-services", "owner_p256")
	other := t.TempDir()
	write(t, filepath.Join(other, "ledger_8-13.committed"), []byte("not read"))
	r := verifyWith(t, service, other)
	if !r.OK() || !mentions(r, Odd, "ledger_8-13.committed", "ledger_8-21.committed covers it") {
		t.Errorf("%s", r.Summary())
	}
}

func verifyWith(t *testing.T, service, other string) *Report {
	return audited(t, Options{}, filepath.Join(service, "ledger"), other)
}

// TestDifferingCopies offers two committed files for the same entries.
func TestDifferingCopies(t *testing.T) {
	service := fixture.Dir(t, "ccf-services", "owner_p256")
	other := compose(t, []string{"ledger_8-21.committed"}, filepath.Join(service, "ledger"))
	name := filepath.Join(other, "ledger_8-21.committed")
	b := fixture.File(t, name)
	b[3000] ^= 1
	write(t, name, b)
	r := verifyWith(t, service, other)
	if r.OK() || !mentions(r, Invalid, "ledger_8-21.committed", "differ") {
		t.Errorf("%s", r.Summary())
	}
}

// TestTheChangedEntryIsNamed changes one byte in the middle of a ledger: the
// report names that entry, and everything after it is still checked.
func TestTheChangedEntryIsNamed(t *testing.T) {
	service := fixture.Dir(t, "ccf-services", "owner_p256")
	dir := compose(t, []string{"ledger_1-2.committed", "ledger_3-7.committed", "ledger_8-21.committed", "ledger_22-23.committed", "ledger_24-31.committed", "ledger_32"}, filepath.Join(service, "ledger"))
	name := filepath.Join(dir, "ledger_8-21.committed")
	b := fixture.File(t, name)
	b[8+8+3] ^= 1 // the GCM tag of the first entry of the file, 2.8
	write(t, name, b)
	r := audited(t, Options{ServiceCert: options(t, service).ServiceCert}, dir)
	if r.OK() || len(r.Findings) != 1 || r.Findings[0].TxID.Seqno != 8 || r.Findings[0].Offset != 8 || r.LastSigned.Seqno != 35 {
		t.Errorf("%s", r.Summary())
	}
}

func TestAnotherServiceIsNotAccepted(t *testing.T) {
	service, other := fixture.Dir(t, "ccf-services", "owner_p256"), fixture.Dir(t, "ccf-services", "solo_js")
	r := audited(t, Options{ServiceCert: options(t, other).ServiceCert}, filepath.Join(service, "ledger"))
	if r.OK() || !mentions(r, Invalid, "", "the certificate given is of service") {
		t.Errorf("%s", r.Summary())
	}
	old := fixture.File(t, filepath.Join(service, "common", "service_cert_0.pem"))
	if r = audited(t, Options{ServiceCert: old}, filepath.Join(service, "ledger")); r.OK() {
		t.Error("the certificate from before the recovery is accepted for the ledger after it")
	}
}

func TestWrongSecretsAreNoticed(t *testing.T) {
	service := fixture.Dir(t, "ccf-services", "rollback_trio")
	s, err := secret.FromBytes(make([]byte, secret.Size))
	if err != nil {
		t.Fatal(err)
	}
	o := options(t, service)
	o.Secrets, o.RecoveryKeys = map[ledger.Seqno]*secret.Secret{1: s}, nil
	if r := audited(t, o, filepath.Join(service, "ledger")); r.OK() || !mentions(r, Invalid, "", "GCM tag") {
		t.Errorf("a wrong secret:\n%s", r.Summary())
	}
	o = options(t, service)
	o.Secrets = map[ledger.Seqno]*secret.Secret{27: s}
	if r := audited(t, o, filepath.Join(service, "ledger")); r.OK() || !mentions(r, Invalid, "", "another ledger secret") {
		t.Errorf("a secret that is not the members':\n%s", r.Summary())
	}
}

func TestTooFewRecoveryKeys(t *testing.T) {
	service := fixture.Dir(t, "ccf-services", "trio_log")
	o := options(t, service)
	o.RecoveryKeys, o.Snapshots = o.RecoveryKeys[:1], nil
	r := audited(t, o, filepath.Join(service, "ledger"))
	if !r.OK() || r.Opened != 0 || !mentions(r, Odd, "", "do not restore the ledger secret") {
		t.Errorf("%s", r.Summary())
	}
}

func TestForeignSnapshots(t *testing.T) {
	service, other := fixture.Dir(t, "ccf-services", "owner_p256"), fixture.Dir(t, "ccf-services", "solo_js")
	o := options(t, service)
	o.Snapshots = glob(t, other, "snapshots", "*")
	if r := audited(t, o, filepath.Join(service, "ledger")); r.OK() || r.Snapshots != 0 {
		t.Errorf("snapshots of another service are accepted:\n%s", r.Summary())
	}
	o.Snapshots = glob(t, service, "snapshots_uncommitted", "*") // one whole, one cut short
	r := audited(t, o, filepath.Join(service, "ledger"))
	if r.invalid != 1 || r.Snapshots != 1 || !mentions(r, Invalid, "snapshot_21_22", "it needs") {
		t.Errorf("snapshots without a receipt yet:\n%s", r.Summary())
	}
}

// TestOtherHistories audits the ledger of a primary that was voted out with what
// clients of the others know.
func TestOtherHistories(t *testing.T) {
	service := fixture.Dir(t, "ccf-services", "rollback_trio")
	o := options(t, service)
	o.AtLeast = ledger.TxID{View: 3, Seqno: 27}
	o.Receipts = append(glob(t, service, "receipts", "*.receipt.cose"), glob(t, service, "receipts", "?.??.json")...)
	if r := audited(t, o, filepath.Join(service, "ledger")); !r.OK() || r.Receipts != 8 {
		t.Errorf("the ledger that won: %d receipts\n%s", r.Receipts, r.Summary())
	}
	lost := compose(t, []string{"ledger_1-2.committed", "ledger_3-7.committed", "ledger_8-12.committed"}, filepath.Join(service, "ledger"))
	r := audited(t, o, lost, filepath.Join(service, "ledger_old_primary"))
	if !mentions(r, Invalid, "", "yet the ledger is signed up to") || !mentions(r, Invalid, "3.22.receipt.cose", "of another history") {
		t.Errorf("the ledger that lost:\n%s", r.Summary())
	}
	o.AtLeast = ledger.TxID{View: 3, Seqno: 20}
	if r = audited(t, o, lost, filepath.Join(service, "ledger_old_primary")); !mentions(r, Invalid, "", "the ledger has 2.20 in its place") {
		t.Errorf("another view:\n%s", r.Summary())
	}
}

func TestEnvironment(t *testing.T) {
	if _, err := Verify([]string{t.TempDir()}, Options{}); !errors.Is(err, ErrNoLedger) {
		t.Errorf("an empty directory: %v", err)
	}
	for _, content := range []string{"", "\x00\x00\x00", strings.Repeat("\x00", 8)} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "ledger_1"), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := Verify([]string{dir}, Options{}); !errors.Is(err, ErrEmpty) {
			t.Errorf("a file of %d bytes: %v", len(content), err)
		}
	}
	if _, err := Verify([]string{filepath.Join(t.TempDir(), "none")}, Options{}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no directory: %v", err)
	}
	service := fixture.Dir(t, "ccf-services", "owner_p256")
	if _, err := Verify([]string{filepath.Join(service, "ledger")}, Options{ServiceCert: []byte("x")}); err == nil {
		t.Error("a certificate that is none")
	}
	var last Progress
	o := Options{Progress: func(p Progress) { last = p }}
	r := audited(t, o, filepath.Join(service, "ledger"))
	if last.Total == 0 || last.Seqno != r.Last.Seqno {
		t.Errorf("progress ends at %+v", last)
	}
}

func TestLimits(t *testing.T) {
	service := fixture.Dir(t, "ccf-services", "owner_p256")
	dir := compose(t, []string{"ledger_3-7.committed", "ledger_8-21.committed"}, filepath.Join(service, "ledger"))
	if r := audited(t, Options{MaxFindings: 2}, dir); len(r.Findings) > 2 || r.Dropped == 0 || r.OK() {
		t.Errorf("%d findings, %d more", len(r.Findings), r.Dropped)
	}
}

func FuzzVerify(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x00\x00\x00\x00\x00"), "ledger_1")
	f.Add([]byte("\x08\x00\x00\x00\x00\x00\x00\x00"), "ledger_1-2.committed")
	f.Fuzz(func(t *testing.T, b []byte, name string) {
		if _, ok := parseName(name); !ok || len(name) > 100 || strings.ContainsAny(name, "/\x00") {
			return
		}
		dir := t.TempDir()
		write(t, filepath.Join(dir, name), b)
		if _, err := Verify([]string{dir}, Options{}); err != nil && !errors.Is(err, ErrEmpty) {
			t.Fatal(err)
		}
	})
}
