package merkle_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"math/rand/v2"
	"testing"

	"concordat/ledger"
	"concordat/ledger/merkle"
)

func digest(n int) (d ledger.Digest) {
	if n > 0 {
		d = sha256.Sum256([]byte{byte(n), byte(n >> 8)})
	}
	return d
}

// naiveRoot is the definition: split at the largest power of two.
func naiveRoot(leaves []ledger.Digest) ledger.Digest {
	if len(leaves) == 1 {
		return leaves[0]
	}
	split := 1
	for split*2 < len(leaves) {
		split *= 2
	}
	left, right := naiveRoot(leaves[:split]), naiveRoot(leaves[split:])
	return sha256.Sum256(append(left[:], right[:]...))
}

func TestFrontierAgreesWithTheDefinition(t *testing.T) {
	f := merkle.New()
	leaves := []ledger.Digest{{}}
	for n := 1; n < 300; n++ {
		f.Append(digest(n))
		leaves = append(leaves, digest(n))
		if f.Size() != uint64(len(leaves)) || f.Root() != naiveRoot(leaves) {
			t.Fatalf("root over %d leaves differs", len(leaves))
		}
	}
	var empty merkle.Frontier
	if empty.Size() != 0 || empty.Root() != (ledger.Digest{}) {
		t.Error("the empty tree has a root")
	}
}

func TestFrontierCopyIsTheUndo(t *testing.T) {
	f := merkle.New()
	for n := 1; n < 77; n++ {
		f.Append(digest(n))
	}
	before := f
	for n := 1000; n < 1100; n++ {
		f.Append(digest(n))
	}
	f = before
	f.Append(digest(77))
	want := merkle.New()
	for n := 1; n <= 77; n++ {
		want.Append(digest(n))
	}
	if f != want {
		t.Error("a tree restored from its copy differs from one never touched")
	}
}

// Every stretch of every small tree: bytes, root, each path, restored frontier.
func TestTableOfEveryStretch(t *testing.T) {
	for to := range 40 {
		for from := 0; from <= to; from++ {
			checkStretch(t, from, to)
		}
	}
}

func checkStretch(t *testing.T, from, to int) {
	t.Helper()
	var peaks merkle.Frontier
	for n := range from {
		peaks.Append(digest(n))
	}
	whole := peaks
	var leaves []ledger.Digest
	for n := from; n <= to; n++ {
		whole.Append(digest(n))
		leaves = append(leaves, digest(n))
	}
	b := merkle.MarshalTable(uint64(from), peaks, leaves)
	table, err := merkle.ParseTable(b)
	if err != nil {
		t.Fatalf("%d-%d: %v", from, to, err)
	}
	if table.From != uint64(from) || table.To != uint64(to) || table.Root() != whole.Root() || table.Peaks() != peaks || table.Frontier() != whole {
		t.Fatalf("%d-%d: table says %d-%d, or another tree", from, to, table.From, table.To)
	}
	for n := from; n <= to; n++ {
		path, err := table.Path(uint64(n))
		leaf, ok := table.Leaf(uint64(n))
		if err != nil || !ok || leaf != digest(n) || merkle.Fold(leaf, path) != whole.Root() {
			t.Fatalf("%d-%d: path of %d: %v", from, to, n, err)
		}
		if len(path) > 0 && merkle.Fold(digest(n+1), path) == whole.Root() {
			t.Fatalf("%d-%d: the path of %d proves another leaf", from, to, n)
		}
	}
	for _, n := range []uint64{uint64(to + 1), uint64(from) - 1} {
		if _, ok := table.Leaf(n); ok {
			t.Errorf("%d-%d holds leaf %d", from, to, n)
		}
		if _, err := table.Path(n); !errors.Is(err, merkle.ErrNoLeaf) {
			t.Errorf("%d-%d: path of %d: %v", from, to, n, err)
		}
	}
}

func TestMarshalTableInsistsOnMatchingPeaks(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("a table with the peaks of another tree was written")
		}
	}()
	merkle.MarshalTable(2, merkle.New(), []ledger.Digest{{}})
}

