package core

import (
	"crypto/rand"
	"errors"
	mrand "math/rand/v2"
	"testing"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"
)

// The tests of this file are about the raft library alone: facts that DESIGN.md
// numbers and the core rests on. They fail when an upgrade changes one.

// bare is one raft node on a memory store, with the storage threads played by hand.
type bare struct {
	t       *testing.T
	rn      *raft.RawNode
	store   *raft.MemoryStorage
	appends []*Message
	entries []*raftpb.Entry // all seen in Ready
	applied []*raftpb.Entry
	slow    bool // the disk keeps its answers
	lazy    bool // the apply thread keeps its answers
	applies []*Message
}

func newBare(t *testing.T, voters []uint64, change func(*raft.Config)) *bare {
	t.Helper()
	b := &bare{t: t, store: raft.NewMemoryStorage()}
	if err := b.store.ApplySnapshot(&raftpb.Snapshot{Metadata: &raftpb.SnapshotMetadata{
		Index: proto.Uint64(1), Term: proto.Uint64(1), ConfState: &raftpb.ConfState{Voters: voters},
	}}); err != nil {
		t.Fatal(err)
	}
	if err := b.store.SetHardState(&raftpb.HardState{Term: proto.Uint64(1), Vote: proto.Uint64(0), Commit: proto.Uint64(1)}); err != nil {
		t.Fatal(err)
	}
	cfg := &raft.Config{
		ID: 1, ElectionTick: 10, HeartbeatTick: 1, Storage: b.store, Logger: raftLog{}, MaxSizePerMsg: 1 << 20, MaxInflightMsgs: 16,
		CheckQuorum: true, PreVote: true, AsyncStorageWrites: true, DisableProposalForwarding: true,
	}
	if change != nil {
		change(cfg)
	}
	rn, err := raft.NewRawNode(cfg)
	if err != nil {
		t.Fatal(err)
	}
	b.rn = rn
	return b
}

func (b *bare) drain() {
	for b.rn.HasReady() {
		rd := b.rn.Ready()
		b.entries = append(b.entries, rd.Entries...)
		for _, m := range rd.Messages {
			switch m.GetTo() {
			case raft.LocalAppendThread:
				b.appends = append(b.appends, m)
			case raft.LocalApplyThread:
				b.applied = append(b.applied, m.GetEntries()...)
				b.applies = append(b.applies, m)
			}
		}
		if !b.lazy {
			b.apply()
		}
		if !b.slow {
			b.write()
		}
	}
}

// write is the disk.
func (b *bare) write() {
	for len(b.appends) > 0 {
		m := b.appends[0]
		b.appends = b.appends[1:]
		if err := b.store.Append(m.GetEntries()); err != nil {
			b.t.Fatal(err)
		}
		b.answer(m)
	}
}

func (b *bare) apply() {
	for len(b.applies) > 0 {
		m := b.applies[0]
		b.applies = b.applies[1:]
		for _, e := range m.GetEntries() {
			if e.GetType() == raftpb.EntryConfChangeV2 {
				var cc raftpb.ConfChangeV2
				if err := proto.Unmarshal(e.GetData(), &cc); err != nil {
					b.t.Fatal(err)
				}
				b.rn.ApplyConfChange(&cc)
			}
		}
		b.answer(m)
	}
}

func (b *bare) answer(m *Message) {
	for _, r := range m.GetResponses() {
		if r.GetTo() == 1 {
			if err := b.rn.Step(r); err != nil {
				b.t.Fatal(err)
			}
		}
	}
}

func (b *bare) lead() *bare {
	b.t.Helper()
	if err := b.rn.Campaign(); err != nil {
		b.t.Fatal(err)
	}
	b.drain()
	if b.rn.BasicStatus().RaftState != raft.StateLeader {
		b.t.Fatal("a lone node does not lead at once")
	}
	return b
}

func TestS1ElectionAppendsAnEmptyEntry(t *testing.T) {
	b := newBare(t, []uint64{1}, nil).lead()
	if len(b.entries) != 1 || b.entries[0].GetTerm() != 2 || b.entries[0].GetIndex() != 2 || b.entries[0].GetData() != nil {
		t.Errorf("after the election: %v", b.entries)
	}
}

