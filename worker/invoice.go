package worker

import (
	"context"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/enqueue"
	"github.com/ecpayq/ecpayq/internal/redisx"
	"github.com/ecpayq/ecpayq/tasks"
	"github.com/ecpayq/ecpayq/tasks/ledger"
	"github.com/ecpayq/ecpayq/tasks/record"
	"github.com/ecpayq/ecpayq/worker/gate"
)

// issuing is what is known of the invoice of a task when the attempt ends.
type issuing struct {
	// invoice is what was issued for the task, nil where it is not known.
	invoice *tasks.Invoice
	// knownIn is how long it takes at most until another task has found it out, 0 where none asks.
	knownIn time.Duration
}

// askedFor is the task for which a question asks.
type askedFor struct {
	// taskID is empty for what asks for no task.
	taskID string
	// died is when it died of a write that is not accounted for; zero where it is done.
	died time.Time
	// said means that a person said that it is done.
	said bool
}

// How often a question that belongs to a task looks whether that has ended, and how often it asks for
// an invoice that is not issued yet; both double with every hold.
const (
	followPause, followPauseMax = time.Minute, time.Hour
	issuePause, issuePauseMax   = time.Minute, 6 * time.Hour
)

// followTime is how long it may take to store the question: a task that is done does not wait for it.
const followTime = 2 * time.Second

// How long a question is recognised that has told its task the invoice, and one that had nothing to tell: that
// may be stored again, a day later, and keeps an attempt from beginning whose worker was frozen meanwhile.
const (
	toldTTL    = 24 * time.Hour
	settledTTL = 15 * time.Minute
)

// lookAtFollowed looks at the task for which a question asks. over means that nothing is asked now.
func (h *handler) lookAtFollowed(ctx context.Context, a *attempt) (v Verdict, over bool) {
	id := tasks.FollowedBy(a.payload)
	if id == "" {
		return Verdict{}, false
	}
	settled := Verdict{Action: Done, Kind: ecpay.AlreadyDone}
	keys := record.KeysOfTask(id)
	pipe := h.follower.rdb.Pipeline()
	fields, marker := pipe.HGetAll(ctx, keys.Task), pipe.Exists(ctx, keys.Done)
	var undone *redis.StringCmd
	if keys.Undone != "" {
		undone = pipe.Get(ctx, keys.Undone)
	}
	if err := redisx.Exec(ctx, pipe); err != nil {
		return h.redisAway(err), true
	}
	r := record.Parse(fields.Val())
	a.askedFor = askedFor{taskID: id, said: r.ResolvedBy != ""}
	switch {
	case r.Invoice != nil, undone != nil && record.Number(undone.Val()) > 0: // a person's word is no number
		return settled, true
	case r.State == record.Done, marker.Val() == 1: // a late attempt may have left another state beside the marker
		return Verdict{}, false
	case len(fields.Val()) == 0: // it was withdrawn
		return settled, true
	case r.State == record.Dead && r.Death.Kind == ecpay.Ambiguous && !r.Stopped():
		a.died = r.Died
		return Verdict{}, false
	case r.State == record.Dead: // a person sees to it
		return settled, true
	case a.history.Age >= tasks.PatienceOf(a.payload): // when it is done, it has its question stored again
		return settled, true
	}
	return Verdict{Action: Hold, Kind: ecpay.OK, Delay: grow(followPause, followPauseMax, a.history.Holds), Reason: reasonFollows}, true
}

// unissued is the verdict on a question for an invoice that ECPay does not show, where it is asked for
// as long as patience.
func (a *attempt) unissued(now time.Time, patience time.Duration) Verdict {
	switch early := a.gate.Start.Sub(now); {
	case early > 0: // ECPay's callback had it asked before its time
		return Verdict{Action: Hold, Kind: ecpay.NotFound, Delay: early, Reason: reasonUnissued}
	case a.history.Age < patience:
		return Verdict{
			Action: Hold, Kind: ecpay.NotFound, Delay: grow(issuePause, issuePauseMax, a.history.Holds), Reason: reasonUnissued,
		}
	case a.taskID != "" && (a.said || !a.died.IsZero()): // a person said so, or looks at its letter
		a.err = nil
		return Verdict{Action: Done, Kind: ecpay.AlreadyDone}
	}
	return Verdict{Action: Dead, Kind: ecpay.NotFound, Reason: reasonNeverIssued}
}

