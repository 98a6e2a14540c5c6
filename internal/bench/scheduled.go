package bench

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"time"
)

// measureScheduled measures how late tasks arrive at ECPay that were to run at a
// time: never early, which asynq alone does not promise.
func measureScheduled(ctx context.Context, l *lab) ([]Line, error) {
	run := func(s side) func(context.Context) (map[string]float64, error) {
		return func(ctx context.Context) (map[string]float64, error) {
			return l.in(ctx, everysec, func(w *world) (map[string]float64, error) { return w.schedule(ctx, s) })
		}
	}
	m, err := l.alternate(ctx, "", variant{ours, run(ourSide)}, variant{plain, run(plainSide)})
	if err != nil {
		return nil, err
	}
	return []Line{
		m.line("earliest", "after the wished time, at least", "s", atLeast(0).inEveryRun()),
		m.line("p50", "the same, p50", "s"),
		m.line("p99", "the same, p99", "s", atMost(1.2)),
	}, nil
}

// schedule enqueues tasks for random moments of the next seconds.
func (w *world) schedule(ctx context.Context, s side) (_ map[string]float64, err error) {
	n, over := w.lab.sizes.scheduled, time.Duration(w.lab.sizes.scheduledSeconds)*time.Second
	if err := w.ecpay.stage(ctx, n); err != nil {
		return nil, err
	}
	producer, err := s.producer(w.redis.URL())
	if err != nil {
		return nil, err
	}
	defer producer.Close()
	worker, err := w.lab.start(ctx, s.part, w.order(s))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, worker.stop()) }()
	wished := map[string]time.Time{}
	first := time.Now().Add(2 * time.Second)
	for i := range n {
		at := first.Add(time.Duration(rand.Int64N(int64(over))))
		if err := producer.enqueue(ctx, i, at); err != nil {
			return nil, err
		}
		wished[subject(i)] = at
	}
	if err := w.await(ctx, n); err != nil {
		return nil, err
	}
	late, err := w.lateness(ctx, wished)
	if err != nil {
		return nil, err
	}
	return map[string]float64{"earliest": slices.Min(late) / 1000, "p50": quantile(late, 0.5) / 1000, "p99": quantile(late, 0.99) / 1000}, nil
}
