//go:build !linux

package bench

import "time"

// sleepUntil sleeps as exactly as the runtime does it.
func sleepUntil(t time.Time) { time.Sleep(time.Until(t)) }
