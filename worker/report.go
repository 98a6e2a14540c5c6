package worker

import (
	"context"
	"time"
)

// explain says in one line what happened and why; it is stored and shown on
// dashboards.
func explain(a *attempt, v Verdict) string {
	text := v.Kind.String()
	if a.err != nil {
		text = a.err.Error()
	}
	if why := v.Text(); !why.IsZero() {
		text += "; " + why.Both()
	}
	return text
}

// report writes the one line of a finished attempt, and counts it. A line that says
// what the task's last one said is for debugging.
func (h *handler) report(ctx context.Context, a *attempt, v Verdict, err error, took time.Duration) {
	code := int64(0)
	if a.resp != nil {
		code, _ = a.resp.Result()
	}
	if a.err != nil {
		code = a.err.RtnCode
	}
	e := h.log.WithLevel(h.repeats.level(a.job.id, v, a.err, err))
	e.Str("task_id", a.job.id).Str("type", a.job.typeName).Str("queue", a.job.queue).Int("attempt", a.history.Attempts).
		Stringer("verdict", v.Action).Stringer("kind", v.Kind).Int64("rtn_code", code).Stringer("duration", took.Round(10*time.Microsecond))
	if a.err != nil {
		e.Int("trans_code", a.err.TransCode).Int("http_status", a.err.HTTPStatus).Str("error", a.err.Error())
	}
	if v.Action == Retry || v.Action == Hold {
		e.Stringer("next_in", v.Delay.Round(time.Millisecond))
	}
	if why := v.Text(); !why.IsZero() {
		e.Str("reason", why.En).Str("reason_zh", why.Zh)
	}
	if err != nil {
		e.AnErr("not_recorded", err)
	}
	e.Msg("attempt finished")
	h.observer.Attempt(ctx, Finished{
		ID: a.job.id, Type: a.job.typeName, Queue: a.job.queue, Verdict: v, Attempt: a.history.Attempts,
		Age: float64(a.history.Age) / float64(h.policy.MaxAge), Duration: took, Loss: lossOf(err),
	})
}
