package bench

import (
	"context"
	"fmt"
	"time"
)

// measureEnqueue measures one call for each task, as a shop's backend makes them.
func measureEnqueue(ctx context.Context, l *lab) ([]Line, error) {
	var lines []Line
	for _, fsync := range []string{everysec, always} {
		for _, c := range []struct{ goroutines, tasks int }{{1, l.sizes.enqueueOne}, {16, l.sizes.enqueueMany}} {
			what := fmt.Sprintf("%s, AOF %s", counted(c.goroutines, "goroutine"), fsync)
			rate := func(s side) func(context.Context) (map[string]float64, error) {
				return func(ctx context.Context) (map[string]float64, error) {
					return l.in(ctx, fsync, func(w *world) (map[string]float64, error) {
						took, err := w.fill(ctx, s, 0, c.tasks, c.goroutines)
						return map[string]float64{"rate": float64(c.tasks) / took.Seconds()}, err
					})
				}
			}
			m, err := l.alternate(ctx, " from "+what, variant{ours, rate(ourSide)}, variant{plain, rate(plainSide)})
			if err != nil {
				return nil, err
			}
			lines = append(lines, m.line("rate", what, "/s", atLeast(0.95).times(plain)))
		}
	}
	return lines, nil
}

func counted(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// measureBatch measures many tasks enqueued by one call, beside a loop of plain
// calls.
func measureBatch(ctx context.Context, l *lab) ([]Line, error) {
	var lines []Line
	for _, fsync := range []string{everysec, always} {
		rate := func(s side, n int) func(context.Context) (map[string]float64, error) {
			return func(ctx context.Context) (map[string]float64, error) {
				return l.in(ctx, fsync, func(w *world) (map[string]float64, error) { return w.batch(ctx, s, n) })
			}
		}
		what := "a batch of " + Number(float64(l.sizes.batch)) + ", AOF " + fsync
		m, err := l.alternate(ctx, ", "+what, variant{ours, rate(ourSide, l.sizes.batch)}, variant{plain, rate(plainSide, l.sizes.loop)})
		if err != nil {
			return nil, err
		}
		goals := []goal{atLeast(120_000), atLeast(8).times(plain)}
		if fsync == always {
			goals = []goal{atLeast(75_000)}
		}
		lines = append(lines, m.line("rate", what, "/s", goals...), m.line("redis", "processor time of Redis: "+what, "µs a task"))
	}
	return lines, nil
}

func (w *world) batch(ctx context.Context, s side, n int) (map[string]float64, error) {
	p, err := s.producer(w.redis.URL())
	if err != nil {
		return nil, err
	}
	defer p.Close()
	before, err := w.redisCPU(ctx)
	if err != nil {
		return nil, err
	}
	start := time.Now()
	if err := fillAll(ctx, p, n, 1); err != nil {
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
