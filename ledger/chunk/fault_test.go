package chunk_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"syscall"
	"testing"

	"concordat/ledger"
	"concordat/ledger/chunk"
)

// Each disk operation of a scenario fails once, in every way it can. The writer
// says which file, does nothing more, and what was synced can still be read.
func TestEveryDiskErrorStopsTheWriter(t *testing.T) {
	type fault struct {
		err   error
		short int
	}
	stops := 0
	faults := []fault{{syscall.EIO, -1}, {syscall.ENOSPC, 2}, {syscall.ENOSPC, 0}, {nil, 3}}
	for seed := range uint64(4) {
		for _, f := range faults {
			for at := 1; ; at++ {
				d := newDriver(t, seed)
				count, hit := 0, ""
				d.fs.fail = func(op, name string) (error, int) {
					count++
					if count == at && (f.err != nil || op == "write") {
						hit = op + " " + name
						return f.err, f.short
					}
					return nil, -1
				}
				if faultStep(t, d, &hit) {
					checkStopped(t, d, fmt.Sprintf("seed %d, %v/%d at operation %d (%s)", seed, f.err, f.short, at, hit))
					stops++
				}
				if count < at {
					break // the whole scenario ran
				}
			}
		}
	}
	if stops < 500 {
		t.Errorf("only %d faults were met", stops)
	}
}

// faultStep runs the driver until the fault was met; false means it never was.
func faultStep(t *testing.T, d *driver, hit *string) bool {
	t.Helper()
	for range 60 {
		what, err := d.step()
		if *hit == "" && err == nil {
			continue
		}
		var where *chunk.Error
		if err == nil || !errors.As(err, &where) || !strings.HasPrefix(where.File, testDir) {
			t.Fatalf("%s met %s and returned %v", what, *hit, err)
		}
		return true
	}
	return false
}

func checkStopped(t *testing.T, d *driver, when string) {
	t.Helper()
	d.fs.fail = func(op, name string) (error, int) {
		t.Fatalf("%s: the writer went on with %s %s", when, op, name)
		return nil, -1
	}
	next := makeEntry(d.rng, d.w.Next(), 0)
	for what, err := range map[string]error{
		"append": d.w.Append(next), "sync": d.w.Sync(), "commit": d.w.Commit(1),
		"truncate": d.w.Truncate(1), "end recovery": d.w.EndRecovery(),
	} {
		if !errors.Is(err, chunk.ErrFailed) {
			t.Fatalf("%s: %s afterwards: %v", when, what, err)
		}
	}
	d.fs.fail = nil
	dir, err := chunk.DirOptions{FS: d.fs}.Open(testDir)
	if err != nil || len(dir.Damaged()) > 0 {
		t.Fatalf("%s: %v %v", when, err, dir.Damaged())
	}
	for i := range min(d.durable, len(d.entries)) {
		if got, err := dir.ReadEntry(ledger.Seqno(i + 1)); err != nil || string(got) != string(d.entries[i]) {
			t.Fatalf("%s: synced entry %d: %v", when, i+1, err)
		}
	}
}

// A fault that a write without an error reports: fewer bytes than asked for.
func TestShortWriteNamesTheByte(t *testing.T) {
	d := newDriver(t, 1)
	if err := d.append(1); err != nil {
		t.Fatal(err)
	}
	end := 8 + len(d.entries[0])
	d.fs.fail = func(op, _ string) (error, int) { return nil, 10 }
	err := d.w.Append(makeEntry(d.rng, 2, 0))
	var where *chunk.Error
	if !errors.As(err, &where) || where.Offset != int64(end+10) || !strings.Contains(err.Error(), "ledger_1") {
		t.Errorf("%v, want byte %d of ledger_1", err, end+10)
	}
}

// Readers and a background sync run beside the owner.
func TestReadersAndSyncRunBesideTheOwner(t *testing.T) {
	d := newDriver(t, 7)
	var group sync.WaitGroup
	stop := make(chan struct{})
	group.Go(func() {
		rng := rand.New(rand.NewPCG(9, 9))
		for {
			select {
			case <-stop:
				return
			default:
			}
			seqno := ledger.Seqno(1 + rng.IntN(300))
			if raw, err := d.w.ReadEntry(seqno); err == nil && len(raw) < 61 {
				t.Errorf("entry %d has %d bytes", seqno, len(raw))
			}
			if err := d.w.Sync(); err != nil {
				t.Error(err)
			}
		}
	})
	for range 1500 {
		if what, err := d.step(); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	close(stop)
	group.Wait()
	d.readAll(t)
}
