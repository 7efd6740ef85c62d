package core

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"go.etcd.io/raft/v3"
	"google.golang.org/protobuf/proto"

	"concordat/ledger"
	"concordat/ledger/chunk"
	"concordat/ledger/merkle"
)

// breaks runs f, which must break an invariant, and returns the sentence.
func breaks(t *testing.T, f func()) (what string) {
	t.Helper()
	defer func() {
		p := recover()
		broken, ok := p.(*Broken)
		if !ok {
			t.Fatalf("nothing broke: %v", p)
		}
		what = broken.Error()
	}()
	f()
	return ""
}

// leading is a lone core with a few committed segments.
func leading(t *testing.T, segments int) *stage {
	t.Helper()
	s := newStage(t, func(c *Config) { c.SigRate = -1 })
	s.elect()
	for i := range segments {
		if _, err := s.submit("m", fmt.Sprint(i), "v", Request{}); err != nil {
			t.Fatal(err)
		}
		s.settle()
	}
	return s
}

func FuzzParseSegment(f *testing.F) {
	f.Add([]byte{})
	f.Add(appendSegmentHeader(nil, 1, 1))
	f.Add(append(appendSegmentHeader(nil, 3, 2), 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 9))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, ok := parseSegment(b)
		if !ok {
			return
		}
		again := appendSegmentHeader(nil, p.first, len(p.entries))
		for _, e := range p.entries {
			again = append(again, e...)
		}
		if !bytes.Equal(again, b) {
			t.Errorf("\n got %x\nfrom %x", again, b)
		}
	})
}

func TestParseSegmentReadsWhatALeaderWrites(t *testing.T) {
	s := leading(t, 2)
	ref := s.core.log.find(3)
	p, ok := parseSegment(ref.entry.GetData())
	if !ok || p.first != 3 || len(p.entries) != 2 {
		t.Fatalf("%v %v", p.first, ok)
	}
	for cut := range ref.entry.GetData() {
		if _, ok := parseSegment(ref.entry.GetData()[:cut]); ok {
			t.Fatalf("%d bytes of it are a segment too", cut)
		}
	}
	if _, ok := parseSegment(append(bytes.Clone(ref.entry.GetData()), 0)); ok {
		t.Error("a byte behind it is not noticed")
	}
}

// A signature transaction as CCF 7 writes it: three tables, one row each.
func TestSignatureTransaction(t *testing.T) {
	s := leading(t, 1)
	raw, _ := s.core.Entry(2)
	e, err := ledger.ParseEntry(raw)
	if err != nil {
		t.Fatal(err)
	}
	first, _ := s.core.Entry(1)
	e1, err := ledger.ParseEntry(first)
	if err != nil {
		t.Fatal(err)
	}
	tree := merkle.New()
	tree.Append(e1.Leaf())
	root := tree.Root()
	var names []string
	for _, w := range e.Public.Writes {
		names = append(names, w.Name)
		if len(w.Writes) != 1 || len(w.Removes) != 0 || !bytes.Equal(w.Writes[0].Key, make([]byte, 8)) {
			t.Errorf("%s: %v", w.Name, w)
		}
	}
	want := []string{"public:ccf.internal.cose_signatures", "public:ccf.internal.signatures", "public:ccf.internal.tree"}
	if fmt.Sprint(names) != fmt.Sprint(want) || !e.Public.Claims.IsZero() || len(e.Sealed) != 0 {
		t.Errorf("tables %v, claims %v, %d private bytes", names, e.Public.Claims, len(e.Sealed))
	}
	row := string(e.Public.Writes[1].Writes[0].Value)
	wantRow := `{"cert":"c","commit_seqno":0,"commit_view":0,"hashed_nonce":"` + strings.Repeat("0", 64) +
		`","node":"n","root":"` + root.Hex() + `","seqno":2,"sig":"`
	if !strings.HasPrefix(row, wantRow) || !strings.HasSuffix(row, `","view":2}`) {
		t.Errorf("row %s", row)
	}
	var cose string
	if err := json.Unmarshal(e.Public.Writes[0].Writes[0].Value, &cose); err != nil {
		t.Error(err)
	}
	if b, err := base64.StdEncoding.DecodeString(cose); err != nil || len(b) != 32 {
		t.Errorf("cose %q: %v", cose, err)
	}
	table, err := merkle.ParseTable(e.Public.Writes[2].Writes[0].Value)
	if err != nil || table.From != 0 || table.To != 1 || table.Root() != root {
		t.Errorf("tree from %d to %d: %v", table.From, table.To, err)
	}
}

