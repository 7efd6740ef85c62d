package jscrypto

import (
	"bytes"
	"crypto/rand"
	"os"
	"path/filepath"
	"testing"
	"time"

	"concordat/ledger/fixture"
)

// seedPEM adds every recorded key and certificate, if present.
func seedPEM(f *testing.F) {
	f.Add("")
	f.Add("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
	f.Add("-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----\n")
	paths, _ := filepath.Glob(filepath.Join(fixture.Root(f), "../shared/fixtures/js-probes/keys/*.pem"))
	for _, path := range paths {
		if text, err := os.ReadFile(path); err == nil {
			f.Add(string(text))
		}
	}
}

// FuzzPEM feeds text to everything that takes PEM. What is accepted must be a
// fixed point: the JWK's PEM converts to the same JWK again.
func FuzzPEM(f *testing.F) {
	seedPEM(f)
	f.Fuzz(func(t *testing.T, text string) {
		_, _ = PEMToID(text)
		IsValidX509CertBundle(text)
		IsValidX509CertChain(text, text, time.Unix(1e9, 0))
		for _, name := range []string{"ECDSA", "EdDSA", "RSA-PSS"} {
			_, _ = VerifySignature(SignAlgorithm{Name: name, Hash: "SHA-256"}, text, make([]byte, 64), nil)
		}
		for form := ECPublic; form <= EdDSAPrivate; form++ {
			jwk, err := PEMToJWK(form, text, nil)
			if err != nil {
				continue
			}
			pem := JWKToPEM(form, jwk)
			if pem == "" {
				if form == RSAPrivate || form == RSAPublic {
					continue // PEM allows RSA keys whose members do not fit together
				}
				t.Fatalf("form %d: own JWK %s refused", form, jwk)
			}
			again, err := PEMToJWK(form, pem, nil)
			if err != nil || !bytes.Equal(jwk, again) {
				t.Fatalf("form %d: %s became %s, %v", form, jwk, again, err)
			}
		}
	})
}

// FuzzJWK feeds JSON text to the other direction.
func FuzzJWK(f *testing.F) {
	f.Add([]byte(`{"crv":"Ed25519","d":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA","kty":"OKP","x":"AA"}`))
	f.Add([]byte(`{"kty":"RSA","n":"AQAB","e":"Aw"}`))
	f.Add([]byte(`{"kty":"EC","crv":"P-256","x":"AA","y":"AA","d":"AA"}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		for form := ECPublic; form <= EdDSAPrivate; form++ {
			pem := JWKToPEM(form, text)
			if pem == "" {
				continue
			}
			jwk, err := PEMToJWK(form, pem, nil)
			if err != nil {
				continue // a tiny RSA key may be written but not read
			}
			if again := JWKToPEM(form, jwk); again != pem {
				t.Fatalf("form %d: %s became %s", form, pem, again)
			}
		}
	})
}

// FuzzUnwrap checks that only what wrapping made unwraps.
func FuzzUnwrap(f *testing.F) {
	kek := make([]byte, 32)
	for n := range 20 {
		w, _ := WrapKey(rand.Reader, make([]byte, n), kek, WrapAlgorithm{Name: "AES-KWP"})
		f.Add(w)
	}
	f.Fuzz(func(t *testing.T, wrapped []byte) {
		key, err := UnwrapKey(wrapped, kek, WrapAlgorithm{Name: "AES-KWP"})
		if err != nil {
			return
		}
		again, err := WrapKey(rand.Reader, key, kek, WrapAlgorithm{Name: "AES-KWP"})
		if err != nil || !bytes.Equal(again, wrapped) {
			t.Fatalf("%x unwraps to %x, which wraps to %x, %v", wrapped, key, again, err)
		}
	})
}
