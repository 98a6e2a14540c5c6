package worker

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/hibiken/asynq"
	"github.com/rs/zerolog"

	"github.com/ecpayq/ecpayq/internal/asynqx"
	"github.com/ecpayq/ecpayq/tasks/record"
)

// This file alone knows asynq's words (v0.26) for a verdict.

// waitError makes asynq run a task again after a delay.
type waitError struct {
	delay time.Duration
	hold  bool
	text  string
}

func (e *waitError) Error() string { return e.text }

const maxStoredError = 1000 // bytes; the text lands in Redis and on dashboards

// toAsynq turns a verdict into what asynq wants returned. A verdict that could
// not be recorded makes the task come back, whatever it was.
func toAsynq(v Verdict, text string, leaveErr error) error {
	if errors.Is(leaveErr, errNotRecorded) {
		return &waitError{delay: notRecordedDelay, hold: true, text: record.Clip(leaveErr.Error(), maxStoredError)}
	}
	if leaveErr != nil { // superseded: the attempt that runs now decides
		return &waitError{delay: notRecordedDelay, hold: true, text: leaveErr.Error()}
	}
	switch v.Action {
	case Done:
		return nil
	case Retry:
		return &waitError{delay: v.Delay, text: record.Clip(text, maxStoredError)}
	case Hold:
		return &waitError{delay: v.Delay, hold: true, text: record.Clip(text, maxStoredError)}
	default:
		return fmt.Errorf("%s: %w", record.Clip(text, maxStoredError), asynq.SkipRetry)
	}
}

const notRecordedDelay = 5 * time.Second

// isFailure is false for holds, which spend nothing. It is true for everything
// that is not ours, in particular a lost lease: otherwise a task that kills its
// worker would come back for ever.
func isFailure(err error) bool {
	var w *waitError
	return !errors.As(err, &w) || !w.hold
}

// retryDelay gives asynq the verdict's delay, so that a hold never ends early. It also serves for tasks whose
// worker died, where nothing has decided: soon, since the gate keeps the budget.
func retryDelay(_ int, err error, _ *asynq.Task) time.Duration {
	var w *waitError
	switch {
	case !errors.As(err, &w):
		return time.Second
	case w.hold:
		return w.delay + time.Second - time.Millisecond // asynq drops what is no whole second
	default:
		return w.delay
	}
}

// A task that kills its worker ends the attempts that run beside it as well. All of these tasks
// come back when their leases and locks have ended, which is at the same time: they would run
// beside it again, and after five times each would be taken for one that kills its worker. So
// they come back at different times.
const (
	apartAfterDeath = 10 * time.Second
	apartWhileBusy  = 5 * time.Second
)

// retryApart is [retryDelay], a little longer for tasks whose worker died.
func retryApart(n int, err error, t *asynq.Task) time.Duration {
	d := retryDelay(n, err, t)
	if w := (*waitError)(nil); !errors.As(err, &w) {
		d += rand.N(apartAfterDeath)
	}
	return d
}

// serve adapts a handler to asynq.
func (h *handler) serve(ctx context.Context, t *asynq.Task) error {
	id, _ := asynq.GetTaskID(ctx)
	queue, _ := asynq.GetQueueName(ctx)
	failed, _ := asynq.GetRetryCount(ctx)
	v, text, err := h.run(ctx, job{id: id, typeName: t.Type(), queue: queue, payload: t.Payload(), headers: t.Headers(), failed: failed})
	if v.Reason == reasonBusy { // most likely with the lock of an attempt whose worker died
		v.Delay += rand.N(apartWhileBusy)
	}
	return toAsynq(v, text, err)
}

// asynqLogger sends asynq's own log lines to zerolog. asynq calls Fatal nowhere;
// were it to, it must not end the process behind our back.
type asynqLogger struct {
	log  zerolog.Logger
	lost func(Loss)
}

func (l asynqLogger) Debug(args ...any) { l.log.Debug().Msg(fmt.Sprint(args...)) }
func (l asynqLogger) Info(args ...any)  { l.log.Debug().Msg(fmt.Sprint(args...)) }
func (l asynqLogger) Warn(args ...any) {
	text := fmt.Sprint(args...)
	if asynqx.SaysExhausted(text) {
		l.log.Debug().Msg(text)
		return
	}
	if asynqx.SaysNotRecorded(text) {
		l.lost(NotCompleted)
	}
	l.log.Warn().Msg(text)
}
func (l asynqLogger) Error(args ...any) {
	text := fmt.Sprint(args...)
	if asynqx.SaysCannotSubscribe(text) { // asynqx.SubscribeClient tells why
		l.log.Debug().Msg(text)
		return
	}
	l.log.Error().Msg(text)
}
func (l asynqLogger) Fatal(args ...any) { l.log.Error().Msg(fmt.Sprint(args...)) }
