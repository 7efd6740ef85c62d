package jscrypto

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"math/big"
	"strings"
	"testing"
)

func kindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return 0
}

func TestGenerate(t *testing.T) {
	for _, bits := range []int64{128, 192, 256} {
		if k, err := GenerateAESKey(rand.Reader, bits); err != nil || len(k) != int(bits/8) {
			t.Errorf("AES %d: %d bytes, %v", bits, len(k), err)
		}
	}
	for _, bits := range []int64{0, -128, 100, 129, 512} {
		if _, err := GenerateAESKey(rand.Reader, bits); kindOf(err) != RangeError {
			t.Errorf("AES %d: %v", bits, err)
		}
	}
	if _, err := GenerateECDSAKeyPair(rand.Reader, "secp256k1"); err == nil || err.Error() != "RangeError: Unsupported curve id, supported: secp256r1, secp384r1" {
		t.Errorf("secp256k1: %v", err)
	}
	if _, err := GenerateEdDSAKeyPair(rand.Reader, "ed448"); kindOf(err) != RangeError {
		t.Errorf("ed448: %v", err)
	}
}

func TestGenerateRSA(t *testing.T) {
	for _, c := range []struct {
		bits, exponent int64
		reason         string
	}{
		{0, 0, "expected positive value"}, {-1, 0, "key size too small"}, {511, 0, "key size too small"}, {maxRSABits + 1, 0, "key size too large"},
		{2048, 1, "pub exponent out of range"}, {2048, 2, "pub exponent out of range"}, {2048, 1 << 32, "pub exponent out of range"},
	} {
		if _, err := GenerateRSAKeyPair(rand.Reader, c.bits, c.exponent); kindOf(err) != InternalError || !strings.HasSuffix(err.Error(), c.reason) {
			t.Errorf("%d, %d: %v", c.bits, c.exponent, err)
		}
	}
	for _, c := range [][2]int64{{512, 0}, {513, 3}, {1024, 3}, {1024, 65537}, {2048, 0}} {
		pair, err := GenerateRSAKeyPair(rand.Reader, c[0], c[1])
		if err != nil {
			t.Fatalf("%v: %v", c, err)
		}
		if !strings.HasPrefix(pair.PrivateKey, "-----BEGIN PRIVATE KEY-----\n") || !strings.HasPrefix(pair.PublicKey, "-----BEGIN PUBLIC KEY-----\n") {
			t.Errorf("%v: wrong PEM shape", c)
		}
		public, err := rsaPublic(pair.PublicKey)
		if err != nil || public.N.BitLen() != int(c[0]) {
			t.Errorf("%v: %v", c, err)
		}
		if c[1] != 0 && int64(public.E) != c[1] {
			t.Errorf("%v: exponent %d", c, public.E)
		}
	}
}

func TestKeyPairHidesItsSecret(t *testing.T) {
	pair, err := GenerateECDSAKeyPair(rand.Reader, "secp256r1")
	if err != nil {
		t.Fatal(err)
	}
	if pair.String() != "[redacted]" || pair.GoString() != "[redacted]" {
		t.Error("key pair prints its secret")
	}
}

func TestEdDSAWithECKey(t *testing.T) {
	signature, err := Sign(rand.Reader, SignAlgorithm{Name: "EdDSA"}, testKey(t, "ec256_privk"), probeData)
	if err != nil {
		t.Fatal(err)
	}
	key, err := parsePublicKey(testKey(t, "ec256_pubk"))
	if err != nil {
		t.Fatal(err)
	}
	digest := sha256.Sum256(probeData)
	if !ecdsa.VerifyASN1(key.(*ecdsa.PublicKey), digest[:], signature) {
		t.Error("not a DER ECDSA signature over SHA-256")
	}
}

func TestPSSSaltLengths(t *testing.T) {
	private, public := testKey(t, "rsa2048_privk"), testKey(t, "rsa2048_pubk")
	const longest = 256 - 32 - 2
	for _, c := range []struct {
		sign, verify int64
		want         bool
	}{
		{0, 0, true}, {0, -2, true}, {0, 1, false}, {1, 0, false}, {20, 20, true}, {20, -2, true}, {20, -1, false},
		{-1, 32, true}, {-2, longest, true}, {-3, -3, true}, {longest, -3, true}, {longest, longest + 1, false}, {20, -9, false},
	} {
		signature, err := Sign(rand.Reader, SignAlgorithm{Name: "RSA-PSS", Hash: "SHA-256", SaltLength: c.sign}, private, probeData)
		if err != nil {
			t.Fatal(err)
		}
		got, err := VerifySignature(SignAlgorithm{Name: "RSA-PSS", Hash: "SHA-256", SaltLength: c.verify}, public, signature, probeData)
		if err != nil || got != c.want {
			t.Errorf("salt %d checked as %d: %v, %v", c.sign, c.verify, got, err)
		}
	}
	for _, salt := range []int64{longest + 1, -4} {
		if _, err := Sign(rand.Reader, SignAlgorithm{Name: "RSA-PSS", Hash: "SHA-256", SaltLength: salt}, private, probeData); kindOf(err) != InternalError {
			t.Errorf("salt %d: %v", salt, err)
		}
	}
}

