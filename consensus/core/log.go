package core

import (
	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	"concordat/ledger"
)

// segRef is one raft entry: a segment, or nothing of the ledger (count 0). What
// says where it is and in which term lives here, in memory, and is never read
// from a disk.
type segRef struct {
	entry *raftpb.Entry // with its bytes; nil once memory let go of them
	index uint64
	term  uint64
	first ledger.Seqno
	count int
	size  int // as counted in pendingBytes
	phase Phase

	append uint64 // the Append that writes it

	// Until commit.
	start *mark
	done  chan struct{}

	snapshotDue bool
}

func (r *segRef) last() ledger.Seqno { return r.first + uint64(r.count) - 1 }

// segmentLog is the raft log in terms of segments, and raft's Storage. It holds
// what was appended, written or not: raft asks it only for what it was told is
// stable, and is told in the order of the writes.
type segmentLog struct {
	cfg Config

	baseIndex, baseTerm uint64 // the entry before refs
	refs                []*segRef
	stableTo            uint64 // index up to which the own disk has it
	tail                int    // bytes of entries in memory
	released            uint64 // index up to which memory may have let go
}

func (l *segmentLog) last() uint64 { return l.baseIndex + uint64(len(l.refs)) }

func (l *segmentLog) lastTerm() uint64 {
	if n := len(l.refs); n > 0 {
		return l.refs[n-1].term
	}
	return l.baseTerm
}

func (l *segmentLog) at(index uint64) *segRef { return l.refs[index-l.baseIndex-1] }

func (l *segmentLog) add(r *segRef) {
	l.refs = append(l.refs, r)
	l.tail += len(r.entry.GetData())
}

// pop takes the last entry away.
func (l *segmentLog) pop() *segRef {
	r := l.refs[len(l.refs)-1]
	l.refs = l.refs[:len(l.refs)-1]
	l.tail -= len(r.entry.GetData())
	l.stableTo = min(l.stableTo, l.last())
	return r
}

// uncommitted counts the segments behind the commit index.
func (l *segmentLog) uncommitted(commit uint64) (n int) {
	for i := l.last(); i > commit; i-- {
		if l.at(i).count > 0 {
			n++
		}
	}
	return n
}

// stable notes that the appends up to seq are on the own disk.
func (l *segmentLog) stable(seq uint64, phase func(*segRef, Phase)) {
	for l.stableTo < l.last() && l.at(l.stableTo+1).append <= seq {
		l.stableTo++
		r := l.at(l.stableTo)
		if r.phase == InLog {
			phase(r, Stable)
		}
	}
}

// release lets go of the bytes of old committed entries, and of the oldest
// entries altogether.
func (l *segmentLog) release(commit uint64, phase func(*segRef, Phase)) {
	limit := min(commit, l.stableTo)
	for l.tail > l.cfg.TailBytes && l.released < limit {
		l.released = max(l.released, l.baseIndex) + 1
		r := l.at(l.released)
		l.tail -= len(r.entry.GetData())
		r.entry = nil
		phase(r, InChunk)
	}
	drop := len(l.refs) - l.cfg.KeptSegments
	if drop <= l.cfg.KeptSegments/8 { // not each time: it copies
		return
	}
	if drop = min(drop, int(l.released)-int(l.baseIndex)); drop > 0 {
		l.baseTerm = l.refs[drop-1].term
		l.baseIndex += uint64(drop)
		l.refs = append([]*segRef(nil), l.refs[drop:]...)
	}
}

// find is the segment that holds a seqno, nil if it is none in the log.
func (l *segmentLog) find(s ledger.Seqno) *segRef {
	lo, hi := 0, len(l.refs)
	for lo < hi { // the first whose ledger ends at or behind s; empty ones end where their successor starts
		mid := int(uint(lo+hi) / 2)
		if l.endOf(mid) < s {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	if lo < len(l.refs) && l.refs[lo].count > 0 && l.refs[lo].first <= s {
		return l.refs[lo]
	}
	return nil
}

// endOf is the last seqno in the log up to refs[i].
func (l *segmentLog) endOf(i int) ledger.Seqno {
	for ; i >= 0; i-- {
		if l.refs[i].count > 0 {
			return l.refs[i].last()
		}
	}
	return 0
}

// InitialState implements raft.Storage. Votes are not kept: an identity ends with
// its process.
func (l *segmentLog) InitialState() (*raftpb.HardState, *raftpb.ConfState, error) {
	return &raftpb.HardState{Term: proto.Uint64(l.cfg.Origin.View - 1), Vote: proto.Uint64(0), Commit: proto.Uint64(0)},
		&raftpb.ConfState{Voters: l.cfg.Voters}, nil
}

// FirstIndex implements raft.Storage.
func (l *segmentLog) FirstIndex() (uint64, error) { return l.baseIndex + 1, nil }

// LastIndex implements raft.Storage.
func (l *segmentLog) LastIndex() (uint64, error) { return l.last(), nil }

// Term implements raft.Storage.
func (l *segmentLog) Term(i uint64) (uint64, error) {
	switch {
	case i == l.baseIndex:
		return l.baseTerm, nil
	case i < l.baseIndex:
		return 0, raft.ErrCompacted
	case i > l.last():
		return 0, raft.ErrUnavailable
	}
	return l.at(i).term, nil
}

// Entries implements raft.Storage: from memory, or from the ledger files.
func (l *segmentLog) Entries(lo, hi, maxSize uint64) ([]*raftpb.Entry, error) {
	if lo <= l.baseIndex {
		return nil, raft.ErrCompacted
	}
	if hi > l.last()+1 {
		return nil, raft.ErrUnavailable
	}
	var out []*raftpb.Entry
	var size uint64
	for i := lo; i < hi; i++ {
		e, err := l.load(l.at(i))
		if err != nil {
			return nil, err
		}
		if size += uint64(proto.Size(e)); size > maxSize && len(out) > 0 {
			break
		}
		out = append(out, e)
	}
	return out, nil
}

func (l *segmentLog) load(r *segRef) (*raftpb.Entry, error) {
	if r.entry != nil {
		return r.entry, nil
	}
	e := &raftpb.Entry{Term: proto.Uint64(r.term), Index: proto.Uint64(r.index), Type: raftpb.EntryNormal.Enum()}
	if r.count == 0 {
		return e, nil
	}
	if l.cfg.Old == nil {
		return nil, raft.ErrUnavailable
	}
	b, err := l.cfg.Old(r.first, r.count)
	if err != nil {
		return nil, raft.ErrUnavailable // whoever needs it asks again
	}
	e.Data = append(appendSegmentHeader(make([]byte, 0, segmentHeader+len(b)), r.first, r.count), b...)
	return e, nil
}

// Snapshot implements raft.Storage: a node that needs one is told to wait, until
// nodes can fetch the ledger out of band.
func (l *segmentLog) Snapshot() (*raftpb.Snapshot, error) {
	return nil, raft.ErrSnapshotTemporarilyUnavailable
}
