//go:build unix

package app

import (
	"math"
	"syscall"
)

// openFiles is how many files this process may have open. Go has raised the soft limit
// to the hard one when the process began.
func openFiles() int {
	var l syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l); err != nil || uint64(l.Cur) > math.MaxInt32 {
		return math.MaxInt32
	}
	return int(l.Cur)
}
