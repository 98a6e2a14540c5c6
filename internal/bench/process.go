package bench

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// What the system tells of a process; only Linux does, and elsewhere the lines
// that need it are left out.

// cpuSeconds is the processor time that a process has used.
func cpuSeconds(pid int) (float64, bool) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, false
	}
	// The fields after the name, which is in parentheses and may hold some itself.
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	if len(fields) < 13 {
		return 0, false
	}
	user, err1 := strconv.ParseFloat(fields[11], 64)
	sys, err2 := strconv.ParseFloat(fields[12], 64)
	const ticks = 100 // a second, on every Linux
	return (user + sys) / ticks, err1 == nil && err2 == nil
}

// peakMiB is the largest resident memory that a process has had.
func peakMiB(pid int) (float64, bool) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, false
	}
	for line := range strings.Lines(string(text)) {
		if v, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kib, err := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(v), " kB"), 64)
			return kib / 1024, err == nil
		}
	}
	return 0, false
}
