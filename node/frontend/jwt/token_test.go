package jwt

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"net/http"
	"strings"
	"testing"
	"time"

	"concordat/js-apps/jwk"
)

const testTime = 1_800_000_000

// signer makes tokens under one EC key whose row is in store.
type signer struct {
	key   *ecdsa.PrivateKey
	store tables
}

func newSigner(t testing.TB, curve elliptic.Curve, constraint *string) *signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	spki, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	row, err := jwk.MarshalEntries([]jwk.Entry{{PublicKey: spki, Issuer: "issuer", Constraint: constraint}})
	if err != nil {
		t.Fatal(err)
	}
	return &signer{key, tables{jwk.KeysTable: {"k": row}}}
}

func (s *signer) token(t testing.TB, header, payload string) string {
	t.Helper()
	text := base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + base64.RawURLEncoding.EncodeToString([]byte(payload))
	digest := sha256.Sum256([]byte(text))
	r, v, err := ecdsa.Sign(rand.Reader, s.key, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	size := (s.key.Curve.Params().BitSize + 7) / 8
	signature := make([]byte, 2*size)
	r.FillBytes(signature[:size])
	v.FillBytes(signature[size:])
	return text + "." + base64.RawURLEncoding.EncodeToString(signature)
}

const goodHeader = `{"alg":"ES256","kid":"k"}`

// ask gives "" for an accepted token, else status and message.
func (s *signer) ask(t testing.TB, header, payload string) (int, string) {
	t.Helper()
	_, f := Authenticate("Bearer "+s.token(t, header, payload), true, s.store, time.Unix(testTime, 0))
	if f == nil {
		return http.StatusOK, ""
	}
	return f.Status, f.Message
}

func TestTimes(t *testing.T) {
	s := newSigner(t, elliptic.P256(), nil)
	for payload, want := range map[string]string{
		`{"iss":"i","exp":1800000000}`:                       "",
		`{"iss":"i","exp":1799999999}`:                       "Current time 1800000000 is after token's Expiration Time (exp) claim 1799999999",
		`{"iss":"i","exp":1799999999.9}`:                     "Current time 1800000000 is after token's Expiration Time (exp) claim 1799999999",
		`{"iss":"i","exp":1e30}`:                             "",
		`{"iss":"i","exp":-1.5}`:                             "",
		`{"iss":"i","exp":18446744073709551615}`:             "",
		`{"iss":"i","exp":1800000000,"nbf":1800000000}`:      "",
		`{"iss":"i","exp":1800000000,"nbf":null}`:            "",
		`{"iss":"i","exp":1800000000,"nbf":1800000001}`:      "Current time 1800000000 is before token's Not Before (nbf) claim optional(1800000001)",
		`{"iss":"i","exp":1,"nbf":1800000001}`:               "Current time 1800000000 is before token's Not Before (nbf) claim optional(1800000001)",
		`{"iss":"i","exp":1,"exp":1800000000}`:               "",
		`{"iss":"i","exp":1e999}`:                            "JWT header or payload is not valid JSON: [json.exception.parse_error.101] parse error at line 1, column 23: number out of range",
		`{"iss":"i","exp":1800000000} x`:                     "JWT header or payload is not valid JSON: [json.exception.parse_error.101] parse error at line 1, column 30: unexpected text after the document",
		"{\"iss\":\"\xff\",\"exp\":1800000000}":              "JWT header or payload is not valid JSON: [json.exception.parse_error.101] parse error at line 1, column 9: invalid string: ill-formed UTF-8",
		`{"iss":"i","exp":1,"a":` + strings.Repeat("[", 600): "JWT header or payload is not valid JSON: [json.exception.parse_error.101] parse error at line 1, column 536: nested too deeply",
		``:    "JWT header or payload is not valid JSON: [json.exception.parse_error.101] parse error at line 1, column 1: unexpected end of input",
		`"x"`: "JWT header or payload is not an object",
	} {
		status, message := s.ask(t, goodHeader, payload)
		if message != want || (want == "") != (status == http.StatusOK) {
			t.Errorf("%s:\n got  %d %s\n want %s", payload, status, message, want)
		}
	}
}

func TestTypes(t *testing.T) {
	s := newSigner(t, elliptic.P256(), nil)
	for _, c := range []struct {
		header, payload string
		status          int
		message         string
	}{
		{goodHeader, `{"iss":"i","exp":true}`, 400, "[json.exception.type_error.302] type must be number, but is boolean"},
		{goodHeader, `{"iss":"i","exp":null}`, 400, "[json.exception.type_error.302] type must be number, but is null"},
		{goodHeader, `{"iss":["i"],"exp":1}`, 400, "[json.exception.type_error.302] type must be string, but is array"},
		{goodHeader, `{"iss":{},"exp":1}`, 400, "[json.exception.type_error.302] type must be string, but is object"},
		{goodHeader, `{"iss":"i","exp":1,"tid":5}`, 400, "[json.exception.type_error.302] type must be string, but is number"},
		{goodHeader, `{"iss":"i"}`, 401, `JWT payload is missing required field: At #/: Missing required field 'exp' in object: {"iss":"i"}`},
		{goodHeader, `{}`, 401, `JWT payload is missing required field: At #/: Missing required field 'exp' in object: {}`},
		{`{}`, `{}`, 401, `JWT header does not follow schema: At #/: Missing required field 'alg' in object: {}`},
		{`{"alg":5,"kid":"k"}`, `{}`, 401, `JWT header does not follow schema: At #/alg: 5 is not convertible to JwtCryptoAlgorithm`},
		{`{"alg":["é",1.0,-0,1e100,{"z":null,"a":"\u0001\"\n"}],"kid":"k"}`, `{}`, 401,
			`JWT header does not follow schema: At #/alg: ["é",1.0,0,1e+100,{"a":"\u0001\"\n","z":null}] is not convertible to JwtCryptoAlgorithm`},
		{`[]`, `{"iss":"i","exp":1}`, 401, "JWT header or payload is not an object"},
	} {
		status, message := s.ask(t, c.header, c.payload)
		if status != c.status || message != c.message {
			t.Errorf("%s %s:\n got  %d %s\n want %d %s", c.header, c.payload, status, message, c.status, c.message)
		}
	}
}

func TestCurves(t *testing.T) {
	for _, curve := range []elliptic.Curve{elliptic.P256(), elliptic.P384(), elliptic.P521()} {
		s := newSigner(t, curve, nil)
		if status, message := s.ask(t, goodHeader, `{"iss":"i","exp":1900000000}`); status != http.StatusOK {
			t.Errorf("%s: %s", curve.Params().Name, message)
		}
		other := newSigner(t, curve, nil)
		other.store = s.store
		if _, message := other.ask(t, goodHeader, `{"iss":"i","exp":1900000000}`); message != "Signature verification failed" {
			t.Errorf("%s, another key: %q", curve.Params().Name, message)
		}
	}
}

func TestConstraints(t *testing.T) {
	const entra = "https://login.microsoftonline.com/{tenantid}/v2.0"
	for _, c := range []struct {
		constraint, claims string
		want               bool
	}{
		{"https://i.example", `"iss":"https://i.example"`, true},
		{"https://i.example", `"iss":"https://i.example/"`, false},
		{"https://i.example", `"iss":"https://i.example","tid":"t"`, false},
		{"https://i.example", `"iss":"https://i.example","tid":null`, true},
		{"https://i.example/{tenantid}", `"iss":"https://i.example/t","tid":"t"`, false},
		{entra, `"iss":"https://login.microsoftonline.com/t1/v2.0","tid":"t1"`, true},
		{entra, `"iss":"https://login.microsoftonline.com/t1/v2.0","tid":"t2"`, false},
		{entra, `"iss":"https://login.microsoftonline.com/t1/v2.0"`, false},
		{entra, `"iss":"https://login.microsoftonline.com/a/b/v2.0","tid":"a/b"`, false},
		{"https://login.microsoftonline.com/t1/v2.0", `"iss":"https://login.microsoftonline.com/t1/v2.0","tid":"t1"`, true},
		{"https://login.microsoftonline.com/t1/v2.0", `"iss":"https://login.microsoftonline.com/t1/v2.0","tid":"t2"`, false},
	} {
		s := newSigner(t, elliptic.P256(), &c.constraint)
		status, message := s.ask(t, goodHeader, `{"exp":1900000000,`+c.claims+`}`)
		if (status == http.StatusOK) != c.want {
			t.Errorf("%s with %s: %d %s", c.constraint, c.claims, status, message)
		}
		if !c.want && message != "Kid k failed issuer constraint validation "+c.constraint {
			t.Errorf("message %q", message)
		}
	}
}

func TestHeaderShapes(t *testing.T) {
	s := newSigner(t, elliptic.P256(), nil)
	token := s.token(t, goodHeader, `{"iss":"i","exp":1900000000}`)
	for _, c := range []struct {
		header  string
		present bool
		status  int
		message string
	}{
		{"", false, 401, "Missing authorization header"},
		{"", true, 401, "Authorization header only contains one field"},
		{token, true, 401, "Authorization header only contains one field"},
		{"BEARER " + token, true, 401, "Authorization header does not have Bearer scheme"},
		{" Bearer " + token, true, 401, "Authorization header does not have Bearer scheme"},
		{"Bearer " + token + ".", true, 401, "Malformed JWT: must contain exactly 3 parts"},
		{"Bearer " + token + "!", true, 500, "OSSL: Could not decode update from base64 string: unknown error [88 bytes out of 146, chunk_len = 0]"},
		{"Bearer a.b.c", true, 500, "OSSL: Could not decode final from base64 string: unknown error [1 bytes out of 83, chunk_len = 0]"},
		{"Bearer " + strings.Repeat("a", MaxTokenBytes+1), true, 401, "Malformed JWT: longer than 1048576 bytes"},
	} {
		_, f := Authenticate(c.header, c.present, s.store, time.Unix(testTime, 0))
		if f == nil || f.Status != c.status || !strings.HasPrefix(f.Message, c.message) {
			t.Errorf("%.40q: %v, want %d %s", c.header, f, c.status, c.message)
		}
	}
	if _, f := Authenticate("Bearer "+token+"==", true, s.store, time.Unix(testTime, 0)); f != nil {
		t.Errorf("padded signature: %v", f)
	}
}

func TestBrokenRow(t *testing.T) {
	s := newSigner(t, elliptic.P256(), nil)
	s.store[jwk.KeysTable]["k"] = []byte("{")
	if status, _ := s.ask(t, goodHeader, `{"iss":"i","exp":1900000000}`); status != http.StatusInternalServerError {
		t.Errorf("status %d", status)
	}
}

// FuzzToken: no input panics and nothing unsigned is accepted.
func FuzzToken(f *testing.F) {
	s := newSigner(f, elliptic.P256(), nil)
	good := s.token(f, goodHeader, `{"iss":"i","exp":1900000000,"f":[1.5e300,-0.0,"\u00e9",{"":null}]}`)
	f.Add(good)
	f.Add("e30.e30.")
	f.Add("a.b.c")
	f.Fuzz(func(t *testing.T, token string) {
		id, failure := Authenticate("Bearer "+token, true, s.store, time.Unix(testTime, 0))
		if (id == nil) == (failure == nil) {
			t.Fatal("neither or both results")
		}
		if id != nil {
			head, _, _ := strings.Cut(good, ".")
			if !strings.HasPrefix(token, head+".") {
				t.Fatalf("accepted %q", token)
			}
		}
	})
}
