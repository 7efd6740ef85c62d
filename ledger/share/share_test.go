package share_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"concordat/ledger/secret"
	"concordat/ledger/share"
)

// source is a repeatable source of randomness.
func source(seed uint64) *rand.ChaCha8 {
	var key [32]byte
	key[0], key[1] = byte(seed), byte(seed>>8)
	return rand.NewChaCha8(key)
}

func split(t testing.TB, threshold, n int, seed uint64) (shares [][]byte, full []byte, key share.WrappingKey) {
	t.Helper()
	shares, full, key, err := share.Split(threshold, n, source(seed))
	if err != nil {
		t.Fatal(err)
	}
	return shares, full, key
}

func TestAnyThresholdOfSharesRestoresTheKey(t *testing.T) {
	rng := rand.New(source(1))
	for n := 1; n <= 7; n++ {
		for threshold := 1; threshold <= n; threshold++ {
			shares, full, key := split(t, threshold, n, uint64(n*10+threshold))
			for range 5 {
				rng.Shuffle(n, func(i, j int) { shares[i], shares[j] = shares[j], shares[i] })
				if got, err := share.Combine(shares[:threshold], threshold); err != nil || got != key {
					t.Fatalf("%d of %d: %v", threshold, n, err)
				}
			}
			if threshold > 1 {
				if got, err := share.Combine(shares[:threshold-1], threshold-1); err != nil || got == key {
					t.Fatalf("%d of %d: one share less is enough, %v", threshold, n, err)
				}
			}
			if got, err := share.Combine([][]byte{full}, threshold); err != nil || got != key || !share.IsFull(full) {
				t.Fatalf("%d of %d: full key: %v", threshold, n, err)
			}
		}
	}
}

func TestShareLayout(t *testing.T) {
	shares, full, _ := split(t, 2, 3, 5)
	for i, b := range append([][]byte{full}, shares...) {
		if len(b) != share.Size || !bytes.Equal(b[:4], []byte{byte(i), 0, 0, 0}) {
			t.Errorf("share %d: %x", i, b)
		}
	}
	if share.IsFull(shares[0]) || share.IsFull(full[:40]) {
		t.Error("something else passes for a full key")
	}
}

// The vector of the format: a split CCF made, threshold 3.
func TestCombineVector(t *testing.T) {
	var shares [][]byte
	for _, s := range []string{
		"0100000019086d2c3dc0a31a0ee8c35c7b57ff7dd436e75579262b11779a7c7389fb1e4be2282c0339d28c2f",
		"020000000e357a04620ea93eca1f402f11c57004e656be42a2f23f683ddc55112c5a0f419b484148d40d3876",
		"030000004c64496aa3575721cd6b847aeb61505db3ffc618053cdb40774bd52fd789924bfffe935fe12a3177",
	} {
		b, err := hex.DecodeString(s)
		if err != nil {
			t.Fatal(err)
		}
		shares = append(shares, b)
	}
	key, err := share.Combine(shares, 3)
	if err != nil || hex.EncodeToString(key[:]) != "585f9ba1448629e7049d206fa918075f624e6d3c05f944cd7f8b302d2a4d6ee0" {
		t.Errorf("%x %v", key[:], err)
	}
}

func TestSplitRefuses(t *testing.T) {
	for _, c := range [][2]int{{0, 1}, {-1, 1}, {2, 1}, {1, 0}, {1, share.MaxShares + 1}} {
		if _, _, _, err := share.Split(c[0], c[1], source(1)); !errors.Is(err, share.ErrThreshold) {
			t.Errorf("%d of %d: %v", c[0], c[1], err)
		}
	}
	if _, _, _, err := share.Split(1, 1, strings.NewReader("too little")); err == nil {
		t.Error("a split from too little randomness")
	}
}

// 2^31-1 is no field element: such a draw is thrown away.
func TestSplitDrawsAgain(t *testing.T) {
	random := bytes.Repeat([]byte{0xff}, 4)
	random = append(random, bytes.Repeat([]byte{1, 0, 0, 0}, 10)...)
	_, full, _, err := share.Split(1, 1, bytes.NewReader(random))
	if err != nil || !bytes.Equal(full[4:], bytes.Repeat([]byte{1, 0, 0, 0}, 10)) {
		t.Errorf("%x %v", full, err)
	}
}

