package core

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"

	"concordat/ledger"
	"concordat/ledger/merkle"
)

// The tables of a signature transaction. It may write nothing else: CCF's nodes
// refuse a signature with any other table.
const (
	SignaturesTable     = "public:ccf.internal.signatures"
	CoseSignaturesTable = "public:ccf.internal.cose_signatures"
	TreeTable           = "public:ccf.internal.tree"
)

// singletonKey is the key of tables with one row.
var singletonKey = make([]byte, 8)

// SignJob asks for the signatures over a root. While the job is out, everything
// in it is constant.
type SignJob struct {
	ID   ledger.TxID // of the signature transaction
	Root ledger.Digest

	flags  ledger.Flags
	secret Secret
	leaves []ledger.Digest
	peaks  *merkle.Frontier
	seg    *segment

	entry  []byte
	leaf   ledger.Digest
	writes ledger.WriteSet
}

// primarySignature is the row of the signatures table; the order of the fields is
// the order of the bytes. The three constant fields are CCF's.
type primarySignature struct {
	Cert        string `json:"cert"`
	CommitSeqno uint64 `json:"commit_seqno"`
	CommitView  uint64 `json:"commit_view"`
	HashedNonce string `json:"hashed_nonce"`
	Node        string `json:"node"`
	Root        string `json:"root"`
	Seqno       uint64 `json:"seqno"`
	Sig         []byte `json:"sig"`
	View        uint64 `json:"view"`
}

var noNonce = hex.EncodeToString(make([]byte, 32))

// Seal turns the two signatures into the sealed entry of the signature
// transaction. It is a pure function and runs on a signer's goroutine.
func (j *SignJob) Seal(node NodeSignature, cose []byte) error {
	row, err := encode(primarySignature{
		Cert: node.CertPEM, HashedNonce: noNonce, Node: node.NodeID, Root: j.Root.Hex(), Seqno: j.ID.Seqno, Sig: node.DER, View: j.ID.View,
	})
	if err != nil {
		return fmt.Errorf("encode the signature at %v: %w", j.ID, err)
	}
	from := j.ID.Seqno - uint64(len(j.leaves))
	j.writes = ledger.WriteSet{
		singleton(CoseSignaturesTable, []byte(`"`+base64.StdEncoding.EncodeToString(cose)+`"`)),
		singleton(SignaturesTable, row),
		singleton(TreeTable, merkle.MarshalTable(from, *j.peaks, j.leaves)),
	}
	j.entry, _, j.leaf, err = ledger.AppendEntry(nil, j.ID, j.flags, ledger.Digest{}, j.writes, j.secret)
	if err != nil {
		return fmt.Errorf("write the signature at %v: %w", j.ID, err)
	}
	return nil
}

// encode is JSON without the escapes that only HTML needs.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

func singleton(table string, value []byte) ledger.MapWrites {
	return ledger.MapWrites{Name: table, Writes: []ledger.Write{{Key: singletonKey, Value: value}}}
}

// sign asks for the next signature, if a root is ready and no signature is under way.
func (c *Core) sign() {
	for _, seg := range c.pipeline {
		switch seg.phase {
		case Ready, Held:
			continue
		case Closed:
			if seg.begun && seg.folded == seg.count {
				c.ask(seg)
			}
		}
		return
	}
}

func (c *Core) ask(seg *segment) {
	c.to(seg, Signing)
	invariant(seg.tree.Size() == seg.sig.Seqno, "I4: a signature covers every leaf before it")
	secret, ok := c.cfg.Secrets.At(seg.sig.Seqno)
	if !ok {
		broken("no ledger secret is valid at %v", seg.sig)
	}
	j := &SignJob{ID: seg.sig, Root: seg.tree.Root(), secret: secret, leaves: seg.leaves, peaks: &seg.start.peaks, seg: seg}
	seg.end = mark{last: seg.sig, peaks: seg.tree, rotation: seg.roll, lastSnapshot: seg.start.lastSnapshot}
	if n := c.cfg.SnapshotTxCount; n > 0 && seg.sig.Seqno-seg.end.lastSnapshot >= n {
		seg.end.lastSnapshot, seg.snapshotDue = seg.sig.Seqno, true
	}
	seg.snapshotDue = seg.snapshotDue || seg.snap
	if seg.roll.Due() || seg.chunk || seg.snapshotDue {
		j.flags = ledger.FlagChunkAfter
	}
	c.out.Sign = j
}

// Signed takes back a job that was sealed. One whose segment was dropped meanwhile
// is ignored.
func (c *Core) Signed(j *SignJob) {
	seg := j.seg
	if seg.phase != Signing {
		return
	}
	seg.data = append(seg.data, j.entry...)
	copy(seg.data, appendSegmentHeader(nil, seg.first, seg.count+1))
	seg.end.leaf = j.leaf
	seg.end.rotation.Add(j.flags, uint64(len(j.entry)))
	c.cfg.State.Fill(seg.sig, j.writes)
	c.to(seg, Ready)
	c.drain() // proposes it
	if next := c.unfolded(); next != nil {
		next.start = seg.end
		c.beginFold(next)
	}
	c.sign()
}

// unfolded is the first segment that does not know its start yet.
func (c *Core) unfolded() *segment {
	for _, seg := range c.pipeline {
		if !seg.begun {
			return seg
		}
	}
	return nil
}

// propose offers signed segments to raft, in order, and reports whether it did.
// What raft refuses is held, unchanged, and everything behind it waits (S5): its
// seqnos are sealed and may not be given twice.
func (c *Core) propose() bool {
	if c.leadTerm == 0 || len(c.pipeline) == 0 {
		return false
	}
	seg := c.pipeline[0]
	applied := c.rn.BasicStatus().Applied
	if seg.phase == Held && applied != c.heldAt {
		c.to(seg, Ready)
	}
	if seg.phase != Ready {
		return false
	}
	m := &Message{Type: raftpb.MsgProp.Enum(), From: &c.cfg.ID, Entries: []*raftpb.Entry{{Data: seg.data}}}
	err := c.rn.Step(m)
	if errors.Is(err, raft.ErrProposalDropped) {
		c.to(seg, Held)
		c.heldAt = applied
		return false
	}
	if err != nil {
		broken("raft refused a segment: %v", err)
	}
	invariant(m.Entries[0].GetType() == raftpb.EntryNormal, "I9: raft does not change what is proposed")
	c.pipeline, c.proposed = c.pipeline[1:], seg
	return true
}

// appendOwn finds the proposed segment in the log.
func (c *Core) appendOwn(e *raftpb.Entry, job uint64) {
	seg := c.proposed
	invariant(seg != nil && bytes.Equal(seg.data, e.GetData()), "I9: the log holds the bytes that were proposed")
	invariant(seg.view == e.GetTerm(), "I2: a segment's view is its raft term")
	c.proposed = nil
	c.to(seg, InLog)
	start := seg.start
	c.log.add(&segRef{
		entry: e, index: e.GetIndex(), term: e.GetTerm(), append: job, phase: InLog,
		first: seg.first, count: seg.count + 1, size: seg.bytes,
		start: &start, done: seg.done, snapshotDue: seg.snapshotDue,
	})
	c.tip = seg.end
	if len(c.spare) < 2*c.cfg.InFlight {
		c.spare = append(c.spare, seg.recycle())
	}
}
