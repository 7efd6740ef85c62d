// Package sim runs the deterministic core of consensus under a seeded scheduler:
// one thread, virtual time, the real raft library, store and ledger files, and a
// disk, signer, clock and clients that misbehave. Checkers compare every step with
// an independent idea of what a ledger is.
//
// A run is a function of its seed. It prints a hash of everything that happened;
// the same seed gives the same hash:
//
//	go test ./tests/sim -run TestOneSeed -seed 17 -v
//	go test ./tests/sim -run TestSeeds -long
//	go test ./tests/sim -run TestMutations -mutations
//
// The last one injects bugs into the core, one at a time, and fails for each one
// that the seeds do not find.
package sim
