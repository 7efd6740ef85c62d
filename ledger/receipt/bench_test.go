package receipt

import "testing"

func BenchmarkVerifyJSON(b *testing.B) {
	s := newService(b)
	text := s.json.Marshal()
	for b.Loop() {
		if _, err := Verify(text, s.cert, Options{Claims: s.claims}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerifyCOSE(b *testing.B) {
	s := newService(b)
	for b.Loop() {
		if _, err := Verify(s.cose, s.cert, Options{Claims: s.claims}); err != nil {
			b.Fatal(err)
		}
	}
}
