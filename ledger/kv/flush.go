package kv

import (
	"bytes"
	"cmp"
	"context"
	"runtime/pprof"
	"slices"
	"sync"
	"sync/atomic"

	"concordat/ledger"
)

// flusher moves committed write sets to the base and trims the overlay.
type flusher struct {
	signal chan struct{}
	// held is 1 + the pin of the active transaction that keeps something committed
	// from the base, or 0.
	held atomic.Uint64

	mu   sync.Mutex // one flush at a time; guards what follows and the flush fields of entries and maps
	gen  uint64     // number of the batch, so that scratch needs no clearing
	keys []*entry   // distinct keys of the batch
	maps []*mapState
	buf  []byte

	liveKeys atomic.Uint64 // in all maps of the base

	life struct {
		sync.Mutex
		stop    context.CancelFunc
		stopped chan struct{}
		closed  bool
	}
}

// entryFlush is the state of a key while a batch is made.
type entryFlush struct {
	gen    uint64
	final  *version // newest in the batch
	inBase bool     // before the batch
	exists bool     // after the versions seen so far
}

// mapFlush is a map in the base, and its part of the batch being made.
type mapFlush struct {
	row MapRow
	gen uint64
	at  int // index in the batch
}

func (f *flusher) init() { f.signal = make(chan struct{}, 1) }

func (f *flusher) wake() {
	select {
	case f.signal <- struct{}{}:
	default: // it has yet to see an earlier signal
	}
}

// Start starts the flusher goroutine. Without it the overlay only grows, unless
// Flush is called.
func (s *Store) Start() {
	f := &s.flusher
	f.life.Lock()
	defer f.life.Unlock()
	if f.life.stop != nil || f.life.closed {
		return
	}
	ctx, stop := context.WithCancel(context.Background())
	stopped := make(chan struct{})
	f.life.stop, f.life.stopped = stop, stopped
	go pprof.Do(ctx, pprof.Labels("goroutine", "kv-flusher"), func(ctx context.Context) {
		defer close(stopped)
		s.runFlusher(ctx)
	})
}

func (s *Store) runFlusher(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.flusher.signal:
			if s.Flush() != nil {
				return // Err and OnFatal have told
			}
		}
	}
}

// Close stops the flusher and closes the base. No transaction may be active.
func (s *Store) Close() error {
	f := &s.flusher
	f.life.Lock()
	defer f.life.Unlock()
	if f.life.closed {
		return nil
	}
	f.life.closed = true
	if f.life.stop != nil {
		f.life.stop()
		<-f.life.stopped
	}
	return s.base.Close()
}

// Flush moves to the base all that is committed and not hidden from an active
// snapshot, now. The flusher goroutine does nothing else.
func (s *Store) Flush() error {
	f := &s.flusher
	f.mu.Lock()
	defer f.mu.Unlock()
	for {
		if err := s.Err(); err != nil {
			return err
		}
		// The commit point is read first: a transaction that begins later has a
		// snapshot at or above it.
		committed := s.committed.Load()
		f.held.Store(0)
		limit, epoch, _ := s.pins.oldest()
		if limit < committed {
			f.held.Store(limit + 1)
			// Its release may have come before the line above.
			limit, epoch, _ = s.pins.oldest()
		}
		s.buryDead(epoch)
		records := s.takeRecords(min(committed, limit))
		if len(records) == 0 {
			return nil
		}
		if err := s.flushRecords(records); err != nil {
			return s.fail(err)
		}
	}
}

// takeRecords is the next batch of records up to limit; they stay in the list.
func (s *Store) takeRecords(limit ledger.Seqno) []*record {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, size := 0, int64(0)
	for n < len(s.mu.records) && n < FlushBatchSets {
		r := s.mu.records[n]
		if r.head.id.Seqno > limit || n > 0 && size+r.bytes > FlushBatchBytes {
			break
		}
		size += r.bytes
		n++
	}
	return s.mu.records[:n:n]
}

func (s *Store) flushRecords(records []*record) error {
	f := &s.flusher
	f.gen++
	f.keys, f.maps = f.keys[:0], f.maps[:0]
	for _, r := range records {
		if err := s.fold(r); err != nil {
			return err
		}
	}
	for _, e := range f.keys {
		if !e.flush.final.remove {
			s.filter.add(e.cell.hash)
		}
	}
	if err := s.base.Write(f.batch()); err != nil {
		return err
	}
	for _, e := range f.keys {
		s.cache.update(e.cell.hash, e.m.name, e.key, e.flush.final)
	}
	s.flushed.Store(records[len(records)-1].head.id.Seqno)
	s.trim(records)
	if s.filter.stale(f.liveKeys.Load()) {
		return s.remakeFilter()
	}
	return nil
}

// fold plays one record on the scratch state of its keys and the rows of its maps.
func (s *Store) fold(r *record) error {
	f := &s.flusher
	for _, t := range r.maps {
		if t.m.flush.gen != f.gen {
			t.m.flush.gen, t.m.flush.at = f.gen, len(f.maps)
			f.maps = append(f.maps, t.m)
		}
	}
	for i := range r.versions {
		v := &r.versions[i]
		e := v.entry
		if e.flush.gen != f.gen {
			had, err := s.inBase(e)
			if err != nil {
				return err
			}
			e.flush = entryFlush{gen: f.gen, inBase: had, exists: had}
			f.keys = append(f.keys, e)
		}
		row := &e.m.flush.row
		if v.remove && !e.flush.exists {
			e.flush.final = v
			continue // does not even set the map's version
		}
		row.Version = v.seqno
		if v.remove {
			row.Count--
			f.liveKeys.Add(^uint64(0))
		} else if !e.flush.exists {
			row.Count++
			f.liveKeys.Add(1)
		}
		e.flush.final, e.flush.exists = v, !v.remove
	}
	return nil
}

