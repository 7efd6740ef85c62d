package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"os"
	"slices"
	"time"
)

// calibration is what the machine can do at best, in microseconds.
type calibration struct {
	Sign  float64 `json:"p384_sign_us"`
	Fsync float64 `json:"fsync_us"`
}

// floor is what a commit cannot be faster than: two signatures and one fsync,
// one after another.
func (c calibration) floor() float64 { return 2*c.Sign + c.Fsync }

const calibrationRounds = 50

func calibrate() (calibration, error) {
	var c calibration
	key, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		return c, err
	}
	digest := make([]byte, 32)
	if c.Sign, err = median(func() error {
		_, err := ecdsa.SignASN1(rand.Reader, key, digest)
		return err
	}); err != nil {
		return c, err
	}
	f, err := os.CreateTemp("", "concordat-fsync-")
	if err != nil {
		return c, err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	c.Fsync, err = median(func() error {
		if _, err := f.Write(make([]byte, 4096)); err != nil {
			return err
		}
		return f.Sync()
	})
	return c, err
}

func median(f func() error) (float64, error) {
	var times []time.Duration
	for range calibrationRounds {
		started := time.Now()
		if err := f(); err != nil {
			return 0, err
		}
		times = append(times, time.Since(started))
	}
	slices.Sort(times)
	return float64(times[len(times)/2].Nanoseconds()) / 1000, nil
}
