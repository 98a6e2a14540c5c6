package redistest

import (
	"bytes"
	"fmt"
	"os"
	"syscall"
)

// attr makes the child die with us, however we die, and gives it a process
// group of its own, so that a Ctrl-C on the terminal reaches us alone and we
// stop the child when nobody needs it any more.
func attr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}

// halted reports whether every thread of the process is stopped.
func halted(pid int) bool {
	threads, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		return false
	}
	for _, t := range threads {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/stat", pid, t.Name()))
		if err != nil {
			return false
		}
		// The state follows the name, which is in parentheses and may hold some itself.
		_, state, _ := bytes.Cut(stat[max(0, bytes.LastIndexByte(stat, ')')):], []byte(" "))
		if len(state) == 0 || state[0] != 'T' {
			return false
		}
	}
	return len(threads) > 0
}
