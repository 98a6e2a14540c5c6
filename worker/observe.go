package worker

import (
	"context"
	"errors"
	"time"
)

// Finished is a finished attempt for those who count and trace. It holds nothing
// of the payload.
type Finished struct {
	ID, Type, Queue string
	Verdict         Verdict
	// Attempt counts those that spent budget, this one included; 0 when it was not
	// counted.
	Attempt int
	// Age is the task's, as a part of Policy.MaxAge.
	Age float64
	// Duration is that of this attempt.
	Duration time.Duration
	// Loss is the verdict's, [Recorded] when there is none.
	Loss Loss
}

// Loss says what became of a verdict that was not recorded.
type Loss uint8

// The losses. Each makes the task come back.
const (
	Recorded Loss = iota
	// NotRecorded: Redis took it neither at once nor later.
	NotRecorded
	// Superseded: the attempt took so long that another one runs, or may.
	Superseded
	// NotCompleted: it is recorded, but asynq could not note that the task is through,
	// and runs it again.
	NotCompleted
)

// Losses returns all but [Recorded].
func Losses() []Loss { return []Loss{NotRecorded, Superseded, NotCompleted} }

// String returns the word of metrics and traces, empty for [Recorded].
func (l Loss) String() string {
	return [...]string{"", "not_recorded", "superseded", "not_completed"}[l]
}

func lossOf(err error) Loss {
	switch {
	case err == nil:
		return Recorded
	case errors.Is(err, errNotRecorded):
		return NotRecorded
	default:
		return Superseded
	}
}

// Observer is told what happens to tasks; a nil function is not called. None may
// wait for anything.
type Observer struct {
	// Attempt is told of every attempt's end; ctx is that of Start.
	Attempt func(ctx context.Context, f Finished)
	// Start begins an attempt, for a trace of which carrier is the W3C context that
	// came with the task; it returns a context for the attempt.
	Start func(ctx context.Context, taskType string, carrier map[string]string) context.Context
	// LeaseLost is told of every task whose worker died over it or lost its lease, by the one
	// worker that gave it back to the queue.
	LeaseLost func(taskType string)
	// Lost is told of what asynq could not write, which no attempt knows.
	Lost func(Loss)
	// Gate is told how long a step of the gate took: [gate.Steps].
	Gate func(step string, d time.Duration)
}

func (o Observer) withDefaults() Observer {
	if o.Attempt == nil {
		o.Attempt = func(context.Context, Finished) {}
	}
	if o.LeaseLost == nil {
		o.LeaseLost = func(string) {}
	}
	if o.Lost == nil {
		o.Lost = func(Loss) {}
	}
	return o
}

// Wait is the word for what a hold waits for, a closed set for metrics; empty for
// what is no hold.
type Wait string

// The waits.
const (
	WaitTurn         Wait = "turn"        // of the merchant's requests
	WaitSubject      Wait = "subject"     // another task on it runs
	WaitBan          Wait = "banned"      // ECPay wants no requests, of the merchant or of the address
	WaitOutage       Wait = "outage"      // ECPay answers nobody
	WaitKeys         Wait = "denied"      // wrong keys, or none
	WaitOperator     Wait = "operator"    // somebody must act at ECPay
	WaitAnswer       Wait = "unanswered"  // a write may still land
	WaitCounterparty Wait = "unconfirmed" // the counterparty has not confirmed
	WaitIssue        Wait = "unissued"    // ECPay does not show an invoice yet
	WaitNewerWorker  Wait = "newer_worker"
	WaitPayloadKey   Wait = "payload_key" // the key with which the payload is sealed
	WaitRedis        Wait = "redis"
	WaitOther        Wait = "other"
)

// Waits returns all of them.
func Waits() []Wait {
	return []Wait{
		WaitTurn, WaitSubject, WaitBan, WaitOutage, WaitKeys, WaitOperator, WaitAnswer, WaitCounterparty, WaitIssue, WaitNewerWorker,
		WaitPayloadKey, WaitRedis, WaitOther,
	}
}

// Wait says what a hold waits for.
func (v Verdict) Wait() Wait {
	if v.Action != Hold {
		return ""
	}
	return v.Reason.wait()
}
