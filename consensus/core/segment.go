package core

import (
	"encoding/binary"
	"fmt"
	"sync/atomic"
	"time"

	"concordat/ledger"
	"concordat/ledger/chunk"
	"concordat/ledger/merkle"
)

// Phase is where a segment is in its life.
type Phase uint8

// The life of a segment on a leader. Held is a segment that raft refused for now;
// Discarded one that was never in the log, RolledBack one that was.
const (
	Open Phase = iota
	Closed
	Signing
	Ready
	Held
	InLog
	Stable
	Committed
	InChunk
	Discarded
	RolledBack
)

var phaseNames = [...]string{"Open", "Closed", "Signing", "Ready", "Held", "InLog", "Stable", "Committed", "InChunk", "Discarded", "RolledBack"}

func (p Phase) String() string { return phaseNames[p] }

// nextPhases is the whole diagram. Stable is skipped when a quorum of others
// commits before the own disk is done; InChunk only means that memory let go.
var nextPhases = [...][]Phase{
	Open:      {Closed, Discarded},
	Closed:    {Signing, Discarded},
	Signing:   {Ready, Discarded},
	Ready:     {InLog, Held, Discarded},
	Held:      {Ready, Discarded},
	InLog:     {Stable, Committed, RolledBack},
	Stable:    {Committed, RolledBack},
	Committed: {InChunk},
	InChunk:   {}, Discarded: {}, RolledBack: {},
}

// SegmentEvent tells a Trace of one step of a segment.
type SegmentEvent struct {
	First, Last ledger.Seqno // Last is the signature, 0 while open
	View        ledger.View
	From, To    Phase
}

// mark is everything the ledger's continuation needs to know right behind a
// signature, or at its very start. Keeping the mark a segment started from is the
// whole of undoing the segment.
type mark struct {
	last     ledger.TxID     // the signature
	peaks    merkle.Frontier // over the leaves before last
	leaf     ledger.Digest   // of last
	rotation chunk.Rotation
	// lastSnapshot is the last scheduled one; forced ones do not move it.
	lastSnapshot ledger.Seqno
}

// tree is the tree with last's own leaf.
func (m *mark) tree() merkle.Frontier {
	t := m.peaks
	t.Append(m.leaf)
	return t
}

// Slot is the place of one sequenced transaction in the open segment. Between
// Sequence and the end of Seal it belongs to the caller of Sequence, then to the
// core again.
type Slot struct {
	id     ledger.TxID
	flags  ledger.Flags
	claims ledger.Digest
	ws     ledger.WriteSet
	secret Secret

	entry  []byte // the sealed entry; the memory is used again
	leaf   ledger.Digest
	sealed atomic.Bool
}

// ID is the id the transaction was given.
func (s *Slot) ID() ledger.TxID { return s.id }

// Seal serialises, encrypts and hashes the transaction. It is the expensive part
// of a write and runs outside the core, on the goroutine that submits it. After an
// error the ledger has a hole that nothing can fill, and the node must stop.
func (s *Slot) Seal() (err error) {
	s.entry, _, s.leaf, err = ledger.AppendEntry(s.entry[:0], s.id, s.flags, s.claims, s.ws, s.secret)
	if err != nil {
		return fmt.Errorf("entry %v was sequenced but cannot be written: %w", s.id, err)
	}
	s.sealed.Store(true)
	return nil
}

const (
	// slotBlock slots are allocated at once, and never move.
	slotBlock = 64
	// keptEntry is the largest entry whose memory a slot keeps.
	keptEntry = 4 << 10
	// keptData is the largest buffer a segment keeps.
	keptData = 2 << 20
)

// segment is a segment until it is in the log.
type segment struct {
	phase Phase
	view  ledger.View
	first ledger.Seqno

	// Of the open segment.
	slots []*[slotBlock]Slot
	count int // transactions, the signature not counted
	bytes int // their entries
	since time.Duration
	timed bool // since is set
	chunk bool // a transaction asks for the end of the chunk
	snap  bool // and for a snapshot

	// Set at close.
	sig ledger.TxID

	// Set when everything before it is signed: the segment is being folded.
	begun  bool
	start  mark
	tree   merkle.Frontier // over start and the folded leaves
	roll   chunk.Rotation
	leaves []ledger.Digest // start's leaf, then the folded ones
	folded int
	data   []byte // header and folded entries

	// Set when it is signed.
	end         mark
	snapshotDue bool

	done chan struct{} // closed at commit or discard; nil until somebody waits
}

func (s *segment) slot(i int) *Slot { return &s.slots[i/slotBlock][i%slotBlock] }

// grow makes room for one more slot and returns it.
func (s *segment) grow() *Slot {
	if s.count == len(s.slots)*slotBlock {
		s.slots = append(s.slots, new([slotBlock]Slot))
	}
	s.count++
	return s.slot(s.count - 1)
}

// recycle empties a segment whose slots nobody seals any more.
func (s *segment) recycle() *segment {
	for i := range s.count {
		slot := s.slot(i)
		slot.ws, slot.secret = nil, nil
		slot.sealed.Store(false)
		if cap(slot.entry) > keptEntry {
			slot.entry = nil
		}
	}
	data := s.data
	if cap(data) > keptData {
		data = nil
	}
	return &segment{slots: s.slots, leaves: s.leaves[:0], data: data[:0]}
}

// Header of a segment in a raft entry; the entries follow as they are in the
// ledger files, and their own headers say where each one ends.
const (
	segmentHeader  = 16
	segmentMagic   = 0xC5
	segmentVersion = 1
)

func appendSegmentHeader(dst []byte, first ledger.Seqno, count int) []byte {
	dst = append(dst, segmentMagic, segmentVersion, 0, 0)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(count))
	return binary.LittleEndian.AppendUint64(dst, first)
}

// parsedSegment is what the bytes of a raft entry say.
type parsedSegment struct {
	first   ledger.Seqno
	entries [][]byte
}

// parseSegment splits the data of a raft entry. Everything is bounds-checked; the
// entries themselves are not looked into.
func parseSegment(b []byte) (p parsedSegment, ok bool) {
	if len(b) < segmentHeader || b[0] != segmentMagic || b[1] != segmentVersion || b[2] != 0 || b[3] != 0 {
		return p, false
	}
	count := binary.LittleEndian.Uint32(b[4:])
	p.first = binary.LittleEndian.Uint64(b[8:])
	b = b[segmentHeader:]
	if count == 0 || uint64(count) > uint64(len(b)/ledger.HeaderSize) || p.first == 0 {
		return p, false
	}
	p.entries = make([][]byte, 0, count)
	for range count {
		h, err := ledger.ParseHeader(b)
		if err != nil || h.Total() > uint64(len(b)) {
			return p, false
		}
		p.entries = append(p.entries, b[:h.Total():h.Total()])
		b = b[h.Total():]
	}
	return p, len(b) == 0
}
