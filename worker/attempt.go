package worker

import (
	"context"
	"crypto/rand"
	"time"

	"github.com/ecpayq/ecpayq/tasks"
	"github.com/ecpayq/ecpayq/tasks/record"
	"github.com/ecpayq/ecpayq/worker/gate"
)

// attempt is one attempt of a task on its way through the stages of [handler.carry]. What a
// stage finds out is a type of its own, in the stage's file; the stages after it read that.
type attempt struct {
	job   job
	gate  gate.Attempt // the attempt as the gate knows it
	start time.Time    // by the wall clock

	wanted          // by decode, in decode.go
	sealing         // by findKeys, in keys.go
	counted         // by count, in count.go
	unproven        // by count, then by each stage that proves more
	asking          // by ask, in ask.go
	before   string // by lookBefore or compare, in compare.go
	sending         // by send and find, in send.go
	answer          // by send, in send.go
	askedFor        // by lookAtFollowed, in invoice.go
	issuing         // by findInvoice, in invoice.go
}

// lockMargin is how much longer than an attempt its lock lives: nothing is sent
// after an attempt's time, so a lock is never too short, and that of a killed
// worker outlives what it sent.
const lockMargin = 15 * time.Second

func (h *handler) newAttempt(j job) *attempt {
	headers := tasks.ParseHeaders(j.headers)
	return &attempt{job: j, start: h.now(), gate: gate.Attempt{
		Keys: record.KeysOfTask(j.id), Token: rand.Text(), Enqueued: headers.Enqueued, Start: later(headers.Enqueued, headers.ProcessAt),
		LockFor: h.timeout + lockMargin, Nonce: headers.Nonce, Queue: j.queue, Failed: j.failed,
	}}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// unproven is what is not accounted for of the writes that went out for the task. It begins with
// the history, and changes with each answer.
type unproven struct {
	// open means that a write went out, by this attempt or an earlier one, and
	// nothing proves what became of it. The mark in Redis stays as long.
	open bool
	// doubt means that Redis may have lost the mark of such a write, and that no ask
	// has told.
	doubt bool
}

// carry takes an attempt through its stages and returns the verdict. [handler.finish]
// records it.
//
// An attempt is counted before the task is decoded, since a task may crash its worker when it is
// decoded. A task that never failed is decoded first all the same, so that one round trip counts
// the attempt and permits its first request: if it crashes the worker, asynq counts a failure,
// and the next attempt is counted first.
func (h *handler) carry(ctx context.Context, a *attempt) Verdict {
	early := a.job.failed == 0
	var unready error
	if early {
		unready = h.prepare(ctx, a)
	}
	if v, over := h.count(ctx, a, early && unready == nil); over {
		return v
	}
	if !early {
		unready = h.prepare(ctx, a)
	}
	if unready != nil {
		return h.unprepared(ctx, a, unready)
	}
	if v, over := h.lookAtFollowed(ctx, a); over {
		return v
	}
	if v, over := h.ask(ctx, a); over {
		return v
	}
	if v, over := h.lookBefore(ctx, a); over {
		return v
	}
	h.send(ctx, a)
	return h.judge(ctx, a)
}

// prepare decodes the task and finds the keys of its merchant.
func (h *handler) prepare(ctx context.Context, a *attempt) (err error) {
	if a.wanted, err = decode(h.payloadKeys, &a.job); err != nil {
		return err
	}
	a.sealing, err = h.findKeys(ctx, &a.wanted)
	return err
}

// unprepared is the verdict on a task that cannot be decoded, or whose keys are missing.
func (h *handler) unprepared(ctx context.Context, a *attempt, err error) Verdict {
	if a.payload == nil {
		return h.undecoded(a, err)
	}
	return h.keyless(ctx, a, err)
}
