package redistest_test

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ecpayq/ecpayq/internal/redistest"
)

func TestServerOutlivesTheThreadThatStartedIt(t *testing.T) {
	t.Parallel()
	ctx := deadline(t, 20*time.Second)
	type result struct {
		s   *redistest.Server
		err error
		tid int
	}
	start := func() result {
		started := make(chan result)
		go func() {
			runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
			s, err := redistest.Start(ctx, redistest.Options{Dir: t.TempDir()})
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
	if err := impatient(t, r.s).Ping(ctx).Err(); err != nil {
		t.Errorf("%v\n%s", err, r.s.Log())
	}
}

func TestServerDiesWithItsParent(t *testing.T) {
	t.Parallel()
	ctx := deadline(t, 20*time.Second)
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Env = append(os.Environ(), "REDISTEST_PARENT_DIR="+t.TempDir())
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
	addr := strings.TrimSpace(line)
	if _, _, split := net.SplitHostPort(addr); err != nil || split != nil {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		t.Fatalf("the parent printed %q, %v", line, err)
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
	eventually(t, ctx, "waiting for the orphan to die", func() error {
		conn, err := net.DialTimeout("tcp", addr, time.Second)
		if err != nil {
			return nil
		}
		conn.Close()
		return errors.New("it still accepts connections")
	})
}
