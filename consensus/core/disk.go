package core

import (
	"concordat/ledger"
	"concordat/ledger/chunk"
)

// Disk carries out appends on the ledger files. It belongs to the append thread.
type Disk struct {
	Ledger *chunk.Writer
	Mode   SyncMode

	behind int // bytes written and not synced, in mode SyncAsync
}

// Work is one step for the disk: an append, or news of a commit.
type Work struct {
	Append *Append
	Commit ledger.Seqno
}

// Do carries out a batch in order, with one sync for all of it. When it returns
// nil, every Append of the batch may be reported as done. An error is final.
func (d *Disk) Do(batch []Work) error {
	wrote := false
	for _, w := range batch {
		if w.Append == nil {
			continue
		}
		if err := d.write(w.Append); err != nil {
			return err
		}
		wrote = wrote || w.Append.Cut || len(w.Append.Segments) > 0
	}
	if wrote && d.Mode == SyncCommit {
		if err := d.Ledger.Sync(); err != nil {
			return err
		}
	}
	return nil
}

// Complete tells the ledger files what is committed, which may end and rename
// some of them. It comes after Do and after its appends were reported, so that
// nobody waits for it.
func (d *Disk) Complete(batch []Work) error {
	var commit ledger.Seqno
	for _, w := range batch {
		commit = max(commit, w.Commit)
	}
	return d.Ledger.Commit(commit)
}

func (d *Disk) write(a *Append) error {
	if a.Cut && a.To+1 < d.Ledger.Next() {
		if err := d.Ledger.Truncate(a.To); err != nil {
			return err
		}
	}
	for _, s := range a.Segments {
		if err := d.Ledger.Append(s); err != nil {
			return err
		}
		d.behind += len(s)
	}
	return nil
}

// Behind is how many bytes a loss of power would take, in mode SyncAsync.
func (d *Disk) Behind() int {
	if d.Mode != SyncAsync {
		return 0
	}
	return d.behind
}

// Sync catches up.
func (d *Disk) Sync() error {
	d.behind = 0
	return d.Ledger.Sync()
}
