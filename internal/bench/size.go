package bench

import (
	"context"
	"fmt"

	"github.com/ecpayq/ecpayq/enqueue"
)

// measureSize measures what a pending task takes in Redis.
func measureSize(ctx context.Context, l *lab) ([]Line, error) {
	traced := ourSide
	traced.producer = func(url string) (producer, error) {
		return newOurProducer(url, enqueue.Trace(map[string]string{"traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}))
	}
	// Plain asynq has no trace, so that its one number stands beside both of ours.
	run := func(bare, traced side) func(context.Context) (map[string]float64, error) {
		return func(ctx context.Context) (map[string]float64, error) {
			out := map[string]float64{}
			for key, s := range map[string]side{"bare": bare, "traced": traced} {
				_, err := l.in(ctx, everysec, func(w *world) (_ map[string]float64, err error) {
					out[key], err = w.fillMeasured(ctx, s, l.sizes.size)
					return nil, err
				})
				if err != nil {
					return nil, err
				}
			}
			return out, nil
		}
	}
	m, err := l.alternate(ctx, "", variant{ours, run(ourSide, traced)}, variant{plain, run(plainSide, plainSide)})
	if err != nil {
		return nil, err
	}
	return []Line{
		m.line("bare", fmt.Sprintf("pending task, of %s", Number(float64(l.sizes.size))), "bytes", atMost(1.12).times(plain)),
		m.line("traced", "the same with a trace header", "bytes", atMost(1.25).times(plain)),
	}, nil
}

// fillMeasured enqueues n tasks and returns by how many bytes each has made Redis
// larger.
func (w *world) fillMeasured(ctx context.Context, s side, n int) (float64, error) {
	before, err := w.info(ctx, "memory", "used_memory")
	if err != nil {
		return 0, err
	}
	if _, err := w.fill(ctx, s, 0, n, 32); err != nil {
		return 0, err
	}
	after, err := w.info(ctx, "memory", "used_memory")
	return (after - before) / float64(n), err
}
