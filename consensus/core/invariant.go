package core

import "fmt"

// Broken is a broken invariant: the core has found that it, the log library or
// the disk did what must never happen. It is panicked, caught by the shell, and
// ends the node: what the node would say next could be wrong.
type Broken struct{ What string }

// Error is one sentence for the operator.
func (b *Broken) Error() string {
	return "consensus stopped itself because an invariant is broken: " + b.What
}

// invariant stops the core unless ok. What names the invariant as DESIGN.md does.
func invariant(ok bool, what string) {
	if !ok {
		panic(&Broken{What: what})
	}
}

// broken stops the core with figures in the sentence.
func broken(format string, args ...any) {
	panic(&Broken{What: fmt.Sprintf(format, args...)})
}

// raftLog turns the log library's own assertions into broken invariants and passes
// on nothing else: what matters of its chatter shows as role changes.
type raftLog struct{}

func (raftLog) Debug(...any)            {}
func (raftLog) Debugf(string, ...any)   {}
func (raftLog) Info(...any)             {}
func (raftLog) Infof(string, ...any)    {}
func (raftLog) Warning(...any)          {}
func (raftLog) Warningf(string, ...any) {}
func (raftLog) Error(...any)            {}
func (raftLog) Errorf(string, ...any)   {}

func (raftLog) Fatal(v ...any)            { broken("raft: %s", fmt.Sprint(v...)) }
func (raftLog) Fatalf(f string, v ...any) { broken("raft: "+f, v...) }
func (raftLog) Panic(v ...any)            { broken("raft: %s", fmt.Sprint(v...)) }
func (raftLog) Panicf(f string, v ...any) { broken("raft: "+f, v...) }