func TestS2LeavingAJointConfigurationTakesAnIndexOfItsOwn(t *testing.T) {
	b := newBare(t, []uint64{1}, nil).lead()
	if err := b.rn.ProposeConfChange(jointChange(nil)); err != nil {
		t.Fatal(err)
	}
	b.drain()
	last := b.entries[len(b.entries)-1]
	if len(b.entries) != 3 || last.GetType() != raftpb.EntryConfChangeV2 || len(last.GetData()) != 0 {
		t.Errorf("nobody proposed the last of these: %v", b.entries)
	}
}

func jointChange(context []byte) *raftpb.ConfChangeV2 {
	return &raftpb.ConfChangeV2{
		Transition: raftpb.ConfChangeTransitionJointImplicit.Enum(), Context: context,
		Changes: []*raftpb.ConfChangeSingle{{Type: raftpb.ConfChangeAddLearnerNode.Enum(), NodeId: proto.Uint64(2)}},
	}
}

func TestS3ARefusedConfigurationChangeBecomesEmptyWithoutAnError(t *testing.T) {
	b := newBare(t, []uint64{1}, nil)
	b.lead()
	b.lazy = true // so that the first change stays pending
	for _, context := range []string{"TX-A", "TX-B"} {
		if err := b.rn.ProposeConfChange(jointChange([]byte(context))); err != nil {
			t.Fatalf("%s: %v", context, err)
		}
		b.drain()
	}
	last := b.entries[len(b.entries)-1]
	if last.GetType() != raftpb.EntryNormal || len(last.GetData()) != 0 {
		t.Errorf("the second change is %v", last)
	}
}

func TestS4AContextSurvivesTheLog(t *testing.T) {
	b := newBare(t, []uint64{1}, nil).lead()
	if err := b.rn.ProposeConfChange(jointChange([]byte("segment"))); err != nil {
		t.Fatal(err)
	}
	b.drain()
	var cc raftpb.ConfChangeV2
	if err := proto.Unmarshal(b.entries[1].GetData(), &cc); err != nil || string(cc.GetContext()) != "segment" {
		t.Errorf("%v, %v", &cc, err)
	}
}

func TestS5AfterARefusalASmallerProposalIsTaken(t *testing.T) {
	b := newBare(t, []uint64{1}, func(c *raft.Config) { c.MaxUncommittedEntriesSize = 20 })
	b.lead()
	b.slow = true
	for _, p := range []struct {
		bytes int
		want  error
	}{{12, nil}, {12, raft.ErrProposalDropped}, {2, nil}} {
		if err := b.rn.Propose(make([]byte, p.bytes)); !errors.Is(err, p.want) {
			t.Errorf("%d bytes: %v, want %v", p.bytes, err, p.want)
		}
		b.drain()
	}
}

func TestS7AProposalIsCopied(t *testing.T) {
	b := newBare(t, []uint64{1}, nil).lead()
	data := []byte("segment")
	if err := b.rn.Propose(data); err != nil {
		t.Fatal(err)
	}
	data[0] = 'X' // segments use their buffer again at once
	b.drain()
	if got := string(b.entries[1].GetData()); got != "segment" {
		t.Errorf("the log holds %q", got)
	}
}

func TestS11AnEmptyConfigurationIsNeverPromotable(t *testing.T) {
	b := newBare(t, nil, nil)
	_ = b.rn.Campaign()
	b.drain()
	if b.rn.BasicStatus().RaftState == raft.StateLeader {
		t.Error("a node without a configuration leads")
	}
}

func TestS13ElectionJitterComesFromTheGlobalReader(t *testing.T) {
	before := rand.Reader
	defer func() { rand.Reader = before }()
	elections := func(seed byte) (ticks []int) {
		rand.Reader = mrand.NewChaCha8([32]byte{seed})
		for range 8 {
			b := newBare(t, []uint64{1}, nil)
			n := 0
			for b.rn.BasicStatus().RaftState != raft.StateLeader {
				b.rn.Tick()
				b.drain()
				n++
			}
			ticks = append(ticks, n)
		}
		return ticks
	}
	first, again, other := elections(1), elections(1), elections(2)
	same := true
	for i := range first {
		if first[i] != again[i] {
			t.Fatalf("the same source gives %v and %v", first, again)
		}
		same = same && first[i] == other[i]
	}
	if same {
		t.Error("another source gives the same jitter")
	}
}

