// Package gate keeps, per task, what must survive the worker: the budget, the
// mark of a write in flight, the finish marker and the outcome. Every step is
// one script over keys of one hash slot, by Redis' own clock, and may be
// executed twice without harm, since a Redis client may repeat a command whose
// answer it lost.
package gate

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/tasks"
	"github.com/ecpayq/ecpayq/tasks/ledger"
	"github.com/ecpayq/ecpayq/tasks/record"
)

//go:embed pace.lua
var paceLua string

//go:embed request.lua
var requestLua string

//go:embed begin.lua
var beginLua string

//go:embed look.lua
var lookLua string

//go:embed enter.lua
var enterLua string

//go:embed leave.lua
var leaveLua string

//go:embed denied.lua
var deniedLua string

// Gate is safe for concurrent use.
type Gate struct {
	rdb                       redis.UniversalClient
	confirm                   record.Confirm
	begin, enter, leave, look *redis.Script
	took                      func(step string, d time.Duration)
	denied                    *redis.Script
	clock                     *clock // nil notices no clock that is set
}

// New returns a Gate that uses rdb and never closes it. With confirm, a write's
// mark must be on as many replicas and disks before [Gate.Enter] succeeds.
func New(rdb redis.UniversalClient, confirm record.Confirm) *Gate {
	return &Gate{
		rdb: rdb, confirm: confirm,
		begin: record.NewScript(record.ReplicationLua + paceLua + requestLua + beginLua), enter: record.NewScript(paceLua + requestLua + enterLua),
		leave:  record.NewScript(paceLua + leaveLua),
		denied: record.NewScript(paceLua + deniedLua), look: record.NewScript(record.ReplicationLua + lookLua),
		took: func(string, time.Duration) {},
	}
}

// Steps are the steps that [Gate.Observed] tells of.
func Steps() []string { return []string{stepBegin, stepEnter, stepLeave} }

const stepBegin, stepEnter, stepLeave = "begin", "enter", "leave"

// Observed lets took, when not nil, be told how long every step took, and returns g.
func (g *Gate) Observed(took func(step string, d time.Duration)) *Gate {
	if took != nil {
		g.took = took
	}
	return g
}

func (g *Gate) since(step string, start time.Time) { g.took(step, time.Since(start)) }

// Attempt is one run of a task.
type Attempt struct {
	ID string
	// Token is the attempt's own; no two are equal.
	Token string
	// Enqueued is when the task was enqueued by the producer's clock, and Start when
	// its age begins by its headers; zero for unknown.
	Enqueued, Start time.Time
	// Failed counts how often asynq took the task back after a failure.
	Failed int
	// LockFor is how long the lock of the subject lives at most.
	LockFor time.Duration
}

// History is what earlier attempts left behind.
type History struct {
	// Finished means that the effect is proven: there is nothing to do.
	Finished bool
	// Attempts counts those that spent budget, this one included.
	Attempts int
	// Crashes counts attempts that never left.
	Crashes int
	// Age is the time since the later of enqueue, process-at and replay, less the
	// time for which that clock stood still.
	Age time.Duration
	// Holds counts holds in a row.
	Holds int
	// Stale counts refusals with TransCode 104 in a row.
	Stale int
	// InFlight means that a write went out about which nothing is proven.
	InFlight bool
	// SinceSent is how long ago that was stamped: by Redis' clock or by the workers'
	// own, whichever says less, so that one clock that jumps does not end the time
	// in which the write may still land.
	SinceSent time.Duration
	// Repeated counts how often a write was sent again although an earlier one is
	// still unanswered.
	Repeated int
	// MarksLost means that Redis may have lost marks of this task: since it was
	// enqueued another master answers, or the same one was restarted.
	MarksLost bool
	// SinceLost is how long ago that was noticed.
	SinceLost time.Duration
	// ClockSet means that all clocks may have been set at once, and SinceSet is how long ago
	// at least: SinceSent and SinceLost may say too much since.
	ClockSet bool
	SinceSet time.Duration
	// NotExecuted is a person's word that the write in flight did not happen, and SinceWord
	// how long ago it was given.
	NotExecuted bool
	SinceWord   time.Duration
	// Undone means that a task of ours has undone what this one is to do.
	Undone bool

	mark int64 // of the write in flight
}

