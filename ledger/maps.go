package ledger

import (
	"bytes"
	"encoding/binary"
)

// Smallest encodings, used to bound every count by the bytes that are there
// before anything is allocated for it.
const (
	sizeLen      = 8
	minMapSize   = sizeLen + 4*8 // name length, read version, three counts
	minWriteSize = 2 * sizeLen
	minKeySize   = sizeLen
)

// ParseMaps reads the plaintext of a private domain. The result aliases b.
func ParseMaps(b []byte) (WriteSet, error) {
	r := reader{b: b}
	ws := r.maps(false)
	return ws, r.err
}

// AppendMaps writes one domain of ws: the maps that are public, or the others.
func AppendMaps(dst []byte, ws WriteSet, public bool) []byte {
	for i := range ws {
		if IsPublic(ws[i].Name) == public {
			dst = appendMap(dst, &ws[i])
		}
	}
	return dst
}

func appendMap(dst []byte, m *MapWrites) []byte {
	dst = binary.LittleEndian.AppendUint64(dst, uint64(len(m.Name)))
	dst = append(dst, m.Name...)
	dst = append(dst, make([]byte, 16)...) // read version and read count
	dst = binary.LittleEndian.AppendUint64(dst, uint64(len(m.Writes)))
	for i := range m.Writes {
		dst = appendSized(dst, m.Writes[i].Key)
		dst = appendSized(dst, m.Writes[i].Value)
	}
	dst = binary.LittleEndian.AppendUint64(dst, uint64(len(m.Removes)))
	for _, key := range m.Removes {
		dst = appendSized(dst, key)
	}
	return dst
}

func appendSized(dst, b []byte) []byte {
	dst = binary.LittleEndian.AppendUint64(dst, uint64(len(b)))
	return append(dst, b...)
}

// mapSizes returns the encoded sizes of the two domains.
func mapSizes(ws WriteSet) (public, private int) {
	for i := range ws {
		n := mapSize(&ws[i])
		if IsPublic(ws[i].Name) {
			public += n
		} else {
			private += n
		}
	}
	return public, private
}

func mapSize(m *MapWrites) int {
	n := minMapSize + len(m.Name)
	for i := range m.Writes {
		n += minWriteSize + len(m.Writes[i].Key) + len(m.Writes[i].Value)
	}
	for _, key := range m.Removes {
		n += minKeySize + len(key)
	}
	return n
}

// reader walks untrusted bytes. After the first error it returns zero values,
// so that callers check once at the end.
type reader struct {
	b    []byte
	off  int
	base int // offset of b in the whole entry, for error messages
	err  error
}

func (r *reader) fail(reason string) {
	if r.err == nil {
		r.err = malformed(r.base+r.off, reason)
	}
}

func (r *reader) left() int {
	if r.err != nil {
		return 0
	}
	return len(r.b) - r.off
}

func (r *reader) take(n uint64, what string) []byte {
	if r.err != nil || n > uint64(len(r.b)-r.off) {
		r.fail(what + " cut short")
		return nil
	}
	end := r.off + int(n)
	b := r.b[r.off:end:end]
	r.off = end
	return b
}

func (r *reader) u64() uint64 {
	b := r.take(8, "number")
	if b == nil {
		return 0
	}
	return binary.LittleEndian.Uint64(b)
}

func (r *reader) digest(d *Digest) { copy(d[:], r.take(uint64(len(d)), "digest")) }

func (r *reader) sized(what string) []byte { return r.take(r.u64(), what) }

// count reads a number of items of which each takes at least min bytes.
func (r *reader) count(min int, what string) int {
	n := r.u64()
	if r.err == nil && n > uint64(r.left()/min) {
		r.fail(what + " count exceeds the bytes left")
	}
	if r.err != nil {
		return 0
	}
	return int(n)
}

// maps reads map blocks to the end. It holds writers to the order and domain
// rules, so that a write set read from a ledger has the same promises as one
// made here.
func (r *reader) maps(public bool) WriteSet {
	var ws WriteSet
	for r.left() > 0 {
		m := r.oneMap()
		if r.err != nil {
			return nil
		}
		switch {
		case IsPublic(m.Name) != public:
			r.fail("map in the wrong domain")
		case len(ws) > 0 && ws[len(ws)-1].Name >= m.Name:
			r.fail("maps out of order")
		case len(m.Writes)+len(m.Removes) == 0:
			r.fail("map without a change")
		}
		ws = append(ws, m)
	}
	if r.err != nil {
		return nil
	}
	return ws
}

func (r *reader) oneMap() (m MapWrites) {
	m.Name = string(r.sized("map name"))
	if r.u64() != 0 {
		r.fail("read version is not zero")
	}
	if r.u64() != 0 {
		r.fail("read set is not empty")
	}
	if n := r.count(minWriteSize, "write"); n > 0 {
		m.Writes = make([]Write, n)
	}
	for i := range m.Writes {
		m.Writes[i] = Write{Key: r.sized("key"), Value: r.sized("value")}
		if i > 0 && bytes.Compare(m.Writes[i-1].Key, m.Writes[i].Key) >= 0 {
			r.fail("written keys out of order")
		}
		if r.err != nil {
			return m
		}
	}
	r.removes(&m)
	return m
}

func (r *reader) removes(m *MapWrites) {
	if n := r.count(minKeySize, "remove"); n > 0 {
		m.Removes = make([][]byte, n)
	}
	next := 0 // first write whose key is not below the current remove
	for i := range m.Removes {
		key := r.sized("removed key")
		m.Removes[i] = key
		if i > 0 && bytes.Compare(m.Removes[i-1], key) >= 0 {
			r.fail("removed keys out of order")
		}
		for next < len(m.Writes) && bytes.Compare(m.Writes[next].Key, key) < 0 {
			next++
		}
		if next < len(m.Writes) && bytes.Equal(m.Writes[next].Key, key) {
			r.fail("key both written and removed")
		}
		if r.err != nil {
			return
		}
	}
}
