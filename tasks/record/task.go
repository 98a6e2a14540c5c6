package record

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/internal/asynqx"
	"github.com/ecpayq/ecpayq/internal/redisx"
	"github.com/ecpayq/ecpayq/tasks"
)

// Task is a task as a person or a backend wants to see it: what asynq holds of
// it, joined with our record.
type Task struct {
	ID    string `json:"id"`
	Type  string `json:"type"`
	Queue string `json:"queue"`
	// MerchantID is whose task it is.
	MerchantID string `json:"merchant_id"`
	// State is one of pending, scheduled, active, retry, held, completed, dead
	// and missing (recorded, but no longer in asynq and without an end).
	State      string      `json:"state"`
	Attempts   int         `json:"attempts"`
	Kind       *ecpay.Kind `json:"kind,omitempty"`
	HTTPStatus int         `json:"http_status,omitempty"`
	TransCode  int         `json:"trans_code,omitempty"`
	RtnCode    int64       `json:"rtn_code,omitempty"`
	RtnMsg     string      `json:"rtn_msg,omitempty"`
	// Reason says why it is held or dead, in English and in Traditional Chinese.
	Reason   string          `json:"reason,omitempty"`
	ReasonZh string          `json:"reason_zh,omitempty"`
	Result   json.RawMessage `json:"result,omitempty"`
	// Invoice is what was issued for the task, once that is known.
	Invoice *tasks.Invoice `json:"invoice,omitempty"`
	// Deadlines are those of that invoice when it was issued: whether it was voided or uploaded since, the task does not know.
	ecpay.Deadlines
	// Times are those of Asia/Taipei, nil where there is none.
	EnqueuedAt *time.Time `json:"enqueued_at,omitempty"`
	LastAt     *time.Time `json:"last_at,omitempty"`
	NextAt     *time.Time `json:"next_at,omitempty"`

	// Payload and Headers are as stored in asynq or, once asynq has forgotten, in
	// the ledger of dead letters; nil when neither has them.
	Payload []byte            `json:"-"`
	Headers map[string]string `json:"-"`
	// Unsure means that asynq does not have the task, and that its letter was not compared
	// with asynq yet: it may be withdrawn.
	Unsure bool `json:"-"`
}

// States of a [Task].
const (
	StatePending   = "pending"
	StateScheduled = "scheduled"
	StateActive    = "active"
	StateRetry     = "retry"
	StateHeld      = "held"
	StateCompleted = "completed"
	StateDead      = "dead"
	StateMissing   = "missing"
)

// Why is the reason in both languages.
func (t Task) Why() Text { return Text{t.Reason, t.ReasonZh} }

// Ended reports whether nothing more happens to the task by itself.
func (t Task) Ended() bool {
	return t.State == StateCompleted || t.State == StateDead || t.State == StateMissing
}

// ErrStuck means that Redis holds a remnant of the task that asynq can neither
// list nor run.
var ErrStuck = errors.New("stuck record")

// Reader reads tasks. It is safe for concurrent use.
type Reader struct{ rdb redis.UniversalClient }

// NewReader returns a Reader that uses rdb and never closes it.
func NewReader(rdb redis.UniversalClient) *Reader { return &Reader{rdb: rdb} }

// Get returns a task, [ErrNotFound] when neither asynq nor a record knows the
// id, or an error that wraps [ErrStuck].
func (r *Reader) Get(ctx context.Context, id string) (Task, error) {
	f := r.GetAll(ctx, []string{id})[0]
	return f.Task, f.Err
}

// Found is what [Reader.GetAll] says of one task.
type Found struct {
	Task
	Err error
}

// GetAll is [Reader.Get] of many tasks, in two round trips.
func (r *Reader) GetAll(ctx context.Context, ids []string) []Found {
	all := make([]reading, len(ids))
	var known []*reading
	var named []asynqx.TaskAt
	for i, id := range ids {
		q := &all[i]
		if q.typ, _, q.err = tasks.ParseID(id); q.err == nil {
			q.id = id
			known, named = append(known, q), append(named, asynqx.TaskAt{Queue: q.typ.Queue, ID: id})
		}
	}
	pipe := r.rdb.Pipeline()
	for _, q := range known {
		q.ask(ctx, pipe)
	}
	if len(known) > 0 {
		redisx.ExecEach(ctx, pipe)
	}
	// What asynq has is looked for in its lists after it was read.
	for i, there := range asynqx.Look(ctx, r.rdb, named) {
		known[i].there = there
	}
	found := make([]Found, len(ids))
	for i := range all {
		if found[i].Err = all[i].err; found[i].Err == nil {
			found[i].Task, found[i].Err = all[i].task()
		}
	}
	return found
}

// reading is what is read of one task.
type reading struct {
	id    string
	typ   tasks.Type
	err   error
	there asynqx.Place

	stored *redis.SliceCmd
	next   [2]*redis.FloatCmd // of the states that wait for a time
	record *redis.MapStringStringCmd
	done   *redis.IntCmd
}

func (q *reading) ask(ctx context.Context, pipe redis.Pipeliner) {
	q.stored = asynqx.Read(ctx, pipe, q.typ.Queue, q.id)
	for i, state := range []string{asynqx.Scheduled, asynqx.Retry} {
		q.next[i] = pipe.ZScore(ctx, asynqx.Key(q.typ.Queue, state), q.id)
	}
	q.record = pipe.HGetAll(ctx, TaskKey(q.id))
	q.done = pipe.Exists(ctx, DoneKey(q.id))
}

