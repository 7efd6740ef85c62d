package jscrypto

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"concordat/ledger/fixture"
)

// The recorded probes of a running CCF node are the contract. Each case of a
// probe is either expressed here in Go or listed as the binding's business
// (argument counts and JavaScript types), so that none is left out unnoticed.

// probe is one probe's source text and recorded answers.
type probe struct {
	source  string
	answers map[string]answer
}

type answer struct {
	OK    any
	Threw *struct{ Name, Message string }
	// Error is the body of a 500, which host exceptions end in.
	Error *struct{ Code, Message string }
}

func loadProbe(t *testing.T, name string) probe {
	t.Helper()
	var recorded struct {
		Calls []struct {
			Probe, Kind string
			Request     struct{ Target string }
			Body        struct{ Text string }
		}
	}
	fixture.JSON(t, &recorded, "js-probes", "calls.json")
	p := probe{answers: map[string]answer{}}
	for _, c := range recorded.Calls {
		if c.Probe != name || c.Kind != "call" {
			continue
		}
		var a answer
		if err := json.Unmarshal([]byte(c.Body.Text), &a); err != nil {
			t.Fatalf("%s: %v", c.Request.Target, err)
		}
		p.answers[strings.TrimPrefix(c.Request.Target, "/app/c/")] = a
	}
	source := fixture.Read(t, "js-probes", "bundles", name, "src", "cases.js")
	p.source = string(source)
	return p
}

var hexLiteral = regexp.MustCompile(`un\("([0-9a-f]*)"\)`)