// BusyError means that another attempt holds the lock of the task's subject.
type BusyError struct {
	// For is how long the lock lives at most.
	For time.Duration
}

// Error implements error.
func (e *BusyError) Error() string { return "another attempt on the same subject is running" }

// LaterError means that the turn of a task's first request comes later than it is waited
// for in place: nothing of an attempt has begun, and the task keeps its place in line.
type LaterError struct{ Turn Turn }

// Error implements error.
func (e *LaterError) Error() string { return "its turn comes later" }

// First is the first request of an attempt.
type First struct {
	Request
	// Longest is how long its turn is waited for in place, and Reason why it waits else;
	// it is stored.
	Longest time.Duration
	Reason  record.Text
}

// Begin takes the lock of the task's subject and counts an attempt; now is the
// worker's clock. It returns a [*BusyError] while another attempt holds the lock.
func (g *Gate) Begin(ctx context.Context, a Attempt, now time.Time) (History, error) {
	h, _, err := g.count(ctx, a, now)
	return h, err
}

// BeginWith is [Gate.Begin], and [Gate.Enter] for the first request of the attempt if
// nothing of the history stands against it: no crash, no write of which nothing is
// known. Else it returns no turn. It returns a [*LaterError] when nothing was begun
// since the turn comes later. After an error that is [Unsure] the attempt has to leave.
func (g *Gate) BeginWith(ctx context.Context, a Attempt, now time.Time, first First) (History, *Turn, error) {
	return g.count(ctx, a, now, append(first.args(a), first.Longest.Microseconds(), first.Reason.En, first.Reason.Zh)...)
}

// CanBeginWith reports whether [Gate.BeginWith] may permit a request. A mark that has to be
// confirmed needs [Gate.Enter].
func (g *Gate) CanBeginWith(r Request) bool { return !r.Write || !g.confirm.Wanted() }

// Unsure reports whether after an error of [Gate.BeginWith] an attempt may have begun, and
// its request be permitted.
func Unsure(err error) bool {
	var busy *BusyError
	var later *LaterError
	return err != nil && !errors.As(err, &busy) && !errors.As(err, &later)
}

func (g *Gate) count(ctx context.Context, a Attempt, now time.Time, request ...any) (History, *Turn, error) {
	defer g.since(stepBegin, time.Now())
	keys := []string{
		record.TaskKey(a.ID), record.DoneKey(a.ID), record.LockKey(a.ID), record.ReplicationKey(g.rdb, a.ID), record.HeldKey(a.ID), record.PaceKey(a.ID), record.FlightKey(a.ID),
	}
	if id := tasks.UndoneBy(a.ID); id != "" {
		keys = append(keys, record.DoneKey(id))
	}
	since, set := g.clock.since(now)
	standing := set && since < a.LockFor // a lock that the clocks say has ended may not have
	args := append([]any{a.Token, record.UnixMilli(a.Enqueued), record.UnixMilli(a.Start), now.UnixMilli(), ms(a.LockFor), a.ID, a.Failed, flag(standing)}, request...)
	v, err := g.begin.Run(ctx, g.rdb, keys, args...).Int64Slice()
	switch {
	case err != nil:
		return History{}, nil, fmt.Errorf("count attempt: %w", err)
	case len(v) != 19:
		return History{}, nil, fmt.Errorf("count attempt: %d values in the answer", len(v))
	case v[0] == 2:
		return History{}, nil, &BusyError{For: duration(v[1])}
	}
	h := History{
		Finished: v[0] == 1, Attempts: int(v[2]), Crashes: int(v[3]), Age: duration(v[4]), Holds: int(v[5]), Stale: int(v[6]), Repeated: int(v[7]),
	}
	h.mark = v[11]
	if v[8] >= 0 {
		h.InFlight, h.SinceSent = true, duration(min(v[8], v[9]))
	}
	if v[10] >= 0 {
		h.MarksLost, h.SinceLost = true, duration(v[10])
	}
	h.ClockSet, h.SinceSet = set, since
	if v[17] >= 0 {
		h.NotExecuted, h.SinceWord = true, duration(v[17])
	}
	h.Undone = v[18] == 1
	if v[12] == 0 {
		return h, nil, nil
	}
	t := turnOf(v[13:17])
	if v[0] == 3 {
		return h, nil, &LaterError{t}
	}
	return h, &t, nil
}

