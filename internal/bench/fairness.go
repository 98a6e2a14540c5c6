package bench

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/ecpayq/ecpayq/enqueue"
	"github.com/ecpayq/ecpayq/internal/asynqx"
)

// measureFairness measures how long others wait behind the backlog of one merchant:
// one that came through our client, and one that a program put in by asynq alone.
func measureFairness(ctx context.Context, l *lab) ([]Line, error) {
	var lines []Line
	for i, n := range l.sizes.backlogs {
		run := func(worker, filler side) func(context.Context) (map[string]float64, error) {
			return func(ctx context.Context) (map[string]float64, error) {
				return l.in(ctx, everysec, func(w *world) (map[string]float64, error) { return w.behind(ctx, worker, filler, n) })
			}
		}
		what := fmt.Sprintf("100 others behind %s of one merchant", Number(float64(n)))
		variants := []variant{{ours, run(pacedSide, pacedSide)}}
		if i == 0 {
			variants = append(variants, variant{plain, run(plainSide, plainSide)})
		}
		m, err := l.alternate(ctx, ", "+what, variants...)
		if err != nil {
			return nil, err
		}
		lines = append(lines, m.line("p99", what+", p99", "ms", atMost(100)),
			m.line("holds", "holds for each of its tasks", "holds", atMost(1.05)))
		if i > 0 {
			continue
		}
		m, err = l.alternate(ctx, ", "+what+", by plain asynq", variant{ours, run(pacedSide, plainSide)})
		if err != nil {
			return nil, err
		}
		lines = append(lines, m.line("p99", "the same, put in by plain asynq, p99", "ms", atMost(6_000)),
			m.line("holds", "holds for each of its tasks", "holds", atMost(1.05)))
	}
	return lines, nil
}

// staged is how many of a backlog a worker with a pace gets to, at most.
const staged = 5_000

func (w *world) behind(ctx context.Context, s, filler side, n int) (_ map[string]float64, err error) {
	known := n
	if s.part == partOurs {
		known = min(staged, n)
	}
	if err := w.ecpay.stageAll(ctx, both(backlog(known), ofOthers(merchants-1))); err != nil {
		return nil, err
	}
	fill, err := filler.producer(w.redis.URL())
	if err != nil {
		return nil, err
	}
	defer fill.Close()
	if err := fillAll(ctx, fill, backlog(n), 16); err != nil {
		return nil, err
	}
	p, err := s.producer(w.redis.URL())
	if err != nil {
		return nil, err
	}
	defer p.Close()
	worker, err := w.lab.start(ctx, s.part, w.paced(s))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, worker.stop()) }()
	if _, err := w.firstCall(ctx, 0); err != nil {
		return nil, err
	}
	accepted, err := others(ctx, p, 0, merchants-1, 0)
	if err != nil {
		return nil, err
	}
	late, err := w.delays(ctx, accepted)
	if err != nil {
		return nil, err
	}
	out := map[string]float64{"p99": quantile(late, 0.99)}
	if s.part != partOurs {
		return out, nil
	}
	held, err := metric(ctx, worker, "ecpayq_holds_total")
	if err != nil {
		return nil, err
	}
	// Those that had a hold or more wait in asynq's retry, or are done.
	waiting, err := w.rdb.ZCard(ctx, asynqx.Key(queue, asynqx.Retry)).Result()
	if err != nil {
		return nil, err
	}
	done, err := w.completed(ctx)
	out["holds"] = held / float64(max(1, int(waiting)+done-len(accepted)))
	return out, err
}

// fillAll enqueues intents, in a batch where there is such a thing, else from several
// goroutines.
func fillAll(ctx context.Context, p producer, list iter.Seq[int], goroutines int) error {
	if c, ok := p.(ourProducer); ok {
		for r := range c.Batch(ctx, func(yield func(enqueue.Item) bool) {
			for i := range list {
				if !yield(enqueue.Item{Payload: intent(i)}) {
					return
				}
			}
		}) {
			if r.Err != nil || r.Receipt.Duplicate {
				return fmt.Errorf("batch: %+v: %w", r.Receipt, r.Err)
			}
		}
		return ctx.Err()
	}
	all := slices.Collect(list)
	return inOrder(ctx, len(all), goroutines, func(k int) error { return p.enqueue(ctx, all[k], time.Time{}) })
}