func TestEachTableStartsAtThePreviousSignature(t *testing.T) {
	s := leading(t, 5)
	for sig := ledger.Seqno(4); sig <= 10; sig += 2 {
		raw, _ := s.core.Entry(sig)
		e, err := ledger.ParseEntry(raw)
		if err != nil {
			t.Fatal(err)
		}
		table, err := merkle.ParseTable(e.Public.Writes[2].Writes[0].Value)
		if err != nil || table.From != sig-2 || table.To != sig-1 {
			t.Errorf("at %d: from %d to %d, %v", sig, table.From, table.To, err)
		}
	}
}

func TestAServiceGoesOnAtItsOrigin(t *testing.T) {
	before := leading(t, 3).core
	s := newStage(t, func(c *Config) {
		c.SigRate = -1
		c.Origin = Origin{
			View: 4, Last: before.Committed(), Peaks: before.tip.peaks, LastLeaf: before.tip.leaf,
			Views: before.Views(), Rotation: chunk.Rotation{},
		}
	})
	for n := ledger.Seqno(1); n <= before.Committed().Seqno; n++ {
		s.store.Apply(ledger.TxID{View: 2, Seqno: n}, nil)
	}
	s.store.Commit(before.Committed().Seqno)
	s.elect()
	id, err := s.submit("m", "create", "v", Request{StartsChunk: true})
	if err != nil || id.String() != "4.7" {
		t.Fatalf("%v, %v", id, err)
	}
	s.settle()
	if got := fmt.Sprintf("%v %v %v", s.core.Views(), s.core.Committed(), s.core.TxStatus(ledger.TxID{View: 2, Seqno: 3})); got != "[1 1 7 7] 4.8 Committed" {
		t.Error(got)
	}
	raw, _ := s.core.Entry(8)
	e, err := ledger.ParseEntry(raw)
	if err != nil {
		t.Fatal(err)
	}
	if table, err := merkle.ParseTable(e.Public.Writes[2].Writes[0].Value); err != nil || table.From != 6 {
		t.Errorf("tree from %d, %v", table.From, err)
	}
}

