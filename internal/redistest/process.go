package redistest

import (
	"os"
	"os/exec"
	"runtime"
)

// process is a child that was started here, and the only thing we signal.
type process struct {
	pid  int
	os   *os.Process
	done chan struct{} // closed when the child is gone
	err  error         // how it ended; read it after done
}

// spawn starts bin with its output appended to the file log.
//
// The goroutine that starts the child keeps its thread until the child is
// gone: on Linux the parent-death signal fires when the starting *thread*
// ends, and the runtime ends a thread whose locked goroutine returns.
func spawn(bin string, args []string, dir, log string) (*process, error) {
	out, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	cmd := exec.Command(bin, args...)
	cmd.Dir = dir
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = attr()

	p := &process{done: make(chan struct{})}
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err != nil {
			return
		}
		p.err = cmd.Wait()
		close(p.done)
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	p.os, p.pid = cmd.Process, cmd.Process.Pid
	return p, nil
}

func (p *process) exited() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// kill and the signals beside it fail only when the child is already gone,
// which is what their callers look at next, so they report nothing.
func (p *process) kill() { _ = p.os.Kill() }
