package governance

import (
	"fmt"
	"time"
)

// timeLayouts are the forms in which members write when a certificate becomes
// valid; fractions of a second are dropped.
var timeLayouts = []string{
	"060102150405Z",
	"20060102150405Z",
	"2006-01-02 15:04:05",
	"2006-01-02 15:04:05Z07:00",
	"2006-01-02T15:04:05",
	"2006-01-02T15:04:05Z07:00",
}

func parseTime(s string) (time.Time, error) {
	for _, layout := range timeLayouts {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC().Truncate(time.Second), nil
		}
	}
	return time.Time{}, fmt.Errorf("'%s' does not match any accepted time format", s)
}
