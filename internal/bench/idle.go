package bench

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/ecpayq/ecpayq/internal/redistest"
)

// measureIdle measures a worker that has nothing to do: how long a task takes
// from the return of its enqueue until its request is at ECPay, and what the
// waiting costs. Plain asynq has its own default interval of a second.
func measureIdle(ctx context.Context, l *lab) ([]Line, error) {
	variants := []variant{
		{ours, func(ctx context.Context) (map[string]float64, error) {
			return l.idle(ctx, ourSide, l.sizes.idleOurs, 150*time.Millisecond)
		}},
		{plain, func(ctx context.Context) (map[string]float64, error) {
			return l.idle(ctx, plainSide, l.sizes.idlePlain, 1500*time.Millisecond)
		}},
	}
	m, err := l.alternate(ctx, "", variants...)
	if err != nil {
		return nil, err
	}
	lines := []Line{
		m.line("p50", "enqueue returned until request at ECPay, p50", "ms", atMost(4)),
		m.line("p99", "the same, p99", "ms", atMost(15)),
	}
	if len(m.runs["worker"]) > 0 {
		lines = append(lines, m.line("worker", "processor time of the idle worker", "% of a core", atMost(1)))
	}
	return append(lines, m.line("redis", "processor time of the idle Redis", "% of a core")), nil
}

// idle gives an idle worker n tasks, one by one, after random pauses up to gap.
func (l *lab) idle(ctx context.Context, s side, n int, gap time.Duration) (map[string]float64, error) {
	return l.in(ctx, everysec, func(w *world) (_ map[string]float64, err error) {
		if err := w.ecpay.stage(ctx, n); err != nil {
			return nil, err
		}
		producer, err := s.producer(w.redis.URL())
		if err != nil {
			return nil, err
		}
		defer producer.Close()
		worker, err := l.start(ctx, s.part, w.order(s))
		if err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, worker.stop()) }()
		returned := map[string]time.Time{}
		for i := range n {
			if err := redistest.Sleep(ctx, 20*time.Millisecond+time.Duration(rand.Int64N(int64(gap)))); err != nil {
				return nil, err
			}
			if err := producer.enqueue(ctx, i, time.Time{}); err != nil {
				return nil, err
			}
			returned[subject(i)] = time.Now()
			if err := w.await(ctx, i+1); err != nil {
				return nil, err
			}
		}
		late, err := w.lateness(ctx, returned)
		if err != nil {
			return nil, err
		}
		out, err := w.watchIdle(ctx, worker)
		if err != nil {
			return nil, err
		}
		out["p50"], out["p99"] = quantile(late, 0.5), quantile(late, 0.99)
		return out, nil
	})
}

// lateness checks the ledger and returns for each intent how long after the
// given moment its first request was at ECPay, in milliseconds.
func (w *world) lateness(ctx context.Context, since map[string]time.Time) ([]float64, error) {
	effects, err := w.ecpay.effects(ctx)
	if err == nil {
		err = check(effects, len(since))
	}
	if err != nil {
		return nil, err
	}
	calls, err := w.ecpay.calls(ctx)
	if err != nil {
		return nil, err
	}
	var late []float64
	for _, c := range calls {
		at, ok := since[c.Subject]
		if !ok {
			return nil, &WrongError{fmt.Sprintf("a request for %s, which was not enqueued", c.Subject)}
		}
		late = append(late, float64(c.At.Sub(at))/float64(time.Millisecond))
	}
	return late, nil
}

// watchIdle measures the processor time of a worker without tasks.
func (w *world) watchIdle(ctx context.Context, worker *part) (map[string]float64, error) {
	redisBefore, err := w.redisCPU(ctx)
	if err != nil {
		return nil, err
	}
	workerBefore, known := cpuSeconds(worker.cmd.Process.Pid)
	start := time.Now()
	if err := redistest.Sleep(ctx, time.Duration(w.lab.sizes.idleSeconds)*time.Second); err != nil {
		return nil, err
	}
	took := time.Since(start).Seconds()
	workerAfter, _ := cpuSeconds(worker.cmd.Process.Pid)
	redisAfter, err := w.redisCPU(ctx)
	out := map[string]float64{"redis": 100 * (redisAfter - redisBefore) / took}
	if known {
		out["worker"] = 100 * (workerAfter - workerBefore) / took
	}
	return out, err
}
