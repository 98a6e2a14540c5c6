// Package child starts the servers that tests and measurements need, as children of this
// process: on a free port, with a log, and so that they end with it. It signals only what it
// started, and what that started in turn.
package child

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"
)

// Command is a program to run.
type Command struct {
	Bin  string
	Args []string
	Env  []string // nil for our own
	Dir  string
	Log  string   // the file that its output is appended to
	As   *Account // nil means our own
	// OnDeath is the signal that it gets on Linux when we die.
	OnDeath Signal
}

// Process is a child that was started here. What it started in turn is found when it is needed;
// nothing else is ever signalled.
type Process struct {
	PID  int
	Done <-chan struct{} // closed when the child is gone
	Err  error           // how it ended; read it after Done

	os    *os.Process
	log   string
	began int64 // where its output begins in the log
}

// Start starts c.
//
// The goroutine that starts the child keeps its thread until the child is
// gone: on Linux the parent-death signal fires when the starting *thread*
// ends, and the runtime ends a thread whose locked goroutine returns.
func Start(c Command) (*Process, error) {
	out, err := os.OpenFile(c.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	log, err := out.Stat()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(c.Bin, c.Args...)
	cmd.Dir, cmd.Env = c.Dir, c.Env
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = attr(c.As, c.OnDeath)

	done := make(chan struct{})
	p := &Process{Done: done, log: c.Log, began: log.Size()}
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err != nil {
			return
		}
		p.Err = cmd.Wait()
		close(done)
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	p.os, p.PID = cmd.Process, cmd.Process.Pid
	return p, nil
}

// Run waits for c to end well. The error has what c printed.
func Run(ctx context.Context, c Command) error {
	p, err := Start(c)
	if err != nil {
		return err
	}
	select {
	case <-p.Done:
		err = p.Err
	case <-ctx.Done():
		p.KillAll()
		err = ctx.Err()
	}
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w\n%s", c.Bin, err, strings.TrimSpace(p.printed()))
}

// Exited reports whether the child is gone.
func (p *Process) Exited() bool {
	select {
	case <-p.Done:
		return true
	default:
		return false
	}
}

// Kill ends the child with SIGKILL, and nothing that it has started. Like all that signals, it
// fails only when the child is already gone, which is what its callers look at next, so it
// reports nothing.
func (p *Process) Kill() { _ = p.os.Kill() }

// EndsWithin reports whether the child ends within a time.
func (p *Process) EndsWithin(d time.Duration) bool {
	limit := time.NewTimer(d)
	defer limit.Stop()
	select {
	case <-p.Done:
		return true
	case <-limit.C:
		return false
	}
}

// pause waits a moment, or less when the child ends.
func (p *Process) pause() { p.EndsWithin(time.Millisecond) }
