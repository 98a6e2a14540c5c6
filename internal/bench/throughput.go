package bench

import (
	"context"
	"errors"
	"time"
)

// measureThroughput measures how many tasks a second one worker process carries
// to an ECPay that answers at once, with marks and records on and no pacing.
func measureThroughput(ctx context.Context, l *lab) ([]Line, error) {
	servers, err := l.ourServers(ctx)
	if err != nil {
		return nil, err
	}
	var lines []Line
	for _, fsync := range []string{everysec, always} {
		run := func(s side) func(context.Context) (map[string]float64, error) {
			return func(ctx context.Context) (map[string]float64, error) {
				return l.in(ctx, fsync, func(w *world) (map[string]float64, error) {
					return w.carry(ctx, s, l.sizes.throughput, w.order(s))
				})
			}
		}
		m, err := l.alternate(ctx, ", AOF "+fsync, sides(run, servers)...)
		if err != nil {
			return nil, err
		}
		what := "instant ECPay, AOF " + fsync
		goals := []goal{atLeast(1.05).times(plain)}
		if servers > 1 {
			goals = append(goals, atLeast(0.80).times(plainAs(servers)))
		} else {
			goals = append(goals, atLeast(0.80).times(plain))
		}
		lines = append(lines, m.line("rate", what, "/s", goals...))
		lines = append(lines, m.processorLines(what)...)
	}
	return lines, nil
}

// sides are the variants of one figure: ecpayq, plain asynq with one Server, and
// with as many as ecpayq has.
func sides(run func(side) func(context.Context) (map[string]float64, error), servers int) []variant {
	variants := []variant{{ours, run(ourSide)}, {plain, run(plainSide)}}
	if servers > 1 {
		many := plainSide
		many.servers = servers
		variants = append(variants, variant{plainAs(servers), run(many)})
	}
	return variants
}

// processorLines are where the time goes.
func (m *measured) processorLines(what string) []Line {
	var lines []Line
	if len(m.runs["worker"]) > 0 {
		lines = append(lines, m.line("worker", "processor time of the worker: "+what, "µs a task"))
	}
	return append(lines, m.line("redis", "processor time of Redis: "+what, "µs a task"))
}

// ourServers is how many asynq Servers an ecpayq worker runs by itself.
func (l *lab) ourServers(ctx context.Context) (n int, err error) {
	w, err := l.newWorld(ctx, everysec)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	p, err := l.start(ctx, partOurs, w.order(ourSide))
	if err != nil {
		return 0, err
	}
	return p.Servers, p.stop()
}

// carry stages n invoices and carries the tasks that trigger them.
func (w *world) carry(ctx context.Context, s side, n int, o order) (map[string]float64, error) {
	if err := w.ecpay.stage(ctx, n); err != nil {
		return nil, err
	}
	return w.carryStaged(ctx, s, n, o)
}

// carryStaged enqueues n tasks, lets a worker carry them to ECPay and measures
// the rate at which they arrive there.
func (w *world) carryStaged(ctx context.Context, s side, n int, o order) (map[string]float64, error) {
	if _, err := w.fill(ctx, s, 0, n, 16); err != nil {
		return nil, err
	}
	redisBefore, err := w.redisCPU(ctx)
	if err != nil {
		return nil, err
	}
	p, err := w.lab.start(ctx, s.part, o)
	if err != nil {
		return nil, err
	}
	err = w.await(ctx, n)
	worker, known := cpuSeconds(p.cmd.Process.Pid)
	if err = errors.Join(err, p.stop()); err != nil {
		return nil, err
	}
	redisAfter, err := w.redisCPU(ctx)
	if err != nil {
		return nil, err
	}
	effects, err := w.ecpay.effects(ctx)
	if err == nil {
		err = check(effects, n)
	}
	if err != nil {
		return nil, err
	}
	out := map[string]float64{"rate": rate(effects), "redis": (redisAfter - redisBefore) / float64(n) * 1e6}
	if known {
		out["worker"] = worker / float64(n) * 1e6
	}
	return out, nil
}

// rate is how many effects there were a second, after the first tenth of them:
// until then connections are opened and scripts loaded.
func rate(effects []effect) float64 {
	from := len(effects) / 10
	took := effects[len(effects)-1].At.Sub(effects[from].At)
	return float64(len(effects)-1-from) / max(took, time.Microsecond).Seconds()
}