func TestS14AnAckForBytesTheNodeDoesNotHavePanics(t *testing.T) {
	b := newBare(t, []uint64{1, 2, 3}, nil)
	defer func() {
		if _, ok := recover().(*Broken); !ok {
			t.Error("a commit beyond the log is accepted: a node that lost its disk could answer for it")
		}
	}()
	_ = b.rn.Step(&Message{
		Type: raftpb.MsgHeartbeat.Enum(), From: proto.Uint64(2), To: proto.Uint64(1), Term: proto.Uint64(2), Commit: proto.Uint64(206),
	})
}

func TestS16NoElectionWhileAConfigurationChangeIsNotApplied(t *testing.T) {
	b := newBare(t, []uint64{1}, nil).lead()
	b.lazy = true
	if err := b.rn.ProposeConfChange(jointChange(nil)); err != nil {
		t.Fatal(err)
	}
	b.drain()
	if err := b.rn.Step(&Message{Type: raftpb.MsgHeartbeat.Enum(), From: proto.Uint64(9), To: proto.Uint64(1), Term: proto.Uint64(5), Commit: proto.Uint64(0)}); err != nil {
		t.Fatal(err)
	}
	_ = b.rn.Campaign()
	b.drain()
	if b.rn.BasicStatus().RaftState == raft.StateLeader {
		t.Fatal("it leads with a change not applied")
	}
	b.lazy = false
	b.apply()
	b.drain()
	_ = b.rn.Campaign()
	b.drain()
	if b.rn.BasicStatus().RaftState == raft.StateFollower {
		t.Error("it does not campaign once the change is applied")
	}
}

// The leader's own disk is slow, the other two are not.
func TestS17CommitIsKnownBeforeTheOwnDiskIsDone(t *testing.T) {
	b := newBare(t, []uint64{1, 2, 3}, nil)
	if err := b.rn.Campaign(); err != nil {
		t.Fatal(err)
	}
	b.drain()
	from2 := func(m *Message) {
		m.From, m.To = proto.Uint64(2), proto.Uint64(1)
		if err := b.rn.Step(m); err != nil {
			t.Fatal(err)
		}
		b.drain()
	}
	from2(&Message{Type: raftpb.MsgPreVoteResp.Enum(), Term: proto.Uint64(2)})
	from2(&Message{Type: raftpb.MsgVoteResp.Enum(), Term: proto.Uint64(2)})
	if b.rn.BasicStatus().RaftState != raft.StateLeader {
		t.Fatal("it does not lead")
	}
	from2(&Message{Type: raftpb.MsgAppResp.Enum(), Term: proto.Uint64(2), Index: proto.Uint64(2)})
	b.slow = true
	if err := b.rn.Propose([]byte("segment")); err != nil {
		t.Fatal(err)
	}
	b.drain()
	applied := len(b.applied)
	from2(&Message{Type: raftpb.MsgAppResp.Enum(), Term: proto.Uint64(2), Index: proto.Uint64(3)})
	if got := b.rn.BasicStatus().GetCommit(); got != 2 {
		t.Fatalf("committed %d with one of three", got)
	}
	if err := b.rn.Step(&Message{Type: raftpb.MsgAppResp.Enum(), From: proto.Uint64(3), To: proto.Uint64(1), Term: proto.Uint64(2), Index: proto.Uint64(3)}); err != nil {
		t.Fatal(err)
	}
	b.drain()
	if got := b.rn.BasicStatus().GetCommit(); got != 3 || len(b.applied) != applied {
		t.Errorf("committed %d, %d more applied", got, len(b.applied)-applied)
	}
	b.slow = false
	b.write()
	b.drain()
	if len(b.applied) == applied {
		t.Error("it is not applied once the own disk is done")
	}
}
