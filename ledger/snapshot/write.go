package snapshot

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math/bits"
	"slices"

	"concordat/ledger"
	"concordat/ledger/secret"
)

// ErrTooLarge is returned for a state that does not fit one entry.
var ErrTooLarge = errors.New("the state does not fit a snapshot: at most 4 GiB")

const (
	entryVersion = 1
	isSnapshot   = 1 << 31 // of the view word in the IV; keeps it apart from every entry's
)

// Seal writes the entry of a snapshot: public state in the clear, private maps
// under the ledger secret valid at s.Seqno. A seqno must be sealed only once
// under one secret with the same content, since the IV is made of it.
func Seal(s *State, private []Map, key *secret.Secret) ([]byte, error) {
	public := AppendPublic(nil, s)
	plain := AppendMaps(nil, private)
	size := ledger.TagSize + ledger.IVSize + 8 + len(public) + len(plain)
	if uint64(size)+ledger.HeaderSize > ledger.MaxEntrySize {
		return nil, ErrTooLarge
	}
	b := make([]byte, 0, ledger.HeaderSize+size+ledger.TagSize)
	b = binary.LittleEndian.AppendUint64(b, entryVersion|uint64(size)<<16)
	b = append(b, make([]byte, ledger.TagSize)...)
	iv := binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint64(nil, s.Seqno), isSnapshot)
	b = append(b, iv...)
	b = appendSized(b, public)
	sealed := key.Seal(nil, iv, plain, public)
	b = append(b, sealed[:len(plain)]...)
	copy(b[ledger.HeaderSize:], sealed[len(plain):])
	return b, nil
}

// Sort puts items into the order CCF writes them in: by the low 32 bits of
// SipHash-2-4 of the key, which is the order of its hash trie.
func Sort(items []Item) {
	slices.SortFunc(items, func(a, b Item) int {
		if c := cmp.Compare(uint32(siphash(a.Key)), uint32(siphash(b.Key))); c != 0 {
			return c
		}
		return bytes.Compare(a.Key, b.Key)
	})
}

// Evidence is the row of EvidenceTable.
type Evidence struct {
	Hash    ledger.Digest
	Version ledger.Seqno // the seqno of the snapshot
}

type wireEvidence struct {
	Hash    string `json:"hash"`
	Version uint64 `json:"version"`
}

// Marshal writes the row as CCF does.
func (e Evidence) Marshal() []byte {
	return fmt.Appendf(nil, `{"hash":"%s","version":%d}`, e.Hash.Hex(), e.Version)
}

// ParseEvidence reads the row.
func ParseEvidence(b []byte) (e Evidence, err error) {
	var w wireEvidence
	if err := json.Unmarshal(b, &w); err != nil || len(w.Hash) != 2*len(e.Hash) {
		return e, fmt.Errorf("%w: evidence is not the JSON of a digest and a seqno", ErrMalformed)
	}
	if _, err := hex.Decode(e.Hash[:], []byte(w.Hash)); err != nil {
		return e, fmt.Errorf("%w: evidence without a digest", ErrMalformed)
	}
	e.Version = w.Version
	return e, nil
}

// Key of the hash, fixed in CCF.
const (
	sipKey0 = 0x7720796f726c694b
	sipKey1 = 0x2165726568207361
)

// siphash is SipHash-2-4 (Aumasson, Bernstein 2012) with CCF's fixed key.
func siphash(b []byte) uint64 {
	s := sipState{sipKey0 ^ 0x736f6d6570736575, sipKey1 ^ 0x646f72616e646f6d, sipKey0 ^ 0x6c7967656e657261, sipKey1 ^ 0x7465646279746573}
	last := uint64(len(b)) << 56
	for ; len(b) >= 8; b = b[8:] {
		s.absorb(binary.LittleEndian.Uint64(b))
	}
	for i, c := range b {
		last |= uint64(c) << (8 * i)
	}
	s.absorb(last)
	s[2] ^= 0xff
	for range 4 {
		s.round()
	}
	return s[0] ^ s[1] ^ s[2] ^ s[3]
}

type sipState [4]uint64

func (v *sipState) absorb(m uint64) {
	v[3] ^= m
	v.round()
	v.round()
	v[0] ^= m
}

func (v *sipState) round() {
	v[0] += v[1]
	v[1] = bits.RotateLeft64(v[1], 13) ^ v[0]
	v[0] = bits.RotateLeft64(v[0], 32)
	v[2] += v[3]
	v[3] = bits.RotateLeft64(v[3], 16) ^ v[2]
	v[0] += v[3]
	v[3] = bits.RotateLeft64(v[3], 21) ^ v[0]
	v[2] += v[1]
	v[1] = bits.RotateLeft64(v[1], 17) ^ v[2]
	v[2] = bits.RotateLeft64(v[2], 32)
}
