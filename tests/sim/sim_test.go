package sim

import (
	"crypto/rand"
	"flag"
	"io"
	mrand "math/rand/v2"
	"reflect"
	"testing"
)

var (
	oneSeed = flag.Uint64("seed", 1, "the seed TestOneSeed runs")
	seeds   = flag.Int("seeds", 250, "how many seeds TestSeeds runs")
	enough  = flag.Int("enough", 10, "how many failed seeds end TestSeeds")
	long    = flag.Bool("long", false, "run 20000 seeds")
)

// seeded makes raft's election jitter a function of the seed: it reads the global
// source of randomness, and nothing else here does.
func seeded(t testing.TB, seed uint64) {
	before := rand.Reader
	rand.Reader = mrand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8), byte(seed >> 16)})
	t.Cleanup(func() { rand.Reader = before })
}

var _ io.Reader = (*mrand.ChaCha8)(nil)

func TestOneSeed(t *testing.T) {
	seeded(t, *oneSeed)
	r := Run(*oneSeed, func(line string) { t.Log(line) })
	t.Logf("seed %d hash %016x %+v", *oneSeed, r.Hash, r.Stats)
	if r.Err != nil {
		t.Error(r.Err)
	}
}

func TestSeeds(t *testing.T) {
	n := *seeds
	if *long {
		n = 20_000
	}
	if testing.Short() {
		n = 30
	}
	var total Stats
	failed := 0
	for seed := uint64(1); seed <= uint64(n) && failed < *enough; seed++ {
		seeded(t, seed)
		r := Run(seed, nil)
		if r.Err != nil {
			failed++
			t.Errorf("seed %d: %v", seed, r.Err)
		}
		add(&total, r.Stats)
	}
	t.Logf("%d seeds: %+v", n, total)
	if failed == 0 && !testing.Short() {
		for v, i := reflect.ValueOf(total), 0; i < v.NumField(); i++ {
			if v.Field(i).Int() == 0 {
				t.Errorf("no run had any %s: the simulation proves nothing about them", v.Type().Field(i).Name)
			}
		}
	}
}

func add(total *Stats, s Stats) {
	to, from := reflect.ValueOf(total).Elem(), reflect.ValueOf(s)
	for i := range to.NumField() {
		to.Field(i).SetInt(to.Field(i).Int() + from.Field(i).Int())
	}
}

func TestReplayIsExact(t *testing.T) {
	for seed := uint64(1); seed <= 5; seed++ {
		seeded(t, seed)
		first := Run(seed, nil)
		seeded(t, seed)
		if again := Run(seed, nil); again.Hash != first.Hash || again.Stats != first.Stats {
			t.Errorf("seed %d: %016x %+v, again %016x %+v", seed, first.Hash, first.Stats, again.Hash, again.Stats)
		}
	}
}
