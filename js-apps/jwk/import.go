package jwk

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"sort"
	"strings"

	"concordat/ledger/jsondoc"
)

// MaxKeys bounds the keys of one set, so that one proposal cannot make a
// transaction of unbounded size.
const MaxKeys = 1024

// Change is one row to write; a nil Value deletes the row.
type Change struct {
	Table string
	Key   string
	Value []byte
}

// Import computes what storing jwks (JSON text {"keys":[…]}) for issuer
// changes. The set replaces the issuer's keys: its entry under each kid of the
// set is put in place, its entries under other kids go, entries of other
// issuers stay, and rows that would not change are not written. Any bad key
// fails the whole set (governance §8.1). Changes come in byte order of the kid.
func Import(issuer string, jwks []byte, t Tables) ([]Change, error) {
	wanted, err := parseSet(issuer, jwks)
	if err != nil {
		return nil, fmt.Errorf("jwks of issuer %s: %w", issuer, err)
	}
	changes, err := dropIssuer(issuer, t, func(kid string) bool { _, keep := wanted[kid]; return keep })
	if err != nil {
		return nil, err
	}
	for kid, entry := range wanted {
		row, _ := t.Get(KeysTable, kid)
		value, changed, err := placeEntry(row, entry)
		if err != nil {
			return nil, fmt.Errorf("jwt signing key %q: %w", kid, err)
		}
		if changed {
			changes = append(changes, Change{Table: KeysTable, Key: kid, Value: value})
		}
	}
	sortChanges(changes)
	return changes, nil
}

// Remove computes what forgetting all keys of issuer changes, in every layout.
func Remove(issuer string, t Tables) ([]Change, error) {
	changes, err := dropIssuer(issuer, t, func(string) bool { return false })
	if err != nil {
		return nil, err
	}
	t.ForEach(LegacyKeyIssuersTable, func(kid string, value []byte) bool {
		if string(value) != issuer {
			return true
		}
		changes = append(changes, Change{Table: LegacyKeyIssuersTable, Key: kid})
		for _, table := range []string{LegacyKeyTable, LegacyKeyTablePlural} {
			if _, ok := t.Get(table, kid); ok {
				changes = append(changes, Change{Table: table, Key: kid})
			}
		}
		return true
	})
	certs, err := dropCertificates(issuer, t)
	if err != nil {
		return nil, err
	}
	changes = append(changes, certs...)
	sortChanges(changes)
	return changes, nil
}

func sortChanges(c []Change) {
	sort.Slice(c, func(i, j int) bool {
		if c[i].Table != c[j].Table {
			return c[i].Table < c[j].Table
		}
		return c[i].Key < c[j].Key
	})
}

// set is a JSON Web Key Set; unknown members are ignored.
type set struct {
	Keys []json.RawMessage `json:"keys"`
}

func parseSet(issuer string, jwks []byte) (map[string]Entry, error) {
	if len(jwks) > MaxRowBytes {
		return nil, fmt.Errorf("set of %d bytes is over the limit of %d", len(jwks), MaxRowBytes)
	}
	var s set
	if err := jsondoc.Unmarshal(jwks, &s); err != nil {
		return nil, err
	}
	if len(s.Keys) == 0 {
		return nil, errors.New("no keys")
	}
	if len(s.Keys) > MaxKeys {
		return nil, fmt.Errorf("%d keys are over the limit of %d", len(s.Keys), MaxKeys)
	}
	wanted := make(map[string]Entry, len(s.Keys))
	for i, raw := range s.Keys {
		kid, entry, err := parseSetKey(issuer, raw)
		if err != nil {
			return nil, fmt.Errorf("key %d: %w", i, err)
		}
		if _, twice := wanted[kid]; !twice { // providers do repeat a kid: the first key counts
			wanted[kid] = entry
		}
	}
	return wanted, nil
}

