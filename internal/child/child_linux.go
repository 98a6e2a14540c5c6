package child

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"syscall"
)

// attr makes the child get a signal when we die, however we die, and gives it
// a process group of its own, so that a Ctrl-C on the terminal reaches us
// alone and we stop the child when nobody needs it any more.
//
// A change of credentials clears the signal, but package syscall asks for it
// after it has changed them. So a server must be started under its final user:
// one that changes it by itself (mariadbd --user, pgbouncer -u) loses it.
func attr(as *Account, onDeath Signal) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: onDeath, Setpgid: true, Credential: credential(as)}
}

// halted reports whether every thread of the process is stopped, or gone.
func halted(pid int) bool {
	threads, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		return os.IsNotExist(err)
	}
	for _, t := range threads {
		tid, err := strconv.Atoi(t.Name())
		if err != nil {
			return false
		}
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/stat", pid, tid))
		if err != nil {
			return false
		}
		if s := parseStat(tid, stat); s.state != 'T' && !s.gone() {
			return false
		}
	}
	return true
}

// look returns the process as it is now, with the state zero if there is none.
func look(pid int) Task {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return Task{}
	}
	return parseStat(pid, stat)
}

// parseStat reads proc_pid_stat(5).
func parseStat(pid int, stat []byte) Task {
	// The state follows the name, which is in parentheses and may hold some itself.
	f := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(f) < 20 || len(f[0]) != 1 {
		return Task{}
	}
	parent, err := strconv.Atoi(string(f[1]))
	if err != nil {
		return Task{}
	}
	return Task{pid: pid, parent: parent, state: f[0][0], started: string(f[19])}
}

func tasks() []Task {
	names, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	var all []Task
	for _, n := range names {
		pid, err := strconv.Atoi(n.Name())
		if err != nil {
			continue
		}
		if t := look(pid); t.state != 0 {
			all = append(all, t)
		}
	}
	return all
}