func TestAnOriginThatCannotBeIsRefused(t *testing.T) {
	for name, o := range map[string]Origin{
		"the view does not grow":  {View: 2, Last: ledger.TxID{View: 2, Seqno: 1}, Peaks: merkle.New(), Views: []ledger.Seqno{1, 1}},
		"the tree is another":     {View: 4, Last: ledger.TxID{View: 2, Seqno: 2}, Peaks: merkle.New(), Views: []ledger.Seqno{1, 1}},
		"the history is missing":  {View: 4, Last: ledger.TxID{View: 2, Seqno: 1}, Peaks: merkle.New()},
		"the view does not fit":   {View: ledger.MaxView + 1},
		"a tree of a new service": {Peaks: merkle.New()},
	} {
		if _, err := New(Config{ID: 1, Origin: o}); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if _, err := New(Config{ID: raft.LocalAppendThread}); err == nil {
		t.Error("an id of raft's own is accepted")
	}
}

// What a follower gets is checked byte by byte before it is acknowledged.
func TestAFollowerStopsAtWhateverDoesNotFit(t *testing.T) {
	leader := leading(t, 1)
	good := leader.core.log.find(1).entry
	follow := func(change func(data []byte) []byte) func() {
		return func() {
			s := newStage(t, func(c *Config) { c.Voters = []uint64{1, 2} })
			e := proto.CloneOf(good)
			e.Data = change(e.GetData())
			s.core.appendForeign(e, 1)
		}
	}
	follow(func(b []byte) []byte { return b })() // does not break
	segment, _ := parseSegment(good.GetData())
	for name, change := range map[string]func([]byte) []byte{
		"a bit of the first entry":       func(b []byte) []byte { b[segmentHeader+60] ^= 1; return b },
		"a bit of the signature":         func(b []byte) []byte { b[len(b)-20] ^= 1; return b },
		"the flags, which no tag covers": func(b []byte) []byte { b[segmentHeader+1] ^= 2; return b },
		"the first seqno":                func(b []byte) []byte { b[8]++; return b },
		"the signature is missing": func([]byte) []byte {
			return append(appendSegmentHeader(nil, 1, 1), segment.entries[0]...)
		},
		"something behind the signature": func(b []byte) []byte {
			return append(append(appendSegmentHeader(nil, 1, 3), b[segmentHeader:]...), segment.entries[0]...)
		},
	} {
		t.Run(name, func(t *testing.T) { t.Log(breaks(t, follow(change))) })
	}
}

func TestOldSegmentsAreReadBackForRaft(t *testing.T) {
	s := leading(t, 10)
	l := &s.core.log
	var want []byte
	for _, r := range l.refs {
		want = append(want, r.entry.GetData()...)
	}
	files := map[ledger.Seqno][]byte{}
	for n := ledger.Seqno(1); n <= 20; n++ {
		files[n], _ = s.core.Entry(n)
	}
	l.cfg.TailBytes = 1
	l.cfg.Old = func(first ledger.Seqno, count int) (b []byte, err error) {
		for n := first; n < first+uint64(count); n++ {
			b = append(b, files[n]...)
		}
		return b, nil
	}
	l.release(s.core.commitIndex, s.core.phase)
	if l.tail != 0 {
		t.Fatalf("%d bytes are kept", l.tail)
	}
	entries, err := l.Entries(1, l.last()+1, 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	var got []byte
	for i, e := range entries {
		got = append(got, e.GetData()...)
		if e.GetIndex() != uint64(i)+1 || e.GetTerm() != 2 {
			t.Errorf("entry %d: index %d, term %d", i, e.GetIndex(), e.GetTerm())
		}
	}
	if !bytes.Equal(got, want) {
		t.Error("the log read back is another")
	}
	if one, err := l.Entries(1, l.last()+1, 0); err != nil || len(one) != 1 {
		t.Errorf("at least one entry is due whatever its size: %d, %v", len(one), err)
	}
}

func TestTheLogForgetsItsBeginning(t *testing.T) {
	s := newStage(t, func(c *Config) { c.SigRate, c.TailBytes, c.KeptSegments = -1, 1, 8 })
	s.elect()
	for i := range 30 {
		if _, err := s.submit("m", fmt.Sprint(i), "v", Request{}); err != nil {
			t.Fatal(err)
		}
		s.settle()
	}
	l := &s.core.log
	if len(l.refs) > 10 || l.last() != 31 {
		t.Errorf("%d of %d entries are kept", len(l.refs), l.last())
	}
	if term, err := l.Term(l.baseIndex); err != nil || term != 2 {
		t.Errorf("term %d of the last forgotten entry, %v", term, err)
	}
	if _, err := l.Entries(1, 2, 1); err != raft.ErrCompacted {
		t.Errorf("%v", err)
	}
}

func TestBucket(t *testing.T) {
	b := newBucket(10, 2)
	for i, step := range []struct {
		at   time.Duration
		want bool
	}{{0, true}, {0, true}, {0, false}, {99e6, false}, {101e6, true}, {50e6, false}, {10e9, true}, {10e9, true}, {10e9, false}} {
		if got := b.take(step.at); got != step.want {
			t.Errorf("step %d at %v: %v", i, step.at, got)
		}
	}
	if next := b.next(); !b.take(next) || next < 10e9+100e6 {
		t.Errorf("no token at %v", next)
	}
	free := newBucket(-1, 0)
	if !free.take(0) {
		t.Error("a bucket that is off refuses")
	}
}

func TestViewHistory(t *testing.T) {
	v := views{}
	v.restore(Origin{Views: []ledger.Seqno{1, 1, 36, 43, 43, 58, 73, 73}})
	for s, want := range map[ledger.Seqno]ledger.View{1: 2, 35: 2, 36: 3, 42: 3, 43: 5, 57: 5, 58: 6, 73: 8, 99: 8, 0: 0} {
		if got := v.at(s); got != want {
			t.Errorf("%d is in view %d, want %d", s, got, want)
		}
	}
	if got := fmt.Sprint(v.history(80)); got != "[1 1 36 43 43 58 73 73]" {
		t.Error(got)
	}
	if got := fmt.Sprint(v.history(50)); got != "[1 1 36 43 43]" {
		t.Error(got)
	}
	v.cut(57)
	v.note(ledger.TxID{View: 9, Seqno: 58})
	if got := fmt.Sprint(v.history(58)); got != "[1 1 36 43 43 58 58 58 58]" {
		t.Error(got)
	}
	t.Log(breaks(t, func() { v.note(ledger.TxID{View: 8, Seqno: 59}) }))
}

func TestPhasesDoNotGoBack(t *testing.T) {
	s := leading(t, 1)
	t.Log(breaks(t, func() { s.core.check(Committed, Open) }))
	t.Log(breaks(t, func() { s.core.check(InLog, Discarded) }))
}

// A broken store of entries in memory is found when it is read.
func TestDamageInMemoryIsNoticed(t *testing.T) {
	s := leading(t, 1)
	s.core.log.find(1).entry.Data[segmentHeader] = 9
	t.Log(breaks(t, func() { s.core.Entry(2) }))
}
