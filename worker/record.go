package worker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/internal/asynqx"
	"github.com/ecpayq/ecpayq/tasks"
	"github.com/ecpayq/ecpayq/tasks/record"
	"github.com/ecpayq/ecpayq/worker/gate"
)

// errNotRecorded means that the verdict could not be written: the task must come
// back, whatever the verdict was.
var errNotRecorded = errors.New("the verdict is not recorded")

// finish records and reports the verdict. It is no part of run so that the many attempts that
// wait there for their turn have small stacks.
func (h *handler) finish(ctx context.Context, a *attempt, v Verdict, start time.Time) (Verdict, string, error) {
	report := func(err error) { h.report(ctx, a, v, err, time.Since(start)) }
	if !a.leaves {
		report(nil)
		return v, explain(a, v), nil
	}
	res := h.result(a, v)
	leave := func() error {
		// The answer must be recorded even when the task's context has ended, for
		// example because a shutdown lost patience.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), max(h.timeout-time.Since(start), reserve(h.timeout)))
		defer cancel()
		err := h.leave(ctx, a, res)
		if a.unsure && errors.Is(err, gate.ErrSuperseded) {
			return nil // it never began
		}
		return err
	}
	if v.Action == Done && res.Banned == 0 &&
		h.completions.Take(&asynqx.Completion{ID: a.gate.Keys.ID, Call: h.gate.LeaveWith(a.gate, res), Alone: leave, After: report}) {
		return v, explain(a, v), nil
	}
	err := leave()
	report(err)
	return v, explain(a, v), err
}

// leave records the verdict. It tries again as long as the attempt may last:
// what ECPay did must not be forgotten because Redis was away for a moment.
func (h *handler) leave(ctx context.Context, a *attempt, res gate.Result) error {
	for pause := 20 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		err := h.gate.Leave(ctx, a.gate, res)
		if err == nil {
			return nil
		}
		if errors.Is(err, gate.ErrSuperseded) {
			return err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", errNotRecorded, err)
		}
	}
}

func (h *handler) result(a *attempt, v Verdict) gate.Result {
	res := gate.Result{
		Spends: v.Action != Hold && !a.unheard, Pauses: v.Pauses, Delay: v.Delay, Kind: v.Kind, Reason: v.Text(),
		Settled: !a.open, History: a.history, Banned: a.banned, BanWhy: a.banWhy, Held: v.Held, Unsure: a.unsure, OutcomesFor: h.outcomesFor,
	}
	switch v.Action {
	case Done:
		res.State, res.Settled = record.Done, true
		res.RecordTTL = h.retention + a.knownIn
		if a.payload == nil || tasks.WantedOnce(a.payload) {
			res.DoneTTL = h.finishTTL
		}
		res.Invoice, res.Retention = a.invoice, h.retention
		if a.taskID != "" {
			res.Of, res.Silent, res.DoneTTL = a.taskID, true, settledTTL
			if a.invoice != nil {
				res.DoneTTL = toldTTL
			}
		}
	case Retry:
		res.State = record.Retry
	case Hold:
		res.State = record.Held
		if v.Queued {
			res.State = record.Queued
		}
	case Dead:
		res.State = record.Dead
		res.Task = &gate.Task{Type: a.job.typeName, Queue: a.job.queue, Payload: a.job.payload, Headers: a.job.headers}
	}
	if e := a.err; e != nil {
		res.HTTPStatus, res.TransCode, res.RtnCode, res.RtnMsg = e.HTTPStatus, e.TransCode, e.RtnCode, e.Msg
		res.Stale = e.Kind == ecpay.Stale
		if e.Err != nil {
			res.Reason = causeOf(e).And(v.Text())
		}
	}
	if a.resp != nil {
		res.RtnCode, res.RtnMsg = a.resp.Result()
		if b, err := json.Marshal(a.resp); err == nil && len(b) <= a.typ.MaxResult {
			res.Answer = b
		}
	}
	return res
}
