package bench

import (
	"syscall"
	"time"
)

// sleepUntil sleeps more exactly than [time.Sleep], whose timers are rounded up
// to whole milliseconds where a process has nothing else to do.
func sleepUntil(t time.Time) {
	for { // the runtime interrupts sleeps with signals
		d := time.Until(t)
		if d <= 0 {
			return
		}
		left := syscall.NsecToTimespec(int64(d))
		_ = syscall.Nanosleep(&left, nil)
	}
}
