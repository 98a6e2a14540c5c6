package gate

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ecpayq/ecpayq/internal/asynqx"
	"github.com/ecpayq/ecpayq/tasks/record"
)

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

// LaterError means that the turn of a task's first request comes later than [FirstRequest.Longest]:
// nothing of an attempt has begun, and the task keeps its place in line.
type LaterError struct{ Turn Turn }

// Error implements error.
func (e *LaterError) Error() string { return "its turn comes later" }

// FirstRequest is the first request of an attempt.
type FirstRequest struct {
	Request
	// Longest is how long the attempt waits in place for the request's turn. Reason is stored as
	// why the task waits where that is not enough.
	Longest time.Duration
	Reason  record.Text
}

// Begin takes the lock of the task's subject and counts an attempt; now is the
// worker's clock. It returns a [*BusyError] while another attempt holds the lock.
func (g *Gate) Begin(ctx context.Context, a Attempt, now time.Time) (History, error) {
	h, _, err := g.count(ctx, a, now, nil)
	return h, err
}

// BeginWith is [Gate.Begin], and [Gate.Enter] for the first request of the attempt if the
// history has no crash, no write in flight, no lost mark and no task that undid this one. Else
// it returns no turn. It returns a [*LaterError] when nothing was begun since the turn comes
// later. After an error that is [Unsure] the attempt has to leave.
func (g *Gate) BeginWith(ctx context.Context, a Attempt, now time.Time, first FirstRequest) (History, *Turn, error) {
	return g.count(ctx, a, now, &firstArgs{first.args(a), first.Longest, first.Reason.En, first.Reason.Zh})
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

func (g *Gate) count(ctx context.Context, a Attempt, now time.Time, first *firstArgs) (History, *Turn, error) {
	defer g.since(stepBegin, time.Now())
	k := a.Keys
	keys := beginKeys{
		Task: k.Task, Done: k.Done, Lock: k.Lock, Replication: k.Replication(g.topology),
		Held: k.Held, Pace: k.Pace, Flight: k.Flight, UndoneBy: k.Undone,
	}
	since, set := g.clock.since(now)
	v, err := beginScript.Run(ctx, g.rdb, keys, beginArgs{
		Token: a.Token, Enqueued: a.Enqueued, Start: a.Start, Clock: now, LockLife: a.LockFor, ID: k.ID, Failed: a.Failed,
		Standing:  set && since < a.LockFor, // a lock that the clocks say has ended may not have
		Nonce:     a.Nonce,
		firstArgs: first,
	})
	switch {
	case err != nil:
		return History{}, nil, fmt.Errorf("count attempt: %w", err)
	case v.Status == isLocked:
		return History{}, nil, &BusyError{For: max(0, v.LockLeft)}
	case v.Status == isCancelled:
		return g.countCancelled(ctx, a, now, first)
	}
	h := v.history()
	h.ClockSet, h.SinceSet = set, since
	if !v.IsAnswered {
		return h, nil, nil
	}
	t := Turn{Wait: v.Wait, Why: v.Why, Probes: v.IsProbe, Stricter: v.Stricter}
	if v.Status == comesLater {
		return h, nil, &LaterError{t}
	}
	return h, &t, nil
}

// countCancelled is of a task whose enqueue was cancelled. Either this worker was frozen since before
// that, and asynq has the task no more: then nothing begins. Or the enqueue was executed a second
// time after the cancel, as a Redis client may have it: that is an enqueue as any other.
func (g *Gate) countCancelled(ctx context.Context, a Attempt, now time.Time, first *firstArgs) (History, *Turn, error) {
	there, err := g.rdb.Exists(ctx, asynqx.TaskKey(a.Queue, a.Keys.ID)).Result()
	switch {
	case err != nil:
		return History{}, nil, fmt.Errorf("look for a cancelled task: %w", err)
	case there == 0:
		return History{Finished: true}, nil, nil
	}
	a.Nonce = ""
	return g.count(ctx, a, now, first)
}

func (v beginAnswer) history() History {
	h := History{
		Finished: v.Status == wasFinished, Attempts: v.Attempts, Crashes: v.Crashes, Age: max(0, v.Age), Holds: v.Holds, Stale: v.Stale,
		Repeated: v.Repeated, Undone: v.IsUndone, mark: v.Mark,
	}
	if v.SinceSent >= 0 {
		h.InFlight, h.SinceSent = true, max(0, min(v.SinceSent, v.SinceSentHere))
	}
	if v.SinceLost >= 0 {
		h.MarksLost, h.SinceLost = true, v.SinceLost
	}
	if v.SinceWord >= 0 {
		h.NotExecuted, h.SinceWord = true, v.SinceWord
	}
	return h
}