func (s *Store) inBase(e *entry) (bool, error) {
	if _, _, ok := s.cache.get(e.cell.hash, e.m.name, e.key, nil, false); ok {
		return true, nil
	}
	if s.filter.lacks(e.cell.hash) {
		return false, nil
	}
	buf, _, ok, err := s.base.Get(s.flusher.buf[:0], e.m.name, e.key)
	if cap(buf) <= MaxCachedEntry {
		s.flusher.buf = buf
	}
	return ok, err
}

func (f *flusher) batch() Batch {
	// In order, the base's memtable takes them at half the cost.
	slices.SortFunc(f.keys, func(a, b *entry) int {
		return cmp.Or(cmp.Compare(a.m.flush.at, b.m.flush.at), bytes.Compare(a.key, b.key))
	})
	b := make(Batch, len(f.maps))
	for i, m := range f.maps {
		b[i].Name, b[i].Row = m.name, m.flush.row
	}
	for _, e := range f.keys {
		mb := &b[e.m.flush.at]
		switch v := e.flush.final; {
		case !v.remove:
			mb.Puts = append(mb.Puts, Row{Key: e.key, Value: v.value, Version: v.seqno})
		case e.flush.inBase:
			mb.Deletes = append(mb.Deletes, e.key)
		}
	}
	return b
}

// trimSlice is the number of keys trimmed in one go: Apply waits for no more.
const trimSlice = 256

// trim takes what the base now has out of the overlay.
func (s *Store) trim(records []*record) {
	f := &s.flusher
	last := records[len(records)-1].head.id
	for from := 0; from < len(f.keys); from += trimSlice {
		s.mu.Lock()
		for _, e := range f.keys[from:min(from+trimSlice, len(f.keys))] {
			if e.cut(last.Seqno) {
				s.dropEntry(e)
			}
			e.flush.final = nil
		}
		s.mu.Unlock()
	}
	clear(f.keys)
	bytes := int64(0)
	for _, r := range records {
		bytes += r.bytes
	}
	s.overlayBytes.Add(-bytes)
	s.mu.Lock()
	clear(s.mu.records[:len(records)])
	s.mu.records = s.mu.records[len(records):]
	s.mu.floor = last
	s.mu.Unlock()
}

// dropEntry removes a key without versions. The caller holds mu.
func (s *Store) dropEntry(e *entry) {
	if e.gone {
		return
	}
	e.gone = true
	s.table.remove(e)
	e.m.unlink(e)
}

// buryDead removes rolled back versions that no active transaction can see, where
// epoch is the oldest of those.
func (s *Store) buryDead(epoch uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	kept := s.mu.dead[:0]
	for _, r := range s.mu.dead {
		if r.died > epoch {
			kept = append(kept, r)
			continue
		}
		for i := range r.versions {
			v := &r.versions[i]
			if v.entry.unlink(v) {
				s.dropEntry(v.entry)
			}
		}
		s.overlayBytes.Add(-r.bytes)
	}
	clear(s.mu.dead[len(kept):])
	s.mu.dead = kept
}

// Load fills a store that nothing was applied to with the state at id, from a
// snapshot: next returns one part after the other, and false at the end. A map
// may come in several parts with the same Row.Version; keys are distinct and
// Row.Count is ignored. After an error the store is of no use.
func (s *Store) Load(id ledger.TxID, next func() (MapBatch, bool, error)) error {
	_, _, active := s.pins.oldest()
	check(s.Head().IsZero() && active == 0, "a snapshot is loaded into an empty, unused store")
	s.flusher.mu.Lock()
	defer s.flusher.mu.Unlock()
	for {
		part, ok, err := next()
		if err != nil {
			return err
		}
		if !ok {
			break
		}
		m := s.ensureMap(part.Name)
		m.flush.row.Version = part.Row.Version
		m.flush.row.Count += uint64(len(part.Puts))
		s.flusher.liveKeys.Add(uint64(len(part.Puts)))
		for i := range part.Puts {
			s.filter.add(keyHash(m.salt, part.Puts[i].Key))
		}
		part.Row = m.flush.row
		if err := s.base.Write(Batch{part}); err != nil {
			return s.fail(err)
		}
	}
	s.mu.Lock()
	s.mu.floor = id
	s.mu.Unlock()
	s.committed.Store(id.Seqno)
	s.flushed.Store(id.Seqno)
	s.head.Store(&headState{id: id, epoch: 1})
	return nil
}

// Stats are the figures that back-pressure and dashboards go by.
type Stats struct {
	Head, Committed, Flushed ledger.Seqno
	OldestSnapshot           ledger.Seqno // Head when no transaction is active
	ActiveTransactions       int
	OverlayBytes             int64
	CacheHits, CacheMisses   uint64
	CacheBytes               uint64
	FilterBytes              uint64
	Keys                     uint64 // in the base
	// Blocked means that an active transaction holds back a flush.
	Blocked bool
}

// Stats are the current figures, each right on its own.
func (s *Store) Stats() Stats {
	pin, _, active := s.pins.oldest()
	st := Stats{
		Flushed: s.flushed.Load(), Committed: s.committed.Load(), Head: s.Head().Seqno,
		ActiveTransactions: active, OverlayBytes: s.overlayBytes.Load(), Blocked: s.flusher.held.Load() != 0,
	}
	st.OldestSnapshot = min(pin, st.Head)
	st.FilterBytes, st.Keys = s.filter.bytes(), s.flusher.liveKeys.Load()
	st.CacheHits, st.CacheMisses, st.CacheBytes = s.cache.stats()
	return st
}
