package config

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Size is a number of bytes and how the file spells it, which error texts quote.
type Size struct {
	Bytes uint64
	Text  string
}

// units of sizes; the factor is 1024 and case does not matter.
var units = map[string]uint{"": 0, "B": 0, "KB": 10, "MB": 20, "GB": 30, "TB": 40, "PB": 50}

// ParseSize reads "5MB"; a bare number is bytes.
func ParseSize(s string) (Size, error) {
	digits := strings.TrimRight(s, "BKMGTPbkmgtp")
	shift, ok := units[strings.ToUpper(s[len(digits):])]
	n, err := strconv.ParseUint(digits, 10, 64)
	if !ok || err != nil || n > math.MaxUint64>>shift {
		return Size{}, fmt.Errorf("size %q: want a number and B, KB, MB, GB, TB or PB, e.g. \"5MB\"", s)
	}
	return Size{n << shift, s}, nil
}

func mustSize(s string) Size {
	v, err := ParseSize(s)
	if err != nil {
		panic("config: a default is no size: " + s)
	}
	return v
}

// Duration is a time; in the file a number with us, ms, s, min or h.
type Duration struct{ time.Duration }

// timeUnits are the units of times; a bare number is microseconds, as in CCF.
var timeUnits = []struct {
	suffix string
	unit   time.Duration
}{{"us", time.Microsecond}, {"ms", time.Millisecond}, {"min", time.Minute}, {"s", time.Second}, {"h", time.Hour}, {"", time.Microsecond}}

// ParseDuration reads "100ms".
func ParseDuration(s string) (Duration, error) {
	for _, u := range timeUnits {
		digits, ok := strings.CutSuffix(s, u.suffix)
		if !ok {
			continue
		}
		n, err := strconv.ParseUint(digits, 10, 63)
		if err != nil || n > math.MaxInt64/uint64(u.unit) {
			break
		}
		return Duration{time.Duration(n) * u.unit}, nil
	}
	return Duration{}, fmt.Errorf("time %q: want a number and us, ms, s, min or h, e.g. \"100ms\"", s)
}
