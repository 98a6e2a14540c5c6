//go:build !unix

package redistest

import "syscall"

// supported is false where there are no signals to stop, freeze and thaw with.
const supported = false

func attr() *syscall.SysProcAttr { return nil }

func (p *process) terminate() {}
func (p *process) freeze()    {}
func (p *process) thaw()      {}
