package secret

import (
	"fmt"

	"concordat/ledger"
)

// blobOverhead is what a sealed blob adds to its plaintext.
const blobOverhead = ledger.TagSize + ledger.IVSize

// SealBlob seals plaintext as "tag, IV, ciphertext" under AES-256-GCM without
// associated data: the form of wrapped secrets and submitted shares. key has 32
// bytes and iv 12; other lengths are a mistake in the caller and panic. A key
// must not see the same iv twice.
func SealBlob(key, iv, plaintext []byte) []byte {
	if len(key) != Size || len(iv) != ledger.IVSize {
		panic(fmt.Sprintf("secret: SealBlob with a key of %d and an IV of %d bytes", len(key), len(iv)))
	}
	sealed := newGCM(key).Seal(nil, iv, plaintext, nil)
	tag := len(plaintext)
	b := make([]byte, 0, blobOverhead+len(plaintext))
	b = append(b, sealed[tag:]...)
	b = append(b, iv...)
	return append(b, sealed[:tag]...)
}

// OpenBlob is the inverse of SealBlob for bytes from outside.
func OpenBlob(key, blob []byte) ([]byte, error) {
	if len(key) != Size {
		return nil, ErrSize
	}
	if len(blob) < blobOverhead {
		return nil, fmt.Errorf("sealed blob of %d bytes: %w", len(blob), ErrOpen)
	}
	tag, iv := blob[:ledger.TagSize], blob[ledger.TagSize:blobOverhead]
	buf := append(append([]byte(nil), blob[blobOverhead:]...), tag...)
	plain, err := newGCM(key).Open(buf[:0], iv, buf, nil)
	if err != nil {
		return nil, fmt.Errorf("sealed blob: %w", ErrOpen)
	}
	return plain, nil
}
