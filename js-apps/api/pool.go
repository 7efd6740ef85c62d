package api

import (
	"container/list"
	"math"
	"slices"
	"sync"
)

// Bounds on idle interpreters.
const (
	// maxIdle caps the sealed interpreters of all endpoints together.
	maxIdle = 64
	// maxGenerations keeps the interpreters of the present application and of the
	// one before, which requests on older snapshots may still ask for.
	maxGenerations = 2
	// reuseHeadroom is the part of the heap limit beyond which a reused
	// interpreter is given up: what it leaks would only grow.
	reuseHeadroom = 4
)

// Apps runs application endpoints. It is safe for concurrent use.
type Apps struct {
	mu struct {
		sync.Mutex
		generations []*generation // newest first
		clock       uint64        // counts returns to the pool
		closed      bool
	}
}

// NewApps returns an empty set of interpreters.
func NewApps() *Apps { return &Apps{} }

// generation is what belongs to one version of the application. Its fields are
// guarded by Apps.mu, except that code has a lock of its own and a reused
// interpreter belongs to whoever holds its entry's lock.
type generation struct {
	version string
	code    *codeCache
	idle    map[imageKey][]idleInterp // sealed and reset, newest last
	idles   int
	// unsealable are the images whose modules each request loads for itself.
	unsealable map[imageKey]bool
	reused     map[string]*reusedEntry
	recent     *list.List // of *reusedEntry, least recently used first
	retired    bool
}

// imageKey names interpreters that are interchangeable. Without a module they are
// bare: sealed before any module is loaded.
type imageKey struct {
	module string
	access Access
}

// idleInterp is an interpreter at rest and when it came to that.
type idleInterp struct {
	it    *interp
	since uint64
}

// reusedEntry is an interpreter kept for a key. One request at a time is in it.
type reusedEntry struct {
	key string
	at  *list.Element
	mu  sync.Mutex
	it  *interp // made by the first holder of mu
	// gone is set when the entry is no longer in the cache; its last user closes it.
	gone  bool
	users int
}

// lease is an interpreter in the hands of one call.
type lease struct {
	it    *interp
	gen   *generation
	key   imageKey
	entry *reusedEntry
}

// codeCache holds compiled modules. The bytes were made in this process.
type codeCache struct {
	mu struct {
		sync.Mutex
		code map[string][]byte
	}
}

// Get is the bytecode of a module.
func (c *codeCache) Get(name string) ([]byte, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	code, ok := c.mu.code[name]
	return code, ok
}

// Put keeps the bytecode of a module.
func (c *codeCache) Put(name string, code []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mu.code[name] = code
}

func newGeneration(version string) *generation {
	g := &generation{
		version: version, code: &codeCache{},
		idle: map[imageKey][]idleInterp{}, unsealable: map[imageKey]bool{},
		reused: map[string]*reusedEntry{}, recent: list.New(),
	}
	g.code.mu.code = map[string][]byte{}
	return g
}

// generation finds or starts the generation of a version. mu is held.
func (a *Apps) generation(version string) *generation {
	for _, g := range a.mu.generations {
		if g.version == version {
			return g
		}
	}
	a.mu.generations = append([]*generation{newGeneration(version)}, a.mu.generations...)
	if n := len(a.mu.generations); n > maxGenerations {
		a.mu.generations[n-1].retire()
		a.mu.generations = a.mu.generations[:n-1]
	}
	return a.mu.generations[0]
}

// acquire finds an interpreter for a call: a reused one, a sealed one, or a new
// one.
func (a *Apps) acquire(e Endpoint, m ModuleSource, o Options, c *call) (*lease, *Failure, error) {
	a.mu.Lock()
	g := a.generation(m.Version())
	if e.ReuseKey != nil {
		switch entry, failure := g.claim(*e.ReuseKey, o, c.host.Access); {
		case failure != nil:
			a.mu.Unlock()
			return nil, failure, nil
		case entry != nil:
			a.mu.Unlock()
			return a.acquireReused(g, entry)
		}
	}
	l := &lease{gen: g, key: imageKey{e.Module, c.host.Access}}
	// A historical state is part of what modules see while they load.
	if c.host.HistoricalState != nil || g.unsealable[l.key] {
		l.key.module = ""
	}
	if q := g.idle[l.key]; len(q) > 0 {
		l.it = q[len(q)-1].it
		g.idle[l.key] = q[:len(q)-1]
		g.idles--
	}
	a.mu.Unlock()
	if l.it != nil {
		return l, nil, nil
	}
	it, err := newInterp(false)
	if err != nil {
		return nil, nil, err
	}
	it.code, it.bare = g.code, l.key.module == ""
	l.it = it
	return l, nil, nil
}

