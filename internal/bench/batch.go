package bench

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/ecpayq/ecpayq/tasks"
)

// measureBatch measures many tasks enqueued by one call, and by ecpayq's command from a
// file, beside a loop of plain calls.
func measureBatch(ctx context.Context, l *lab) (_ []Line, err error) {
	dir, err := os.MkdirTemp("", "ecpayq-bench-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	f := batchFile{program: filepath.Join(dir, "ecpayq"), lines: filepath.Join(dir, "lines.ndjson"), n: l.sizes.batch}
	l.Progress(l.figure + ": building ecpayq")
	if err := f.make(ctx); err != nil {
		return nil, err
	}
	var lines []Line
	n := Number(float64(l.sizes.batch))
	for _, c := range []struct {
		what, fsync string
		ours        func(context.Context, *world) error
		goals       []goal
	}{
		{"a batch of " + n, everysec, byCall(ourSide, l.sizes.batch), []goal{atLeast(120_000), atLeast(8).times(plain)}},
		{"a batch of " + n + " from a file", everysec, f.enqueue, []goal{atLeast(100_000)}},
		{"a batch of " + n, always, byCall(ourSide, l.sizes.batch), []goal{atLeast(75_000)}},
	} {
		rate := func(n int, enqueue func(context.Context, *world) error) func(context.Context) (map[string]float64, error) {
			return func(ctx context.Context) (map[string]float64, error) {
				return l.in(ctx, c.fsync, func(w *world) (map[string]float64, error) { return w.batch(ctx, n, enqueue) })
			}
		}
		what := c.what + ", AOF " + c.fsync
		m, err := l.alternate(ctx, ", "+what, variant{ours, rate(l.sizes.batch, c.ours)},
			variant{plain, rate(l.sizes.loop, byCall(plainSide, l.sizes.loop))})
		if err != nil {
			return nil, err
		}
		lines = append(lines, m.line("rate", what, "/s", c.goals...), m.line("redis", "processor time of Redis: "+what, "µs a task"))
	}
	return lines, nil
}

// byCall enqueues in this process.
func byCall(s side, n int) func(context.Context, *world) error {
	return func(ctx context.Context, w *world) error {
		p, err := s.producer(w.redis.URL())
		if err != nil {
			return err
		}
		defer p.Close()
		return fillAll(ctx, p, backlog(n), 1)
	}
}

// batchFile is a file of intents, and the program that enqueues them.
type batchFile struct {
	program, lines string
	n              int
}

func (f batchFile) make(ctx context.Context) error {
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", f.program,
		"github.com/ecpayq/ecpayq/cmd/ecpayq").CombinedOutput(); err != nil {
		return fmt.Errorf("build ecpayq, which needs go and the module's directory: %w\n%s", err, out)
	}
	file, err := os.Create(f.lines)
	if err != nil {
		return err
	}
	buffered := bufio.NewWriter(file)
	lines := json.NewEncoder(buffered)
	for i := range backlog(f.n) {
		p := intent(i)
		line := struct {
			Type string        `json:"type"`
			Data tasks.Payload `json:"data"`
		}{tasks.TypeOf(p).Name, p}
		if err := lines.Encode(line); err != nil {
			return errors.Join(err, file.Close())
		}
	}
	return errors.Join(buffered.Flush(), file.Close())
}

// enqueue runs the command, from its start to its end. Its results go nowhere.
func (f batchFile) enqueue(ctx context.Context, w *world) error {
	cmd := exec.CommandContext(ctx, f.program, "enqueue", "batch", "--json", f.lines)
	cmd.Env = append(os.Environ(), "ECPAYQ_REDIS_URL="+w.redis.URL(), "ECPAYQ_MERCHANT_INTERVAL=0s")
	problems, err := os.CreateTemp(filepath.Dir(f.lines), "stderr-")
	if err != nil {
		return err
	}
	defer problems.Close()
	cmd.Stderr = problems
	if err := cmd.Run(); err != nil {
		said, _ := os.ReadFile(problems.Name())
		return fmt.Errorf("ecpayq enqueue batch: %w\n%s", err, said)
	}
	return nil
}

func (w *world) batch(ctx context.Context, n int, enqueue func(context.Context, *world) error) (map[string]float64, error) {
	before, err := w.redisCPU(ctx)
	if err != nil {
		return nil, err
	}
	start := time.Now()
	if err := enqueue(ctx, w); err != nil {
		return nil, err
	}
	took := time.Since(start)
	after, err := w.redisCPU(ctx)
	if err != nil {
		return nil, err
	}
	pending, err := w.pending(ctx)
	if err == nil && pending != n {
		err = fmt.Errorf("%d tasks are pending, want %d", pending, n)
	}
	return map[string]float64{"rate": float64(n) / took.Seconds(), "redis": (after - before) / float64(n) * 1e6}, err
}
