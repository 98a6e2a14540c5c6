package main_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// result is how a finished ecpayq ended.
type result struct {
	code           int
	stdout, stderr string
}

// run runs ecpayq to its end in the bench's environment.
func (b *bench) run(args ...string) result {
	b.Helper()
	return runIn(b.T, b.env, args...)
}

// runWith is run with a changed environment.
func (b *bench) runWith(changes env, args ...string) result {
	b.Helper()
	return runIn(b.T, b.env.with(changes), args...)
}

func runIn(t *testing.T, e env, args ...string) result {
	t.Helper()
	c := startProgram(t, command, e, args...)
	return c.wait(90 * time.Second)
}

// child is a running ecpayq. It is ended with the test, by its own process.
type child struct {
	t           *testing.T
	name        string
	cmd         *exec.Cmd
	stdout, err *lines
	done        chan struct{}
	admin       string // of a worker: host and port
	url         string // of a dashboard

	mu     sync.Mutex
	parsed []map[string]any // of logs
	read   int              // bytes of stderr that were
}

// start starts ecpayq.
func start(t *testing.T, e env, args ...string) *child {
	t.Helper()
	return startProgram(t, binary, e, args...)
}

// startProgram starts a program that behaves as ecpayq does. The goroutine that
// starts it keeps its thread until the child has ended: a parent-death signal
// belongs to the starting thread.
func startProgram(t *testing.T, path string, e env, args ...string) *child {
	t.Helper()
	return startReading(t, path, nil, e, args...)
}

// startWith is start with an open file as stdin.
func startWith(t *testing.T, in *os.File, e env, args ...string) *child {
	t.Helper()
	return startReading(t, binary, in, e, args...)
}

func startReading(t *testing.T, path string, in *os.File, e env, args ...string) *child {
	t.Helper()
	c := &child{t: t, name: strings.Join(args, " "), cmd: exec.Command(path, args...),
		stdout: newLines(), err: newLines(), done: make(chan struct{})}
	c.cmd.Env, c.cmd.Stdout, c.cmd.Stderr = e.list(), c.stdout, c.err
	if in != nil {
		c.cmd.Stdin = in
	}
	c.cmd.SysProcAttr = childAttr()
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := c.cmd.Start()
		started <- err
		if err == nil {
			_ = c.cmd.Wait() // its exit code is in ProcessState
			close(c.done)
		}
	}()
	if err := <-started; err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.kill()
		if t.Failed() && c.err.String() != "" {
			t.Logf("stderr of ecpayq %s:\n%s", c.name, tail(c.err.String(), 16<<10))
		}
	})
	return c
}

func tail(s string, n int) string {
	if len(s) > n {
		return "…" + s[len(s)-n:]
	}
	return s
}

// wait waits for the child's own end.
func (c *child) wait(limit time.Duration) result {
	c.t.Helper()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-c.done:
	case <-timer.C:
		c.t.Fatalf("ecpayq %s still runs after %s", c.name, limit)
	}
	return result{c.cmd.ProcessState.ExitCode(), c.stdout.String(), c.err.String()}
}

// kill ends the child with SIGKILL, if it still runs, and waits for its end.
func (c *child) kill() {
	_ = c.cmd.Process.Kill()
	<-c.done
}

func (c *child) signal(s syscall.Signal) {
	c.t.Helper()
	if err := c.cmd.Process.Signal(s); err != nil {
		c.t.Fatalf("signal %s: %v", s, err)
	}
}

// stop ends the child by SIGTERM and demands exit code 0.
func (c *child) stop() {
	c.t.Helper()
	c.signal(syscall.SIGTERM)
	if r := c.wait(time.Minute); r.code != 0 {
		c.t.Errorf("ecpayq %s: got exit code %d after SIGTERM, want 0", c.name, r.code)
	}
}

// worker starts ecpayq worker and returns when it runs. At the end of the test
// it must end by SIGTERM with exit code 0, unless the test has ended it.
func (b *bench) worker(changes ...env) *child {
	b.Helper()
	return b.workerOf(binary, changes...)
}