// Watch notices another replication id also while nothing runs, so that the time of the
// change is known. On a cluster it does not: there each merchant's slot remembers, and
// notices with its next task. It also tells others of a clock that was set, and learns
// of it; workers call it before their first attempt and every 10 seconds.
func (g *Gate) Watch(ctx context.Context) error {
	_, cluster := g.rdb.(*redis.ClusterClient)
	seen, fence := g.clock.seen()
	ago, err := g.look.Run(ctx, g.rdb, []string{record.ClockKey}, flag(!cluster), seen, ms(fence)).Int64()
	if err != nil {
		return fmt.Errorf("look at clock and replication: %w", err)
	}
	g.clock.learn(ago)
	return nil
}

// ErrSuperseded means that this attempt is over: another one runs by now, or its
// lock has ended.
var ErrSuperseded = errors.New("this attempt is over")

// Request is one request of an attempt that wants to go out.
type Request struct {
	// Name tells it from the others of the attempt.
	Name string
	// Interval is the least time between two requests of the merchant, 0 for none, and
	// InFlight how many there may be at once.
	Interval time.Duration
	InFlight int
	// Rank says whom it goes before.
	Rank Rank
	// Life is how long it may take at most.
	Life time.Duration
	// Now is the worker's clock.
	Now time.Time
	// Scope names the keys that seal it, see [Scope].
	Scope string
	// Egress is how the egress is known to be: nothing goes out before the end of its
	// pause.
	Egress EgressState
	// Peek asks how long to wait, and takes no permission.
	Peek bool

	// Write marks a write, by the clock that stamps it; Repeats means that an earlier one
	// is still unanswered.
	Write   bool
	Stamp   time.Time
	Repeats bool
}

// Rank is how requests of a merchant go before one another.
type Rank uint8

// The ranks, as pace.lua has them.
const (
	InLine Rank = iota // one after the other, in the order in which they first wanted to go
	Ahead              // likewise, and before those in line
	// Next is the next one to go. It is for attempts that sent something before: they are
	// few, since what they sent before had to wait for its turn, and what they know would
	// be out of date after a long wait.
	Next
)

// Scope names what ECPay may refuse for the keys of a merchant: a service of it, for
// which each is enabled apart, with one key pair.
func Scope(c ecpay.Category, fingerprint string) string { return string(c) + ":" + fingerprint }

// NoKeys stands for the fingerprint of keys that are missing.
const NoKeys = "none"

// Why says for what a request has to wait.
type Why uint8

// The reasons, as pace.lua and egress.lua have them.
const (
	ForTurn    Why = iota + 1 // its turn at the merchant's pace, or one of its requests in flight
	ForBan                    // the end of a pause that ECPay asked for
	ForDenial                 // the end of a pause because ECPay refuses the keys
	ForAddress                // the end of a pause because ECPay bans the address
	ForOutage                 // the end of a pause because ECPay answers nobody
	ForRate                   // its turn at the egress' rate
)

// Turn is the answer to a request that wants to go out.
type Turn struct {
	// Wait is how long to wait before asking again; 0 is the permission, which holds for
	// this moment.
	Wait time.Duration
	Why  Why
	// Probes means that the keys were refused and that this request is the one that
	// tries them again: [Gate.Answered] has to be told what it brings.
	Probes bool
	// Stricter is the interval that is kept because another process wants it, where it is
	// longer than the one asked for; 0 for none.
	Stricter time.Duration
}