func TestNewTableRefusesNoLeaves(t *testing.T) {
	if _, err := merkle.NewTable(merkle.New(), nil); !errors.Is(err, merkle.ErrTable) {
		t.Errorf("%v", err)
	}
}

func TestParseTableRefuses(t *testing.T) {
	good := merkle.MarshalTable(0, merkle.Frontier{}, []ledger.Digest{{}, digest(1)})
	for name, damage := range map[string]func(b []byte) []byte{
		"empty":            func([]byte) []byte { return nil },
		"header cut short": func(b []byte) []byte { return b[:15] },
		"no leaves":        func(b []byte) []byte { b[7] = 0; return b[:16] },
		"leaf missing":     func(b []byte) []byte { return b[:len(b)-32] },
		"half a leaf":      func(b []byte) []byte { return b[:len(b)-16] },
		"leaf too many":    func(b []byte) []byte { return append(b, make([]byte, 32)...) },
		"huge count":       func(b []byte) []byte { b[0] = 0xff; return b },
		"peaks missing":    func(b []byte) []byte { b[15] = 3; return b },
		"index past 64 bit": func(b []byte) []byte {
			copy(b[8:16], bytes.Repeat([]byte{0xff}, 8))
			return append(b, make([]byte, 64*32)...)
		},
	} {
		if _, err := merkle.ParseTable(damage(bytes.Clone(good))); !errors.Is(err, merkle.ErrTable) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzParseTable(f *testing.F) {
	var peaks merkle.Frontier
	for n := range 6 {
		peaks.Append(digest(n))
	}
	f.Add(merkle.MarshalTable(6, peaks, []ledger.Digest{digest(6), digest(7), digest(8)}))
	f.Add(merkle.MarshalTable(0, merkle.Frontier{}, []ledger.Digest{{}}))
	f.Fuzz(func(t *testing.T, b []byte) {
		table, err := merkle.ParseTable(b)
		if err != nil {
			if !errors.Is(err, merkle.ErrTable) {
				t.Fatalf("error of another kind: %v", err)
			}
			return
		}
		var leaves []ledger.Digest
		for n := table.From; len(leaves) < len(b)/32 && n <= table.To; n++ {
			leaf, _ := table.Leaf(n)
			leaves = append(leaves, leaf)
		}
		if again := merkle.MarshalTable(table.From, table.Peaks(), leaves); !bytes.Equal(again, b) {
			t.Errorf("\n got %x\nfrom %x", again, b)
		}
		if f := table.Frontier(); f.Root() != table.Root() {
			t.Error("frontier and rows disagree about the root")
		}
		path, err := table.Path(table.To)
		if err != nil || merkle.Fold(leaves[len(leaves)-1], path) != table.Root() {
			t.Errorf("path of the last leaf: %v", err)
		}
	})
}

func TestRandomStretchesOfALargeTree(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 20 {
		from := rng.IntN(3000)
		checkStretch(t, from, from+rng.IntN(60))
	}
}

func BenchmarkFrontierAppend(b *testing.B) {
	f := merkle.New()
	b.ReportAllocs()
	for b.Loop() {
		f.Append(ledger.Digest{1})
	}
}

func BenchmarkFrontierRoot(b *testing.B) {
	f := merkle.New()
	for range 1<<16 - 2 {
		f.Append(ledger.Digest{1})
	}
	b.ReportAllocs()
	for b.Loop() {
		if f.Root() == (ledger.Digest{}) {
			b.Fatal("no root")
		}
	}
}

func BenchmarkFrontierCopy(b *testing.B) {
	f := merkle.New()
	b.ReportAllocs()
	var kept merkle.Frontier
	for b.Loop() {
		kept = f
		f.Append(ledger.Digest{1})
	}
	if kept.Size()+1 != f.Size() {
		b.Fatal("lost a leaf")
	}
}

func TestFrontierAllocatesNothing(t *testing.T) {
	f := merkle.New()
	n := testing.AllocsPerRun(100, func() {
		f.Append(ledger.Digest{1})
		if f.Root() == (ledger.Digest{}) {
			t.Fatal("no root")
		}
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}