// told is the verdict on a question that is answered, for a task or for none. A task that died of an unanswered
// write is run again: ECPay shows its invoice, so that it asks first and is done.
func (h *handler) told(ctx context.Context, a *attempt, v Verdict) Verdict {
	if a.died.IsZero() {
		return v
	}
	store := h.follower.store
	_, err := store.Revive(ctx, a.taskID, ledger.Revival{
		Died: a.died, Unnamed: true,
		Before: func(ctx context.Context, e ledger.Entry) error {
			return store.Audit(ctx, ledger.AuditEntry{Who: "worker", What: ledger.ActReplay, ID: e.ID, Note: "ECPay shows the invoice"})
		},
	})
	if err != nil {
		return h.redisAway(fmt.Errorf("run %s again: %w", a.taskID, err))
	}
	return v
}

// findInvoice finds out what was issued for the task, or stores the question by which that is found out.
// Nothing of it changes the verdict.
func (h *handler) findInvoice(ctx context.Context, a *attempt, v Verdict) (i issuing) {
	switch {
	case a.payload == nil || !a.leaves:
		return i
	case a.taskID != "":
		if v.Action == Done && a.died.IsZero() {
			i.invoice = a.shows(a.resp, "")
		}
		return i
	case !a.typ.Issues:
		return i
	case v.Action == Done:
		if i.invoice = h.shown(ctx, a); i.invoice != nil {
			return i
		}
	case v.Action != Dead || v.Kind != ecpay.Ambiguous || !tasks.DelayOf(a.payload).Applies:
		return i
	}
	if h.fetches {
		i.knownIn = h.follow(ctx, a)
	}
	return i
}

// shown is the invoice that an answer shows. Where ECPay does not say of which day it is, it is of this
// day, unless that has just begun or is about to end: then ECPay is asked.
func (h *handler) shown(ctx context.Context, a *attempt) *tasks.Invoice {
	for _, r := range []ecpay.Response{a.seen, a.resp} {
		if i := a.shows(r, ""); i != nil {
			return i
		}
	}
	now, edge := h.ecpay.Stamp().In(ecpay.Taipei), h.timeout+time.Minute
	day := now.Format(time.DateOnly)
	i := a.shows(a.resp, day)
	if i == nil || now.Add(-edge).Format(time.DateOnly) == day && now.Add(edge).Format(time.DateOnly) == day {
		return i
	}
	if a.query == nil {
		return nil
	}
	if resp, err := h.do(ctx, a, a.query.Request, wish{rank: gate.Ahead}); err == nil && a.query.Shows(resp) {
		return a.shows(resp, "")
	}
	return nil
}

func (a *attempt) shows(r ecpay.Response, day string) *tasks.Invoice {
	if i, ok := tasks.InvoiceOf(a.payload, r, day); ok {
		return &i
	}
	return nil
}

// follow stores the question by which the number of an invoice is found out. It returns how long that
// takes at most.
func (h *handler) follow(ctx context.Context, a *attempt) time.Duration {
	var code int64
	if a.resp != nil {
		code, _ = a.resp.Result()
	}
	p, delay := tasks.FollowOf(a.payload, code, a.merchant.TsrIsRelateNumber)
	if p == nil {
		return 0
	}
	now := h.now()
	at := issuedAt(now, delay)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), min(followTime, reserve(h.timeout)/2))
	defer cancel()
	if _, err := h.follower.client.Enqueue(ctx, p, enqueue.ProcessAt(at)); err != nil {
		h.log.Warn().Err(err).Str("id", a.job.id).Msg("nobody will ask ECPay for the number of this invoice")
		return 0
	}
	return at.Sub(now) + tasks.PatienceOf(p) + 4*issuePauseMax // the last time it asks may be that late
}

// issuedAt is when an invoice may be shown first: soon or, since ECPay does not tell the hour at which it
// issues on the day, in the morning of the day, or of the next where the day is not known.
func issuedAt(now time.Time, d tasks.Delay) time.Time {
	days := d.Days
	switch {
	case d.Known && d.Days == 0:
		return now.Add(issuedSoon)
	case !d.Known:
		days = 1
	}
	day := now.In(ecpay.Taipei).AddDate(0, 0, days)
	return time.Date(day.Year(), day.Month(), day.Day(), 10, 0, 0, 0, ecpay.Taipei)
}

const issuedSoon = 3 * time.Second
