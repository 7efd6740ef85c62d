package ledger_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"

	"concordat/ledger"
)

// sample makes an entry that uses every part of the layout.
func sample(t testing.TB) []byte {
	t.Helper()
	ws := ledger.WriteSet{
		{Name: "alpha", Removes: [][]byte{[]byte("gone")}},
		{Name: "public:one", Writes: []ledger.Write{{Key: []byte("a"), Value: []byte("1")}, {Key: []byte("c"), Value: nil}}, Removes: [][]byte{[]byte("b"), []byte("d")}},
		{Name: "public:two", Writes: []ledger.Write{{Key: make([]byte, 8), Value: []byte("two")}}},
		{Name: "zeta", Writes: []ledger.Write{{Key: []byte(""), Value: []byte("empty key")}}},
	}
	claims := ledger.Digest{1, 2, 3}
	id := ledger.TxID{View: 7, Seqno: 99}
	raw, _, _, err := ledger.AppendEntry(nil, id, ledger.FlagChunkAfter, claims, ws, newSecret(t, exampleSecret))
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestParseEntryReadsWhatAppendEntryWrote(t *testing.T) {
	e, err := ledger.ParseEntry(sample(t))
	if err != nil {
		t.Fatal(err)
	}
	if e.ID().String() != "7.99" || e.Header.Flags != ledger.FlagChunkAfter || e.Public.Claims != (ledger.Digest{1, 2, 3}) {
		t.Errorf("frame: %+v", e)
	}
	if len(e.Public.Writes) != 2 || e.Public.Writes[0].Name != "public:one" || len(e.Public.Writes[0].Removes) != 2 {
		t.Errorf("public maps: %q", e.Public.Writes)
	}
	private, err := newSecret(t, exampleSecret).Open(e)
	if err != nil || len(private) != 2 || private[0].Name != "alpha" || private[1].Name != "zeta" {
		t.Errorf("private maps: %q %v", private, err)
	}
}

// Cutting an entry anywhere is noticed, and so is a byte too many.
func TestParseEntryRefusesEveryOtherLength(t *testing.T) {
	raw := sample(t)
	for n := range raw {
		if _, err := ledger.ParseEntry(raw[:n]); !errors.Is(err, ledger.ErrMalformed) {
			t.Fatalf("cut to %d bytes: %v", n, err)
		}
	}
	if _, err := ledger.ParseEntry(append(raw, 0)); !errors.Is(err, ledger.ErrMalformed) {
		t.Errorf("one byte more: %v", err)
	}
}

func TestParseEntryRefuses(t *testing.T) {
	for _, c := range []struct {
		name   string
		offset int // that the error must name
		damage func(raw []byte)
	}{
		{"version", 0, func(b []byte) { b[0] = 2 }},
		{"flags", 1, func(b []byte) { b[1] = 4 }},
		{"size", 2, func(b []byte) { b[2]++ }},
		{"huge size", 2, func(b []byte) { b[7] = 0xff }},
		{"size below the frame", 2, func(b []byte) { copy(b[2:8], make([]byte, 6)) }},
		{"snapshot bit", 24, func(b []byte) { b[35] |= 0x80 }},
		{"seqno in IV", 45, func(b []byte) { b[24]++ }},
		{"public domain size", 36, func(b []byte) { b[43] = 1 }},
		{"public domain too small", 36, func(b []byte) { copy(b[36:44], make([]byte, 8)) }},
		{"entry type", 44, func(b []byte) { b[44] = 5 }},
		{"entry type without its fields", 0, func(b []byte) { b[44] = 0 }},
	} {
		raw := sample(t)
		c.damage(raw)
		_, err := ledger.ParseEntry(raw)
		var at *ledger.ParseError
		if !errors.As(err, &at) || !errors.Is(err, ledger.ErrMalformed) || c.offset != 0 && at.Offset != c.offset {
			t.Errorf("%s: %v, want a parse error at %d", c.name, err, c.offset)
		}
	}
}

func TestParseMapsRefuses(t *testing.T) {
	key := func(s string) []byte { return []byte(s) }
	write := func(keys ...string) (w []ledger.Write) {
		for _, k := range keys {
			w = append(w, ledger.Write{Key: key(k)})
		}
		return w
	}
	for name, ws := range map[string]ledger.WriteSet{
		"maps out of order":      {{Name: "b", Writes: write("k")}, {Name: "a", Writes: write("k")}},
		"map twice":              {{Name: "a", Writes: write("k")}, {Name: "a", Writes: write("k")}},
		"map without a change":   {{Name: "a"}},
		"writes out of order":    {{Name: "a", Writes: write("2", "1")}},
		"key written twice":      {{Name: "a", Writes: write("1", "1")}},
		"removes out of order":   {{Name: "a", Removes: [][]byte{key("2"), key("1")}}},
		"key removed twice":      {{Name: "a", Removes: [][]byte{key("1"), key("1")}}},
		"written and removed":    {{Name: "a", Writes: write("1", "3"), Removes: [][]byte{key("2"), key("3")}}},
		"removed before written": {{Name: "a", Writes: write("2", "3"), Removes: [][]byte{key("1"), key("2")}}},
	} {
		if got, err := ledger.ParseMaps(ledger.AppendMaps(nil, ws, false)); !errors.Is(err, ledger.ErrMalformed) || got != nil {
			t.Errorf("%s: %v %v", name, got, err)
		}
	}
	public := ledger.AppendMaps(nil, ledger.WriteSet{{Name: "public:a", Writes: write("k")}}, true)
	if _, err := ledger.ParseMaps(public); !errors.Is(err, ledger.ErrMalformed) {
		t.Errorf("public map in the private domain: %v", err)
	}
}

// A count is believed only as far as there are bytes for it.
func TestParseMapsBoundsCountsBeforeAllocating(t *testing.T) {
	for name, at := range map[string]int{"writes": 8 + 1 + 16, "removes": 8 + 1 + 16 + 8 + 17} {
		b := ledger.AppendMaps(nil, ledger.WriteSet{{Name: "a", Writes: []ledger.Write{{Key: []byte("k")}}}}, false)
		binary.LittleEndian.PutUint64(b[at:], 1<<60)
		n := testing.AllocsPerRun(10, func() {
			if _, err := ledger.ParseMaps(b); !errors.Is(err, ledger.ErrMalformed) {
				t.Fatalf("%s: %v", name, err)
			}
		})
		if n > 8 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

// What the parser takes, the encoder gives back.
func FuzzParseEntry(f *testing.F) {
	raw := sample(f)
	f.Add(raw)
	f.Add(raw[:len(raw)-1])
	for _, kind := range []byte{0, 2, 3} {
		old := bytes.Clone(raw)
		old[44] = kind
		f.Add(old)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		e, err := ledger.ParseEntry(raw)
		if err != nil {
			if !errors.Is(err, ledger.ErrMalformed) {
				t.Fatalf("error of another kind: %v", err)
			}
			return
		}
		if e.IsSnapshot {
			return
		}
		if again := ledger.AppendPublic(nil, e.Public); !bytes.Equal(again, e.PublicRaw) {
			t.Errorf("public domain\n got %x\nfrom %x", again, e.PublicRaw)
		}
		if n := len(e.Raw); n != 44+len(e.PublicRaw)+len(e.Sealed) {
			t.Errorf("the parts do not add up to %d bytes", n)
		}
	})
}

func FuzzParseMaps(f *testing.F) {
	f.Add(ledger.AppendMaps(nil, exampleWrites(), false))
	f.Add(ledger.AppendMaps(nil, ledger.WriteSet{{Name: "a", Removes: [][]byte{[]byte("x"), []byte("y")}}, {Name: "b", Writes: []ledger.Write{{}}}}, false))
	f.Fuzz(func(t *testing.T, b []byte) {
		ws, err := ledger.ParseMaps(b)
		if err != nil {
			if !errors.Is(err, ledger.ErrMalformed) {
				t.Fatalf("error of another kind: %v", err)
			}
			return
		}
		if again := ledger.AppendMaps(nil, ws, false); !bytes.Equal(again, b) {
			t.Errorf("\n got %x\nfrom %x", again, b)
		}
	})
}

func FuzzParseTxID(f *testing.F) {
	for _, s := range []string{"2.15", "02.015", "0.1", "1.", ".", "1.2.3", "+1.2", "18446744073709551616.1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		id, err := ledger.ParseTxID(s)
		if err != nil {
			return
		}
		again, err := ledger.ParseTxID(id.String())
		if err != nil || again != id || string(id.AppendTo(nil)) != id.String() {
			t.Errorf("%q read as %v, which reads as %v, %v", s, id, again, err)
		}
	})
}