func (q *reading) task() (Task, error) {
	info, err := q.info()
	if err != nil && !errors.Is(err, ErrNotFound) {
		return Task{}, err
	}
	m, rerr := q.record.Result()
	if rerr != nil {
		return Task{}, fmt.Errorf("read record: %w", rerr)
	}
	rec, recorded := Parse(m), len(m) > 0
	if err != nil && !recorded {
		switch n, err := q.done.Result(); {
		case err != nil:
			return Task{}, fmt.Errorf("read finish marker: %w", err)
		case n == 0:
			return Task{}, ErrNotFound
		}
		rec.State = Done
	}
	if q.done.Val() == 0 && overtaken(info, rec) {
		rec, recorded = afterEnd(rec), false
	}
	t := join(q.typ, q.id, info, rec, recorded)
	_, unsure := m[FieldUnsure]
	t.Unsure = unsure && info == nil && rec.State != Stopping
	return t, nil
}

func (q *reading) info() (*asynqx.Task, error) {
	var next time.Time
	for _, score := range q.next {
		if at, err := score.Result(); err == nil {
			next = time.Unix(int64(at), 0)
		}
	}
	info, err := asynqx.Decode(q.typ.Queue, q.id, q.stored, next)
	if errors.Is(err, asynqx.ErrNotFound) {
		return nil, ErrNotFound
	}
	switch {
	case q.there.Err != nil:
		return nil, q.there.Err
	case q.there.State == asynqx.Stuck:
		return nil, fmt.Errorf("%w: %s in queue %s", ErrStuck, q.id, q.typ.Queue)
	case errors.Is(err, asynqx.ErrUnreadable):
		return nil, fmt.Errorf("%w: %s in queue %s: %w", ErrStuck, q.id, q.typ.Queue, err)
	case err != nil:
		return nil, fmt.Errorf("read task: %w", err)
	}
	return info, nil
}

// overtaken reports whether the record is that of an end before the task that asynq has: it was
// enqueued or run again since, and no attempt of it was begun.
func overtaken(info *asynqx.Task, rec Record) bool {
	if info == nil || info.State == asynqx.Archived || info.State == asynqx.Completed {
		return false
	}
	return rec.State == Done || rec.State == Dead || rec.State == Stopping
}

// afterEnd is what remains of a record then. Whether it has a letter of what it died of, and a write
// that is not accounted for, is for the ledger to tell.
func afterEnd(rec Record) Record { return Record{InFlight: rec.InFlight} }

func join(typ tasks.Type, id string, info *asynqx.Task, rec Record, recorded bool) Task {
	state, end := stateOf(info, rec), rec.End
	if state == StateDead && rec.Payload != nil {
		end = rec.Death
	}
	t := Task{
		ID: id, Type: typ.Name, Queue: typ.Queue, MerchantID: Owner(id), State: state,
		Attempts: rec.Attempts, HTTPStatus: end.HTTPStatus, TransCode: end.TransCode,
		RtnCode: end.RtnCode, RtnMsg: end.RtnMsg, Reason: end.Reason.En, ReasonZh: end.Reason.Zh, Result: rec.Result, Invoice: rec.Invoice,
		LastAt: TimeOrNil(rec.Last),
	}
	if i := rec.Invoice; i != nil {
		day, _ := time.ParseInLocation(time.DateOnly, i.Date, ecpay.Taipei) // zero for none
		t.Deadlines = ecpay.DeadlinesOf(typ.Operation.Category, day, false, false)
	}
	if recorded && (rec.State != Active || state == StateDead) {
		t.Kind = &end.Kind
	}
	if info == nil && rec.Payload != nil { // dead, and swept from asynq
		t.Payload, t.Headers = rec.Payload, rec.Headers
		t.EnqueuedAt = TimeOrNil(tasks.ParseHeaders(rec.Headers).Enqueued)
	}
	if info != nil {
		t.Payload, t.Headers = info.Payload, info.Headers
		t.EnqueuedAt = TimeOrNil(tasks.ParseHeaders(info.Headers).Enqueued)
		t.NextAt = TimeOrNil(info.NextProcessAt)
		if info.State == asynqx.Pending || t.State == StateActive {
			t.NextAt = nil
		}
		if (t.State == StateDead || t.State == StateHeld) && t.Reason == "" {
			said := readText(info.LastErr, "", false)
			t.Reason, t.ReasonZh = said.En, said.Zh
		}
	}
	return t
}

// stateOf trusts asynq for where the task is, and the record for why it waits
// and for how it ended once asynq has forgotten it.
func stateOf(info *asynqx.Task, rec Record) string {
	if info == nil {
		switch rec.State {
		case Done:
			return StateCompleted
		case Dead, Stopping:
			return StateDead
		default:
			return StateMissing
		}
	}
	switch info.State {
	case asynqx.Active:
		return StateActive
	case asynqx.Scheduled:
		// Without a wish for later it only waits for its turn, see [tasks.Spread]. A
		// producer that used asynq directly says nothing about its wish.
		if h := tasks.ParseHeaders(info.Headers); !h.Enqueued.IsZero() && !h.ProcessAt.After(h.Enqueued) {
			return StatePending
		}
		return StateScheduled
	case asynqx.Archived:
		return StateDead
	case asynqx.Completed:
		return StateCompleted
	case asynqx.Retry:
		if rec.State == Held || rec.State == Queued || rec.State == "" { // without a record, no attempt got through the gate
			return StateHeld
		}
		return StateRetry
	default:
		return StatePending
	}
}

// TimeOrNil is a time as Taipei writes it, nil for none, as JSON leaves it out.
func TimeOrNil(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	if t = t.In(ecpay.Taipei); t.Year() > 9999 { // which JSON cannot write; another program may have stored it
		t = time.Date(9999, time.December, 31, 23, 59, 59, 0, ecpay.Taipei)
	}
	return &t
}