// TestPSSOddModulus covers modulus lengths at which the encoded message is a
// byte shorter than the modulus.
func TestPSSOddModulus(t *testing.T) {
	for _, bits := range []int64{1025, 1031, 1032} {
		pair, err := GenerateRSAKeyPair(rand.Reader, bits, 3)
		if err != nil {
			t.Fatal(err)
		}
		alg := SignAlgorithm{Name: "RSA-PSS", Hash: "SHA-256"}
		signature, err := Sign(rand.Reader, alg, pair.PrivateKey, probeData)
		if err != nil {
			t.Fatalf("%d: %v", bits, err)
		}
		if ok, err := VerifySignature(alg, pair.PublicKey, signature, probeData); !ok || err != nil {
			t.Errorf("%d: own signature: %v, %v", bits, ok, err)
		}
		signature[len(signature)-1] ^= 1
		if ok, _ := VerifySignature(alg, pair.PublicKey, signature, probeData); ok {
			t.Errorf("%d: altered signature accepted", bits)
		}
	}
}

// TestKWPVectors are the two examples of RFC 5649 §6.
func TestKWPVectors(t *testing.T) {
	kek, _ := hex.DecodeString("5840df6e29b02af1ab493b705bf16ea1ae8338f4dcc176a8")
	for plain, wrapped := range map[string]string{
		"c37b7e6492584340bed12207808941155068f738": "138bdeaa9b8fa7fc61f97742e72248ee5ae6ae5360d1ae6a5f54f373fa543b6a",
		"466f7250617369": "afbeb0f07dfbf5419200f2ccb50bb24f",
	} {
		key, _ := hex.DecodeString(plain)
		w, err := WrapKey(nil, key, kek, WrapAlgorithm{Name: "AES-KWP"})
		if err != nil || hex.EncodeToString(w) != wrapped {
			t.Errorf("wrap %s: %x, %v", plain, w, err)
		}
		back, err := UnwrapKey(w, kek, WrapAlgorithm{Name: "AES-KWP"})
		if err != nil || !bytes.Equal(back, key) {
			t.Errorf("unwrap %s: %x, %v", wrapped, back, err)
		}
	}
}

func TestK256(t *testing.T) {
	alg := SignAlgorithm{Name: "ECDSA", Hash: "SHA-256"}
	p := loadProbe(t, "crypto-sign")
	signature, public := p.literal(t, "v-k256", 0), testKey(t, "k256_pubk")
	for i := range signature {
		altered := bytes.Clone(signature)
		altered[i] ^= 0x10
		if ok, err := VerifySignature(alg, public, altered, probeData); ok || err != nil {
			t.Errorf("byte %d altered: %v, %v", i, ok, err)
		}
	}
	key, err := parsePublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	point := bytes.Clone(key.(k256Public).point)
	digest := sha256.Sum256(probeData)
	compressed := append([]byte{2 + point[64]&1}, point[1:33]...)
	if !verifyK256(compressed, digest[:], signature) {
		t.Error("compressed point refused")
	}
	compressed[0] ^= 1
	if verifyK256(compressed, digest[:], signature) {
		t.Error("negated point accepted")
	}
	point[64] ^= 1
	if verifyK256(point, digest[:], signature) {
		t.Error("point off the curve accepted")
	}
}

func TestJWKRoundTrips(t *testing.T) {
	kid := "a <kid> & more"
	for _, c := range []struct {
		private, public      KeyForm
		privateKey, pubKey   string
		privateKeys, pubKey0 string
	}{
		{ECPrivate, ECPublic, "ec256_privk", "ec256_pubk", "crv d kid kty x y", "crv kid kty x y"},
		{ECPrivate, ECPublic, "ec384_privk", "ec384_pubk", "crv d kid kty x y", "crv kid kty x y"},
		{RSAPrivate, RSAPublic, "rsa2048_privk", "rsa2048_pubk", "d dp dq e kid kty n p q qi", "e kid kty n"},
		{EdDSAPrivate, EdDSAPublic, "ed25519_privk", "ed25519_pubk", "crv d kid kty x", "crv kid kty x"},
		{EdDSAPrivate, EdDSAPublic, "x25519_privk", "x25519_pubk", "crv d kid kty x", "crv kid kty x"},
	} {
		for form, k := range map[KeyForm][2]string{c.private: {c.privateKey, c.privateKeys}, c.public: {c.pubKey, c.pubKey0}} {
			text := testKey(t, k[0])
			jwk, err := PEMToJWK(form, text, &kid)
			if err != nil {
				t.Fatalf("%s: %v", k[0], err)
			}
			if names := memberNames(t, jwk); names != k[1] {
				t.Errorf("%s: members %q, want %q", k[0], names, k[1])
			}
			if back := JWKToPEM(form, jwk); back != text {
				t.Errorf("%s: comes back as\n%s", k[0], back)
			}
			bare, err := PEMToJWK(form, text, nil)
			if err != nil || bytes.Contains(bare, []byte("kid")) {
				t.Errorf("%s: without kid: %s, %v", k[0], bare, err)
			}
		}
	}
}

