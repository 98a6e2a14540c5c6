package worker

import (
	"fmt"
	"time"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/internal/clean"
	"github.com/ecpayq/ecpayq/tasks"
	"github.com/ecpayq/ecpayq/tasks/record"
	"github.com/ecpayq/ecpayq/worker/gate"
)

// Action is what happens to a task after an attempt.
type Action uint8

// The actions. There are no others.
const (
	// Done: ECPay shows the effect.
	Done Action = iota
	// Retry: try again after a delay; the attempt is spent.
	Retry
	// Hold: wait without spending budget.
	Hold
	// Dead: a person or a replay must act.
	Dead
)

// String returns done, retry, hold or dead.
func (a Action) String() string { return [...]string{"done", "retry", "hold", "dead"}[a] }

// Verdict is what follows from an attempt.
type Verdict struct {
	Action Action
	Kind   ecpay.Kind
	// Delay is how long to wait for Retry and Hold.
	Delay time.Duration
	// Pauses makes the clock of age stand still while waiting.
	Pauses bool
	// Queued is a hold before anything was sent: for the task's turn, or for others of its
	// merchant that met trouble.
	Queued bool
	// Held is a hold because of the merchant, which ends when the merchant's trouble does.
	Held bool
	// Reason says why it is held or dead.
	Reason Reason
	// Words are for people, where there is more to say than Reason does.
	Words record.Text
}

// Text says why a task is held or dead and what to do about it.
func (v Verdict) Text() record.Text {
	if v.Words.IsZero() {
		return v.Reason.Text()
	}
	return v.Words
}

// saying adds what a program said to the reason.
func (v Verdict) saying(what record.Text) Verdict {
	v.Words = v.Text().About(what)
	return v
}

// Policy is the budget and the pauses.
type Policy struct {
	// BackoffBase and BackoffMax bound the full jitter between attempts: a random
	// time up to base·2ⁿ, at most max.
	BackoffBase, BackoffMax time.Duration
	// MaxAttempts limits attempts that end Unknown or Ambiguous.
	MaxAttempts int
	// MaxAge limits all others, from the later of enqueue, process-at and replay.
	MaxAge time.Duration
	// NotFoundGrace is how long a trigger waits for its staging to show up. Defaults to
	// [DefaultNotFoundGrace]; negative is not at all.
	NotFoundGrace time.Duration
	// Fence is how long after a write was sent a query that does not show its
	// effect proves nothing: ECPay's 10-minute window with a margin.
	Fence time.Duration
	// BanPause is the pause after HTTP 403 when ECPay names none.
	BanPause time.Duration
	// Interval is the least time between two requests of a merchant in the fleet; each
	// may have its own. It has no default: 0 is none.
	Interval time.Duration
	// InFlight is how many requests of a merchant there may be at once in the fleet.
	InFlight int
}

// pause is how long ECPay wants no request, asked being its own word, 0 for none.
func (p Policy) pause(asked time.Duration) time.Duration {
	if asked > 0 {
		return asked
	}
	return p.BanPause
}

// MaxCrashes is how many attempts may end without leaving before the task is
// taken for one that kills its worker.
const MaxCrashes = 5

const (
	deniedPause   = time.Minute // when the fleet's own pause is not known
	operatorPause = time.Hour
)