// claim takes the interpreter kept for a key, or returns nil when another request
// is in it: that one gets a pristine interpreter rather than wait. Applications
// cannot tell, for an interpreter may be forgotten at any time; in CCF requests
// with one key take turns, on one core. Apps.mu is held.
func (g *generation) claim(key string, o Options, access Access) (*reusedEntry, *Failure) {
	g.trim(o.CachedInterpreters) // the cap may have been lowered
	if o.CachedInterpreters <= 0 {
		return nil, &Failure{HTTPMessage: messageNoReuse}
	}
	if access == AppRW {
		key += " (rw)"
	} else {
		key += " (ro)"
	}
	e := g.reused[key]
	switch {
	case e == nil:
		e = &reusedEntry{key: key}
		e.at = g.recent.PushBack(e)
		g.reused[key] = e
	case e.users > 0:
		return nil, nil
	}
	g.recent.MoveToBack(e.at)
	e.users++
	g.trim(o.CachedInterpreters)
	return e, nil
}

// acquireReused enters a claimed interpreter, made now if need be.
func (a *Apps) acquireReused(g *generation, e *reusedEntry) (*lease, *Failure, error) {
	e.mu.Lock() // released by release
	if e.it == nil {
		it, err := newInterp(false)
		if err != nil {
			a.leaveEntry(g, e, true)
			return nil, nil, err
		}
		it.code = g.code
		e.it = it
	}
	return &lease{it: e.it, gen: g, entry: e}, nil, nil
}

// trim evicts the entries that were not used for longest. Apps.mu is held.
func (g *generation) trim(most int) {
	for g.recent.Len() > max(most, 0) {
		g.evict(g.recent.Front().Value.(*reusedEntry))
	}
}

// evict takes an entry out of the cache. Apps.mu is held.
func (g *generation) evict(e *reusedEntry) {
	if e.gone {
		return
	}
	e.gone = true
	delete(g.reused, e.key)
	g.recent.Remove(e.at)
	if e.users == 0 && e.it != nil {
		e.it.close()
	}
}

// release takes an interpreter back.
func (a *Apps) release(l *lease, o Options) {
	it := l.it
	if l.entry != nil {
		heavy := !it.iso.Dead() && it.iso.HeapBytes() > o.HeapBytes-o.HeapBytes/reuseHeadroom
		a.leaveEntry(l.gen, l.entry, it.iso.Dead() || heavy)
		return
	}
	if !a.keep(l) {
		it.close()
	}
}

// leaveEntry ends the use of a reused interpreter; e.mu is held.
func (a *Apps) leaveEntry(g *generation, e *reusedEntry, drop bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if drop {
		g.evict(e)
	}
	e.users--
	if e.gone && e.users == 0 && e.it != nil {
		e.it.close()
	}
	e.mu.Unlock()
}

// keep puts a sealed interpreter back into the pool, reset.
func (a *Apps) keep(l *lease) bool {
	if !l.it.sealed || l.it.iso.Dead() {
		if l.it.impure && !l.it.iso.Dead() {
			a.mu.Lock()
			l.gen.unsealable[l.key] = true
			a.mu.Unlock()
		}
		return false
	}
	l.it.reset()
	a.mu.Lock()
	defer a.mu.Unlock()
	g := l.gen
	if g.retired || a.mu.closed {
		return false
	}
	a.mu.clock++
	g.idle[l.key] = append(g.idle[l.key], idleInterp{l.it, a.mu.clock})
	if g.idles++; g.idles > maxIdle {
		g.closeOldest()
	}
	return true
}

// closeOldest ends the interpreter that has been idle for longest. Apps.mu is held.
func (g *generation) closeOldest() {
	var key imageKey
	oldest := uint64(math.MaxUint64)
	for k, q := range g.idle {
		if len(q) > 0 && q[0].since < oldest {
			key, oldest = k, q[0].since
		}
	}
	q := g.idle[key]
	q[0].it.close()
	g.idle[key] = slices.Delete(q, 0, 1)
	g.idles--
}

// retire closes what is idle; what is in use is closed when released.
func (g *generation) retire() {
	g.retired = true
	for _, q := range g.idle {
		for _, r := range q {
			r.it.close()
		}
	}
	clear(g.idle)
	g.idles = 0
	for _, e := range g.reused {
		g.evict(e)
	}
}

// Flush forgets every interpreter.
func (a *Apps) Flush() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, g := range a.mu.generations {
		g.retire()
	}
	a.mu.generations = nil
}

// Close ends every interpreter that is not in use and keeps none from then on.
func (a *Apps) Close() {
	a.Flush()
	a.mu.Lock()
	defer a.mu.Unlock()
	a.mu.closed = true
}
