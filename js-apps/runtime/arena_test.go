package runtime

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

func TestSizeClassesHoldWhatTheyAreFor(t *testing.T) {
	for n := 1; n < largeBytes; n++ {
		c := classOf(n)
		if c < 0 || c >= classes {
			t.Fatalf("classOf(%d) = %d, of %d", n, c, classes)
		}
		if s := sizeOf(c); s < n || s%8 != 0 {
			t.Fatalf("sizeOf(classOf(%d)) = %d", n, s)
		}
		if c > 0 && sizeOf(c-1) >= n {
			t.Fatalf("%d has class %d though %d would do", n, c, c-1)
		}
	}
}

// block is what the test believes to have in the arena.
type block struct {
	p    uintptr
	fill []byte
}

func (b block) check(t *testing.T) {
	t.Helper()
	if !bytes.Equal(view(b.p, len(b.fill)), b.fill) {
		t.Fatal("a block lost its content")
	}
}

func allocate(t *testing.T, a *arena, r *rand.Rand, n int) block {
	t.Helper()
	p := a.alloc(n)
	if p == 0 {
		t.Fatal("no memory")
	}
	if p%8 != 0 || blockSize(p) < n {
		t.Fatalf("block at %x of %d bytes for %d", p, blockSize(p), n)
	}
	fill := bytes.Repeat([]byte{byte(r.Uint32())}, n)
	copy(view(p, n), fill)
	return block{p, fill}
}

// TestArenaModel allocates and frees at random, checks that no two blocks ever
// share memory, and that reset brings back exactly what was sealed.
func TestArenaModel(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	a := &arena{cap: 256 << 20}
	defer a.release()
	sizes := func() int { return 1 + r.IntN([]int{64, 512, 5000, 70000, 2 * largeBytes}[r.IntN(5)]) }
	var live []block
	churn := func(n int) {
		for range n {
			if len(live) > 0 && r.IntN(5) < 2 {
				k := r.IntN(len(live))
				live[k].check(t)
				a.dealloc(live[k].p)
				live[k] = live[len(live)-1]
				live = live[:len(live)-1]
				continue
			}
			live = append(live, allocate(t, a, r, sizes()))
		}
	}
	churn(400)
	if err := a.seal(); err != nil {
		t.Fatal(err)
	}
	sealed := append([]block(nil), live...)
	mapped := a.mapped
	for range 5 {
		churn(300)
		a.reset()
		live = append(live[:0], sealed...)
		for _, b := range live {
			b.check(t)
		}
		if a.mapped != mapped {
			t.Fatalf("reset leaves %d bytes mapped, want %d", a.mapped, mapped)
		}
	}
}

func TestArenaIsCapped(t *testing.T) {
	a := &arena{cap: 8 << 20}
	defer a.release()
	got := 0
	for a.alloc(10000) != 0 {
		got += 10000
	}
	if a.mapped > a.cap || got < a.cap/2 {
		t.Errorf("mapped %d, handed out %d, of %d", a.mapped, got, a.cap)
	}
	for _, n := range []int{1 << 30, 1<<62 - 1, 8 << 20} {
		if a.alloc(n) != 0 {
			t.Errorf("got %d bytes", n)
		}
	}
}