// Enter permits a request, by the merchant's pace in the fleet and outside of the
// pauses that ECPay asks for or that its refusals cause, and marks a write with it.
// It returns [ErrSuperseded], [record.ErrNotConfirmed] or a Redis error when nothing
// must be sent.
func (g *Gate) Enter(ctx context.Context, a Attempt, r Request) (Turn, error) {
	defer g.since(stepEnter, time.Now())
	keys := []string{record.TaskKey(a.ID), record.LockKey(a.ID), record.PaceKey(a.ID), record.FlightKey(a.ID)}
	args := append([]any{a.Token, r.Now.UnixMilli()}, r.args(a)...)
	if r.Peek || r.Egress.Why != 0 {
		args = append(args, unixMicro(r.Egress.Until), int(r.Egress.Why), flag(r.Peek))
	}
	confirm := g.confirm
	if !r.Write || r.Peek {
		confirm = record.Confirm{}
	}
	v, err := confirm.Run(ctx, g.rdb, g.enter, keys, args...)
	switch {
	case err != nil:
		return Turn{}, fmt.Errorf("mark request: %w", err)
	case len(v) != 5:
		return Turn{}, fmt.Errorf("mark request: %d values in the answer", len(v))
	case v[0] == 0:
		return Turn{}, ErrSuperseded
	}
	return turnOf(v[1:]), nil
}

// args are those of request.lua.
func (r Request) args(a Attempt) []any {
	return []any{
		a.Token + ":" + r.Name, r.Interval.Microseconds(), r.InFlight, int(r.Rank), r.Life.Microseconds(), flag(r.Write), record.UnixMilli(r.Stamp), flag(r.Repeats), r.Scope,
	}
}

func turnOf(v []int64) Turn {
	return Turn{Wait: time.Duration(v[0]) * time.Microsecond, Why: Why(v[1]), Probes: v[2] == 1, Stricter: time.Duration(v[3]) * time.Microsecond}
}

// Answer is what an answer says about the keys by which it was asked for.
type Answer string

// The answers.
const (
	KeysRefused Answer = "refused"
	KeysWork    Answer = "work"
	KeysUnsure  Answer = "unsure" // it says nothing about them
)

// Answered records what an answer of ECPay says about the keys of the task's merchant,
// or that there are none. While keys are refused, all that would be sent with them
// is held, for 1 minute, which doubles up to 30, and then one request tries them
// again. It returns how long the pause is still, and whether it began with this
// answer. why is stored; it must hold no key.
func (g *Gate) Answered(ctx context.Context, a Attempt, scope string, says Answer, why string) (pause time.Duration, began bool, err error) {
	v, err := g.denied.Run(ctx, g.rdb, []string{record.PaceKey(a.ID)}, a.Token, scope, string(says), why).Int64Slice()
	switch {
	case err != nil:
		return 0, false, fmt.Errorf("record what became of the keys: %w", err)
	case len(v) != 2:
		return 0, false, fmt.Errorf("record what became of the keys: %d values in the answer", len(v))
	}
	pause, began = duration(v[0]), v[1] == 1
	if began {
		// After the pause: were this lost, the next refusal would note it.
		if err := ledger.NoteName(ctx, g.rdb, record.DeniedKey, record.Owner(a.ID)); err != nil {
			return pause, began, fmt.Errorf("note merchant: %w", err)
		}
	}
	return pause, began, nil
}

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
		if err := ledger.NoteOwner(ctx, g.rdb, a.ID); err != nil {
			return err
		}
		args = append(args, letter...)
	}
	if r.Banned > 0 { // so that it is listed at once
		if err := ledger.NoteName(ctx, g.rdb, record.MerchantsKey, record.Owner(a.ID)); err != nil {
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
	id := a.ID
	return []string{record.TaskKey(id), record.DoneKey(id), record.LockKey(id), record.DeadKey(id), record.PaceKey(id), record.FlightKey(id), record.HeldKey(id)}
}

func leaveArgs(a Attempt, r Result) []any {
	return []any{
		a.Token, string(r.State), ms(r.RecordTTL), ms(r.DoneTTL), flag(r.Spends), flag(r.Pauses), flag(r.Settled), flag(r.Stale), ms(r.Delay), a.ID, r.History.mark,
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
