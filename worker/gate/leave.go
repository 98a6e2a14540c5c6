package gate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/ecpayq/ecpayq/ecpay"
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
	// Held means that the task waits because of its merchant and not of its own, so that
	// it is woken when that is over.
	Held bool
	// Unsure means that the attempt may not have begun, see [Unsure].
	Unsure bool
	// RecordTTL is how long the record stays, 0 for ever; DoneTTL how long the
	// finish marker does, 0 for none.
	RecordTTL, DoneTTL time.Duration

	Kind       ecpay.Kind
	HTTPStatus int
	TransCode  int
	RtnCode    int64
	RtnMsg     string
	Reason     record.Text
	Answer     json.RawMessage

	// Letter is what the ledger needs of a task that is dead; nil of any other.
	Letter *Letter
}

// Letter is a task as asynq handed it over: with it the task can be run again
// when asynq has forgotten it.
type Letter struct {
	Type, Queue string
	Payload     []byte
	Headers     map[string]string
}

// Leave records the end of an attempt. A dead task is in the ledger from then on,
// by the same script, and a done one no longer. It returns [ErrSuperseded] when
// another attempt runs the task by now and this outcome proves nothing.
func (g *Gate) Leave(ctx context.Context, a Attempt, r Result) error {
	defer g.since(stepLeave, time.Now())
	args := leaveArgs(a, r)
	if r.State == record.Dead {
		letter, err := letterArgs(r.Letter)
		if err != nil {
			return fmt.Errorf("record outcome: %w", err)
		}
		if err := ledger.NoteOwner(ctx, g.rdb, a.Keys.ID); err != nil {
			return err
		}
		args = append(args, letter...)
	}
	if r.Banned > 0 { // so that it is listed at once
		if err := ledger.NoteName(ctx, g.rdb, record.MerchantsKey, a.Keys.Owner); err != nil {
			return fmt.Errorf("note merchant: %w", err)
		}
	}
	ok, err := g.leave.Run(ctx, g.rdb, leaveKeys(a), args...).Int()
	switch {
	case err != nil:
		return fmt.Errorf("record outcome: %w", err)
	case ok == 0:
		return ErrSuperseded
	}
	return nil
}

func leaveKeys(a Attempt) []string {
	k := a.Keys
	return []string{k.Task, k.Done, k.Lock, k.Dead, k.Pace, k.Flight, k.Held}
}

func leaveArgs(a Attempt, r Result) []any {
	return []any{
		a.Token, string(r.State), ms(r.RecordTTL), ms(r.DoneTTL), flag(r.Spends), flag(r.Pauses), flag(r.Settled), flag(r.Stale), ms(r.Delay), a.Keys.ID, r.History.mark,
		r.Banned.Microseconds(), r.BanWhy, flag(r.Held), flag(r.Unsure),
		record.FieldKind, r.Kind.String(),
		record.FieldHTTP, r.HTTPStatus,
		record.FieldTrans, r.TransCode,
		record.FieldRtn, r.RtnCode,
		record.FieldMsg, r.RtnMsg,
		record.FieldReason, r.Reason.En,
		record.FieldReasonZh, r.Reason.Zh,
		record.FieldResult, string(r.Answer),
	}
}

// letterArgs are the fields of the record by which a dead task is run again. They
// come last, and the payload after the others: see leave.lua.
func letterArgs(l *Letter) ([]any, error) {
	if l == nil {
		return nil, errors.New("a dead task needs a letter")
	}
	headers, err := json.Marshal(l.Headers)
	if err != nil {
		return nil, err
	}
	return []any{
		record.FieldBy, record.ByWorker, record.FieldType, l.Type, record.FieldQueue, l.Queue,
		record.FieldHeaders, headers, record.FieldPayload, l.Payload,
	}, nil
}

func duration(ms int64) time.Duration { return time.Duration(max(0, ms)) * time.Millisecond }

func unixMicro(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

func ms(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }

func flag(b bool) string {
	if b {
		return "1"
	}
	return "0"
}
