package governance

import (
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

// SetJWTPublicSigningKeys implements ccf.setJwtPublicSigningKeys.
func (a *actions) SetJWTPublicSigningKeys(issuer string, _, jwks []byte) error {
	return a.change(jwk.Import(issuer, jwks, jwtTables{a.tx}))
}

// RemoveJWTPublicSigningKeys implements ccf.removeJwtPublicSigningKeys.
func (a *actions) RemoveJWTPublicSigningKeys(issuer string) error {
	return a.change(jwk.Remove(issuer, jwtTables{a.tx}))
}

func (a *actions) change(changes []jwk.Change, err error) error {
	if err != nil {
		return err
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
