package runtime

import (
	"sync"
	"time"

	lib "modernc.org/libquickjs"
)

// The watchdog acts this long after the deadline, and then this often. The grace
// lets a script that ends by itself do so even with a limit of 0.
const (
	watchGrace  = 10 * time.Millisecond
	watchPeriod = 2 * time.Millisecond
)

// watchdog makes an overdue engine poll at its next branch or call instead of
// after some thousand of them, which a loop of slow builtins would take long to
// reach. The store races with the engine's own countdown on purpose: either the
// engine sees it, or the next one follows.
type watchdog struct {
	mu    sync.Mutex
	timer *time.Timer
	ctx   uintptr // the engine context being watched; 0 for none
}

func (w *watchdog) arm(ctx uintptr, limit time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ctx = ctx
	limit = min(limit, 1<<62) // a huge limit must not wrap
	if w.timer == nil {
		w.timer = time.AfterFunc(limit+watchGrace, w.poke)
		return
	}
	w.timer.Reset(limit + watchGrace)
}

func (w *watchdog) poke() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ctx == 0 {
		return
	}
	at[lib.TJSContext](w.ctx).Finterrupt_counter = 0
	w.timer.Reset(watchPeriod)
}

// disarm returns once the watchdog can no longer touch the context.
func (w *watchdog) disarm() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ctx = 0
	w.timer.Stop()
}
