package bench

import (
	"context"
	"errors"
	"fmt"
	"math"
)

// measureGrowth measures a worker before a short queue and before a long one.
func measureGrowth(ctx context.Context, l *lab) (_ []Line, err error) {
	few, many := Number(float64(l.sizes.few)), Number(float64(l.sizes.many))
	var variants []variant
	fewAs := func(name string) string { return fmt.Sprintf("%s, %s pending", name, few) }
	for _, v := range []struct {
		name string
		side side
	}{{ours, ourSide}, {plain, plainSide}} {
		name, s := v.name, v.side
		// The long queue is made once; each run takes some of it.
		l.Progress(fmt.Sprintf("%s: enqueueing %s tasks, %s", l.figure, many, name))
		total := l.sizes.many + l.Runs*l.sizes.growth
		w, err := l.newWorld(ctx, everysec)
		if err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, w.close()) }()
		bytes, err := w.fillMeasured(ctx, s, total)
		if err != nil {
			return nil, err
		}
		if err := w.ecpay.stage(ctx, min(total, l.Runs*(l.sizes.growth+overrun))); err != nil {
			return nil, err
		}
		variants = append(variants,
			variant{name, func(ctx context.Context) (map[string]float64, error) {
				numbers, err := w.carrySome(ctx, s, l.sizes.growth)
				if err == nil {
					numbers["bytes"] = bytes
				}
				return numbers, err
			}},
			variant{fewAs(name), func(ctx context.Context) (map[string]float64, error) {
				return l.in(ctx, everysec, func(w *world) (map[string]float64, error) {
					if _, err := w.fill(ctx, s, 0, l.sizes.growth+l.sizes.few, 16); err != nil {
						return nil, err
					}
					if err := w.ecpay.stage(ctx, l.sizes.growth+l.sizes.few); err != nil {
						return nil, err
					}
					return w.carrySome(ctx, s, l.sizes.growth)
				})
			}},
		)
	}
	m, err := l.alternate(ctx, "", variants...)
	if err != nil {
		return nil, err
	}
	lines := []Line{
		m.line("rate", fmt.Sprintf("throughput with %s pending", many), "/s", atLeast(0.95).times(fewAs(ours))),
		m.line("bytes", "Redis for each of them", "bytes", atMost(1.12).times(plain)),
	}
	if len(m.runs["memory"]) > 0 {
		lines = append(lines, m.line("memory", "largest resident memory of the worker", "MiB", atMost(80)))
	}
	return lines, nil
}

// overrun is how many tasks more than it was meant to a worker may carry before
// it is stopped.
const overrun = 5_000

// carrySome starts a worker, stops it when it has carried about n tasks of those
// that are there, and measures the rate at which they arrived.
func (w *world) carrySome(ctx context.Context, s side, n int) (map[string]float64, error) {
	before, err := w.completed(ctx)
	if err != nil {
		return nil, err
	}
	p, err := w.lab.start(ctx, s.part, w.order(s))
	if err != nil {
		return nil, err
	}
	err = w.await(ctx, before+n)
	memory, known := peakMiB(p.cmd.Process.Pid)
	if err = errors.Join(err, p.stop()); err != nil {
		return nil, err
	}
	after, err := w.completed(ctx)
	if err != nil {
		return nil, err
	}
	effects, err := w.ecpay.effects(ctx)
	if err == nil {
		err = check(effects, after)
	}
	if err != nil {
		return nil, err
	}
	out := map[string]float64{"rate": rate(effects[before : before+n])}
	if known {
		out["memory"] = math.Round(memory*10) / 10
	}
	return out, nil
}
