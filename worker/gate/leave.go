package gate

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/internal/asynqx"
	"github.com/ecpayq/ecpayq/tasks"
	"github.com/ecpayq/ecpayq/tasks/ledger"
	"github.com/ecpayq/ecpayq/tasks/record"
)

// Result is how an attempt ended.
type Result struct {
	State record.State
	// Spends is false for a hold: it costs no attempt.
	Spends bool
	// Pauses makes the age clock stand still until the next attempt.
	Pauses bool
	// Settled removes the mark of the write that the attempt sent, or found in its
	// History: an answer or a proof that it was not sent settles it.
	Settled bool
	History History
	// Stale means that the request was refused with TransCode 104.
	Stale bool
	// Delay is the time until the next attempt.
	Delay time.Duration
	// Banned is how long ECPay wants no request of this merchant, 0 for nothing of the
	// kind.
	Banned time.Duration
	BanWhy string // in its words
	// Held means that the task waits for trouble of its merchant to end, and not for anything of
	// its own: it is woken when the trouble ends.
	Held bool
	// Unsure means that the attempt may not have begun, see [Unsure].
	Unsure bool
	// RecordTTL is how long the record stays, 0 for ever; DoneTTL how long the
	// finish marker does, 0 for none.
	RecordTTL, DoneTTL time.Duration
	// OutcomesFor is how long what ended stays in the merchant's outcomes at least, 0 for no such
	// bound.
	OutcomesFor time.Duration
	// Silent means that a task that is done is no outcome of its own.
	Silent bool
	// Invoice is what was issued for the task Of, nil where that is not known; empty means for the
	// task itself. The record of that task, where it is done, stays for Retention then.
	Invoice   *tasks.Invoice
	Of        string
	Retention time.Duration

	Kind       ecpay.Kind
	HTTPStatus int
	TransCode  int
	RtnCode    int64
	RtnMsg     string
	Reason     record.Text
	Answer     json.RawMessage

	// Task is what the ledger needs of a task that is dead; nil of any other.
	Task *Task
}

// Task is a task as asynq handed it over: with it the task can be run again
// when asynq has forgotten it.
type Task struct {
	Type, Queue string
	Payload     []byte
	Headers     map[string]string
}

// Leave records the end of an attempt. A dead task is in the ledger from then on,
// by the same script, and a done one no longer. It returns [ErrSuperseded] when
// another attempt runs the task by now and this result proves nothing.
func (g *Gate) Leave(ctx context.Context, a Attempt, r Result) error {
	defer g.since(stepLeave, time.Now())
	args := r.args(a)
	if r.State == record.Dead {
		task, err := r.Task.args()
		if err != nil {
			return fmt.Errorf("record the end of the attempt: %w", err)
		}
		if err := ledger.NoteName(ctx, g.rdb, record.OwnersKey, a.Keys.Owner); err != nil {
			return fmt.Errorf("note owner of dead letter: %w", err)
		}
		args.taskArgs = task
	}
	if r.Banned > 0 { // so that it is listed at once
		if err := ledger.NoteName(ctx, g.rdb, record.MerchantsKey, a.Keys.Owner); err != nil {
			return fmt.Errorf("note merchant: %w", err)
		}
	}
	if r.State == record.Dead || r.State == record.Done {
		if err := g.noteOutcomes(ctx, a.Keys.Owner); err != nil {
			return err
		}
	}
	ok, err := leaveScript.Run(ctx, g.rdb, g.leaveKeys(a, r), args)
	switch {
	case err != nil:
		return fmt.Errorf("record the end of the attempt: %w", err)
	case ok == 0:
		return ErrSuperseded
	}
	return nil
}

// noteOutcomes is [ledger.NoteOutcomes], now and then for each merchant.
func (g *Gate) noteOutcomes(ctx context.Context, owner string) error {
	if at, ok := g.noted.Load(owner); ok && time.Since(at.(time.Time)) < noteAgain {
		return nil
	}
	err := ledger.NoteOutcomes(ctx, g.rdb, g.topology, owner)
	if err == nil {
		g.noted.Store(owner, time.Now())
	}
	return err
}

// noteAgain mends within this time what a failover lost.
const noteAgain = 10 * time.Minute

func (g *Gate) leaveKeys(a Attempt, r Result) leaveKeys {
	k := a.Keys
	keys := leaveKeys{k.Task, k.Done, k.Lock, k.Dead, k.Pace, k.Flight, k.Held, k.Task, record.OutcomeKeysOf(g.topology, k.Owner)}
	if r.Of != "" {
		keys.OfTask = record.TaskKey(r.Of)
	}
	return keys
}

func (r Result) args(a Attempt) leaveArgs {
	var invoice []byte
	if r.Invoice != nil {
		invoice, _ = json.Marshal(r.Invoice) // three strings
	}
	args := leaveArgs{
		Token: a.Token, State: r.State, RecordTTL: r.RecordTTL, DoneTTL: r.DoneTTL,
		Spends: r.Spends, Settled: r.Settled, ID: a.Keys.ID, Mark: r.History.mark, Owner: a.Keys.Owner, OutcomesFor: r.OutcomesFor,
		Kind: r.Kind.String(), HTTPStatus: r.HTTPStatus, TransCode: r.TransCode, RtnCode: r.RtnCode, RtnMsg: r.RtnMsg,
		Reason: r.Reason.En, ReasonZh: r.Reason.Zh, Result: r.Answer,
	}
	open := openArgs{Pauses: r.Pauses, Stale: r.Stale, Delay: r.Delay, Banned: r.Banned, BanWhy: r.BanWhy, Held: r.Held, Unsure: r.Unsure}
	if open != (openArgs{}) || r.Silent || invoice != nil || r.State == record.Dead {
		args.openArgs = &open
		args.invoiceArgs = &invoiceArgs{Silent: r.Silent, Invoice: invoice, Of: cmp.Or(r.Of, a.Keys.ID), Retention: r.Retention}
	}
	return args
}

// args are those by which a dead task is run again.
func (t *Task) args() (*taskArgs, error) {
	if t == nil {
		return nil, errors.New("a dead task without what the ledger keeps of it")
	}
	headers, err := json.Marshal(t.Headers)
	if err != nil {
		return nil, err
	}
	return &taskArgs{record.ByWorker, t.Type, t.Queue, headers, t.Payload}, nil
}

// LeaveAfter is the text of the script of [Gate.Leave] for a place before one of asynq's with
// so many keys and arguments, which is executed whatever this one answers: see
// [asynqx.CompleteClient].
func LeaveAfter(keys, args int) string {
	return "local function ecpayq_leave()\n" + leaveScript.After(keys, args) + "\nend\necpayq_leave()"
}

// LeaveWith is what that script is called with for an attempt whose task is done, and that ECPay
// does not ban. After an error it is not known whether the script was executed: [Gate.Leave]
// then records the result unless it is recorded.
func (g *Gate) LeaveWith(a Attempt, r Result) asynqx.Call {
	return asynqx.Call{
		Append: func(keys []string, args []any) ([]string, []any) {
			return leaveScript.Appended(keys, args, g.leaveKeys(a, r), r.args(a))
		},
		Took: func(took time.Duration) { g.took(stepLeave, took) },
	}
}
