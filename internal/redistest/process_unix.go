//go:build unix

package redistest

import (
	"syscall"
	"time"
)

const supported = true

func (p *process) terminate() { _ = p.os.Signal(syscall.SIGTERM) }

func (p *process) thaw() { _ = p.os.Signal(syscall.SIGCONT) }

// freeze returns when the child is halted, as far as the system can tell us:
// a signal is delivered some time after the call that sends it.
func (p *process) freeze() {
	if p.os.Signal(syscall.SIGSTOP) != nil {
		return
	}
	for end := time.Now().Add(time.Second); !halted(p.pid) && time.Now().Before(end); {
		t := time.NewTimer(time.Millisecond)
		select {
		case <-t.C:
		case <-p.done:
			t.Stop()
			return
		}
	}
}
