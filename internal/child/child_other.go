//go:build !unix

package child

import "syscall"

// Supported is false where there are no signals to stop, freeze and thaw with.
const Supported = false

// Signal is one that a child gets.
type Signal int

// The signals that end a child.
const (
	SigInt Signal = iota
	SigKill
	SigQuit
	SigTerm
)

// Account is a user of the system that a child runs as.
type Account struct{ Name string }

// Unprivileged returns nil: there is no root.
func Unprivileged(string) (*Account, error) { return nil, nil }

// Own does nothing.
func (a *Account) Own(string) error { return nil }

func attr(*Account, Signal) *syscall.SysProcAttr { return nil }

// Watch does nothing.
func (p *Process) Watch(Command) error { return nil }

// Signal does nothing.
func (p *Process) Signal(Signal) {}

// Freeze does nothing.
func (p *Process) Freeze() {}

// Thaw does nothing.
func (p *Process) Thaw() {}

// FreezeAll does nothing.
func (p *Process) FreezeAll() {}

// ThawAll does nothing.
func (p *Process) ThawAll() {}

// KillAll ends the child.
func (p *Process) KillAll() { p.Kill() }
