package record

import (
	"strconv"
	"time"
)

// Number reads a number that is stored. What a newer or hostile writer may have left
// reads as 0.
func Number(s string) int64 {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// UnixMilli is a time as scripts take it, 0 for none.
func UnixMilli(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}
