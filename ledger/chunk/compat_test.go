package chunk_test

import (
	"bytes"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"concordat/ledger"
	"concordat/ledger/chunk"
	"concordat/ledger/fixture"
)

// chunkSize is what the recorded services were configured with: "20KB".
const chunkSize = 20 << 10

// services lists the ledgers that a CCF of the current version wrote.
func services(t *testing.T) []string {
	t.Helper()
	dirs := slices.DeleteFunc(ledgerDirs(t), func(dir string) bool { return !strings.Contains(dir, "ccf-services") })
	if len(dirs) == 0 {
		t.Skip("no recorded services among the fixtures")
	}
	return dirs
}

func isSignature(t *testing.T, raw []byte) bool {
	t.Helper()
	e, err := ledger.ParseEntry(raw)
	if err != nil {
		t.Fatal(err)
	}
	return slices.ContainsFunc(e.Public.Writes, func(m ledger.MapWrites) bool {
		return m.Name == "public:ccf.internal.signatures"
	})
}

// segments cuts a ledger behind every signature.
func segments(t *testing.T, dir string) (all [][]byte) {
	t.Helper()
	d, err := chunk.OpenDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var segment []byte
	err = d.Entries(func(_ uint64, raw []byte) error {
		segment = append(segment, raw...)
		if isSignature(t, raw) {
			all = append(all, segment)
			segment = nil
		}
		return nil
	})
	if err != nil || len(segment) > 0 {
		t.Fatalf("%d bytes after the last signature, %v", len(segment), err)
	}
	return all
}

func readDir(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{}
	for _, e := range entries {
		if files[e.Name()], err = os.ReadFile(filepath.Join(dir, e.Name())); err != nil {
			t.Fatal(err)
		}
	}
	return files
}

func compareDirs(t *testing.T, got, want map[string][]byte) {
	t.Helper()
	if g, w := slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want)); !slices.Equal(g, w) {
		t.Errorf("files\n got %q\nwant %q", g, w)
	}
	for name := range want {
		if !bytes.Equal(got[name], want[name]) {
			t.Errorf("%s differs", name)
		}
	}
}

// The entries of a recorded service, written again segment by segment, give the
// files that CCF left: names, tables, all bytes.
func TestWriterMakesTheFilesOfCCF(t *testing.T) {
	for _, dir := range services(t) {
		t.Run(filepath.Base(filepath.Dir(dir)), func(t *testing.T) {
			own := filepath.Join(t.TempDir(), "ledger")
			w, err := chunk.Open(own, chunk.Options{})
			if err != nil {
				t.Fatal(err)
			}
			for _, segment := range segments(t, dir) {
				if err := w.Append(segment); err != nil {
					t.Fatal(err)
				}
				if err := w.Commit(w.Next() - 1); err != nil {
					t.Fatal(err)
				}
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			want := readDir(t, dir)
			maps.DeleteFunc(want, func(name string, _ []byte) bool { return strings.HasSuffix(name, ".ignored") })
			compareDirs(t, readDir(t, own), want)
		})
	}
}

// forced lists the signatures of the recorded services that end a chunk for a
// reason other than its size: a snapshot that was due or forced (so at every
// opening), or a request by the members.
var forced = map[string][]uint64{
	"aborted_recovery":  {10, 25, 36, 42, 47, 49},
	"owner_p256":        {7, 21},
	"recover_twice_log": {12, 39, 41, 55},
	"rollback_trio":     {7, 12, 28},
	"solo_js":           {60, 68, 75, 122},
	"trio_log":          {15, 70, 114, 115},
}

// The rotation rule gives the flag of every signature CCF wrote.
func TestRotationAgreesWithCCF(t *testing.T) {
	for _, dir := range services(t) {
		name := filepath.Base(filepath.Dir(dir))
		d, err := chunk.OpenDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		rotation := chunk.Rotation{ChunkSize: chunkSize}
		var others []uint64
		err = d.Entries(func(seqno uint64, raw []byte) error {
			flagged := flagsOf(raw)&ledger.FlagChunkAfter != 0
			if due := isSignature(t, raw) && rotation.Due(); due && !flagged {
				t.Errorf("%s: %d ends no chunk though it is due", name, seqno)
			} else if flagged && !due {
				others = append(others, seqno)
			}
			rotation.Add(flagsOf(raw), uint64(len(raw)))
			return nil
		})
		if err != nil || !slices.Equal(others, forced[name]) {
			t.Errorf("%s: chunks ended for other reasons at %v, want %v, %v", name, others, forced[name], err)
		}
	}
}

// What CCF left in the middle of its life: torn files, files of a recovery under
// way, chunks that are complete but not committed.
func TestDirReadsFilesOfAServiceUnderWay(t *testing.T) {
	for _, c := range []struct {
		dir         string
		recovery    bool
		first, last ledger.Seqno
		torn        bool
	}{
		{"rollback_trio/ledger_old_primary", false, 13, 25, false},
		{"trio_log/ledger_killed_primary", false, 1, 0, false},
		{"aborted_recovery/midway/0_torn_before_recovery", false, 26, 29, true},
		{"aborted_recovery/midway/1_after_aborted_attempt", true, 26, 31, false},
		{"aborted_recovery/midway/1_after_aborted_attempt", false, 0, 0, false},
		{"recover_twice_log/midway/0_before_recovery/ledger", false, 42, 0, false},
		{"recover_twice_log/midway/1_one_share/ledger", true, 44, 0, false},
	} {
		path := fixture.Dir(t, "ccf-services", c.dir)
		d, err := chunk.DirOptions{Recovery: c.recovery}.Open(path)
		if err != nil {
			t.Skip(err)
		}
		n := d.First()
		err = d.Entries(func(seqno uint64, _ []byte) error {
			if seqno != n {
				t.Errorf("%s: %d after %d", c.dir, seqno, n-1)
			}
			n++
			return nil
		})
		if err != nil || d.First() != c.first || len(d.Damaged()) > 0 || (d.Torn() != nil) != c.torn {
			t.Errorf("%s: from %d: %v, damaged %v, torn %v", c.dir, d.First(), err, d.Damaged(), d.Torn())
		}
		if c.last != 0 && d.Last() != c.last || c.first != 0 && d.Last() < c.first {
			t.Errorf("%s: ends with %d, want %d", c.dir, d.Last(), c.last)
		}
	}
}

// What an independent parser found in each file.
func TestDirAgreesWithTheFacts(t *testing.T) {
	type file struct {
		File    string       `json:"file"`
		Entries uint64       `json:"entries"`
		First   ledger.Seqno `json:"first"`
		Last    ledger.Seqno `json:"last"`
		Size    int64        `json:"size"`
		Table   int64        `json:"positions_offset"`
	}
	var vectors struct {
		Ledgers map[string]struct {
			Chunks []file `json:"chunks"`
		} `json:"ledgers"`
	}
	fixture.JSON(t, &vectors, "ccf-ledgers", "vectors.json")
	for name, want := range vectors.Ledgers {
		d, err := chunk.OpenDir(fixture.Dir(t, "ccf-ledgers", name, "ledger"))
		if err != nil {
			t.Fatal(err)
		}
		var got []file
		for _, i := range d.Chunks() {
			f := file{File: i.Name.String(), Entries: i.Entries(), First: i.First, Last: i.Last, Size: i.Size}
			if i.Complete {
				f.Table = i.Size - 4*int64(i.Entries())
			}
			got = append(got, f)
		}
		if !slices.Equal(got, want.Chunks) {
			t.Errorf("%s:\n got %v\nwant %v", name, got, want.Chunks)
		}
	}
}
