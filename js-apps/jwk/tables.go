package jwk

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"

	"concordat/ledger/jsondoc"
)

// Table names, newest layout first. Ledgers written before 6.0 hold
// certificates instead of public keys; the oldest layout splits key and issuer
// over two tables, and its key table appears under two spellings.
const (
	KeysTable             = "public:ccf.gov.jwt.public_signing_keys_metadata_v2"
	CertificatesTable     = "public:ccf.gov.jwt.public_signing_keys_metadata"
	LegacyKeyTable        = "public:ccf.gov.jwt.public_signing_key"
	LegacyKeyTablePlural  = "public:ccf.gov.jwt.public_signing_keys"
	LegacyKeyIssuersTable = "public:ccf.gov.jwt.public_signing_key_issuer"
)

// MaxRowBytes bounds a stored row before it is decoded. A row holds one entry
// per issuer that shares a kid, each well under a kilobyte.
const MaxRowBytes = 1 << 20

// Tables is what this package reads of the key-value store.
type Tables interface {
	// Get returns the value under key, or false.
	Get(table, key string) ([]byte, bool)
	// ForEach calls f for every pair until f returns false.
	ForEach(table string, f func(key string, value []byte) bool)
}

// Entry is one element of a KeysTable row. Field order is that of the stored
// JSON, whose keys are sorted.
type Entry struct {
	Constraint *string `json:"constraint,omitempty"`
	Issuer     string  `json:"issuer"`
	// PublicKey is a DER SubjectPublicKeyInfo (base64 in the row).
	PublicKey []byte `json:"public_key"`
}

// same tells whether storing b over a would change nothing.
func (e Entry) same(b Entry) bool {
	if e.Issuer != b.Issuer || string(e.PublicKey) != string(b.PublicKey) {
		return false
	}
	if e.Constraint == nil || b.Constraint == nil {
		return e.Constraint == b.Constraint
	}
	return *e.Constraint == *b.Constraint
}

// ParseEntries decodes a KeysTable row.
func ParseEntries(row []byte) ([]Entry, error) {
	if len(row) > MaxRowBytes {
		return nil, fmt.Errorf("jwt key row of %d bytes is over the limit of %d", len(row), MaxRowBytes)
	}
	var entries []Entry
	if err := json.Unmarshal(row, &entries); err != nil {
		return nil, fmt.Errorf("jwt key row: %w", err)
	}
	return entries, nil
}

// MarshalEntries encodes a KeysTable row: compact JSON, sorted keys, no HTML
// escapes, the bytes that CCF stores.
func MarshalEntries(entries []Entry) ([]byte, error) { return jsondoc.Plain(entries) }

// Key is a usable signing key with the rules that bind it.
type Key struct {
	Public     crypto.PublicKey // *rsa.PublicKey or *ecdsa.PublicKey
	Issuer     string
	Constraint *string
}

// errKeyType is the answer for keys that no JWT algorithm here can use.
var errKeyType = errors.New("key is neither RSA nor EC")

// Lookup finds the keys for a kid in the first layout that has any, in stored
// order. No keys is not an error.
func Lookup(t Tables, kid string) ([]Key, error) {
	for _, layout := range []func(Tables, string) ([]Key, error){lookupKeys, lookupCertificates, lookupLegacy} {
		keys, err := layout(t, kid)
		if err != nil {
			return nil, fmt.Errorf("jwt signing key %q: %w", kid, err)
		}
		if len(keys) > 0 {
			return keys, nil
		}
	}
	return nil, nil
}

func lookupKeys(t Tables, kid string) ([]Key, error) {
	row, ok := t.Get(KeysTable, kid)
	if !ok {
		return nil, nil
	}
	entries, err := ParseEntries(row)
	if err != nil {
		return nil, err
	}
	keys := make([]Key, 0, len(entries))
	for _, e := range entries {
		pub, err := x509.ParsePKIXPublicKey(e.PublicKey)
		if err != nil {
			return nil, err
		}
		if keys, err = appendKey(keys, pub, e.Issuer, e.Constraint); err != nil {
			return nil, err
		}
	}
	return keys, nil
}

// certificateEntry is one element of a CertificatesTable row.
type certificateEntry struct {
	Cert       []byte  `json:"cert"`
	Issuer     string  `json:"issuer"`
	Constraint *string `json:"constraint"`
}

func lookupCertificates(t Tables, kid string) ([]Key, error) {
	row, ok := t.Get(CertificatesTable, kid)
	if !ok {
		return nil, nil
	}
	if len(row) > MaxRowBytes {
		return nil, fmt.Errorf("row of %d bytes is over the limit of %d", len(row), MaxRowBytes)
	}
	var entries []certificateEntry
	if err := json.Unmarshal(row, &entries); err != nil {
		return nil, err
	}
	keys := make([]Key, 0, len(entries))
	for _, e := range entries {
		cert, err := x509.ParseCertificate(e.Cert)
		if err != nil {
			return nil, err
		}
		if keys, err = appendKey(keys, cert.PublicKey, e.Issuer, e.Constraint); err != nil {
			return nil, err
		}
	}
	return keys, nil
}

func lookupLegacy(t Tables, kid string) ([]Key, error) {
	for _, table := range []string{LegacyKeyTable, LegacyKeyTablePlural} {
		der, ok := t.Get(table, kid)
		if !ok {
			continue
		}
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, err
		}
		issuer, _ := t.Get(LegacyKeyIssuersTable, kid)
		return appendKey(nil, cert.PublicKey, string(issuer), nil)
	}
	return nil, nil
}

func appendKey(keys []Key, pub any, issuer string, constraint *string) ([]Key, error) {
	switch pub.(type) {
	case *rsa.PublicKey, *ecdsa.PublicKey:
		return append(keys, Key{Public: pub, Issuer: issuer, Constraint: constraint}), nil
	default:
		return nil, errKeyType
	}
}

// decodeBase64URL takes the unpadded URL alphabet of RFC 7515; padding is
// tolerated because issuers are known to send it.
func decodeBase64URL(s string) ([]byte, error) {
	for len(s) > 0 && s[len(s)-1] == '=' {
		s = s[:len(s)-1]
	}
	return base64.RawURLEncoding.DecodeString(s)
}
