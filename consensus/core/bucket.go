package core

import "time"

// bucket bounds signatures: rate a second in the long run, burst at once. It is
// driven by the times it is given, which must not go back; if they do, nothing is
// added.
type bucket struct {
	rate, burst float64
	tokens      float64
	at          time.Duration
}

func newBucket(rate float64, burst int) bucket {
	return bucket{rate: rate, burst: float64(burst), tokens: float64(burst)}
}

// take takes a token if there is one.
func (b *bucket) take(now time.Duration) bool {
	if b.rate < 0 {
		return true
	}
	if now > b.at {
		b.tokens = min(b.burst, b.tokens+b.rate*(now-b.at).Seconds())
		b.at = now
	}
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}

// next is when the next token will be there, after a take that failed.
func (b *bucket) next() time.Duration {
	return b.at + time.Duration((1-b.tokens)/b.rate*float64(time.Second)) + 1
}
