package bench

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// measureCrowd measures whether merchants that all have a backlog get their pace each:
// together they want more than any of them, and wait in every place there is.
func measureCrowd(ctx context.Context, l *lab) ([]Line, error) {
	var lines []Line
	crowd := min(l.sizes.crowd, merchants-1)
	for _, c := range []struct {
		workers int
		least   float64
	}{{paceWorkers, 95}, {1, 50}} { // in one process none starves: half of its slots is far from that
		run := func(s side) func(context.Context) (map[string]float64, error) {
			return func(ctx context.Context) (map[string]float64, error) {
				return l.in(ctx, everysec, func(w *world) (map[string]float64, error) { return w.crowd(ctx, s, crowd, c.workers) })
			}
		}
		what := fmt.Sprintf("%s at 200 ms, %s", counted(crowd, "merchant"), counted(c.workers, "worker"))
		m, err := l.alternate(ctx, ", "+what, variant{ours, run(pacedSide)}, variant{plain, run(plainSide)})
		if err != nil {
			return nil, err
		}
		lines = append(lines,
			m.line("least", what+": slots used by the one that used least", "%", atLeast(c.least)),
			m.line("all", "the same: by all of them", "%"),
			m.line("burst", "the same: most requests of one merchant in one second", "requests", atMost(6).inEveryRun()))
	}
	return lines, nil
}

func (w *world) crowd(ctx context.Context, s side, crowd, workers int) (_ map[string]float64, err error) {
	warm, watched := time.Duration(w.lab.sizes.paceWarm)*time.Second, time.Duration(w.lab.sizes.crowdSeconds)*time.Second
	each := int((warm + watched + 2*time.Second) / interval)
	all := func(yield func(int) bool) {
		for k := range each {
			for merchant := 1; merchant <= crowd; merchant++ {
				if !yield(of(merchant, k)) {
					return
				}
			}
		}
	}
	if err := w.ecpay.stageAll(ctx, all); err != nil {
		return nil, err
	}
	p, err := s.producer(w.redis.URL())
	if err != nil {
		return nil, err
	}
	defer p.Close()
	if err := fillAll(ctx, p, all, 16); err != nil {
		return nil, err
	}
	stop, err := w.fleet(ctx, s, workers, w.paced(s))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, stop()) }()
	if err := w.await(ctx, each*crowd); err != nil {
		return nil, err
	}
	effects, err := w.ecpay.effects(ctx)
	if err == nil {
		err = check(effects, each*crowd)
	}
	if err != nil {
		return nil, err
	}
	out := map[string]float64{}
	slots := int(watched / interval)
	least, total := slots, 0
	var from time.Time
	for merchant := 1; merchant <= crowd; merchant++ {
		at, err := w.ecpay.momentsOf(ctx, merchant)
		if err != nil {
			return nil, err
		}
		out["burst"] = max(out["burst"], float64(mostIn(at, time.Second)))
		if from.IsZero() {
			from = at[0].Add(warm)
		}
		n := len(within(at, from, watched))
		total += n
		least = min(least, n)
	}
	if s.part == partOurs { // plain asynq is done before it is warm
		out["least"], out["all"] = 100*float64(least)/float64(slots), 100*float64(total)/float64(slots*crowd)
	}
	return out, nil
}
