package ledger

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"slices"
)

// Sealer is one ledger secret as the entry codec needs it.
type Sealer interface {
	// Seal appends ciphertext and 16-byte tag to dst, as cipher.AEAD does;
	// dst may be plaintext[:0].
	Seal(dst, iv, plaintext, aad []byte) []byte
	// CommitNonce is the secret part of the transaction's commit evidence.
	CommitNonce(id TxID) [32]byte
}

// What AppendEntry refuses.
var (
	ErrViewTooLarge  = errors.New("view does not fit an entry: at most 2^31-1")
	ErrEntryTooLarge = errors.New("entry does not fit a chunk file: at most 4 GiB")
	ErrEmptyWriteSet = errors.New("a transaction without changes makes no entry")
	ErrNoTxID        = errors.New("an entry needs a transaction id with view and seqno above zero")
)

// public4 is the public domain of a type 4 entry without maps.
const public4 = fixedPublic + 2*sha256.Size

// EntrySpare is how much capacity AppendEntry uses beyond the entry itself: the
// tag is made behind the ciphertext and then moved to its place.
const EntrySpare = TagSize

// EntrySize is the exact size of the entry AppendEntry would write, so that a
// caller can reserve a slot of EntrySize(ws)+EntrySpare bytes.
func EntrySize(ws WriteSet) int {
	public, private := mapSizes(ws)
	return frameSize + public4 + public + private
}

// AppendEntry serialises, seals and hashes one transaction: the hot path of a
// write. dst grows at most once; nothing else is allocated. It returns the
// extended buffer, the write-set digest and the Merkle leaf. ws must be in the
// order WriteSet promises. The caller guarantees that no other entry was or will
// be sealed under the same secret and id: the IV is made of the id.
func AppendEntry(dst []byte, id TxID, flags Flags, claims Digest, ws WriteSet, s Sealer) (out []byte, wsd, leaf Digest, err error) {
	public, private := mapSizes(ws)
	size := frameSize + public4 + public + private
	if err := checkEntry(id, size, public+private); err != nil {
		return dst, wsd, leaf, err
	}
	evidence := evidenceDigest(id, s.CommitNonce(id))
	start := len(dst)
	dst = slices.Grow(dst, size+EntrySpare)
	dst = appendFrame(dst, id, flags, size-HeaderSize, public4+public)
	dst = AppendPublic(dst, Public{
		Type: TypeWriteSetWithCommitEvidenceAndClaims, Seqno: id.Seqno,
		Claims: claims, CommitEvidenceDigest: evidence, Writes: ws,
	})
	plain := len(dst)
	dst = AppendMaps(dst, ws, false)
	sealInPlace(dst[start:], plain-start, s)
	wsd = sha256.Sum256(dst[start:])
	return dst, wsd, LeafOf(wsd, evidence, claims), nil
}

func checkEntry(id TxID, size, changes int) error {
	switch {
	case id.View == 0 || id.Seqno == 0:
		return ErrNoTxID
	case id.View > MaxView:
		return ErrViewTooLarge
	case size > MaxEntrySize:
		return ErrEntryTooLarge
	case changes == 0:
		return ErrEmptyWriteSet
	}
	return nil
}

// appendFrame writes what precedes the public domain, with room for the tag.
func appendFrame(dst []byte, id TxID, flags Flags, size, public int) []byte {
	dst = binary.LittleEndian.AppendUint64(dst, entryVersion|uint64(flags)<<8|uint64(size)<<16)
	dst = append(dst, make([]byte, TagSize)...)
	dst = binary.LittleEndian.AppendUint64(dst, id.Seqno)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(id.View))
	return binary.LittleEndian.AppendUint64(dst, uint64(public))
}

// AppendPublic writes the public domain p of any entry type but a snapshot,
// taking the public maps of p.Writes.
func AppendPublic(dst []byte, p Public) []byte {
	dst = append(dst, byte(p.Type))
	dst = binary.LittleEndian.AppendUint64(dst, p.Seqno)
	if p.Type.HasClaims() {
		dst = append(dst, p.Claims[:]...)
	}
	if p.Type.HasEvidence() {
		dst = append(dst, p.CommitEvidenceDigest[:]...)
	}
	dst = binary.LittleEndian.AppendUint64(dst, p.MaxConflict)
	return AppendMaps(dst, p.Writes, true)
}

// sealInPlace encrypts entry[plain:] where it is and puts the tag in its place.
// entry must have EntrySpare bytes of capacity left.
func sealInPlace(entry []byte, plain int, s Sealer) {
	iv, aad := entry[HeaderSize+TagSize:frameSize-8], entry[frameSize:plain]
	sealed := s.Seal(entry[plain:plain], iv, entry[plain:], aad)
	copy(entry[HeaderSize:], sealed[len(entry)-plain:])
}

// LeafOf is the Merkle leaf of an entry of the type written today.
func LeafOf(wsd, evidenceDigest, claims Digest) Digest {
	var b [3 * sha256.Size]byte
	copy(b[:], wsd[:])
	copy(b[32:], evidenceDigest[:])
	copy(b[64:], claims[:])
	return sha256.Sum256(b[:])
}

// CommitEvidence is the text a receipt shows as proof that the transaction was
// committed: only someone with the ledger secret can make it, and a node reveals
// it after commit.
func CommitEvidence(id TxID, nonce [32]byte) string {
	var b [evidenceMax]byte
	return string(appendEvidence(b[:0], id, nonce))
}

// CommitEvidenceDigest is the form that enters the Merkle leaf.
func CommitEvidenceDigest(evidence string) Digest { return sha256.Sum256([]byte(evidence)) }

// evidenceMax is "ce:" + two 20-digit numbers + "." + ":" + 64 hex digits.
const evidenceMax = 3 + 2*20 + 2 + 2*sha256.Size

func appendEvidence(dst []byte, id TxID, nonce [32]byte) []byte {
	dst = append(dst, "ce:"...)
	dst = id.AppendTo(dst)
	dst = append(dst, ':')
	return hex.AppendEncode(dst, nonce[:])
}

func evidenceDigest(id TxID, nonce [32]byte) Digest {
	var b [evidenceMax]byte
	return sha256.Sum256(appendEvidence(b[:0], id, nonce))
}