// decide is the one pure function from task type, error and history to a verdict;
// [ecpay.OK] is the Kind of no error. canFindOut means that the next attempt can tell
// whether the write happened, or may repeat it all the same. jitter is a random number in
// [0, 1).
func decide(typ tasks.Type, e *ecpay.Error, canFindOut bool, h gate.History, p Policy, jitter float64) Verdict {
	v := Verdict{Kind: e.Kind}
	retry := func() Verdict {
		v.Action, v.Delay = Retry, backoff(p, h.Attempts, jitter)
		return v
	}
	hold := func(d time.Duration, reason Reason) Verdict {
		v.Action, v.Delay, v.Pauses, v.Held, v.Reason = Hold, d, true, true, reason
		return v
	}
	dead := func(reason Reason) Verdict {
		v.Action, v.Reason = Dead, reason
		return v
	}
	byAge := func() Verdict {
		if h.Age >= p.MaxAge {
			v := dead(reasonTooOld)
			v.Words = record.Text{En: "no success within " + clean.Duration(p.MaxAge), Zh: "超過 " + clean.Duration(p.MaxAge) + " 仍未成功"}
			return v
		}
		return retry()
	}
	byAttempts := func(reason Reason) Verdict {
		if h.Attempts >= p.MaxAttempts {
			v := dead(reason)
			v.Words = record.Text{
				En: fmt.Sprintf("no success within %d attempts", p.MaxAttempts), Zh: fmt.Sprintf("嘗試 %d 次仍未成功", p.MaxAttempts),
			}.About(reason.Text())
			return v
		}
		return retry()
	}
	// A write of which nobody knows whether it happened comes back only where the next
	// attempt can find out, or where a second one changes nothing.
	mayComeBack := !typ.Operation.Write || typ.SendUnasked || canFindOut || e.Execution != ecpay.MaybeExecuted

	switch e.Kind {
	case ecpay.OK, ecpay.AlreadyDone:
		v.Action = Done
		return v
	case ecpay.Rejected:
		return dead(reasonRejected)
	case ecpay.NotFound:
		if typ.WaitsFor == tasks.Staging && h.Age < p.NotFoundGrace {
			return retry() // the staging of the invoice may lag behind its trigger
		}
		return dead(reasonNotFound)
	case ecpay.Conflict:
		return dead(reasonConflict)
	case ecpay.Denied:
		pause := e.RetryAfter
		if pause == 0 {
			pause = deniedPause
		}
		return hold(pause, reasonDenied)
	case ecpay.Operator:
		return hold(operatorPause, reasonOperator)
	case ecpay.Throttled:
		return hold(p.pause(e.RetryAfter), reasonThrottled)
	case ecpay.Stale:
		if h.Stale == 0 {
			v.Action = Retry // at once: the clock is corrected by now where it can be
			return v
		}
		return byAge()
	case ecpay.Unavailable:
		return byAge()
	case ecpay.Ambiguous:
		if !mayComeBack {
			return dead(reasonAmbiguous)
		}
		return byAttempts(reasonAmbiguous)
	case ecpay.Unknown:
		if !mayComeBack {
			return dead(reasonUnknown)
		}
		return byAttempts(reasonUnknown)
	}
	return dead(reasonUnknown) // a Kind without a case; a test ranges over all
}

// unaccounted is the verdict on a task with a write that nothing accounts for, or
// of which Redis may have lost the mark: whatever it died of tells nothing about
// that write, so that it is dead as [ecpay.Ambiguous], and a person looks at ECPay
// first.
func (v Verdict) unaccounted(open, doubt bool) Verdict {
	if v.Action != Dead || v.Kind == ecpay.Ambiguous || !open && !doubt {
		return v
	}
	why := reasonLost
	if open {
		why = reasonAmbiguous
	}
	v.Words = why.Text().And(v.Text())
	v.Kind, v.Reason = ecpay.Ambiguous, why
	return v
}

// of names the keys of which a verdict speaks, by their fingerprint.
func (v Verdict) of(key string) Verdict {
	if v.Kind == ecpay.Denied && key != "" {
		v.Words = v.Text().And(record.Text{En: "key fingerprint " + key, Zh: "金鑰指紋 " + key})
	}
	return v
}

// backoff is full jitter: a random time up to base·2ⁿ⁻¹, at most max.
func backoff(p Policy, attempts int, jitter float64) time.Duration {
	ceiling := grow(p.BackoffBase, p.BackoffMax, attempts-1)
	return time.Duration(jitter * float64(ceiling))
}

// grow is base·2ⁿ, at most limit.
func grow(base, limit time.Duration, n int) time.Duration {
	d := base
	for range min(max(n, 0), 62) {
		if d >= limit/2 {
			return limit
		}
		d *= 2
	}
	return min(d, limit)
}
