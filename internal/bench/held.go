package bench

import (
	"context"
	"errors"
	"time"

	"github.com/ecpayq/ecpayq/internal/asynqx"
	"github.com/ecpayq/ecpayq/internal/redistest"
)

// measureHeld measures the memory of a worker in which very many tasks wait in
// place for their turn.
func measureHeld(ctx context.Context, l *lab) ([]Line, error) {
	m, err := l.alternate(ctx, "", variant{ours, func(ctx context.Context) (map[string]float64, error) {
		return l.in(ctx, everysec, func(w *world) (map[string]float64, error) { return w.held(ctx) })
	}})
	if err != nil {
		return nil, err
	}
	lines := []Line{m.line("held", "tasks that waited in a worker at once, most", "tasks", atLeast(float64(l.sizes.held)))}
	if len(m.runs["memory"]) > 0 {
		lines = append(lines, m.line("memory", "largest resident memory of the worker", "MiB", atMost(80)))
	}
	return lines, nil
}

func (w *world) held(ctx context.Context) (_ map[string]float64, err error) {
	// At this pace a merchant has about 30 in place, and all have more than held. More
	// than that are enqueued, so that it lasts.
	const perMerchant, pace = 60, 100 * time.Millisecond
	held := w.lab.sizes.held
	n := min(merchants*perMerchant, 3*held)
	if err := w.ecpay.stage(ctx, n); err != nil {
		return nil, err
	}
	if _, err := w.fill(ctx, ourSide, 0, n, 16); err != nil {
		return nil, err
	}
	o := w.order(ourSide)
	o.Interval, o.Sleepers = pace, held+concurrency
	p, err := w.lab.start(ctx, partOurs, o)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, p.stop()) }()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	most := int64(0)
	for done := 0; done < n; {
		active, err := w.rdb.LLen(ctx, asynqx.Key(queue, asynqx.Active)).Result()
		if err != nil {
			return nil, err
		}
		most = max(most, active)
		if done, err = w.completed(ctx); err != nil {
			return nil, err
		}
		if err := redistest.Sleep(ctx, 20*time.Millisecond); err != nil {
			return nil, err
		}
	}
	effects, err := w.ecpay.effects(ctx)
	if err == nil {
		err = check(effects, n)
	}
	if err != nil {
		return nil, err
	}
	out := map[string]float64{"held": float64(most)}
	if memory, known := peakMiB(p.cmd.Process.Pid); known {
		out["memory"] = memory
	}
	return out, nil
}
