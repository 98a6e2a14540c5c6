package dbtest_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	osexec "os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/ecpayq/ecpayq/internal/child"
	"github.com/ecpayq/ecpayq/internal/dbtest"
)

func TestServerOutlivesTheThreadThatStartedIt(t *testing.T) {
	t.Parallel()
	for _, kind := range kinds {
		t.Run(kind.name, func(t *testing.T) {
			t.Parallel()
			ctx := deadline(t, limit)
			type result struct {
				s   *dbtest.Server
				err error
				tid int
			}
			start := func() result {
				started := make(chan result)
				go func() {
					runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
					s, err := kind.try(ctx, dbtest.Options{NoSync: true})
					started <- result{s, err, syscall.Gettid()}
				}()
				r := <-started
				if r.err != nil {
					t.Fatal(r.err)
				}
				t.Cleanup(func() { _ = r.s.Stop() })
				return r
			}
			r := start()
			if r.tid == os.Getpid() {
				r = start() // the first thread of a process never ends, and is now taken
			}
			eventually(t, ctx, "waiting for the thread to end", func() error {
				if _, err := os.Stat(fmt.Sprintf("/proc/self/task/%d", r.tid)); err == nil {
					return errors.New("it is still there")
				}
				return nil
			})
			value(t, ctx, r.s.Open(t), "SELECT 1")
		})
	}
}

func TestServerDiesWithItsParent(t *testing.T) {
	t.Parallel()
	// The orphans become ours, as they become the first process's in a container, and we belong
	// to their session: the kernel then lets no frozen one go on.
	const prSetChildSubreaper = 36
	if _, _, errno := syscall.RawSyscall(syscall.SYS_PRCTL, prSetChildSubreaper, 1, 0); errno != 0 {
		t.Fatal(errno)
	}
	for _, kind := range []string{"PostgreSQL", "PostgreSQL, busy", "PostgreSQL, paused", "MariaDB"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			ctx := deadline(t, limit)
			dir, err := os.MkdirTemp("", "dbtest-")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { os.RemoveAll(dir) })
			cmd := osexec.CommandContext(ctx, os.Args[0])
			cmd.Env = append(os.Environ(), "DBTEST_PARENT="+kind, "DBTEST_PARENT_DIR="+dir)
			stdin, err := cmd.StdinPipe() // closes with us, so that the parent cannot outlive this test
			if err != nil {
				t.Fatal(err)
			}
			defer stdin.Close()
			stdout, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			line, err := bufio.NewReader(stdout).ReadString('\n')
			var pid int
			var addr string
			if _, bad := fmt.Sscan(line, &pid, &addr); err != nil || bad != nil {
				_ = cmd.Process.Kill()
				_ = cmd.Wait()
				t.Fatalf("the parent printed %q, %v", line, err)
			}
			all := child.Family(pid)
			if strings.HasPrefix(kind, "PostgreSQL") && len(all) < 5 {
				t.Errorf("PostgreSQL has the processes %v only", all)
			}
			conn, err := net.Dial("tcp", addr)
			if err != nil {
				t.Errorf("before the kill: %v", err)
			} else {
				conn.Close()
			}
			if err := cmd.Process.Kill(); err != nil {
				t.Error(err)
			}
			_ = cmd.Wait()
			eventually(t, ctx, "waiting for the orphans to die", func() error {
				for _, p := range all {
					if !p.Gone() {
						return fmt.Errorf("%s is still there", p)
					}
				}
				return nil
			})
		})
	}
}

// segments counts the shared memory that the process of that pid has made.
func segments(t *testing.T, pid string) (n int) {
	t.Helper()
	all, err := os.ReadFile("/proc/sysvipc/shm")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(all)) {
		if f := strings.Fields(line); len(f) > 4 && f[4] == pid {
			n++
		}
	}
	return n
}

func TestAKilledPostgresLeavesNoSharedMemory(t *testing.T) {
	t.Parallel()
	s := dbtest.Postgres(t)
	pid := fmt.Sprint(s.PID())
	s.Kill()
	if segments(t, pid) == 0 {
		t.Error("there is no segment after Kill, so that nothing is shown by its removal")
	}
	if err := s.Stop(); err != nil {
		t.Error(err)
	}
	if n := segments(t, pid); n != 0 {
		t.Errorf("%d segments are left after Stop", n)
	}
	if err := s.Restart(deadline(t, limit)); err != nil {
		t.Errorf("without the segment: %v", err)
	}
}

func TestAnInterruptedInitdbLeavesNoSharedMemory(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(deadline(t, limit))
	defer cancel()
	dir, err := os.MkdirTemp("", "dbtest-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	started := make(chan error)
	go func() {
		s, err := dbtest.StartPostgres(ctx, dbtest.Options{Dir: dir})
		if err == nil {
			_ = s.Stop()
		}
		started <- err
	}()
	var pid string
	eventually(t, ctx, "waiting for initdb to run a server", func() error {
		lock, err := os.ReadFile(filepath.Join(dir, "data", "postmaster.pid"))
		if err != nil {
			return err
		}
		line, _, _ := strings.Cut(string(lock), "\n")
		pid = strings.TrimPrefix(line, "-")
		if segments(t, pid) == 0 {
			return errors.New("it has no shared memory yet")
		}
		return nil
	})
	cancel()
	if err := <-started; !errors.Is(err, context.Canceled) {
		t.Errorf("StartPostgres: %v, want %v", err, context.Canceled)
	}
	if n := segments(t, pid); n != 0 {
		t.Errorf("%d segments are left", n)
	}
}
