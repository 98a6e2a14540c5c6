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
	s, ok := readStat(pid)
	return s.own, ok
}

// familySeconds is that of a process and its children, of those too that have ended meanwhile:
// PostgreSQL has one for each connection.
func familySeconds(pid int) (float64, bool) {
	root, ok := readStat(pid)
	entries, err := os.ReadDir("/proc")
	if !ok || err != nil {
		return 0, false
	}
	sum := root.own + root.ended
	for _, e := range entries {
		child, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if s, ok := readStat(child); ok && s.parent == pid {
			sum += s.own + s.ended
		}
	}
	return sum, true
}

// stat is some of what Linux tells of a process.
type stat struct {
	parent     int
	own, ended float64 // processor time in seconds, its own and that of its children that have ended
}

func readStat(pid int) (s stat, ok bool) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return s, false
	}
	// The fields after the name, which is in parentheses and may hold some itself.
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	if len(fields) < 15 {
		return s, false
	}
	var ticks [4]float64 // user, system, and those of the children
	for i := range ticks {
		if ticks[i], err = strconv.ParseFloat(fields[11+i], 64); err != nil {
			return s, false
		}
	}
	s.parent, err = strconv.Atoi(fields[1])
	const perSecond = 100 // on every Linux
	s.own, s.ended = (ticks[0]+ticks[1])/perSecond, (ticks[2]+ticks[3])/perSecond
	return s, err == nil
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
