package core

import (
	"bytes"
	"cmp"
	"encoding/json"
	"slices"

	"go.etcd.io/raft/v3/raftpb"

	"concordat/ledger"
)

// appendForeign executes a segment of another leader, or one that this node led
// in an earlier view, and checks every byte of it first. The leader is trusted, so
// whatever does not fit is corruption or a bug: the node stops, and does not
// acknowledge the segment (I11).
func (c *Core) appendForeign(e *raftpb.Entry, job uint64) {
	p, ok := parseSegment(e.GetData())
	if !ok || e.GetType() != raftpb.EntryNormal || p.first != c.next {
		broken("I4: raft entry %d is not the segment from %d on", e.GetIndex(), c.next)
	}
	start := c.tip
	end := mark{peaks: start.tree(), rotation: start.rotation, lastSnapshot: start.lastSnapshot}
	ref := &segRef{
		entry: e, index: e.GetIndex(), term: e.GetTerm(), append: job, phase: InLog,
		first: p.first, count: len(p.entries), size: len(e.GetData()), start: &start,
	}
	for i, raw := range p.entries {
		entry, writes := c.open1(raw, e.GetTerm())
		if signs := i == len(p.entries)-1; signs {
			c.checkSignature(entry, end.peaks.Root())
			end.last, end.leaf = entry.ID(), entry.Leaf()
			ref.snapshotDue = c.cfg.SnapshotTxCount > 0 && entry.Seqno-end.lastSnapshot >= c.cfg.SnapshotTxCount
			if ref.snapshotDue {
				end.lastSnapshot = entry.Seqno
			}
		} else {
			invariant(!isSignature(entry), "I4: only the last entry of a segment is a signature")
			end.peaks.Append(entry.Leaf())
		}
		end.rotation.Add(entry.Header.Flags, entry.Header.Total())
		c.next++
		c.views.note(entry.ID())
		c.cfg.State.Apply(entry.ID(), writes)
	}
	c.log.add(ref)
	c.pendingBytes += int64(ref.size)
	c.tip = end
}

// open1 checks one entry and returns what it writes.
func (c *Core) open1(raw []byte, term uint64) (*ledger.Entry, ledger.WriteSet) {
	e, err := ledger.ParseEntry(raw)
	if err != nil || e.Seqno != c.next || e.View != term || e.IsSnapshot {
		broken("I2, I4: the entry at %d of view %d does not fit: %v", c.next, term, err)
	}
	secret, ok := c.cfg.Secrets.At(e.Seqno)
	if !ok {
		broken("no ledger secret is valid at %v", e.ID())
	}
	private, err := secret.Open(e)
	if err != nil {
		broken("I11: %v", err)
	}
	if len(private) == 0 {
		return e, e.Public.Writes
	}
	all := append(slices.Clone(e.Public.Writes), private...)
	slices.SortStableFunc(all, func(a, b ledger.MapWrites) int { return cmp.Compare(a.Name, b.Name) })
	return e, all
}

func isSignature(e *ledger.Entry) bool {
	return slices.ContainsFunc(e.Public.Writes, func(w ledger.MapWrites) bool { return w.Name == SignaturesTable })
}

// checkSignature compares the signed root with the one computed here. The
// signatures themselves are checked off this path, before this node reports a
// commit that rests on them.
func (c *Core) checkSignature(e *ledger.Entry, root ledger.Digest) {
	var row primarySignature
	for _, w := range e.Public.Writes {
		switch {
		case len(w.Removes) > 0 || len(w.Writes) != 1 || !bytes.Equal(w.Writes[0].Key, singletonKey):
			broken("I4: the signature at %v writes more than one row of %s", e.ID(), w.Name)
		case w.Name == SignaturesTable:
			if err := json.Unmarshal(w.Writes[0].Value, &row); err != nil {
				broken("I4: the signature at %v cannot be read: %v", e.ID(), err)
			}
		case w.Name != CoseSignaturesTable && w.Name != TreeTable:
			broken("I4: the signature at %v writes %s", e.ID(), w.Name)
		}
	}
	invariant(len(e.Sealed) == 0 && row.Seqno == e.Seqno && row.View == e.View, "I4: a segment ends with its signature")
	invariant(row.Root == root.Hex(), "I4: the signed root is the root computed here")
}
