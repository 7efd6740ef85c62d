package governance

import (
	"errors"
	"log/slog"

	"concordat/governance/tables"
	"concordat/js-apps/jwk"
	"concordat/ledger/kv"
)

// jwtTables shows a transaction to the pure functions of package jwk.
type jwtTables struct{ tx *kv.Tx }

func (t jwtTables) Get(table, key string) ([]byte, bool) {
	return tables.Bytes{Name: table}.Get(t.tx, key)
}

func (t jwtTables) ForEach(table string, f func(key string, value []byte) bool) {
	tables.Bytes{Name: table}.Each(t.tx, f)
}

// What scripts see when keys cannot be changed; the reason is in the log.
var (
	errSetKeys    = errors.New("set_jwt_public_signing_keys() failed")
	errRemoveKeys = errors.New("remove_jwt_public_signing_keys() failed")
)

// SetJWTPublicSigningKeys implements ccf.setJwtPublicSigningKeys.
func (a *actions) SetJWTPublicSigningKeys(issuer string, _, jwks []byte) error {
	changes, err := jwk.Import(issuer, jwks, jwtTables{a.tx})
	return a.change(changes, err, errSetKeys)
}

// RemoveJWTPublicSigningKeys implements ccf.removeJwtPublicSigningKeys.
func (a *actions) RemoveJWTPublicSigningKeys(issuer string) error {
	changes, err := jwk.Remove(issuer, jwtTables{a.tx})
	return a.change(changes, err, errRemoveKeys)
}

func (a *actions) change(changes []jwk.Change, err, shown error) error {
	if err != nil {
		if a.log != nil {
			a.log(slog.LevelError, "gov", err.Error())
		}
		return shown
	}
	for _, c := range changes {
		table := tables.Bytes{Name: c.Table}
		if c.Value == nil {
			table.Delete(a.tx, c.Key)
		} else {
			table.Put(a.tx, c.Key, c.Value)
		}
	}
	return nil
}
