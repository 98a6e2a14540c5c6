package worker

import (
	"context"
	"time"

	"github.com/rs/zerolog"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/internal/asynqx"
	"github.com/ecpayq/ecpayq/tasks"
	"github.com/ecpayq/ecpayq/tasks/seal"
	"github.com/ecpayq/ecpayq/worker/gate"
)

// job is one task as asynq hands it over, without asynq's words.
type job struct {
	id, typeName, queue string
	payload             []byte
	headers             map[string]string
	failed              int // how often asynq took it back after a failure
}

// handler carries any task of the table to a verdict. One attempt is one call
// of run.
type handler struct {
	gate  *gate.Gate
	ecpay *ecpay.Client
	slots *slots
	keys  KeyProvider
	// payloadKeys open what is stored sealed.
	payloadKeys *seal.Ring
	policy      Policy
	timeout     time.Duration // of one attempt
	finishTTL   time.Duration
	// outcomesFor is how long what ended stays in the feed of outcomes.
	outcomesFor time.Duration
	retention   time.Duration // of the record of a finished task
	now         func() time.Time
	random      func() float64 // in [0, 1), for jitter
	log         zerolog.Logger
	observer    Observer
	repeats     *logRepeats
	resumer     *resumer
	egress      *egress
	intervals   *intervalWarning
	follower    *follower
	// fetches makes a question follow a write whose answer does not show the invoice's number.
	fetches bool
	// completions takes what is done, where it is not nil.
	completions *asynqx.CompleteClient
}

// run makes one attempt. It returns the verdict, what to tell people about it, and an error when
// the verdict could not be recorded. That of a done task may be recorded after run has
// returned, together with asynq's completion.
func (h *handler) run(ctx context.Context, j job) (Verdict, string, error) {
	start := time.Now()
	if h.observer.Start != nil {
		ctx = h.observer.Start(ctx, j.typeName, tasks.ParseHeaders(j.headers).Trace)
	}
	a := h.newAttempt(j)
	carry, cancel := context.WithTimeout(ctx, h.timeout-reserve(h.timeout))
	v := h.carry(carry, a)
	v = v.unaccounted(a.open, a.doubt).of(a.fingerprint) // which carry has found out
	a.issuing = h.findInvoice(carry, a, v)
	cancel()
	return h.finish(ctx, a, v, start)
}

// reserve is the part of an attempt's time that is kept for recording its verdict.
func reserve(timeout time.Duration) time.Duration { return min(5*time.Second, timeout/4) }

// left is the time that the attempt still has, by the wall clock.
func (h *handler) left(a *attempt) time.Duration {
	return h.timeout - reserve(h.timeout) - h.now().Round(0).Sub(a.start.Round(0))
}
