package jwk

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"maps"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"
)

// tables is a store of plain maps; iteration is in key order.
type tables map[string]map[string][]byte

func (t tables) Get(table, key string) ([]byte, bool) { v, ok := t[table][key]; return v, ok }

func (t tables) ForEach(table string, f func(string, []byte) bool) {
	for _, k := range slices.Sorted(maps.Keys(t[table])) {
		if !f(k, t[table][k]) {
			return
		}
	}
}

func (t tables) apply(changes []Change) {
	for _, c := range changes {
		if t[c.Table] == nil {
			t[c.Table] = map[string][]byte{}
		}
		if t[c.Table][c.Key] = c.Value; c.Value == nil {
			delete(t[c.Table], c.Key)
		}
	}
}

// must imports and applies, and gives the kids that changed.
func (t tables) must(tt *testing.T, issuer, jwks string) string {
	tt.Helper()
	changes, err := Import(issuer, []byte(jwks), t)
	if err != nil {
		tt.Fatal(err)
	}
	t.apply(changes)
	var kids []string
	for _, c := range changes {
		kids = append(kids, c.Key)
	}
	return strings.Join(kids, " ")
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

type testKeys struct {
	rsa, other *rsa.PrivateKey
	ec         *ecdsa.PrivateKey
	ecCert     []byte
}

var keys = func() testKeys {
	var k testKeys
	k.rsa, _ = rsa.GenerateKey(rand.Reader, 2048)
	k.other, _ = rsa.GenerateKey(rand.Reader, 2048)
	k.ec, _ = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "issuer"}, NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1e10, 0)}
	k.ecCert, _ = x509.CreateCertificate(rand.Reader, template, template, &k.ec.PublicKey, k.ec)
	return k
}()

func rsaJWK(kid string, k *rsa.PrivateKey, more string) string {
	return `{"kty":"RSA","kid":"` + kid + `","n":"` + b64(k.N.Bytes()) + `","e":"AQAB"` + more + `}`
}

func ecJWK(kid string) string {
	point, _ := keys.ec.PublicKey.Bytes()
	return `{"kty":"EC","kid":"` + kid + `","crv":"P-256","x":"` + b64(point[1:33]) + `","y":"` + b64(point[33:]) + `"}`
}

func x5cJWK(kid string) string {
	return `{"kty":"EC","kid":"` + kid + `","x5c":["` + base64.StdEncoding.EncodeToString(keys.ecCert) + `"]}`
}

func setOf(keys ...string) string { return `{"keys":[` + strings.Join(keys, ",") + `]}` }

func TestImportReplaces(t *testing.T) {
	store := tables{}
	const a, b = "https://a.example/x", "https://b.example/"
	if got := store.must(t, a, setOf(rsaJWK("1", keys.rsa, ""), ecJWK("2"), x5cJWK("3"))); got != "1 2 3" {
		t.Errorf("first import writes %q", got)
	}
	if got := store.must(t, a, setOf(x5cJWK("3"), rsaJWK("1", keys.rsa, ""), ecJWK("2"))); got != "" {
		t.Errorf("the same import writes %q", got)
	}
	if got := store.must(t, b, setOf(rsaJWK("1", keys.other, ""))); got != "1" {
		t.Errorf("second issuer writes %q", got)
	}
	if got := store.must(t, a, setOf(ecJWK("2"), rsaJWK("4", keys.rsa, ""))); got != "1 3 4" {
		t.Errorf("replacement writes %q", got)
	}
	entries, err := ParseEntries(store[KeysTable]["1"])
	if err != nil || len(entries) != 1 || entries[0].Issuer != b {
		t.Errorf("the other issuer's entry is %v, %v", entries, err)
	}
	if got := strings.Join(slices.Sorted(maps.Keys(store[KeysTable])), " "); got != "1 2 4" {
		t.Errorf("rows left: %s", got)
	}
	if string(store[KeysTable]["2"]) == "" || store.must(t, a, setOf(rsaJWK("2", keys.rsa, ""), rsaJWK("4", keys.rsa, ""))) != "2" {
		t.Error("a changed key is not written")
	}
}

