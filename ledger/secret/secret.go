// Package secret holds ledger secrets: the 32-byte keys that seal the private
// half of every entry, prove commits, and are themselves wrapped for recovery.
//
// A Secret seals and opens entries under AES-256-GCM with the transaction id as
// nonce, so the owner of a Secret must never seal two different entries under
// one id. A Chain says which secret is valid at which seqno. SealBlob and
// OpenBlob are the "tag, IV, ciphertext" boxes in which secrets and shares are
// stored in governance tables.
//
// Nothing here reads a clock, a file or a global source of randomness, and
// nothing prints key material: every form of a Secret is "[redacted]".
package secret

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"log/slog"

	"concordat/ledger"
)

// Size is the length of a ledger secret and of every other key here.
const Size = 32

// redacted is what every textual form of a secret shows.
const redacted = "[redacted]"

// commitLabel is what CCF feeds to its HMAC: the first eight characters of a
// longer label, which is what its ledgers show.
const commitLabel = "Commit S"

// Errors of this package.
var (
	ErrSize = errors.New("a ledger secret has 32 bytes")
	// ErrOpen means that the tag does not fit: another secret, or altered bytes.
	ErrOpen = errors.New("authentication failed: wrong ledger secret or altered bytes")
)

// Secret is one ledger secret with the state derived from it. It is immutable
// and may be used from any goroutine; it implements ledger.Sealer.
type Secret struct {
	key  [Size]byte
	aead cipher.AEAD
	// The two key blocks of HMAC-SHA256 under the commit secret. Kept so that a
	// commit nonce costs two short hashes and no allocation.
	inner, outer [sha256.BlockSize]byte
}

// FromBytes makes a Secret of 32 bytes, which are copied.
func FromBytes(b []byte) (*Secret, error) {
	if len(b) != Size {
		return nil, ErrSize
	}
	s := &Secret{aead: newGCM(b)}
	copy(s.key[:], b)
	mac := hmac.New(sha256.New, b)
	mac.Write([]byte(commitLabel))
	commit := mac.Sum(nil)
	copy(s.inner[:], commit)
	copy(s.outer[:], commit)
	for i := range s.inner {
		s.inner[i] ^= 0x36
		s.outer[i] ^= 0x5c
	}
	return s, nil
}

// Generate makes a new Secret from a source of randomness.
func Generate(rand io.Reader) (*Secret, error) {
	var b [Size]byte
	if _, err := io.ReadFull(rand, b[:]); err != nil {
		return nil, fmt.Errorf("generate ledger secret: %w", err)
	}
	return FromBytes(b[:])
}

// newGCM panics on a key of the wrong length, which callers have checked.
func newGCM(key []byte) cipher.AEAD {
	block, err := aes.NewCipher(key)
	if err != nil {
		panic("secret: " + err.Error())
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic("secret: " + err.Error())
	}
	return aead
}

// Bytes returns a copy of the key material, for wrapping it.
func (s *Secret) Bytes() []byte { return append([]byte(nil), s.key[:]...) }

// Equal compares in constant time.
func (s *Secret) Equal(other *Secret) bool {
	return other != nil && subtle.ConstantTimeCompare(s.key[:], other.key[:]) == 1
}

// Format, LogValue and MarshalText keep key material out of every log.
func (s Secret) Format(f fmt.State, _ rune) { io.WriteString(f, redacted) }

// LogValue implements slog.LogValuer.
func (s Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText implements encoding.TextMarshaler, which JSON uses too.
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// Seal implements ledger.Sealer.
func (s *Secret) Seal(dst, iv, plaintext, aad []byte) []byte {
	return s.aead.Seal(dst, iv, plaintext, aad)
}

// CommitNonce implements ledger.Sealer: HMAC-SHA256 of "view.seqno" under the
// commit secret.
func (s *Secret) CommitNonce(id ledger.TxID) [32]byte {
	const maxTxID = 2*20 + 1
	var b [sha256.BlockSize + maxTxID]byte
	copy(b[:], s.inner[:])
	sum := sha256.Sum256(id.AppendTo(b[:sha256.BlockSize]))
	copy(b[:], s.outer[:])
	copy(b[sha256.BlockSize:], sum[:])
	return sha256.Sum256(b[:sha256.BlockSize+sha256.Size])
}

// OpenBytes checks the tag of an entry, which also vouches for its public
// domain, and returns the plaintext of the private domain.
func (s *Secret) OpenBytes(e *ledger.Entry) ([]byte, error) {
	buf := make([]byte, 0, len(e.Sealed)+len(e.Tag))
	buf = append(append(buf, e.Sealed...), e.Tag...)
	plain, err := s.aead.Open(buf[:0], e.IV, buf, e.PublicRaw)
	if err != nil {
		return nil, fmt.Errorf("entry %v: %w", e.ID(), ErrOpen)
	}
	return plain, nil
}

// Open checks the tag of an entry and returns the private part of its write set.
func (s *Secret) Open(e *ledger.Entry) (ledger.WriteSet, error) {
	plain, err := s.OpenBytes(e)
	if err != nil {
		return nil, err
	}
	ws, err := ledger.ParseMaps(plain)
	if err != nil {
		return nil, fmt.Errorf("private domain of entry %v: %w", e.ID(), err)
	}
	return ws, nil
}
