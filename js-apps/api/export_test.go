package api

// MaxIdle is the bound on Idle.
const MaxIdle = maxIdle

// Idle counts the interpreters at rest.
func (a *Apps) Idle() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	n := 0
	for _, g := range a.mu.generations {
		n += g.idles
	}
	return n
}