// literal is the i-th un("…") byte string in the text of a case.
func (p probe) literal(t *testing.T, name string, i int) []byte {
	t.Helper()
	_, rest, ok := strings.Cut(p.source, `"`+name+`": (request)`)
	if !ok {
		t.Fatalf("no case %s", name)
	}
	line, _, _ := strings.Cut(rest, "\n")
	found := hexLiteral.FindAllStringSubmatch(line, -1)
	if i >= len(found) {
		t.Fatalf("case %s has no literal %d", name, i)
	}
	b, err := hex.DecodeString(found[i][1])
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func testKey(t testing.TB, name string) string {
	t.Helper()
	b := fixture.Read(t, "js-probes", "keys", name+".pem")
	return string(b)
}

// run checks every recorded answer against cases, skipping names in binding.
func (p probe) run(t *testing.T, cases map[string]func() (any, error), binding string) {
	skip := map[string]bool{}
	for name := range strings.FieldsSeq(binding) {
		skip[name] = true
		if _, ok := p.answers[name]; !ok {
			t.Errorf("%s: listed for the binding but not recorded", name)
		}
	}
	for name, want := range p.answers {
		f, ok := cases[name]
		if !ok {
			if !skip[name] {
				t.Errorf("%s: recorded but not covered", name)
			}
			continue
		}
		t.Run(name, func(t *testing.T) { compare(t, want, f) })
	}
	for name := range cases {
		if _, ok := p.answers[name]; !ok {
			t.Errorf("%s: covered but not recorded", name)
		}
	}
}

func compare(t *testing.T, want answer, f func() (any, error)) {
	got, err := f()
	var e *Error
	if err != nil && !errors.As(err, &e) {
		t.Fatalf("untyped error %v", err)
	}
	switch {
	case want.Threw != nil:
		if e == nil || e.Kind.String() != want.Threw.Name || cutOpenSSL(e.Message) != cutOpenSSL(want.Threw.Message) {
			t.Errorf("got %v, %v; want %s: %s", got, err, want.Threw.Name, want.Threw.Message)
		}
	case want.Error != nil:
		if e == nil || e.Kind != HostError || e.Message != want.Error.Message {
			t.Errorf("got %v, %v; want host error %q", got, err, want.Error.Message)
		}
	default:
		if err != nil {
			t.Fatalf("got %v; want %v", err, want.OK)
		}
		text, err := json.Marshal(got)
		if err != nil {
			t.Fatal(err)
		}
		var plain any
		if err := json.Unmarshal(text, &plain); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(plain, want.OK) {
			t.Errorf("got %s; want %v", text, want.OK)
		}
	}
}

// cutOpenSSL keeps the part of a message that is the same for any library.
func cutOpenSSL(s string) string {
	before, _, _ := strings.Cut(s, "OpenSSL error:")
	return before
}

func hexOf(b []byte, err error) (any, error) { return hex.EncodeToString(b), err }

func sizeOf(b []byte, err error) (any, error) { return len(b), err }

// buffer is the JSON form in which the probes show an ArrayBuffer.
func buffer(b []byte, err error) (any, error) {
	return map[string]string{"$type": "ArrayBuffer", "hex": hex.EncodeToString(b)}, err
}

func boolOf(b bool, err error) (any, error) { return b, err }

var probeData = []byte("data to be signed")

func TestGoldenSign(t *testing.T) {
	p := loadProbe(t, "crypto-sign")
	key := func(name string) string { return testKey(t, name) }
	sign := func(alg SignAlgorithm, key string, data []byte) ([]byte, error) {
		return Sign(rand.Reader, alg, key, data)
	}
	cases := map[string]func() (any, error){}
	digest := func(name, alg string, data []byte) {
		cases[name] = func() (any, error) { return hexOf(Digest(alg, data)) }
	}
	digest("digest", "SHA-256", probeData)
	digest("digest-empty", "SHA-256", nil)
	digest("digest-384", "SHA-384", probeData)
	digest("digest-lower", "sha-256", probeData)
	digest("digest-sha256", "SHA256", probeData)
	digest("digest-alg-obj", "[object Object]", probeData)
	digest("digest-undef", "undefined", probeData)

	for _, hash := range []string{"SHA-256", "SHA-384", "SHA-512"} {
		cases["hmac-"+hash] = func() (any, error) {
			return hexOf(sign(SignAlgorithm{Name: "HMAC", Hash: hash}, "secret key", probeData))
		}
		cases["pss0-"+hash] = func() (any, error) {
			return hexOf(sign(SignAlgorithm{Name: "RSA-PSS", Hash: hash}, key("rsa2048_privk"), probeData))
		}
		self := func(name string, alg SignAlgorithm, private, public string) {
			cases[name] = func() (any, error) {
				s, err := sign(alg, key(private), probeData)
				if err != nil {
					return nil, err
				}
				ok, err := VerifySignature(alg, key(public), s, probeData)
				return []any{len(s), ok}, err
			}
		}
		self("pss32-self-"+hash, SignAlgorithm{Name: "RSA-PSS", Hash: hash, SaltLength: 32}, "rsa2048_privk", "rsa2048_pubk")
		self("ecdsa-ec256-"+hash, SignAlgorithm{Name: "ECDSA", Hash: hash}, "ec256_privk", "ec256_pubk")
		self("ecdsa-ec384-"+hash, SignAlgorithm{Name: "ECDSA", Hash: hash}, "ec384_privk", "ec384_pubk")
	}

	ecdsa256 := SignAlgorithm{Name: "ECDSA", Hash: "SHA-256"}
	eddsa := SignAlgorithm{Name: "EdDSA"}
	pss := SignAlgorithm{Name: "RSA-PSS", Hash: "SHA-256"}
	hmac256 := SignAlgorithm{Name: "HMAC", Hash: "SHA-256"}
	show := func(name string, alg SignAlgorithm, key string, data []byte) {
		cases[name] = func() (any, error) { return hexOf(sign(alg, key, data)) }
	}
	show("ecdsa-521", ecdsa256, key("ec521_privk"), probeData)
	show("ecdsa-k1", ecdsa256, key("k256_privk"), probeData)
	show("eddsa", eddsa, key("ed25519_privk"), probeData)
	show("eddsa-hash", SignAlgorithm{Name: "EdDSA", Hash: "SHA-256"}, key("ed25519_privk"), probeData)
	show("eddsa-empty", eddsa, key("ed25519_privk"), nil)
	show("eddsa-x25519", eddsa, key("x25519_privk"), probeData)
	show("eddsa-pub", eddsa, key("ed25519_pubk"), probeData)
	show("eddsa-bad", eddsa, "nope", probeData)
	show("ecdsa-bad", ecdsa256, "nope", probeData)
	show("ecdsa-pub", ecdsa256, key("ec256_pubk"), probeData)
	show("ecdsa-rsa", ecdsa256, key("rsa2048_privk"), probeData)
	show("pss-ec", pss, key("ec256_privk"), probeData)
	show("hmac-empty-key", hmac256, "", probeData)
	show("hmac-utf8-key", hmac256, "\u00e9", probeData)
	show("hmac-buf-key", hmac256, "[object ArrayBuffer]", probeData)
	show("hmac-empty-data", hmac256, "k", nil)
	show("alg-unknown", SignAlgorithm{Name: "DSA", Hash: "SHA-256"}, key("ec256_privk"), probeData)
	show("alg-pkcs1", SignAlgorithm{Name: "RSASSA-PKCS1-v1_5", Hash: "SHA-256"}, key("rsa2048_privk"), probeData)
	show("hash-unknown", SignAlgorithm{Name: "ECDSA", Hash: "SHA-1"}, key("ec256_privk"), probeData)
	show("hash-absent", SignAlgorithm{Name: "ECDSA", Hash: "undefined"}, key("ec256_privk"), probeData)
	show("alg-string", SignAlgorithm{Name: "undefined", Hash: "undefined"}, key("ec256_privk"), probeData)
	show("hash-obj", SignAlgorithm{Name: "HMAC", Hash: "[object Object]"}, "k", probeData)
	cases["ecdsa-fresh"] = func() (any, error) {
		a, err := sign(ecdsa256, key("ec256_privk"), probeData)
		if err != nil {
			return nil, err
		}
		b, err := sign(ecdsa256, key("ec256_privk"), probeData)
		return bytes.Equal(a, b), err
	}
	for name, salt := range map[string]int64{"pss-salt-neg": -1, "pss-salt-big": 1000} {
		cases[name] = func() (any, error) {
			return sizeOf(sign(SignAlgorithm{Name: "RSA-PSS", Hash: "SHA-256", SaltLength: salt}, key("rsa2048_privk"), probeData))
		}
	}
	cases["pss-salt-str"] = func() (any, error) {
		s, err := sign(pss, key("rsa2048_privk"), probeData)
		return hex.EncodeToString(s)[:32], err
	}
	addVerifyCases(t, p, cases)

	// The signature of eddsa-eckey is random; TestEdDSAWithECKey covers it.
	p.run(t, cases, `digest-none digest-one digest-str digest-u8 hmac-nul-key alg-null alg-undef data-str data-u8
		sign-two sign-four v-sig-str v-data-u8 v-three v-alg-undef eddsa-eckey`)
}

func addVerifyCases(t *testing.T, p probe, cases map[string]func() (any, error)) {
	ecdsa256 := SignAlgorithm{Name: "ECDSA", Hash: "SHA-256"}
	eddsa := SignAlgorithm{Name: "EdDSA"}
	pss := func(salt int64) SignAlgorithm {
		return SignAlgorithm{Name: "RSA-PSS", Hash: "SHA-256", SaltLength: salt}
	}
	for name, c := range map[string]struct {
		alg SignAlgorithm
		key string
	}{
		"v-ec256": {ecdsa256, "ec256_pubk"}, "v-ec256-cert": {ecdsa256, "ec256_cert"}, "v-ec256-der": {ecdsa256, "ec256_pubk"},
		"v-ec384": {ecdsa256, "ec384_pubk"}, "v-ec384-cert": {ecdsa256, "ec384_cert"}, "v-ec521": {ecdsa256, "ec521_pubk"},
		"v-k256": {ecdsa256, "k256_pubk"}, "v-ec256-wrongkey": {ecdsa256, "ec384_pubk"}, "v-ec256-privkey": {ecdsa256, "ec256_privk"},
		"v-ed": {eddsa, "ed25519_pubk"}, "v-ed-cert": {eddsa, "ed25519_cert"}, "v-ed-eckey": {eddsa, "ec256_pubk"},
		"v-pss0": {pss(0), "rsa2048_pubk"}, "v-pss0-cert": {pss(0), "rsa2048_cert"}, "v-pss32-default": {pss(0), "rsa2048_pubk"},
		"v-pss32": {pss(32), "rsa2048_pubk"}, "v-pss32-cert": {pss(32), "rsa2048_cert"}, "v-pss20-as32": {pss(32), "rsa2048_pubk"},
		"v-hash384":   {SignAlgorithm{Name: "ECDSA", Hash: "SHA-384"}, "ec256_pubk"},
		"v-hmac":      {SignAlgorithm{Name: "HMAC", Hash: "SHA-256"}, ""},
		"v-alg":       {SignAlgorithm{Name: "X", Hash: "SHA-256"}, "ec256_pubk"},
		"v-noname":    {SignAlgorithm{Name: "undefined", Hash: "undefined"}, "ec256_pubk"},
		"v-rsa-as-ec": {ecdsa256, "rsa2048_pubk"}, "v-ec-as-rsa": {pss(0), "ec256_pubk"},
	} {
		key := "k"
		if c.key != "" {
			key = testKey(t, c.key)
		}
		cases[name] = func() (any, error) {
			return boolOf(VerifySignature(c.alg, key, p.literal(t, name, 0), probeData))
		}
	}
	cases["v-ec256-otherdata"] = func() (any, error) {
		return boolOf(VerifySignature(ecdsa256, testKey(t, "ec256_pubk"), p.literal(t, "v-ec256-otherdata", 0), []byte("other")))
	}
	for name, size := range map[string]int{"v-ec-empty": 0, "v-ec-odd": 63, "v-ec-zero": 64} {
		cases[name] = func() (any, error) {
			return boolOf(VerifySignature(ecdsa256, testKey(t, "ec256_pubk"), make([]byte, size), probeData))
		}
	}
	for name, size := range map[string]int{"v-ed-bad": 64, "v-ed-short": 3} {
		cases[name] = func() (any, error) {
			return boolOf(VerifySignature(eddsa, testKey(t, "ed25519_pubk"), make([]byte, size), probeData))
		}
	}
	cases["v-key-bad"] = func() (any, error) { return boolOf(VerifySignature(ecdsa256, "nope", make([]byte, 64), probeData)) }
	cases["v-cert-bad"] = func() (any, error) {
		return boolOf(VerifySignature(ecdsa256, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", make([]byte, 64), probeData))
	}
}

func TestGoldenWrap(t *testing.T) {
	p := loadProbe(t, "crypto-wrap")
	private, public := []byte(testKey(t, "rsa2048_privk")), []byte(testKey(t, "rsa2048_pubk"))
	ecKey := []byte(testKey(t, "ec256_privk"))
	wrap := func(key, with []byte, alg WrapAlgorithm) ([]byte, error) { return WrapKey(rand.Reader, key, with, alg) }
	kwp := WrapAlgorithm{Name: "AES-KWP"}
	oaep := func(label string) WrapAlgorithm {
		return WrapAlgorithm{Name: "RSA-OAEP", Label: []byte(label)}
	}
	both := func(bits int64, label string) WrapAlgorithm {
		return WrapAlgorithm{Name: "RSA-OAEP-AES-KWP", AESKeySize: bits, Label: []byte(label)}
	}
	// round wraps with one algorithm object and unwraps with another.
	round := func(key []byte, there, back WrapAlgorithm) ([]byte, int, error) {
		w, err := wrap(key, public, there)
		if err != nil {
			return nil, 0, err
		}
		k, err := UnwrapKey(w, private, back)
		return k, len(w), err
	}
	sizeAndText := func(label string) func() (any, error) {
		return func() (any, error) {
			k, n, err := round([]byte("secret"), oaep(label), oaep(label))
			return []any{n, string(k)}, err
		}
	}
	roundText := func(key string, there, back WrapAlgorithm) func() (any, error) {
		return func() (any, error) { k, _, err := round([]byte(key), there, back); return string(k), err }
	}
	cases := map[string]func() (any, error){
		"kwp-empty":  func() (any, error) { return hexOf(wrap(nil, p.literal(t, "kwp-empty", 0), kwp)) },
		"kwp-one":    func() (any, error) { return hexOf(wrap([]byte("x"), p.literal(t, "kwp-one", 0), kwp)) },
		"kwp-32":     func() (any, error) { return hexOf(wrap([]byte("arbitrary data"), p.literal(t, "kwp-32", 0), kwp)) },
		"kwp-badkek": func() (any, error) { return hexOf(wrap([]byte("x"), []byte("short"), kwp)) },
		"kwp-unwrap-short": func() (any, error) {
			return hexOf(UnwrapKey([]byte("abc"), p.literal(t, "kwp-unwrap-short", 0), kwp))
		},
		"oaep": sizeAndText(""), "oaep-label": sizeAndText("L"),
		"oaep-label-wrong": roundText("secret", oaep("L"), oaep("")),
		"oaep-label-empty": roundText("secret", oaep(""), WrapAlgorithm{Name: "RSA-OAEP"}),
		"oaep-label-str":   roundText("secret", WrapAlgorithm{Name: "RSA-OAEP"}, WrapAlgorithm{Name: "RSA-OAEP"}),
		"oaep-max":         func() (any, error) { return sizeOf(wrap(make([]byte, 190), public, oaep(""))) },
		"oaep-toolong":     func() (any, error) { return sizeOf(wrap(make([]byte, 191), public, oaep(""))) },
		"oaep-priv-wrap":   func() (any, error) { return sizeOf(wrap([]byte("s"), private, oaep(""))) },
		"oaep-ec":          func() (any, error) { return sizeOf(wrap([]byte("s"), []byte(testKey(t, "ec256_pubk")), oaep(""))) },
		"oaep-badpem":      func() (any, error) { return sizeOf(wrap([]byte("s"), []byte("nope"), oaep(""))) },
		"oaep-empty": func() (any, error) {
			k, _, err := round(nil, oaep(""), oaep(""))
			return buffer(k, err)
		},
		"oaep-unwrap-garbage": func() (any, error) { return sizeOf(UnwrapKey(make([]byte, 256), private, oaep(""))) },
		"oaep-unwrap-short":   func() (any, error) { return sizeOf(UnwrapKey(make([]byte, 5), private, oaep(""))) },
		"both-label": func() (any, error) {
			_, _, wrong := round([]byte("s"), both(256, "L"), both(256, ""))
			k, _, err := round([]byte("s"), both(256, "L"), both(256, "L"))
			const recorded = "InternalError: Failed to unwrap key: OpenSSL error: error:02000079:rsa routines::oaep decoding error"
			if wrong == nil || cutOpenSSL(wrong.Error()) != cutOpenSSL(recorded) {
				return wrong, err
			}
			return []any{string(k), recorded}, err
		},
		"both-nosize":           func() (any, error) { return sizeOf(wrap([]byte("s"), public, both(0, ""))) },
		"both-unwrap-othersize": roundText("s", both(256, ""), both(128, "")),
		"both-short":            func() (any, error) { return sizeOf(UnwrapKey(make([]byte, 10), private, both(256, ""))) },
		"alg-unknown":           func() (any, error) { return sizeOf(wrap([]byte("s"), []byte("k"), WrapAlgorithm{Name: "AES-GCM"})) },
		"unwrap-alg-unknown": func() (any, error) {
			return sizeOf(UnwrapKey([]byte("s"), []byte("k"), WrapAlgorithm{Name: "AES-GCM"}))
		},
		"noname": func() (any, error) { return sizeOf(wrap([]byte("s"), []byte("k"), WrapAlgorithm{Name: "undefined"})) },
	}
	for _, name := range []string{"kwp-16", "kwp-24"} {
		cases[name] = func() (any, error) { return hexOf(wrap(p.literal(t, name, 0), p.literal(t, name, 1), kwp)) }
	}
	for _, name := range []string{"kwp-unwrap", "kwp-unwrap-tampered", "kwp-unwrap-wrongkek"} {
		cases[name] = func() (any, error) { return hexOf(UnwrapKey(p.literal(t, name, 0), p.literal(t, name, 1), kwp)) }
	}
	for name, bits := range map[string]int64{"both-128": 128, "both-192": 192, "both-256": 256, "both-0": 0, "both-100": 100} {
		cases[name] = func() (any, error) {
			k, n, err := round(ecKey, both(bits, ""), both(bits, ""))
			return []any{n, bytes.Equal(k, ecKey)}, err
		}
	}
	p.run(t, cases, "alg-undef key-str kek-str two unwrap-two u8")
}

func TestGoldenX509(t *testing.T) {
	p := loadProbe(t, "crypto-x509")
	cert := func(names ...string) (text string) {
		for _, n := range names {
			text += testKey(t, "chain_"+n+"_cert")
		}
		return text
	}
	root := cert("root")
	recorded := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	bundles := []string{
		root, cert("leaf"), cert("root", "inter"), "", "nope", "5", "undefined", testKey(t, "ec256_pubk"), testKey(t, "ec256_privk"),
		root + "junk", "junk\n" + root, root[:300], "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
		strings.ReplaceAll(root, "\n", "\r\n"), cert("expired"), root,
	}
	cases := map[string]func() (any, error){}
	for i, text := range bundles {
		cases["bundle-"+itoa(i)] = func() (any, error) { return IsValidX509CertBundle(text), nil }
	}
	for name, c := range map[string][2]string{
		"chain-full": {cert("leaf", "inter"), root}, "chain-no-inter": {cert("leaf"), root},
		"chain-inter-trusted": {cert("leaf"), cert("inter")}, "chain-both-trusted": {cert("leaf"), cert("inter", "root")},
		"chain-root-in-chain": {cert("leaf", "inter", "root"), root}, "chain-self": {root, root},
		"chain-other-root": {cert("leaf", "inter"), cert("otherroot")}, "chain-extra-trusted": {cert("leaf", "inter"), cert("otherroot", "root")},
		"chain-expired": {cert("expired", "inter"), root}, "chain-wrong-order": {cert("inter", "leaf"), root},
		"chain-leaf-trusted": {cert("leaf"), cert("leaf")}, "chain-empty-chain": {"", root}, "chain-empty-trusted": {cert("leaf"), ""},
		"chain-garbage": {"x", "y"}, "chain-num": {"5", "5"}, "chain-undef": {"undefined", root},
	} {
		cases[name] = func() (any, error) { return IsValidX509CertChain(c[0], c[1], recorded), nil }
	}
	p.run(t, cases, "bundle-none bundle-two chain-one chain-three")
}

func itoa(i int) string { b, _ := json.Marshal(i); return string(b) }

func TestGoldenPlainFunctions(t *testing.T) {
	p := loadProbe(t, "conv")
	user, key := pemLiteral(t, p.source, "PEM_U0"), pemLiteral(t, p.source, "PEM_KEY")
	cases := map[string]func() (any, error){}
	for name, text := range map[string]string{
		"pemToId": user, "pemToId-text": "nope", "pemToId-num": "5", "pemToId-cut": user[:200], "pemToId-key": key,
		"pemToId-crlf": strings.ReplaceAll(user, "\n", "\r\n"), "pemToId-two-certs": user + user, "pemToId-pad": "  \n" + user, "pemToId-empty": "",
	} {
		cases[name] = func() (any, error) { return PEMToID(text) }
	}
	for name, args := range map[string][2]string{
		"tcb-2": {"00", "00"}, "tcb-3": {"5", "5"}, "tcb-4": {"00a10f11", "db18000000000004"}, "tcb-5": {"00a00f11", "d315000000000004"},
		"tcb-6": {"00b00f21", "0100000000000000"}, "tcb-7": {"zz", "zz"}, "tcb-8": {"00A10F11", "DB18000000000004"},
	} {
		cases[name] = func() (any, error) { return TCBHexToPolicy(args[0], args[1]) }
	}
	for name := range p.answers {
		if !strings.HasPrefix(name, "pemToId") && !strings.HasPrefix(name, "tcb-") {
			delete(p.answers, name)
		}
	}
	p.run(t, cases, "pemToId-none pemToId-equals-caller tcb-0 tcb-1")
}

// pemLiteral is the value of a string constant in a case file.
func pemLiteral(t *testing.T, source, name string) string {
	t.Helper()
	_, rest, ok := strings.Cut(source, "const "+name+" = ")
	line, _, _ := strings.Cut(rest, ";\n")
	var text string
	if err := json.Unmarshal([]byte(line), &text); !ok || err != nil {
		t.Fatalf("no constant %s: %v", name, err)
	}
	return text
}
