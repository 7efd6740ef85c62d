package runtime

import (
	"context"
	"strings"
	"testing"
	"unicode/utf8"
)

// inside runs f in a new isolate.
func inside(t testing.TB, f func(i *Isolate)) {
	t.Helper()
	i, err := New()
	if err != nil {
		t.Fatal(err)
	}
	defer i.Close()
	if err := i.Run(context.Background(), generous, func() error { f(i); return nil }); err != nil {
		t.Fatal(err)
	}
}

func TestTextRoundTrip(t *testing.T) {
	inside(t, func(i *Isolate) {
		for _, s := range []string{
			"", "a", "a\x00b", "é", "€", "😀", "\xed\xa0\xbd", "\xed\xb8\x80", "mixed é 😀 \xed\xa0\xbd end",
			strings.Repeat("x", scratchBytes-1), strings.Repeat("é", scratchBytes), strings.Repeat("😀x", scratchBytes),
		} {
			v := i.String(s)
			if got, ok := i.Text(v); !ok || got != s {
				t.Errorf("%.20q of %d bytes came back as %.20q of %d", s, len(s), got, len(got))
			}
			i.Free(v)
		}
	})
}

func TestInvalidTextIsReplaced(t *testing.T) {
	inside(t, func(i *Isolate) {
		for _, s := range []string{"\xff", "a\xc3", "\xf4\x90\x80\x80", "\xc0\x80"} {
			v := i.String(s)
			got, _ := i.Text(v)
			if !utf8.ValidString(got) || !strings.Contains(got, "\uFFFD") {
				t.Errorf("%q became %q", s, got)
			}
			i.Free(v)
		}
	})
}

// FuzzText holds that what the engine made of some bytes is stable, and that
// valid text is kept as it is.
func FuzzText(f *testing.F) {
	for _, s := range []string{"", "a", "é€😀", "\xed\xa0\xbd\xed\xb8\x80", "\xff\xfe", "a\x00b"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		inside(t, func(i *Isolate) {
			v := i.StringOf(in)
			once, ok := i.Text(v)
			if !ok {
				t.Fatal("a string has no text")
			}
			if utf8.Valid(in) && once != string(in) {
				t.Fatalf("%q became %q", in, once)
			}
			w := i.String(once)
			if twice, _ := i.Text(w); twice != once && !strings.Contains(once, "\xed") {
				t.Fatalf("%q became %q", once, twice)
			}
		})
	})
}

// FuzzJSON holds that parsing and printing JSON never faults and is stable.
func FuzzJSON(f *testing.F) {
	for _, s := range []string{"null", `{"a":[1,2.5e3,"x\u0000",true]}`, "[", `"\ud800"`, "1e999", `{"__proto__":1}`, "\xff"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		inside(t, func(i *Isolate) {
			v := i.ParseJSON(in, "<fuzz>")
			if v.IsException() {
				i.DropException()
				return
			}
			s := i.Stringify(v)
			once, _ := i.Text(s)
			w := i.ParseJSON([]byte(once), "<fuzz>")
			if w.IsException() {
				t.Fatalf("%q printed as %q, which does not parse", in, once)
			}
			if again, _ := i.Text(i.Stringify(w)); again != once {
				t.Fatalf("%q, then %q", once, again)
			}
		})
	})
}