func parseSetKey(issuer string, raw []byte) (string, Entry, error) {
	var k webKey
	if err := jsondoc.Unmarshal(raw, &k); err != nil {
		return "", Entry{}, err
	}
	if k.KID == nil {
		return "", Entry{}, errors.New("no kid")
	}
	spki, err := k.spki()
	if err != nil {
		return "", Entry{}, fmt.Errorf("kid %q: %w", *k.KID, err)
	}
	if k.Issuer != nil && !allowedConstraint(issuer, *k.Issuer) {
		return "", Entry{}, fmt.Errorf("kid %q: issuer constraint %q does not cover issuer %q", *k.KID, *k.Issuer, issuer)
	}
	return *k.KID, Entry{Constraint: k.Issuer, Issuer: issuer, PublicKey: spki}, nil
}

// allowedConstraint tells whether keys of issuer may be bound to constraint:
// the same host, or a parent domain of it. Anything else would let one issuer
// vouch for the tokens of another.
func allowedConstraint(issuer, constraint string) bool {
	bound, ok := Host(constraint)
	if !ok {
		return false
	}
	host, ok := Host(issuer)
	return ok && (host == bound || strings.HasSuffix(host, "."+bound))
}

// Host is the host of an issuer or constraint URL, without port. Braces, as
// in Entra's "{tenantid}" paths, are accepted. It is false without a host.
func Host(raw string) (string, bool) {
	u, err := url.Parse(raw)
	if err != nil || u.Scheme == "" || u.Hostname() == "" {
		return "", false
	}
	return u.Hostname(), true
}

// placeEntry puts entry into a row in place of its issuer's old one, or last.
func placeEntry(row []byte, entry Entry) (value []byte, changed bool, err error) {
	var entries []Entry
	if row != nil {
		if entries, err = ParseEntries(row); err != nil {
			return nil, false, err
		}
	}
	at := len(entries)
	for i, e := range entries {
		if e.Issuer == entry.Issuer {
			at = i
			break
		}
	}
	switch {
	case at == len(entries):
		entries = append(entries, entry)
	case entries[at].same(entry):
		return nil, false, nil
	default:
		entries[at] = entry
	}
	value, err = MarshalEntries(entries)
	return value, true, err
}

// dropIssuer removes the issuer's entries from rows whose kid is not kept.
func dropIssuer(issuer string, t Tables, keep func(kid string) bool) ([]Change, error) {
	var changes []Change
	var failed error
	t.ForEach(KeysTable, func(kid string, row []byte) bool {
		if keep(kid) {
			return true
		}
		entries, err := ParseEntries(row)
		if err != nil {
			failed = fmt.Errorf("jwt signing key %q: %w", kid, err)
			return false
		}
		left := make([]Entry, 0, len(entries))
		for _, e := range entries {
			if e.Issuer != issuer {
				left = append(left, e)
			}
		}
		if len(left) == len(entries) {
			return true
		}
		var value []byte
		if len(left) > 0 {
			value, failed = MarshalEntries(left)
		}
		changes = append(changes, Change{Table: KeysTable, Key: kid, Value: value})
		return failed == nil
	})
	return changes, failed
}

// dropCertificates is dropIssuer for the layout of certificates. The entries
// that stay are written back member by member, so nothing of them is lost.
func dropCertificates(issuer string, t Tables) ([]Change, error) {
	var changes []Change
	var failed error
	t.ForEach(CertificatesTable, func(kid string, row []byte) bool {
		var entries []map[string]any
		if failed = json.Unmarshal(row, &entries); failed != nil {
			failed = fmt.Errorf("jwt signing key %q: %w", kid, failed)
			return false
		}
		left := make([]map[string]any, 0, len(entries))
		for _, e := range entries {
			if e["issuer"] != issuer {
				left = append(left, e)
			}
		}
		if len(left) == len(entries) {
			return true
		}
		var value []byte
		if len(left) > 0 {
			value, failed = jsondoc.Plain(left)
		}
		changes = append(changes, Change{Table: CertificatesTable, Key: kid, Value: value})
		return failed == nil
	})
	return changes, failed
}
