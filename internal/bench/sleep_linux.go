package bench

import (
	"syscall"
	"time"
)

// sleepUntil sleeps more exactly than [time.Sleep], whose timers are rounded up
// to whole milliseconds where a process has nothing else to do.
func sleepUntil(t time.Time) {
	if d := time.Until(t); d > 0 {
		left := syscall.NsecToTimespec(int64(d))
		_ = syscall.Nanosleep(&left, nil)
	}
}