func TestRowBytes(t *testing.T) {
	store := tables{}
	store.must(t, "https://i.example/<a>&", setOf(rsaJWK("k", keys.rsa, `,"issuer":"https://i.example/{tenantid}&"`)))
	spki, _ := x509.MarshalPKIXPublicKey(&keys.rsa.PublicKey)
	want := `[{"constraint":"https://i.example/{tenantid}&","issuer":"https://i.example/<a>&","public_key":"` +
		base64.StdEncoding.EncodeToString(spki) + `"}]`
	if got := string(store[KeysTable]["k"]); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestOrderWithinRow(t *testing.T) {
	store := tables{}
	for _, issuer := range []string{"https://b.example", "https://a.example", "https://c.example"} {
		store.must(t, issuer, setOf(rsaJWK("k", keys.rsa, "")))
	}
	store.must(t, "https://a.example", setOf(rsaJWK("k", keys.other, "")))
	found, err := Lookup(store, "k")
	if err != nil || len(found) != 3 {
		t.Fatalf("%v, %v", found, err)
	}
	var order []string
	for _, k := range found {
		order = append(order, k.Issuer)
	}
	if got := strings.Join(order, " "); got != "https://b.example https://a.example https://c.example" {
		t.Errorf("order %s", got)
	}
	if !found[1].Public.(*rsa.PublicKey).Equal(&keys.other.PublicKey) {
		t.Error("the replaced key is still the old one")
	}
}

func TestConstraintHosts(t *testing.T) {
	for _, c := range []struct {
		issuer, constraint string
		want               bool
	}{
		{"https://a.example/x", "https://a.example/y", true},
		{"https://sub.a.example/", "https://a.example/", true},
		{"https://sub.a.example:8443/", "https://a.example/", true},
		{"https://a.example/", "https://sub.a.example/", false},
		{"https://aa.example/", "https://a.example/", false},
		{"https://a.example/", "https://evil.example/", false},
		{"https://a.example/", "a.example", false},
		{"https://a.example/", "", false},
		{"a.example", "https://a.example/", false},
		{"https://login.microsoftonline.com/common/v2.0", "https://login.microsoftonline.com/{tenantid}/v2.0", true},
	} {
		constraint, _ := json.Marshal(c.constraint)
		_, err := Import(c.issuer, []byte(setOf(rsaJWK("k", keys.rsa, `,"issuer":`+string(constraint)))), tables{})
		if (err == nil) != c.want {
			t.Errorf("%s bound to %s: %v", c.issuer, c.constraint, err)
		}
	}
}

func TestImportRefusals(t *testing.T) {
	good := rsaJWK("good", keys.rsa, "")
	for name, jwks := range map[string]string{
		"empty set": setOf(), "no keys": `{}`, "not JSON": `{`, "null": `null`, "number": `5`,
		"no kid": setOf(good, `{"n":"AQAB","e":"AQAB"}`), "kid a number": setOf(`{"kid":5,"n":"AQAB","e":"AQAB"}`),
		"no material": setOf(good, `{"kid":"k","kty":"RSA"}`), "short modulus": setOf(`{"kid":"k","n":"AQAB","e":"AQAB"}`),
		"bad base64": setOf(`{"kid":"k","n":"!","e":"AQAB"}`), "even exponent": setOf(strings.Replace(good, "AQAB", "AQAA", 1)),
		"huge exponent": setOf(strings.Replace(good, `"AQAB"`, `"`+b64(make([]byte, 9))+`AQAB"`, 1) + `,{}`),
		"unknown curve": setOf(strings.Replace(ecJWK("k"), "P-256", "secp256k1", 1)),
		"off the curve": setOf(`{"kid":"k","crv":"P-256","x":"AQ","y":"AQ"}`), "long x": setOf(`{"kid":"k","crv":"P-256","x":"` + b64(make([]byte, 33)) + `","y":"AQ"}`),
		"bad x5c": setOf(`{"kid":"k","x5c":["AAAA"]}`), "x5c not base64": setOf(`{"kid":"k","x5c":["-"]}`), "x5c a string": setOf(`{"kid":"k","x5c":"AAAA"}`),
		"upper-case members": setOf(strings.NewReplacer(`"n"`, `"N"`, `"e"`, `"E"`).Replace(good)),
	} {
		if _, err := Import("https://i.example", []byte(jwks), tables{}); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	many := make([]string, MaxKeys+1)
	for i := range many {
		many[i] = `{}`
	}
	if _, err := Import("https://i.example", []byte(setOf(many...)), tables{}); err == nil || !strings.Contains(err.Error(), "over the limit") {
		t.Errorf("too many keys: %v", err)
	}
}

func TestRemove(t *testing.T) {
	store := tables{
		CertificatesTable:     {"old": []byte(`[{"cert":"AA==","extra":1,"issuer":"https://a.example"},{"cert":"AQ==","issuer":"https://b.example"}]`)},
		LegacyKeyTable:        {"older": keys.ecCert, "kept": keys.ecCert},
		LegacyKeyTablePlural:  {"older": keys.ecCert},
		LegacyKeyIssuersTable: {"older": []byte("https://a.example"), "kept": []byte("https://b.example")},
	}
	store.must(t, "https://a.example", setOf(rsaJWK("1", keys.rsa, ""), rsaJWK("2", keys.rsa, "")))
	store.must(t, "https://b.example", setOf(rsaJWK("1", keys.rsa, "")))
	changes, err := Remove("https://a.example", store)
	if err != nil {
		t.Fatal(err)
	}
	store.apply(changes)
	for table, want := range map[string]string{KeysTable: "1", CertificatesTable: "old", LegacyKeyTable: "kept", LegacyKeyTablePlural: "", LegacyKeyIssuersTable: "kept"} {
		if got := strings.Join(slices.Sorted(maps.Keys(store[table])), " "); got != want {
			t.Errorf("%s keeps %q, want %q", table, got, want)
		}
	}
	if got := string(store[CertificatesTable]["old"]); got != `[{"cert":"AQ==","issuer":"https://b.example"}]` {
		t.Errorf("row of the other issuer: %s", got)
	}
	if again, err := Remove("https://a.example", store); err != nil || len(again) != 0 {
		t.Errorf("second removal: %v, %v", again, err)
	}
}

func TestLookupLayouts(t *testing.T) {
	cert := base64.StdEncoding.EncodeToString(keys.ecCert)
	constraint := "https://c.example"
	for name, c := range map[string]struct {
		store  tables
		issuer string
	}{
		"certificates":  {tables{CertificatesTable: {"k": []byte(`[{"cert":"` + cert + `","issuer":"i1","constraint":"` + constraint + `"}]`)}}, "i1"},
		"legacy":        {tables{LegacyKeyTable: {"k": keys.ecCert}, LegacyKeyIssuersTable: {"k": []byte("i2")}}, "i2"},
		"legacy plural": {tables{LegacyKeyTablePlural: {"k": keys.ecCert}, LegacyKeyIssuersTable: {"k": []byte("i3")}}, "i3"},
	} {
		found, err := Lookup(c.store, "k")
		if err != nil || len(found) != 1 || found[0].Issuer != c.issuer {
			t.Fatalf("%s: %v, %v", name, found, err)
		}
		if !keys.ec.PublicKey.Equal(found[0].Public) {
			t.Errorf("%s: another key", name)
		}
		if (name == "certificates") != (found[0].Constraint != nil && *found[0].Constraint == constraint) {
			t.Errorf("%s: constraint %v", name, found[0].Constraint)
		}
		c.store.must(t, "https://new.example", setOf(rsaJWK("k", keys.rsa, "")))
		if found, _ = Lookup(c.store, "k"); len(found) != 1 || found[0].Issuer != "https://new.example" {
			t.Errorf("%s: the newest layout does not win", name)
		}
	}
	if found, err := Lookup(tables{}, "k"); len(found) != 0 || err != nil {
		t.Errorf("no rows: %v, %v", found, err)
	}
	for _, store := range []tables{
		{KeysTable: {"k": []byte(`{`)}}, {KeysTable: {"k": []byte(`[{"public_key":"AAAA"}]`)}},
		{CertificatesTable: {"k": []byte(`[{"cert":"AAAA"}]`)}}, {LegacyKeyTable: {"k": []byte("x")}}, {KeysTable: {"k": make([]byte, MaxRowBytes+1)}},
	} {
		if _, err := Lookup(store, "k"); err == nil {
			t.Errorf("broken row accepted: %v", store)
		}
	}
}

// FuzzImport: what is accepted can be looked up, and importing it again
// changes nothing.
func FuzzImport(f *testing.F) {
	f.Add([]byte(setOf(rsaJWK("1", keys.rsa, `,"issuer":"https://i.example"`), ecJWK("2"), x5cJWK("3"))))
	f.Add([]byte(setOf(`{"kid":"k","n":"AQAB","e":"AQAB"}`)))
	f.Fuzz(func(t *testing.T, jwks []byte) {
		store := tables{}
		changes, err := Import("https://i.example", jwks, store)
		if err != nil {
			return
		}
		store.apply(changes)
		for _, c := range changes {
			if found, err := Lookup(store, c.Key); err != nil || len(found) != 1 {
				t.Fatalf("kid %q: %v, %v", c.Key, found, err)
			}
		}
		if again, err := Import("https://i.example", jwks, store); err != nil || len(again) != 0 {
			t.Fatalf("again: %v, %v", again, err)
		}
	})
}
