package secret_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"concordat/ledger"
	"concordat/ledger/secret"
)

// counter is a predictable source of "randomness".
type counter struct{ n byte }

func (c *counter) Read(b []byte) (int, error) {
	for i := range b {
		c.n++
		b[i] = c.n
	}
	return len(b), nil
}

func generate(t testing.TB, seed byte) *secret.Secret {
	t.Helper()
	s, err := secret.Generate(&counter{seed})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func entry(t testing.TB, s *secret.Secret) []byte {
	t.Helper()
	ws := ledger.WriteSet{
		{Name: "private", Writes: []ledger.Write{{Key: []byte("k"), Value: []byte("v")}}},
		{Name: "public:p", Writes: []ledger.Write{{Key: []byte("k"), Value: []byte("v")}}},
	}
	raw, _, _, err := ledger.AppendEntry(nil, ledger.TxID{View: 2, Seqno: 5}, 0, ledger.Digest{}, ws, s)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func open(raw []byte, s *secret.Secret) error {
	e, err := ledger.ParseEntry(raw)
	if err != nil {
		return nil // refused before the tag matters
	}
	_, err = s.Open(e)
	return err
}

func TestOpenNoticesEveryChangedBit(t *testing.T) {
	s := generate(t, 0)
	raw := entry(t, s)
	if err := open(raw, s); err != nil {
		t.Fatal(err)
	}
	for i := ledger.HeaderSize; i < len(raw); i++ {
		for bit := range 8 {
			changed := bytes.Clone(raw)
			changed[i] ^= 1 << bit
			if e, err := ledger.ParseEntry(changed); err != nil {
				continue
			} else if _, err := s.Open(e); !errors.Is(err, secret.ErrOpen) {
				t.Fatalf("bit %d of byte %d: %v", bit, i, err)
			}
		}
	}
	if err := open(raw, generate(t, 9)); !errors.Is(err, secret.ErrOpen) {
		t.Errorf("another secret: %v", err)
	}
}

func TestOpenLeavesTheEntryAlone(t *testing.T) {
	s := generate(t, 0)
	raw := entry(t, s)
	before := bytes.Clone(raw)
	if err := open(raw, s); err != nil || !bytes.Equal(raw, before) {
		t.Errorf("opening changed the stored bytes, %v", err)
	}
}

func TestCommitNonceIsTheHMAC(t *testing.T) {
	s := generate(t, 3)
	mac := func(key []byte, msg string) []byte {
		h := hmac.New(sha256.New, key)
		h.Write([]byte(msg))
		return h.Sum(nil)
	}
	for _, id := range []ledger.TxID{{View: 1, Seqno: 1}, {View: 2, Seqno: 123456}, {View: 1<<64 - 1, Seqno: 1<<64 - 1}} {
		want := mac(mac(s.Bytes(), "Commit S"), id.String())
		if got := s.CommitNonce(id); !bytes.Equal(got[:], want) {
			t.Errorf("%v: %x, want %x", id, got, want)
		}
	}
}

func TestCommitNonceAllocatesNothing(t *testing.T) {
	s := generate(t, 3)
	id := ledger.TxID{View: 2, Seqno: 1 << 40}
	if n := testing.AllocsPerRun(100, func() { s.CommitNonce(id) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestSecretNeverPrints(t *testing.T) {
	s := generate(t, 1)
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("m", "pointer", s, "value", *s, "link", secret.Link{Secret: s})
	asJSON, err := json.Marshal(map[string]any{"s": s, "link": secret.Link{Secret: s}})
	if err != nil {
		t.Fatal(err)
	}
	all := fmt.Sprintf("%v %+v %#v %s %x %q %d %v %+v %v", s, s, s, s, s, s, s, *s, *s, secret.Link{Secret: s}) + log.String() + string(asJSON)
	for _, form := range []string{hex.EncodeToString(s.Bytes()[:4]), fmt.Sprint(s.Bytes()[:4]), strings.Trim(fmt.Sprint(s.Bytes()[:4]), "[]"), string(s.Bytes()[:4])} {
		if strings.Contains(all, form) {
			t.Errorf("key material in %q", all)
		}
	}
	if !strings.Contains(log.String(), "pointer=[redacted]") {
		t.Errorf("log %s", &log)
	}
}

func TestFromBytes(t *testing.T) {
	for _, n := range []int{0, 16, 31, 33} {
		if _, err := secret.FromBytes(make([]byte, n)); !errors.Is(err, secret.ErrSize) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
	b := bytes.Repeat([]byte{7}, 32)
	s, err := secret.FromBytes(b)
	if err != nil {
		t.Fatal(err)
	}
	b[0] = 0
	if s.Bytes()[0] != 7 {
		t.Error("the secret follows the caller's slice")
	}
	s.Bytes()[0] = 1
	if s.Bytes()[0] != 7 {
		t.Error("the caller can change the secret")
	}
	if s.Equal(nil) || !s.Equal(s) || s.Equal(generate(t, 0)) {
		t.Error("equality")
	}
	if _, err := secret.Generate(strings.NewReader("short")); err == nil {
		t.Error("a secret from too little randomness")
	}
}

func TestBlob(t *testing.T) {
	key, iv := bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 12)
	for _, size := range []int{0, 1, 32, 44, 113} {
		plain := bytes.Repeat([]byte{3}, size)
		blob := secret.SealBlob(key, iv, plain)
		if len(blob) != size+28 || !bytes.Equal(blob[16:28], iv) {
			t.Errorf("%d bytes sealed to %x", size, blob)
		}
		if got, err := secret.OpenBlob(key, blob); err != nil || !bytes.Equal(got, plain) {
			t.Errorf("%d bytes came back as %x, %v", size, got, err)
		}
		for i := range blob {
			changed := bytes.Clone(blob)
			changed[i] ^= 0x10
			if _, err := secret.OpenBlob(key, changed); !errors.Is(err, secret.ErrOpen) {
				t.Errorf("byte %d of %d changed: %v", i, size, err)
			}
		}
	}
	if _, err := secret.OpenBlob(key, make([]byte, 27)); !errors.Is(err, secret.ErrOpen) {
		t.Errorf("too short: %v", err)
	}
	if _, err := secret.OpenBlob(key[:16], make([]byte, 60)); !errors.Is(err, secret.ErrSize) {
		t.Errorf("short key: %v", err)
	}
}

func FuzzOpenBlob(f *testing.F) {
	key := bytes.Repeat([]byte{1}, 32)
	f.Add(secret.SealBlob(key, make([]byte, 12), []byte("seed")))
	f.Add([]byte("short"))
	f.Fuzz(func(t *testing.T, blob []byte) {
		plain, err := secret.OpenBlob(key, blob)
		if err == nil && !bytes.Equal(secret.SealBlob(key, blob[16:28], plain), blob) {
			t.Errorf("%x opens but does not seal to itself", blob)
		}
	})
}
