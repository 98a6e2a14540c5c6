package tasks

import (
	"time"

	"github.com/hibiken/asynq"
)

// Options of every task. asynq fixes them at enqueue, in the producer's process.
const (
	// MaxRetry is asynq's backstop, never the budget: that is kept by the worker.
	// It is far above what 72 hours of retries can use, and never 0, with which
	// asynq archives a task whose worker crashed before it ran.
	MaxRetry = 10_000
	// Timeout is asynq's limit of one run. The worker keeps a shorter one of its
	// own, so that asynq never starts a task again while a handler still runs.
	Timeout = 90 * time.Second
	// QueryRetention is how long asynq keeps a finished query: tomorrow's question
	// is a new one.
	QueryRetention = time.Minute
	// DefaultRetention is how long asynq keeps a finished write.
	DefaultRetention = 24 * time.Hour
)

// Options returns asynq's options for a task of the type. Retention is how long
// asynq keeps the task once it is done; a plain query keeps [QueryRetention].
func (t Type) Options(p Payload, retention time.Duration) []asynq.Option {
	return t.OptionsWithID(ID(p), p, retention)
}

// OptionsWithID is [Type.Options] for who has the [ID] of the payload already.
func (t Type) OptionsWithID(id string, p Payload, retention time.Duration) []asynq.Option {
	if !KeepsRecord(p) {
		retention = QueryRetention
	}
	return []asynq.Option{
		asynq.TaskID(id),
		asynq.Queue(t.Queue),
		asynq.MaxRetry(MaxRetry),
		asynq.Timeout(Timeout),
		asynq.Retention(retention),
	}
}

// KeepsRecord reports whether a second task with the same id, long after the
// first is done, is the same intent (writes) or a new question (queries).
func KeepsRecord(p Payload) bool {
	if q, ok := p.(*B2BGetAllowanceConfirm); ok {
		return q.UntilConfirmed
	}
	return true
}
