package worker

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/hibiken/asynq"
	"github.com/rs/zerolog"

	"github.com/ecpayq/ecpayq/internal/asynqx"
	"github.com/ecpayq/ecpayq/tasks/record"
)

const maxStoredError = 1000 // bytes; the text lands in Redis and on dashboards

// toAsynq turns a verdict into what asynq is told. A verdict that could not be recorded makes the task
// come back, whatever it was.
func toAsynq(v Verdict, text string, leaveErr error) asynqx.Run {
	if leaveErr != nil { // else it is superseded: the attempt that runs now decides
		return asynqx.Run{Delay: notRecordedDelay, Text: record.Clip(leaveErr.Error(), maxStoredError)}
	}
	text = record.Clip(text, maxStoredError)
	switch v.Action {
	case Done:
		return asynqx.Run{Done: true}
	case Retry:
		return asynqx.Run{Delay: v.Delay, Early: true, Counts: true, Text: text}
	case Hold:
		return asynqx.Run{Delay: v.Delay, Text: text}
	default:
		return asynqx.Run{Archive: true, Text: text}
	}
}

const notRecordedDelay = 5 * time.Second

// retryDelay gives asynq the verdict's delay. It also serves for tasks whose worker died, where nothing
// has decided: soon, since the gate keeps the budget.
func retryDelay(_ int, err error, _ *asynq.Task) time.Duration {
	if d, ok := asynqx.DelayAfter(err); ok {
		return d
	}
	return time.Second
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
	if _, ok := asynqx.DelayAfter(err); !ok {
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
	return toAsynq(v, text, err).Err()
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