func TestCombineRefuses(t *testing.T) {
	shares, _, _ := split(t, 2, 3, 5)
	legacy := func(x byte) []byte { return append([]byte{x}, make([]byte, 112)...) }
	badIndex := slices.Clone(shares[0])
	copy(badIndex, []byte{0xff, 0xff, 0xff, 0x7f})
	for _, c := range []struct {
		name      string
		shares    [][]byte
		threshold int
		want      error
	}{
		{"none", nil, 1, share.ErrTooFew},
		{"too few", shares[:1], 2, share.ErrTooFew},
		{"threshold 0", shares, 0, share.ErrThreshold},
		{"twice", [][]byte{shares[0], shares[0]}, 2, share.ErrDuplicate},
		{"cut short", [][]byte{shares[0], shares[1][:43]}, 2, share.ErrMalformed},
		{"empty", [][]byte{nil, nil}, 2, share.ErrMalformed},
		{"index out of the field", [][]byte{badIndex, shares[1]}, 2, share.ErrMalformed},
		{"kinds mixed", [][]byte{shares[0], legacy(1)}, 2, share.ErrMalformed},
		{"kinds mixed, legacy first", [][]byte{legacy(1), shares[0]}, 2, share.ErrMalformed},
		{"legacy index 0", [][]byte{legacy(0)}, 1, share.ErrMalformed},
		{"legacy twice", [][]byte{legacy(1), legacy(1)}, 2, share.ErrDuplicate},
		{"legacy from two splits", [][]byte{legacy(1), append(legacy(2)[:112], 1)}, 2, share.ErrMixed},
		{"legacy that opens nothing", [][]byte{legacy(1)}, 1, share.ErrMixed},
	} {
		if _, err := share.Combine(c.shares, c.threshold); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
}

func TestWrap(t *testing.T) {
	_, _, key := split(t, 2, 3, 5)
	s, err := secret.Generate(source(6))
	if err != nil {
		t.Fatal(err)
	}
	wrapped := share.Wrap(key, s)
	if len(wrapped) != 60 || !bytes.Equal(wrapped[16:28], make([]byte, 12)) {
		t.Errorf("wrapped %x", wrapped)
	}
	if got, err := share.Unwrap(key, wrapped); err != nil || !got.Equal(s) {
		t.Errorf("unwrap: %v", err)
	}
	shares, _, _ := split(t, 2, 3, 99)
	wrong, err := share.Combine(shares, 2)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := share.Unwrap(wrong, wrapped); !errors.Is(err, secret.ErrOpen) {
		t.Errorf("wrong shares: %v", err)
	}
	if _, err := share.Unwrap(key, secret.SealBlob(key[:], make([]byte, 12), []byte("not a secret"))); !errors.Is(err, secret.ErrSize) {
		t.Errorf("something else wrapped: %v", err)
	}
}

func TestWrappingKeyNeverPrints(t *testing.T) {
	_, _, key := split(t, 1, 1, 5)
	b, err := json.Marshal(key)
	if text := fmt.Sprintf("%v %x %#v %s", key, key, key, &key); err != nil || string(b) != `"[redacted]"` || text != strings.TrimSpace(strings.Repeat("[redacted] ", 4)) {
		t.Errorf("%s %s", text, b)
	}
}

func FuzzCombine(f *testing.F) {
	shares, full, _ := split(f, 2, 3, 5)
	f.Add(shares[0], shares[1])
	f.Add(full, shares[1])
	f.Add(make([]byte, 113), append([]byte{2}, make([]byte, 112)...))
	f.Fuzz(func(t *testing.T, a, b []byte) {
		key, err := share.Combine([][]byte{a, b}, 2)
		if err != nil {
			return
		}
		if share.IsFull(a) || share.IsFull(b) {
			return
		}
		if again, err := share.Combine([][]byte{b, a}, 2); err != nil || again != key {
			t.Errorf("the order of shares matters: %v", err)
		}
	})
}
