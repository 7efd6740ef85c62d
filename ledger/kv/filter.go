package kv

import "sync/atomic"

// filter knows which keys the base certainly does not have. The base can only
// tell by reading a block, which would make the flush of a new key, and a look
// for a key that does not exist, cost more than everything else about it.
//
// It is a list of Bloom filters, each four times the size of the one before.
// Readers take no lock. The flusher adds a key before it writes it to the base,
// so that a reader that finds nothing in the overlay any more finds it here.
// Removed keys stay in it until there are so many that it is made again.
type filter struct {
	layers atomic.Pointer[[]*filterLayer] // newest first
	added  uint64                         // owner: the flusher
	room   uint64                         // in the newest layer
	worth  uint64                         // number of added keys from which it may be made again
}

// filterLayer is a set of blocks of one cache line. A key sets one bit in each of
// a block's words: at full capacity one in about 600 other keys looks present.
type filterLayer struct{ blocks [][8]atomic.Uint64 }

const (
	// keysPerBlock is 16 bits a key.
	keysPerBlock = 32
	// firstLayerBlocks is 8 KiB, for 4096 keys.
	firstLayerBlocks = 128
	// maxStale is how many times more keys than the base has may have been added before the filter is made again.
	maxStale = 4
	// minRemake is the number of added keys below which that is not worth while.
	minRemake = 1 << 20
)

func (f *filter) init() {
	f.layers.Store(new([]*filterLayer))
	f.worth = minRemake
}

// lacks reports that the base has no key of this hash.
func (f *filter) lacks(hash uint64) bool {
	for _, l := range *f.layers.Load() {
		if l.has(hash) {
			return false
		}
	}
	return true
}

// add puts a key in.
func (f *filter) add(hash uint64) {
	if !f.lacks(hash) {
		return
	}
	if f.room == 0 {
		f.grow()
	}
	f.room--
	f.added++
	(*f.layers.Load())[0].set(hash)
}

func (f *filter) grow() {
	old := *f.layers.Load()
	n := firstLayerBlocks << (2 * len(old))
	layers := append([]*filterLayer{{blocks: make([][8]atomic.Uint64, n)}}, old...)
	f.room = uint64(n) * keysPerBlock
	f.layers.Store(&layers)
}

// place is a key's block, and a number whose bytes say which bits.
func (l *filterLayer) place(hash uint64) (*[8]atomic.Uint64, uint64) {
	block := (hash >> 32 * uint64(len(l.blocks))) >> 32
	return &l.blocks[block], hash * 0x9e3779b97f4a7c15
}

func (l *filterLayer) has(hash uint64) bool {
	block, bits := l.place(hash)
	for i := range block {
		if block[i].Load()>>(bits>>(8*i)&63)&1 == 0 {
			return false
		}
	}
	return true
}

func (l *filterLayer) set(hash uint64) {
	block, bits := l.place(hash)
	for i := range block {
		block[i].Or(1 << (bits >> (8 * i) & 63))
	}
}

// stale reports whether too much of the filter is about keys that are gone.
func (f *filter) stale(keys uint64) bool { return f.added > f.worth && f.added > maxStale*keys }

// remakeFilter makes the filter from the base. Only the flusher writes either, so
// it can take its time; readers go on with the old one, which still is right.
func (s *Store) remakeFilter() error {
	view, err := s.base.View()
	if err != nil {
		return err
	}
	defer view.Close() //nolint:errcheck // a view holds nothing that could be lost
	var names []string
	err = view.Maps(func(name string, _ MapRow) bool {
		names = append(names, name)
		return true
	})
	var fresh filter
	fresh.init()
	for i := 0; i < len(names) && err == nil; i++ {
		salt := mapSalt(names[i])
		err = view.Scan(names[i], func(r Row) bool {
			fresh.add(keyHash(salt, r.Key))
			return true
		})
	}
	if err != nil {
		return err
	}
	s.filter.added, s.filter.room = fresh.added, fresh.room
	s.filter.layers.Store(fresh.layers.Load())
	return nil
}

// bytes is the memory of the filter.
func (f *filter) bytes() (n uint64) {
	for _, l := range *f.layers.Load() {
		n += uint64(len(l.blocks)) * 64
	}
	return n
}
