package clean

import (
	"strings"
	"time"
)

// Duration writes a duration as a person does: 24h, where Go says 24h0m0s.
func Duration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// Durations returns the arguments of a format with every duration as [Duration] writes it.
func Durations(args []any) []any {
	for i, a := range args {
		if d, ok := a.(time.Duration); ok {
			args[i] = Duration(d)
		}
	}
	return args
}
