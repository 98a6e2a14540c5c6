package dashboard

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ecpayq/ecpayq/internal/asynqx"
	"github.com/ecpayq/ecpayq/internal/redisx"
	"github.com/ecpayq/ecpayq/tasks"
	"github.com/ecpayq/ecpayq/tasks/record"
)

// waitingData is what waits for a time.
type waitingData struct {
	Later, Held waitingList
	// What was asked for, and what may be: Find is a MerchantID or a task's id.
	Find, State string
	States      []string
	Limit       int // of each list of each queue
	// More is where more of them are, if there are more than Limit.
	More    string
	Partial bool // the search took too long to come to its end
	Broken  []string
}

// waitingList is one list of asynq's, over all queues.
type waitingList struct {
	Tasks []record.Task
	Total int // in the list, found or not
}

func (d *Dashboard) waitingPage(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), readLimit)
	defer cancel()
	q := r.URL.Query()
	data := waitingData{
		Find: strings.TrimSpace(q.Get("find")), State: q.Get("state"), Limit: limitOf(q),
		States: []string{record.StateScheduled, record.StatePending, record.StateHeld, record.StateRetry},
	}
	if !slices.Contains(data.States, data.State) {
		data.State = ""
	}
	if err := d.countWaiting(ctx, &data); err != nil {
		d.failed(w, r, err)
		return
	}
	var err error
	if _, _, perr := tasks.ParseID(data.Find); perr == nil {
		err = d.findWaiting(ctx, &data)
	} else {
		err = d.listWaiting(ctx, &data, r.URL)
	}
	if err != nil {
		d.failed(w, r, err)
		return
	}
	d.show(w, r, http.StatusOK, "waiting", "Waiting", data)
}

func (d *Dashboard) countWaiting(ctx context.Context, data *waitingData) error {
	pipe := d.rdb.Pipeline()
	var later, held []*redis.IntCmd
	for q := range tasks.Queues() {
		later, held = append(later, pipe.ZCard(ctx, asynqx.Key(q, asynqx.Scheduled))), append(held, pipe.ZCard(ctx, asynqx.Key(q, asynqx.Retry)))
	}
	if err := redisx.Exec(ctx, pipe); err != nil {
		return err
	}
	for i := range later {
		data.Later.Total += int(later[i].Val())
		data.Held.Total += int(held[i].Val())
	}
	return nil
}

// findWaiting looks for one task.
func (d *Dashboard) findWaiting(ctx context.Context, data *waitingData) error {
	t, err := d.reader.Get(ctx, data.Find)
	switch {
	case errors.Is(err, record.ErrNotFound), errors.Is(err, record.ErrStuck):
		return nil
	case err != nil:
		return err
	case t.NextAt == nil || data.State != "" && t.State != data.State:
	case t.State == record.StateScheduled || t.State == record.StatePending:
		data.Later.Tasks = []record.Task{t}
	case t.State == record.StateHeld || t.State == record.StateRetry:
		data.Held.Tasks = []record.Task{t}
	}
	return nil
}

// listWaiting walks the lists until it has found enough of each.
func (d *Dashboard) listWaiting(ctx context.Context, data *waitingData, at *url.URL) error {
	wants := func(t record.Task) bool {
		return (data.Find == "" || record.Owner(t.ID) == data.Find) && (data.State == "" || t.State == data.State)
	}
	var errs []error
	for q := range tasks.Queues() {
		for later, list := range map[bool]*[]record.Task{false: &data.Held.Tasks, true: &data.Later.Tasks} {
			if data.State != "" && later != (data.State == record.StateScheduled || data.State == record.StatePending) {
				continue
			}
			n := 0
			for t, err := range d.reader.Waiting(ctx, q, later) {
				if data.Partial = data.Partial || ctx.Err() != nil; data.Partial {
					break
				}
				if err != nil { // one queue does not blank the page
					d.cfg.Logger.Warn().Err(err).Str("queue", q).Msg("queue not shown")
					data.Broken, errs = append(data.Broken, q), append(errs, err)
					break
				}
				if !wants(t) {
					continue
				}
				if n++; n > data.Limit {
					data.More = moreOf(at)
					break
				}
				*list = append(*list, t)
			}
		}
	}
	if len(errs) == 2*len(tasks.Queues()) {
		return errors.Join(errs...)
	}
	for _, list := range [][]record.Task{data.Later.Tasks, data.Held.Tasks} {
		slices.SortStableFunc(list, func(a, b record.Task) int { return next(a).Compare(next(b)) })
	}
	slices.Sort(data.Broken)
	data.Broken = slices.Compact(data.Broken)
	return nil
}

func next(t record.Task) time.Time {
	if t.NextAt == nil {
		return time.Time{}
	}
	return *t.NextAt
}
