package snapshot

import (
	"encoding/binary"
	"fmt"

	"concordat/ledger"
)

// Sizes within a map body.
const (
	word       = 8 // lengths and versions, and the alignment of every part
	minItem    = word + 2*word
	tombstones = 1 << 63 // sign bit of a version
)

// reader walks untrusted bytes; the first error sticks.
type reader struct {
	b   []byte
	off int
	err error
}

func (r *reader) fail(reason string) {
	if r.err == nil {
		r.err = fmt.Errorf("%w: %s near byte %d", ErrMalformed, reason, r.off)
	}
}

func (r *reader) take(n uint64) []byte {
	if r.err != nil || n > uint64(len(r.b)-r.off) {
		r.fail("cut short")
		return nil
	}
	end := r.off + int(n)
	out := r.b[r.off:end:end]
	r.off = end
	return out
}

func (r *reader) u64() uint64 {
	b := r.take(word)
	if b == nil {
		return 0
	}
	return binary.LittleEndian.Uint64(b)
}

func (r *reader) sized() []byte { return r.take(r.u64()) }

// padding skips the zeros up to the next multiple of eight.
func (r *reader) padding() {
	if n := r.off % word; n != 0 {
		for _, b := range r.take(uint64(word - n)) {
			if b != 0 {
				r.fail("padding is not zero")
			}
		}
	}
}

func parseMaps(b []byte) ([]Map, error) {
	r := &reader{b: b}
	var maps []Map
	for r.err == nil && r.off < len(r.b) {
		m := Map{Name: string(r.sized()), Version: r.u64()}
		body := r.sized()
		if len(maps) > 0 && maps[len(maps)-1].Name >= m.Name {
			r.fail("maps are out of order")
		}
		if len(maps) >= MaxMaps {
			r.fail("too many maps")
		}
		if r.err != nil {
			break
		}
		var err error
		if m.Items, err = parseItems(body); err != nil {
			return nil, fmt.Errorf("map %q: %w", m.Name, err)
		}
		maps = append(maps, m)
	}
	return maps, r.err
}

// parseItems reads a map body. Keys that a writer marked as deleted, by a
// version below zero, are left out; today's writers leave them out themselves.
func parseItems(body []byte) ([]Item, error) {
	r := &reader{b: body}
	items := make([]Item, 0, len(body)/minItem/4)
	for r.err == nil && r.off < len(r.b) {
		item := Item{Key: r.sized()}
		r.padding()
		value := r.sized()
		r.padding()
		if len(value) < word {
			r.fail("value without a version")
			break
		}
		item.Version = binary.LittleEndian.Uint64(value)
		item.Value = value[word:]
		if item.Version&tombstones == 0 {
			items = append(items, item)
		}
	}
	return items, r.err
}

func appendSized(dst, b []byte) []byte {
	return append(binary.LittleEndian.AppendUint64(dst, uint64(len(b))), b...)
}

// appendPadding fills up to a multiple of eight counted from start.
func appendPadding(dst []byte, start int) []byte {
	for (len(dst)-start)%word != 0 {
		dst = append(dst, 0)
	}
	return dst
}

// AppendMap writes one map. Items must be in the order of Sort.
func AppendMap(dst []byte, m *Map) []byte {
	dst = appendSized(dst, []byte(m.Name))
	dst = binary.LittleEndian.AppendUint64(dst, m.Version)
	size := len(dst)
	dst = binary.LittleEndian.AppendUint64(dst, 0)
	start := len(dst)
	for i := range m.Items {
		item := &m.Items[i]
		dst = appendPadding(appendSized(dst, item.Key), start)
		dst = binary.LittleEndian.AppendUint64(dst, uint64(len(item.Value)+word))
		dst = binary.LittleEndian.AppendUint64(dst, item.Version)
		dst = appendPadding(append(dst, item.Value...), start)
	}
	binary.LittleEndian.PutUint64(dst[size:], uint64(len(dst)-start))
	return dst
}

// AppendPublic writes the public domain of a snapshot.
func AppendPublic(dst []byte, s *State) []byte {
	dst = append(dst, byte(ledger.TypeSnapshot))
	dst = binary.LittleEndian.AppendUint64(dst, s.Seqno)
	dst = binary.LittleEndian.AppendUint64(dst, 0)
	dst = appendSized(dst, s.Leaf[:])
	dst = binary.LittleEndian.AppendUint64(dst, uint64(len(s.Views)*word))
	for _, v := range s.Views {
		dst = binary.LittleEndian.AppendUint64(dst, v)
	}
	return AppendMaps(dst, s.Maps)
}

// AppendMaps writes the maps of one domain, which must be ascending by name.
func AppendMaps(dst []byte, maps []Map) []byte {
	for i := range maps {
		dst = AppendMap(dst, &maps[i])
	}
	return dst
}