// workerOf is worker with another build of ecpayq.
func (b *bench) workerOf(path string, changes ...env) *child {
	b.Helper()
	return b.workerBy([]string{path}, changes...)
}

// workerBy is worker by a command that is ecpayq, or starts it with the arguments that follow.
func (b *bench) workerBy(command []string, changes ...env) *child {
	b.Helper()
	e := b.env
	for _, c := range changes {
		e = e.with(c)
	}
	w := startProgram(b.T, command[0], e, append(command[1:], "worker")...)
	line := w.awaitLog("worker is running")
	w.admin, _ = line["admin"].(string)
	b.Cleanup(func() {
		select {
		case <-w.done:
		default:
			w.stop()
		}
	})
	return w
}

// dashboard starts ecpayq dashboard and returns when it listens.
func (b *bench) dashboard(args ...string) *child {
	b.Helper()
	return b.dashboardOn("127.0.0.1:0", args...)
}

// dashboardOn is dashboard at an address.
func (b *bench) dashboardOn(addr string, args ...string) *child {
	b.Helper()
	return dashboardOf(b.T, b.env, append([]string{"dashboard", "--addr", addr}, args...)...)
}

func dashboardOf(t *testing.T, e env, args ...string) *child {
	t.Helper()
	d := start(t, e, args...)
	const prefix = "ecpayq: dashboard on "
	eventually(t, "the dashboard listens", func() bool {
		_, url, ok := strings.Cut(d.err.String(), prefix)
		d.url, _, _ = strings.Cut(url, "\n")
		d.url = strings.TrimSuffix(d.url, "/")
		return ok && strings.Contains(url, "\n")
	})
	return d
}

// awaitLog returns the first log line with this message.
func (c *child) awaitLog(message string) map[string]any {
	c.t.Helper()
	var found map[string]any
	eventually(c.t, fmt.Sprintf("ecpayq %s logs %q", c.name, message), func() bool {
		for _, l := range c.logs() {
			if l["message"] == message {
				found = l
				return true
			}
		}
		select {
		case <-c.done:
			c.t.Fatalf("ecpayq %s ended with exit code %d\n%s", c.name, c.cmd.ProcessState.ExitCode(), c.err)
		default:
		}
		return false
	})
	return found
}

// logs returns the complete JSON lines on stderr.
func (c *child) logs() []map[string]any {
	c.mu.Lock()
	defer c.mu.Unlock()
	for l := range strings.Lines(c.err.String()[c.read:]) {
		if !strings.HasSuffix(l, "\n") {
			break
		}
		c.read += len(l)
		var m map[string]any
		if json.Unmarshal([]byte(l), &m) == nil {
			c.parsed = append(c.parsed, m)
		}
	}
	return slices.Clip(c.parsed)
}

// get asks the worker's admin server, or the dashboard, and returns status and
// body; status 0 when there is no answer.
func (c *child) get(path string) (status int, body string) {
	c.t.Helper()
	base := c.url
	if base == "" {
		base = "http://" + c.admin
	}
	resp, err := plainHTTP.Get(base + path)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		c.t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

var plainHTTP = &http.Client{
	Timeout:       10 * time.Second,
	Transport:     &http.Transport{DisableKeepAlives: true},
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// post sends a POST without a body, with these headers ("Host" included).
func (c *child) post(path string, headers map[string]string) (status int, body string) {
	c.t.Helper()
	req, err := http.NewRequest(http.MethodPost, c.url+path, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	for k, v := range headers {
		req.Header.Set(k, v)
	}
	if host, ok := headers["Host"]; ok {
		req.Host = host
	}
	resp, err := plainHTTP.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b)
}

// runTask presses the dashboard's Run for a task in one of asynq's lists.
func (c *child) runTask(prefix, list, queue, id string) {
	c.t.Helper()
	path := prefix + "/api/queues/" + queue + "/" + list + "/" + id + ":run"
	if status, body := c.post(path, nil); status != http.StatusNoContent {
		c.t.Fatalf("POST %s: got status %d, want 204\n%s", path, status, body)
	}
}

// lines collects what a child prints, for readers at any time.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func newLines() *lines { return &lines{} }

// Write implements io.Writer.
func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

// String returns all that was printed so far.
func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}
