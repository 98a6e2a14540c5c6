package record

import "strconv"

// Number reads a number that is stored. What a newer or hostile writer may have left
// reads as 0.
func Number(s string) int64 {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return 0
	}
	return n
}
