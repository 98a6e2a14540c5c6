package bench

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/ecpayq/ecpayq/enqueue"
	"github.com/ecpayq/ecpayq/internal/redistest"
	"github.com/ecpayq/ecpayq/tasks"
)

// interval is the pace of a merchant where one is kept: what ECPay advises.
const interval = tasks.DefaultInterval

// pacedSide is ours with a pace, along which the producer spreads a backlog.
var pacedSide = side{part: partOurs, producer: func(url string) (producer, error) {
	c, err := enqueue.New(enqueue.Config{RedisURL: url, Interval: tasks.Every(interval)})
	return ourProducer{Client: c}, err
}}

// paced is what a worker of the side is told where merchants have a pace.
func (w *world) paced(s side) order {
	o := w.order(s)
	o.Interval = interval
	return o
}

// fleet starts n workers; stop ends them all.
func (w *world) fleet(ctx context.Context, s side, n int, o order) (stop func() error, err error) {
	var parts []*part
	stop = func() error {
		ended := make(chan error, len(parts))
		for _, p := range parts {
			go func() { ended <- p.stop() }()
		}
		var errs []error
		for range parts {
			errs = append(errs, <-ended)
		}
		return errors.Join(errs...)
	}
	for range n {
		p, err := w.lab.start(ctx, s.part, o)
		if err != nil {
			return nil, errors.Join(err, stop())
		}
		parts = append(parts, p)
	}
	return stop, nil
}

// other is the k-th task of all merchants but the first, in turn.
func other(k int) int { return of(1+k%(merchants-1), k/(merchants-1)) }

// others enqueues such tasks, from the given one on, with a pause before each, and
// says when each was accepted.
func others(ctx context.Context, p producer, from, n int, pause time.Duration) (map[string]time.Time, error) {
	accepted := make(map[string]time.Time, n)
	for k := from; k < from+n; k++ {
		if err := redistest.Sleep(ctx, pause); err != nil {
			return nil, err
		}
		i := other(k)
		if err := p.enqueue(ctx, i, time.Time{}); err != nil {
			return nil, err
		}
		accepted[subject(i)] = time.Now()
	}
	return accepted, nil
}

// delays waits until ECPay did everything that was accepted, and returns how long
// after that each first request was there, in milliseconds. No intent may have had
// its effect twice, those of others neither.
func (w *world) delays(ctx context.Context, accepted map[string]time.Time) ([]float64, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		effects, err := w.ecpay.effects(ctx)
		if err == nil {
			err = once(effects)
		}
		if err != nil {
			return nil, err
		}
		done := 0
		for _, e := range effects {
			if _, ok := accepted[e.Subject]; ok {
				done++
			}
		}
		if done == len(accepted) {
			break
		}
		if err := redistest.Sleep(ctx, 100*time.Millisecond); err != nil {
			return nil, fmt.Errorf("%d of %d tasks are done: %w", done, len(accepted), err)
		}
	}
	calls, err := w.ecpay.calls(ctx)
	if err != nil {
		return nil, err
	}
	var late []float64
	seen := map[string]bool{}
	for _, c := range calls {
		if at, ok := accepted[c.Subject]; ok && !seen[c.Subject] {
			seen[c.Subject] = true
			late = append(late, float64(c.At.Sub(at))/float64(time.Millisecond))
		}
	}
	return late, nil
}

// firstCall waits for the first request of a merchant, and says when it came.
func (w *world) firstCall(ctx context.Context, merchant int) (time.Time, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		calls, err := w.ecpay.callsOf(ctx, merchant)
		if err != nil {
			return time.Time{}, err
		}
		if len(calls) > 0 {
			return calls[0].At, nil
		}
		if err := redistest.Sleep(ctx, 20*time.Millisecond); err != nil {
			return time.Time{}, fmt.Errorf("no request of %s: %w", merchantID(merchant), err)
		}
	}
}

// metric sums the series of one of a worker's metrics.
func metric(ctx context.Context, p *part, name string) (sum float64, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.Admin+"/metrics", nil)
	if err != nil {
		return 0, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	found := false
	for lines.Scan() {
		series, value, ok := strings.Cut(lines.Text(), " ")
		if base, _, _ := strings.Cut(series, "{"); !ok || base != name {
			continue
		}
		v, err := strconv.ParseFloat(value, 64)
		if err != nil {
			return 0, err
		}
		sum, found = sum+v, true
	}
	if err := lines.Err(); err != nil {
		return 0, err
	}
	if !found {
		return 0, fmt.Errorf("the worker has no metric %s", name)
	}
	return sum, nil
}
