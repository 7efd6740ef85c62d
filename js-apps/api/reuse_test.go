package api

import "testing"

// TestABusyKeyMakesNobodyWait: while a request is in the interpreter of a key,
// another one with that key is sent to a pristine interpreter; afterwards the
// kept one is found again.
func TestABusyKeyMakesNobodyWait(t *testing.T) {
	a, o := NewApps(), DefaultOptions()
	defer a.Close()
	claim := func(key string, access Access) (*generation, *reusedEntry) {
		a.mu.Lock()
		defer a.mu.Unlock()
		g := a.generation("v1")
		e, failure := g.claim(key, o, access)
		if failure != nil {
			t.Fatalf("%s: %s", key, failure.HTTPMessage)
		}
		return g, e
	}
	g, first := claim("k", AppRW)
	if first == nil {
		t.Fatal("a free key is not claimed")
	}
	l, _, err := a.acquireReused(g, first)
	if err != nil {
		t.Fatal(err)
	}
	if _, e := claim("k", AppRW); e != nil {
		t.Error("a busy key is claimed again")
	}
	if _, e := claim("k", AppRO); e == nil || e == first {
		t.Error("readonly endpoints share the interpreter of readwrite ones")
	}
	a.release(l, o)
	if _, e := claim("k", AppRW); e != first {
		t.Error("the kept interpreter is not found again")
	}
}
