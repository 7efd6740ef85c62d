package jscrypto

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// openssl runs the command-line tool on files in a fresh folder, so that an
// implementation with no common ancestor checks ours.
func openssl(t *testing.T, files map[string][]byte, args ...string) ([]byte, error) {
	t.Helper()
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Skip("openssl command not present")
	}
	dir := t.TempDir()
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("openssl", args...)
	cmd.Dir = dir
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Logf("openssl %s: %s", strings.Join(args, " "), stderr.String())
	}
	return out, err
}

// TestOpenSSLReadsGeneratedKeys also checks that OpenSSL would have written
// the very same text.
func TestOpenSSLReadsGeneratedKeys(t *testing.T) {
	pairs := map[string]func() (KeyPair, error){
		"rsa":     func() (KeyPair, error) { return GenerateRSAKeyPair(rand.Reader, 2048, 0) },
		"rsa-512": func() (KeyPair, error) { return GenerateRSAKeyPair(rand.Reader, 512, 3) },
		"p256":    func() (KeyPair, error) { return GenerateECDSAKeyPair(rand.Reader, "secp256r1") },
		"p384":    func() (KeyPair, error) { return GenerateECDSAKeyPair(rand.Reader, "secp384r1") },
		"ed25519": func() (KeyPair, error) { return GenerateEdDSAKeyPair(rand.Reader, "curve25519") },
		"x25519":  func() (KeyPair, error) { return GenerateEdDSAKeyPair(rand.Reader, "x25519") },
	}
	for name, generate := range pairs {
		pair, err := generate()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		files := map[string][]byte{"key.pem": []byte(pair.PrivateKey)}
		if private, err := openssl(t, files, "pkey", "-in", "key.pem"); err != nil || string(private) != pair.PrivateKey {
			t.Errorf("%s: private key is rewritten as\n%s%v", name, private, err)
		}
		if public, err := openssl(t, files, "pkey", "-in", "key.pem", "-pubout"); err != nil || string(public) != pair.PublicKey {
			t.Errorf("%s: public key is derived as\n%s%v", name, public, err)
		}
	}
}

func TestOpenSSLVerifiesPSS(t *testing.T) {
	for _, salt := range []string{"0", "20", "32"} {
		alg := SignAlgorithm{Name: "RSA-PSS", Hash: "SHA-256"}
		alg.SaltLength = map[string]int64{"0": 0, "20": 20, "32": 32}[salt]
		signature, err := Sign(rand.Reader, alg, testKey(t, "rsa2048_privk"), probeData)
		if err != nil {
			t.Fatal(err)
		}
		files := map[string][]byte{"key.pem": []byte(testKey(t, "rsa2048_pubk")), "sig": signature, "data": probeData}
		if out, err := openssl(t, files, "dgst", "-sha256", "-verify", "key.pem", "-sigopt", "rsa_padding_mode:pss",
			"-sigopt", "rsa_pss_saltlen:"+salt, "-signature", "sig", "data"); err != nil {
			t.Errorf("salt %s: %s %v", salt, out, err)
		}
	}
}

func TestOpenSSLUnwrapsOAEP(t *testing.T) {
	w, err := WrapKey(rand.Reader, []byte("secret"), []byte(testKey(t, "rsa2048_pubk")), WrapAlgorithm{Name: "RSA-OAEP", Label: []byte("LBL")})
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{"key.pem": []byte(testKey(t, "rsa2048_privk")), "w": w}
	out, err := openssl(t, files, "pkeyutl", "-decrypt", "-inkey", "key.pem", "-in", "w", "-pkeyopt", "rsa_padding_mode:oaep",
		"-pkeyopt", "rsa_oaep_md:sha256", "-pkeyopt", "rsa_mgf1_md:sha256", "-pkeyopt", "rsa_oaep_label:"+hex.EncodeToString([]byte("LBL")))
	if err != nil || string(out) != "secret" {
		t.Errorf("got %q, %v", out, err)
	}
}

// pythonKWP wraps the bytes 0…n-1 for n from 1 to 40 with python-cryptography.
const pythonKWP = `
from cryptography.hazmat.primitives.keywrap import aes_key_wrap_with_padding as w
for n in range(1, 41):
    print(w(bytes(range(32)), bytes(range(n))).hex())
`

func TestPythonKWP(t *testing.T) {
	out, err := exec.Command("/usr/bin/python3", "-c", pythonKWP).Output()
	if err != nil {
		t.Skipf("python3 with cryptography not present: %v", err)
	}
	lines := strings.Fields(string(out))
	if len(lines) != 40 {
		t.Fatalf("%d lines", len(lines))
	}
	count := make([]byte, 40)
	for i := range count {
		count[i] = byte(i)
	}
	for i, line := range lines {
		w, err := WrapKey(nil, count[:i+1], count[:32], WrapAlgorithm{Name: "AES-KWP"})
		if err != nil || hex.EncodeToString(w) != line {
			t.Errorf("%d bytes: %x, %v; want %s", i+1, w, err, line)
		}
		back, err := UnwrapKey(w, count[:32], WrapAlgorithm{Name: "AES-KWP"})
		if err != nil || !bytes.Equal(back, count[:i+1]) {
			t.Errorf("%d bytes: back as %x, %v", i+1, back, err)
		}
	}
}

// pythonEdDSA signs with the key given as argument.
const pythonEdDSA = `
import sys
from cryptography.hazmat.primitives.serialization import load_pem_private_key as k
print(k(sys.argv[1].encode(), None).sign(b"data to be signed").hex())
`

func TestPythonEdDSA(t *testing.T) {
	pair, err := GenerateEdDSAKeyPair(rand.Reader, "curve25519")
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("/usr/bin/python3", "-c", pythonEdDSA, pair.PrivateKey).Output()
	if err != nil {
		t.Skipf("python3 with cryptography not present: %v", err)
	}
	ours, err := Sign(rand.Reader, SignAlgorithm{Name: "EdDSA"}, pair.PrivateKey, probeData)
	if err != nil || hex.EncodeToString(ours) != strings.TrimSpace(string(out)) {
		t.Errorf("got %x, %v; want %s", ours, err, out)
	}
}
