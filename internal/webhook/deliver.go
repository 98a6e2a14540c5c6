package webhook

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/rs/zerolog"

	"github.com/ecpayq/ecpayq/internal/asynqx"
)

// deliverer runs the tasks of one queue.
type deliverer struct {
	queue    *queue
	inspect  *asynqx.Inspector
	endpoint func() (Endpoint, *Sender)
	observe  func(Answer)
	log      zerolog.Logger // of what comes once
	quiet    zerolog.Logger // of what comes again and again
}

// redisTimeout bounds one script; asynq's client tries again meanwhile.
const redisTimeout = 10 * time.Second

// deliver runs a task.
func (d *deliverer) deliver(ctx context.Context, job asynqx.Job) asynqx.Run {
	one, err := read(job.ID, job.Payload)
	if err != nil {
		return asynqx.Run{Archive: true, Text: err.Error()}
	}
	e, sender := d.endpoint()
	first, err := within10(ctx, func(ctx context.Context) (beginAnswer, error) { return d.queue.begin(ctx, one, e.Interval) })
	switch {
	case err != nil:
		return asynqx.Run{Delay: 5 * time.Second, Text: "redis does not say whether it may be sent"}
	case first.Why == waitDisabled:
		d.pause(ctx)
		fallthrough
	case first.Why != "":
		return asynqx.Run{Delay: first.Wait, Text: waitTexts[first.Why]}
	}
	if first.Wait > 0 {
		select {
		case <-ctx.Done():
			return asynqx.Run{Delay: time.Second, Text: "stopped before it was sent"}
		case <-time.After(first.Wait):
		}
	}
	a := sender.Send(ctx, e, job.ID, job.Payload)
	if ctx.Err() != nil && a.Result != Delivered { // not the endpoint's fault
		return asynqx.Run{Delay: time.Second, Text: "stopped while it was sent"}
	}
	d.observe(a)
	tries := job.Failed + 1
	end, err := within10(context.WithoutCancel(ctx), func(ctx context.Context) (finishAnswer, error) {
		return d.queue.finish(ctx, one, a, tries >= MaxTries)
	})
	if err != nil { // sent again, with the same id: at least once
		return asynqx.Run{Delay: 5 * time.Second, Text: a.Text + ", which redis did not record"}
	}
	return d.ended(ctx, job.ID, e, a, tries, end)
}

// ended makes of what was recorded what asynq is told.
func (d *deliverer) ended(ctx context.Context, id string, e Endpoint, a Answer, tries int, end finishAnswer) asynqx.Run {
	if end.Next != "" {
		_ = d.inspect.Run(ctx, d.queue.name, end.Next) // it runs, or comes by itself
	}
	if a.Result == Delivered {
		return asynqx.Run{Done: true}
	}
	about := func(l *zerolog.Event) *zerolog.Event {
		return l.Str("webhook_id", id).Str("result", string(a.Result)).Int("tries", tries)
	}
	switch {
	case end.Disabled != "":
		d.pause(ctx)
		about(d.log.Error()).Str("why", end.Disabled).Msgf("webhook %s is disabled: %s; what comes meanwhile waits; mend it, then: "+
			"ecpayq webhook enable %s", e.Name, DisabledText(end.Disabled).En, e.Name)
	case end.GivenUp:
		about(d.log.Error()).Msgf("a delivery is given up after its last try: %s; asynq's page of the queue %s shows it; to send it again: "+
			"ecpayq webhook replay %s %s", a.Text, d.queue.name, e.Name, id)
		return asynqx.Run{Archive: true, Text: a.Text}
	default:
		about(d.quiet.Warn()).Msgf("not delivered: %s", a.Text)
	}
	return asynqx.Run{Delay: pauseAfter(tries, a.RetryAfter, rand.Float64()), Counts: tries < MaxTries, Text: a.Text}
}

// pause has asynq take nothing more from the queue, unless a person has enabled it meanwhile.
func (d *deliverer) pause(ctx context.Context) {
	err := d.inspect.Pause(ctx, d.queue.name)
	if err == nil {
		var disabled bool
		if disabled, err = d.queue.disabled(ctx); err == nil && !disabled {
			err = d.inspect.Unpause(ctx, d.queue.name)
		}
	}
	if err != nil {
		d.quiet.Warn().Err(err).Msg("the queue of a webhook that is disabled is not paused; its deliveries wait nevertheless")
	}
}

func within10[T any](ctx context.Context, f func(context.Context) (T, error)) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, redisTimeout)
	defer cancel()
	return f(ctx)
}

// waitTexts say why a delivery waits, on asynq's pages.
var waitTexts = map[string]string{
	waitDisabled: "the endpoint is disabled; ecpayq webhook enable goes on",
	waitPause:    "the endpoint wants to be left alone for a time (Retry-After)",
	waitOrder:    "an earlier outcome of the same subject is delivered first",
	waitPace:     "it waits for its place in line (interval)",
}
