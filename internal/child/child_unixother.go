//go:build unix && !linux

package child

import (
	"os/exec"
	"strconv"
	"strings"
	"syscall"
)

// attr gives the child a process group of its own, so that a Ctrl-C on the
// terminal reaches us alone. There is no parent-death signal to ask for:
// watch has to do.
func attr(as *Account, _ Signal) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Credential: credential(as)}
}

// halted cannot be seen here without waiting for the child; the signal alone
// has to do.
func halted(int) bool { return true }

func look(pid int) Task {
	for _, t := range ps("-p", strconv.Itoa(pid)) {
		return t
	}
	return Task{}
}

func tasks() []Task { return ps("-A") }

func ps(which ...string) []Task {
	out, err := exec.Command("ps", append(which, "-o", "pid=,ppid=,state=")...).Output()
	if err != nil {
		return nil
	}
	var all []Task
	for line := range strings.Lines(string(out)) {
		f := strings.Fields(line)
		if len(f) < 3 {
			continue
		}
		pid, err1 := strconv.Atoi(f[0])
		parent, err2 := strconv.Atoi(f[1])
		if err1 == nil && err2 == nil {
			all = append(all, Task{pid: pid, parent: parent, state: f[2][0]})
		}
	}
	return all
}
