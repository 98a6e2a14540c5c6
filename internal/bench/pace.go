package bench

import (
	"context"
	"errors"
	"slices"
	"time"
)

// paceWorkers is how many processes share a merchant's pace.
const paceWorkers = 4

// measurePace measures how exactly several workers keep the pace of one merchant
// together, and how much of it they use. Plain asynq has none: it shows what
// comes of that.
func measurePace(ctx context.Context, l *lab) ([]Line, error) {
	run := func(s side) func(context.Context) (map[string]float64, error) {
		return func(ctx context.Context) (map[string]float64, error) {
			return l.in(ctx, everysec, func(w *world) (map[string]float64, error) { return w.pace(ctx, s) })
		}
	}
	m, err := l.alternate(ctx, "", variant{ours, run(pacedSide)}, variant{plain, run(plainSide)})
	if err != nil {
		return nil, err
	}
	return []Line{
		m.line("slots", "one merchant at 200 ms, 4 workers: of its slots used", "%", atLeast(99)),
		m.line("gap", "the same: least time between two requests", "ms", atLeast(190).inEveryRun()),
		m.line("burst", "the same: most requests in one second", "requests", atMost(6).inEveryRun()),
	}, nil
}

func (w *world) pace(ctx context.Context, s side) (_ map[string]float64, err error) {
	warm, watched := time.Duration(w.lab.sizes.paceWarm)*time.Second, time.Duration(w.lab.sizes.pace)*time.Second
	n := int((warm + watched + time.Second) / interval)
	if err := w.ecpay.stageAll(ctx, backlog(n)); err != nil {
		return nil, err
	}
	stop, err := w.fleet(ctx, s, paceWorkers, w.paced(s))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, stop()) }()
	p, err := s.producer(w.redis.URL())
	if err != nil {
		return nil, err
	}
	defer p.Close()
	for k := range n {
		if err := p.enqueue(ctx, of(0, k), time.Time{}); err != nil {
			return nil, err
		}
	}
	if err := w.await(ctx, n); err != nil {
		return nil, err
	}
	effects, err := w.ecpay.effects(ctx)
	if err == nil {
		err = check(effects, n)
	}
	if err != nil {
		return nil, err
	}
	at, err := w.ecpay.momentsOf(ctx, 0)
	if err != nil {
		return nil, err
	}
	out := map[string]float64{}
	if s.part == partOurs { // plain asynq is done before it is warm
		at = within(at, at[0].Add(warm), watched)
		out["slots"] = 100 * float64(len(at)) / float64(watched/interval)
	}
	out["gap"], out["burst"] = ms(leastGap(at)), float64(mostIn(at, time.Second))
	return out, nil
}

// within leaves those of sorted moments that are within a time from a moment on.
func within(at []time.Time, from time.Time, d time.Duration) []time.Time {
	first, _ := slices.BinarySearchFunc(at, from, time.Time.Compare)
	end, _ := slices.BinarySearchFunc(at, from.Add(d), time.Time.Compare)
	return at[first:end]
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// leastGap is the least time between two neighbours of sorted moments.
func leastGap(at []time.Time) time.Duration {
	least := at[len(at)-1].Sub(at[0])
	for i := range len(at) - 1 {
		least = min(least, at[i+1].Sub(at[i]))
	}
	return least
}

// mostIn is how many of sorted moments are within any window of a length.
func mostIn(at []time.Time, window time.Duration) int {
	most, from := 0, 0
	for i := range at {
		for at[i].Sub(at[from]) >= window {
			from++
		}
		most = max(most, i-from+1)
	}
	return most
}