// memberNames lists the members of an object in the order of its text.
func memberNames(t *testing.T, text []byte) string {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(text))
	var names []string
	for i := 0; ; i++ {
		token, err := d.Token()
		if err != nil {
			break
		}
		if s, ok := token.(string); ok && i%2 == 1 {
			names = append(names, s)
		}
	}
	return strings.Join(names, " ")
}

func TestJWKRefusals(t *testing.T) {
	good, err := PEMToJWK(ECPrivate, testKey(t, "ec256_privk"), nil)
	if err != nil {
		t.Fatal(err)
	}
	ed, err := PEMToJWK(EdDSAPrivate, testKey(t, "ed25519_privk"), nil)
	if err != nil {
		t.Fatal(err)
	}
	with := func(base []byte, name string, v any) string {
		var m map[string]any
		_ = json.Unmarshal(base, &m)
		if m[name] = v; v == nil {
			delete(m, name)
		}
		b, _ := json.Marshal(m)
		return string(b)
	}
	for form := ECPublic; form <= EdDSAPrivate; form++ {
		for _, text := range []string{"", "{}", "null", "5", "[]", `{"kty":"oct","k":"AA"}`, `{"kty":"RSA","n":5,"e":"AQAB"}`} {
			if pem := JWKToPEM(form, []byte(text)); pem != "" {
				t.Errorf("form %d accepts %q", form, text)
			}
		}
	}
	for _, text := range []string{
		with(good, "x", "AAAA"), with(good, "x", nil), with(good, "crv", "P-521"), with(good, "kty", "RSA"),
		with(good, "d", "AQ"), with(good, "d", "!"), with(good, "y", 5),
	} {
		if JWKToPEM(ECPrivate, []byte(text)) != "" {
			t.Errorf("accepted %s", text)
		}
	}
	if JWKToPEM(EdDSAPrivate, []byte(with(ed, "x", "AAAA"))) == "" {
		t.Error("a wrong x beside a good d is to be ignored")
	}
	if JWKToPEM(ECPrivate, []byte(with(good, "extra", map[string]int{"a": 1}))) == "" {
		t.Error("an extra member is to be ignored")
	}
	for _, c := range []struct {
		form    KeyForm
		key     string
		message string
	}{
		{ECPublic, "ec521_pubk", "Unknown OpenSSL group secp521r1"}, {ECPrivate, "k256_privk", "Unknown OpenSSL group secp256k1"},
		{ECPublic, "k256_pubk", "Unknown OpenSSL group secp256k1"}, {RSAPrivate, "ec256_privk", "invalid RSA key"},
		{RSAPrivate, "ed25519_privk", "invalid RSA key"}, {RSAPublic, "ec256_pubk", "invalid RSA key"}, {ECPublic, "ec256_privk", "could not parse PEM"},
	} {
		_, err := PEMToJWK(c.form, testKey(t, c.key), nil)
		if kindOf(err) != InternalError || !strings.HasSuffix(err.Error(), c.message) {
			t.Errorf("form %d of %s: %v", c.form, c.key, err)
		}
	}
}

func TestTCBTurin(t *testing.T) {
	p, err := TCBHexToPolicy("00b00f11", "4800000001020304")
	if err != nil {
		t.Fatal(err)
	}
	got, _ := json.Marshal(p)
	if want := `{"hexstring":"4800000001020304","microcode":72,"snp":1,"tee":2,"boot_loader":3,"fmc":4}`; string(got) != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if _, err := TCBHexToPolicy("00b00f11", "zz00000001020304"); kindOf(err) != HostError {
		t.Errorf("bad hex: %v", err)
	}
}

// TestHugeRSA: a modulus beyond what OpenSSL computes with is refused at once.
func TestHugeRSA(t *testing.T) {
	at := func(bits uint) string {
		n := new(big.Int).Lsh(big.NewInt(1), bits-1)
		der, err := x509.MarshalPKIXPublicKey(&rsa.PublicKey{N: n.SetBit(n, 0, 1), E: 65537})
		if err != nil {
			t.Fatal(err)
		}
		return encodePEM("PUBLIC KEY", der)
	}
	for bits, want := range map[uint]error{maxUsableRSABits: nil, maxUsableRSABits + 1: errInvalidRSA, 1 << 20: errInvalidRSA} {
		if _, err := rsaPublic(at(bits)); err != want {
			t.Errorf("%d bits: %v", bits, err)
		}
	}
	if jwk, err := PEMToJWK(RSAPublic, at(maxUsableRSABits), nil); err != nil || JWKToPEM(RSAPublic, jwk) == "" {
		t.Errorf("longest key: %v", err)
	}
}
