// Package core is the deterministic heart of consensus: inputs in, effects out.
//
// It owns sequencing, segments, the Merkle tree, the policy of signing, the raft
// log and its roles, views, and what is committed. It has no clock, randomness,
// file, socket, lock or goroutine: the shell around it (package consensus) and
// the simulator (tests/sim) call its methods one at a time and carry out the
// Effects of each call. The one thing that happens outside is Slot.Seal and
// SignJob.Seal, pure functions whose inputs nobody changes meanwhile.
//
// The words are those of DESIGN.md one folder up: a segment is a run of ledger
// entries that ends with a signature transaction and travels as one raft entry.
//
// The raft library is used by this package alone, and no type of it is in the
// package's interface but Message, which peers exchange.
package core
