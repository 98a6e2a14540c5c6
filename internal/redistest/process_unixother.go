//go:build unix && !linux

package redistest

import "syscall"

// attr gives the child a process group of its own, so that a Ctrl-C on the
// terminal reaches us alone. There is no parent-death signal to ask for.
func attr() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// halted cannot be seen here without waiting for the child; the signal alone
// has to do.
func halted(int) bool { return true }
