package chunk_test

import (
	"bytes"
	"errors"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"concordat/ledger"
	"concordat/ledger/chunk"
	"concordat/ledger/fixture"
)

// copyFiles puts files of a fixture into a directory that may be changed.
func copyFiles(t *testing.T, to string, files map[string][]byte) {
	t.Helper()
	if err := os.MkdirAll(to, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, b := range files {
		if err := os.WriteFile(filepath.Join(to, name), b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// before is a ledger as it was when its service died: the committed files up to
// a seqno, and what lay open then.
func before(t *testing.T, service, midway string, committed ledger.Seqno) (dir string, final map[string][]byte) {
	t.Helper()
	base := fixture.Dir(t, "ccf-services", service)
	final = readDir(t, filepath.Join(base, "ledger"))
	files := readDir(t, filepath.Join(base, "midway", midway))
	for name, b := range final {
		if n, ok := chunk.ParseName(name); ok && n.Committed && !n.Ignored && n.Last <= committed {
			files[name] = b
		}
	}
	dir = filepath.Join(t.TempDir(), "ledger")
	copyFiles(t, dir, files)
	return dir, final
}

// A disaster recovery goes the way of CCF's, file by file: the old open chunk is
// completed, new files carry the mark until the service opens, and in the end
// the directory is the one CCF had.
func TestRecoverGoesTheWayOfCCF(t *testing.T) {
	dir, final := before(t, "recover_twice_log", "0_before_recovery/ledger", 41)
	w, err := chunk.Recover(dir, 43, chunk.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if got := readDir(t, dir); !bytes.Equal(got["ledger_42-43.committed"], final["ledger_42-43.committed"]) || got["ledger_42"] != nil {
		t.Errorf("after taking over: %q", slices.Sorted(maps.Keys(got)))
	}
	all := segments(t, fixture.Dir(t, "ccf-services", "recover_twice_log", "ledger"))
	for _, segment := range all {
		if firstSeqno(segment) <= 43 {
			continue
		}
		if err := errors.Join(w.Append(segment), w.Commit(w.Next()-1)); err != nil {
			t.Fatal(err)
		}
		switch w.Next() - 1 {
		case 45:
			checkNames(t, dir, "ledger_44.recovery")
		case 53:
			checkNames(t, dir, "ledger_44-49.committed.recovery", "ledger_50.recovery")
		case 55:
			if err := w.EndRecovery(); err != nil {
				t.Fatal(err)
			}
			checkNames(t, dir)
		}
		if raw, err := w.ReadEntry(44); err != nil || firstSeqno(raw) != 44 {
			t.Fatalf("reading 44 after %d: %v", w.Next()-1, err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	compareDirs(t, readDir(t, dir), final)
}

func firstSeqno(b []byte) ledger.Seqno { return ledger.Seqno(b[24]) | ledger.Seqno(b[25])<<8 }

// checkNames compares the names that carry the mark.
func checkNames(t *testing.T, dir string, want ...string) {
	t.Helper()
	var got []string
	for name := range readDir(t, dir) {
		if strings.Contains(name, "recovery") {
			got = append(got, name)
		}
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("marked files %q, want %q", got, want)
	}
}

// A file with nothing but an unsigned tail disappears, and what an earlier
// attempt left is set aside.
func TestRecoverDropsTheTornTailAndEarlierAttempts(t *testing.T) {
	dir, final := before(t, "aborted_recovery", "0_torn_before_recovery", 25)
	old := readDir(t, fixture.Dir(t, "ccf-services", "aborted_recovery", "midway", "1_after_aborted_attempt"))
	copyFiles(t, dir, old)
	w, err := chunk.Recover(dir, 25, chunk.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for name := range final {
		if n, _ := chunk.ParseName(name); n.First <= 25 || n.Ignored {
			want = append(want, name)
		}
	}
	slices.Sort(want)
	got := readDir(t, dir)
	if names := slices.Sorted(maps.Keys(got)); !slices.Equal(names, want) {
		t.Errorf("files %q, want %q", names, want)
	}
	if name := "ledger_26-31.committed.recovery.ignored"; !bytes.Equal(got[name], final[name]) {
		t.Errorf("%s differs", name)
	}
	if w.Next() != 26 {
		t.Errorf("goes on with %d", w.Next())
	}
}

// disaster makes a directory with three open files and something committed.
func disaster(t *testing.T, seed uint64) *driver {
	t.Helper()
	d := newDriver(t, seed)
	rng := d.rng
	var segment []byte
	for n, flags := range []ledger.Flags{0, 1, 0, 0, 1, 0, 1, 0, 0} { // files 1-2, 3-5, 6-7, 8-9
		e := makeEntry(rng, ledger.Seqno(n+1), flags)
		d.entries = append(d.entries, e)
		segment = append(segment, e...)
	}
	if err := errors.Join(d.w.Append(segment), d.commitTo(2), d.sync(), d.w.Close()); err != nil {
		t.Fatal(err)
	}
	return d
}

func TestRecoverToEverySeqno(t *testing.T) {
	for last := 2; last <= 9; last++ {
		d := disaster(t, 1)
		var err error
		if d.w, err = chunk.Recover(testDir, ledger.Seqno(last), chunk.Options{FS: d.fs}); err != nil {
			t.Fatalf("to %d: %v", last, err)
		}
		d.entries = d.entries[:last]
		d.readAll(t)
		for name := range d.fs.content(testDir) {
			if n, _ := chunk.ParseName(name); !n.Committed || n.Last > ledger.Seqno(last) {
				t.Errorf("to %d: %s is left", last, name)
			}
		}
		e := makeEntry(d.rng, ledger.Seqno(last+1), ledger.FlagChunkBefore)
		if err := errors.Join(d.w.Append(e), d.w.Sync(), d.w.EndRecovery()); err != nil {
			t.Fatal(err)
		}
		d.entries = append(d.entries, e)
		d.readAll(t)
	}
}

func TestRecoverRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		last   ledger.Seqno
		change func(d *driver)
		want   error
	}{
		"below what is committed":   {1, func(*driver) {}, chunk.ErrCommitted},
		"above what is there":       {10, func(*driver) {}, chunk.ErrNotFound},
		"with a file missing":       {9, func(d *driver) { delete(d.fs.names, testDir+"/ledger_3") }, chunk.ErrGap},
		"with a tear in the middle": {9, func(d *driver) { d.fs.names[testDir+"/ledger_3"].data[8] = 0 }, chunk.ErrGap},
	} {
		d := disaster(t, 1)
		c.change(d)
		was := d.fs.content(testDir)
		if _, err := chunk.Recover(testDir, c.last, chunk.Options{FS: d.fs}); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
		if !maps.Equal(d.fs.content(testDir), was) {
			t.Errorf("%s: the directory was changed", name)
		}
	}
}

// Recovery may die at any moment, lose power, and be started again.
func TestRecoverSurvivesPowerCuts(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 3))
	for last := ledger.Seqno(2); last <= 9; last++ {
		for stop := 1; ; stop++ {
			d := disaster(t, 1)
			count := 0
			d.fs.fail = func(string, string) (error, int) {
				if count++; count >= stop {
					return errPowerCut, -1
				}
				return nil, -1
			}
			_, err := chunk.Recover(testDir, last, chunk.Options{FS: d.fs})
			if count < stop {
				if err != nil {
					t.Fatalf("to %d: %v", last, err)
				}
				break
			}
			if !errors.Is(err, errPowerCut) {
				t.Fatalf("to %d, disk operation %d: %v", last, stop, err)
			}
			after := d.fs.crash(rng)
			w, err := chunk.Recover(testDir, last, chunk.Options{FS: after})
			if err != nil {
				t.Fatalf("to %d, again after disk operation %d: %v\n%s", last, stop, err, after)
			}
			for i := range last {
				if raw, err := w.ReadEntry(i + 1); err != nil || string(raw) != string(d.entries[i]) {
					t.Fatalf("to %d, disk operation %d: entry %d: %v", last, stop, i+1, err)
				}
			}
		}
	}
}
