package govapi

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"

	"concordat/governance/tables"
	"concordat/ledger/kv"
	"concordat/node/frontend"
)

type joinPolicy struct {
	SGX struct {
		Measurements []string `json:"measurements"`
	} `json:"sgx"`
	SNP struct {
		HostData        map[string]string                    `json:"hostData"`
		Measurements    []string                             `json:"measurements"`
		TCBVersions     map[string]tables.TCBVersion         `json:"tcbVersions"`
		UVMEndorsements map[string]map[string]tables.UVMFeed `json:"uvmEndorsements"`
	} `json:"snp"`
	Virtual struct {
		HostData     []string `json:"hostData"`
		Measurements []string `json:"measurements"`
	} `json:"virtual"`
}

func getJoinPolicy(c *frontend.Context) error {
	tx := c.Tx()
	var out joinPolicy
	var err error
	out.SGX.Measurements = tables.Bytes(tables.CodeIDs).Keys(tx)
	out.SNP.Measurements = tables.Bytes(tables.SNPMeasure).Keys(tx)
	out.Virtual.Measurements = tables.Bytes(tables.VirtualMeasure).Keys(tx)
	out.Virtual.HostData = tables.VirtualHosts.Keys(tx)
	if out.SNP.HostData, err = collect(tx, tables.SNPHosts); err != nil {
		return err
	}
	if out.SNP.TCBVersions, err = collect(tx, tables.SNPTCB); err != nil {
		return err
	}
	if out.SNP.UVMEndorsements, err = collect(tx, tables.SNPUVM); err != nil {
		return err
	}
	return answer(c, out)
}

// collect reads a whole table.
func collect[V any](tx *kv.Tx, table tables.Rows[V]) (map[string]V, error) {
	out := map[string]V{}
	err := table.Each(tx, func(key string, v V) bool {
		out[key] = v
		return true
	})
	return out, err
}

type issuerView struct {
	AutoRefresh      bool   `json:"autoRefresh"`
	CACertBundleName string `json:"caCertBundleName,omitempty"`
}

type keyView struct {
	Constraint *string `json:"constraint"`
	Issuer     string  `json:"issuer"`
	PublicKey  string  `json:"publicKey"`
}

type jwkView struct {
	CACertBundles map[string]string     `json:"caCertBundles"`
	Issuers       map[string]issuerView `json:"issuers"`
	Keys          map[string][]keyView  `json:"keys"`
}

func getJWK(c *frontend.Context) error {
	tx := c.Tx()
	out := jwkView{Issuers: map[string]issuerView{}, Keys: map[string][]keyView{}}
	var err error
	if out.CACertBundles, err = collect(tx, tables.CACertBundles); err != nil {
		return err
	}
	err = tables.JWTIssuers.Each(tx, func(issuer string, row tables.JWTIssuer) bool {
		out.Issuers[issuer] = issuerView{row.AutoRefresh, row.CACertBundleName}
		return true
	})
	if err != nil {
		return err
	}
	keys, err := collect(tx, tables.JWTKeys)
	if err != nil {
		return err
	}
	for kid, entries := range keys {
		if out.Keys[kid], err = viewKeys(entries); err != nil {
			return fmt.Errorf("JWT signing key %q: %w", kid, err)
		}
	}
	return answer(c, out)
}

func viewKeys(entries []tables.JWTKey) ([]keyView, error) {
	views := make([]keyView, 0, len(entries))
	for _, e := range entries {
		if _, err := x509.ParsePKIXPublicKey(e.PublicKey); err != nil {
			return nil, err
		}
		view := keyView{Issuer: e.Issuer, PublicKey: string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: e.PublicKey}))}
		if e.Constraint != "" {
			view.Constraint = &e.Constraint
		}
		views = append(views, view)
	}
	return views, nil
}
