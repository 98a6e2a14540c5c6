package bench

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/ecpayq/ecpayq/internal/redistest"
)

// Trouble of one merchant is not to be that of others. Their delay is measured
// before it and during it, in the same run; a few milliseconds more or less are
// the machine's.
const (
	noneP50 = 5  // ms
	noneP99 = 20 // ms
)

// measureBan measures what happens while ECPay refuses everything of a merchant.
func measureBan(ctx context.Context, l *lab) ([]Line, error) {
	pause := time.Duration(l.sizes.ban) * time.Second
	m, err := l.trouble(ctx, trouble{
		tasks: l.sizes.banned, lasts: pause, fault: map[string]any{"http_status": http.StatusForbidden, "for": (pause + time.Minute).String()},
		change: func(o *order) { o.BanPause = 2 * pause },
	})
	if err != nil {
		return nil, err
	}
	return append([]Line{
		m.line("calls", "requests of a banned merchant during its pause", "requests", atMost(0).inEveryRun()),
	}, m.delayLines("a ban of another merchant")...), nil
}

// measureHang measures what a merchant whose requests hang until they time out does
// to others.
func measureHang(ctx context.Context, l *lab) ([]Line, error) {
	m, err := l.trouble(ctx, trouble{
		tasks: l.sizes.hanging, fault: map[string]any{"hang": true, "times": -1},
		change: func(o *order) { o.HTTPTimeout = time.Duration(l.sizes.hangMillis) * time.Millisecond },
	})
	if err != nil {
		return nil, err
	}
	return m.delayLines("another merchant that hangs"), nil
}

func (m *measured) delayLines(by string) []Line {
	return []Line{
		m.line("added p50", "delay added by "+by+", p50", "ms", atMost(noneP50)),
		m.line("added p99", "the same, p99", "ms", atMost(noneP99)),
		m.line("p99", "delay during it, p99", "ms"),
	}
}

// trouble is what befalls the first merchant.
type trouble struct {
	tasks  int // that it has waiting
	fault  map[string]any
	lasts  time.Duration // its requests are counted for so long; 0: as long as others are served
	change func(*order)
}

func (l *lab) trouble(ctx context.Context, t trouble) (measured, error) {
	run := func(s side) func(context.Context) (map[string]float64, error) {
		return func(ctx context.Context) (map[string]float64, error) {
			return l.in(ctx, everysec, func(w *world) (map[string]float64, error) { return w.suffer(ctx, s, t) })
		}
	}
	return l.alternate(ctx, "", variant{ours, run(pacedSide)}, variant{plain, run(plainSide)})
}

// inFlight is how long after the first refusal a request may still arrive that was
// sent before it.
const inFlight = 20 * time.Millisecond

func (w *world) suffer(ctx context.Context, s side, t trouble) (_ map[string]float64, err error) {
	n := w.lab.sizes.others
	if err := w.ecpay.stageAll(ctx, both(backlog(t.tasks), ofOthers(3*n))); err != nil {
		return nil, err
	}
	p, err := s.producer(w.redis.URL())
	if err != nil {
		return nil, err
	}
	defer p.Close()
	o := w.paced(s)
	o.CheckInterval = 50 * time.Millisecond // of plain asynq, whose default is a second
	t.change(&o)
	stop, err := w.fleet(ctx, s, 1, o)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, stop()) }()
	serve := func(from int) ([]float64, error) {
		accepted, err := others(ctx, p, from, n, 20*time.Millisecond)
		if err != nil {
			return nil, err
		}
		return w.delays(ctx, accepted)
	}
	if _, err := serve(0); err != nil { // opens connections
		return nil, err
	}
	before, err := serve(n)
	if err != nil {
		return nil, err
	}
	if err := w.ecpay.fault(ctx, 0, t.fault); err != nil {
		return nil, err
	}
	for k := range t.tasks {
		if err := p.enqueue(ctx, of(0, k), time.Time{}); err != nil {
			return nil, err
		}
	}
	struck, err := w.firstCall(ctx, 0)
	if err != nil {
		return nil, err
	}
	during, err := serve(2 * n)
	if err != nil {
		return nil, err
	}
	if err := redistest.Sleep(ctx, time.Until(struck.Add(t.lasts))); err != nil {
		return nil, err
	}
	calls, err := w.ecpay.callsOf(ctx, 0)
	if err != nil {
		return nil, err
	}
	late := 0
	for _, c := range calls {
		if since := c.At.Sub(struck); since > inFlight && since < t.lasts {
			late++
		}
	}
	return map[string]float64{
		"calls": float64(late), "p99": quantile(during, 0.99),
		"added p50": quantile(during, 0.5) - quantile(before, 0.5), "added p99": quantile(during, 0.99) - quantile(before, 0.99),
	}, nil
}
