//go:build unix

package child

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"strconv"
	"syscall"
	"time"
)

// Supported is false where there are no signals to stop, freeze and thaw with.
const Supported = true

// Signal is one that a child gets.
type Signal = syscall.Signal

// The signals that end a child.
const (
	SigInt  = syscall.SIGINT
	SigKill = syscall.SIGKILL
	SigQuit = syscall.SIGQUIT
	SigTerm = syscall.SIGTERM
)

// treeLimit bounds the wait for signals to arrive, which takes microseconds
// unless a process waits for a disk.
const treeLimit = 5 * time.Second

// Account is a user of the system that a child runs as.
type Account struct {
	Name     string
	uid, gid uint32
}

// Unprivileged returns the account for a server that refuses to run as root,
// which is the one of that name if there is one, and nil when we are not root.
func Unprivileged(name string) (*Account, error) {
	if os.Getuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{name, "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
		gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
		if err := errors.Join(err1, err2); err != nil {
			return nil, err
		}
		return &Account{Name: name, uid: uint32(uid), gid: uint32(gid)}, nil
	}
	return nil, fmt.Errorf("there is no user %s or nobody, and the server refuses to run as root", name)
}

// Own gives a file to the account; to nobody where a is nil.
func (a *Account) Own(path string) error {
	if a == nil {
		return nil
	}
	return os.Chown(path, int(a.uid), int(a.gid))
}

func credential(a *Account) *syscall.Credential {
	if a == nil {
		return nil
	}
	return &syscall.Credential{Uid: a.uid, Gid: a.gid}
}

// Task is one process at one time. Its identity is the pid together with the
// time it started, as a pid is used again.
type Task struct {
	pid, parent int
	state       byte // as ps prints it
	started     string
}

func (t Task) gone() bool { return t.state == 'Z' || t.state == 'X' || t.state == 0 }

// Family returns the process of that pid, and all that is below it.
func Family(pid int) []Task { return append([]Task{look(pid)}, family(pid)...) }

// Gone reports whether the process has ended since, even if nobody has reaped it.
func (t Task) Gone() bool {
	now := look(t.pid)
	return now.gone() || now.started != t.started
}

// Halted reports whether all its threads are stopped.
func (t Task) Halted() bool { return halted(t.pid) }

func (t Task) String() string { return fmt.Sprintf("process %d (%c)", t.pid, t.state) }

// family returns what the process of that pid has started, and what that has
// started in turn.
func family(root int) []Task {
	all := tasks()
	in := map[int]bool{root: true}
	var found []Task
	for grown := true; grown; {
		grown = false
		for _, t := range all {
			if in[t.parent] && !in[t.pid] {
				in[t.pid], grown = true, true
				found = append(found, t)
			}
		}
	}
	return found
}

// Signal sends a signal to the child.
func (p *Process) Signal(s Signal) { _ = p.os.Signal(s) }

// Watch starts a shell that ends the child when we are gone, however we went,
// and lets it go on, so that it sees the signal even if it was frozen. The
// shell learns of it from the end of its input, and ends with the child.
//
// On Linux the parent-death signal does the same, unless the child is
// frozen. There the kernel lets it go on only if its new parent belongs to
// another session, which is not so for the first process of a container.
func (p *Process) Watch(c Command) error {
	const script = `read -r _; kill -"$1" "$2"; kill -CONT "$2"`
	sh := exec.Command("/bin/sh", "-c", script, "sh", strconv.Itoa(int(c.OnDeath)), strconv.Itoa(p.PID))
	sh.Dir, sh.Env = "/", []string{"PATH=/usr/bin:/bin"}
	sh.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: credential(c.As)}
	input, err := sh.StdinPipe()
	if err != nil {
		return err
	}
	if err := sh.Start(); err != nil {
		return err
	}
	go func() {
		<-p.Done
		_ = sh.Process.Kill() // before its input ends: the pid may be another's by now
		_ = sh.Wait()
		_ = input.Close()
	}()
	return nil
}

// Freeze halts the child, and nothing that it has started, and returns when it is halted, as far
// as the system can tell us: a signal is delivered some time after the call that sends it.
func (p *Process) Freeze() { p.freeze() }

func (p *Process) freeze() bool {
	if p.os.Signal(syscall.SIGSTOP) != nil {
		return false
	}
	for end := time.Now().Add(treeLimit); !halted(p.PID) && !p.Exited() && time.Now().Before(end); {
		p.pause()
	}
	return true
}

// Thaw lets the child go on.
func (p *Process) Thaw() { _ = p.os.Signal(syscall.SIGCONT) }

// FreezeAll halts the child and all that it has started, and returns when they
// are halted. A process group would not do: every process of PostgreSQL makes
// one of its own, with setsid.
//
// The child comes first. From then on it starts nothing, and reaps nothing, so
// that the pids of its children stay theirs.
func (p *Process) FreezeAll() []Task {
	end := time.Now().Add(treeLimit)
	if !p.freeze() {
		return nil
	}
	told := map[int]bool{}
	for {
		all, moving := family(p.PID), false
		for _, t := range all {
			if t.gone() {
				continue
			}
			if !told[t.pid] {
				told[t.pid] = true
				_ = syscall.Kill(t.pid, syscall.SIGSTOP)
				moving = true
			} else if !halted(t.pid) {
				moving = true
			}
		}
		if !moving || p.Exited() || time.Now().After(end) {
			return all
		}
		p.pause()
	}
}

// ThawAll undoes FreezeAll, in the opposite order.
func (p *Process) ThawAll() {
	if p.Exited() {
		return
	}
	for _, t := range family(p.PID) {
		_ = syscall.Kill(t.pid, syscall.SIGCONT)
	}
	_ = p.os.Signal(syscall.SIGCONT)
}

// KillAll ends the child and all that it has started with SIGKILL, and returns
// when they are gone. They are halted first, so that none sees another die and
// does something about it: PostgreSQL would.
func (p *Process) KillAll() {
	if p.Exited() {
		return
	}
	rest := p.FreezeAll()
	for _, t := range rest {
		_ = syscall.Kill(t.pid, syscall.SIGKILL)
	}
	_ = p.os.Kill()
	<-p.Done
	_ = awaitGone(rest)
}

// awaitGone returns when none of them runs any more. Somebody else reaps them.
func awaitGone(rest []Task) error {
	t := time.NewTicker(time.Millisecond)
	defer t.Stop()
	for end := time.Now().Add(treeLimit); ; <-t.C {
		left := 0
		for _, old := range rest {
			if now := look(old.pid); !now.gone() && now.started == old.started {
				left = old.pid
			}
		}
		if left == 0 {
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("process %d is still there %s after SIGKILL", left, treeLimit)
		}
	}
}
