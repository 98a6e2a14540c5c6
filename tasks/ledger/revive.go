package ledger

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ecpayq/ecpayq/internal/asynqx"
	"github.com/ecpayq/ecpayq/internal/redisx"
	"github.com/ecpayq/ecpayq/tasks"
	"github.com/ecpayq/ecpayq/tasks/record"
)

var (
	//go:embed correct.lua
	correctLua string
	//go:embed uncorrect.lua
	uncorrectLua string

	correct   = redisx.NewScript[correctKeys, correctArgs, string](record.ScriptText(correctLua))
	uncorrect = redisx.NewScript[uncorrectKeys, uncorrectArgs, int64](uncorrectLua)
)

type correctKeys struct{ Task, Dead, Lock string }

type correctArgs struct {
	ID          string
	Died        string // the death it is about, see died
	IsCorrected bool
	Payload     []byte
	Headers     []byte
	// Denied is the mark of the write of which a person says that it did not happen, empty for
	// none, and SaidAt when they said so, by Redis' clock. Both are read before the script, which
	// may be executed again when another write has been sent.
	Denied string
	SaidAt time.Time `unit:"ms"`
	Clock  time.Time `unit:"ms"` // the caller's
	Nonce  string    // of this replay
}

type uncorrectKeys struct{ Task string }

type uncorrectArgs struct{ Nonce string } // of the replay that made the correction

// Revival is how to run a dead task again. The zero value runs it as it was.
type Revival struct {
	// Died, when not zero, is the death it is about: a task that died again since
	// is left alone.
	Died time.Time
	// Correct, when not nil, returns the payload to run instead. It must have the
	// same id.
	Correct func(Entry) (tasks.Payload, error)
	// NotExecuted is a person's word that the write in flight did not happen.
	NotExecuted bool
	// Unnamed means that nobody named this very task, so that it is [Skipped] when a
	// person stopped it.
	Unnamed bool
	// ProcessAt is when to run it; zero for at once.
	ProcessAt time.Time
	// DryRun changes nothing.
	DryRun bool
	// Before, when not nil, is called once before the first change.
	Before func(context.Context, Entry) error
}

// ErrOtherID means that a correction would make another task.
var ErrOtherID = errors.New("the correction changes the task's id: it is another intent, enqueue it as such")

// ErrNoPayload means that neither asynq nor the ledger has the task's payload.
var ErrNoPayload = errors.New("the dead letter has no payload, and asynq has no task")

// Revive runs a dead task again: it drops what asynq has of it and enqueues what
// the ledger has. It is the same whether asynq still has the task, has forgotten
// it, or has a remnant that it can neither list nor run. It may be called twice
// at once and again after it was interrupted anywhere:
//
//   - The letter stays in the ledger until the task is done. After a drop without
//     an enqueue the task is dead as before, and the next call enqueues it.
//   - asynq refuses to enqueue an id that exists. Of two calls one wins; the other
//     sees the task pending, or run and dead again, which is another death than its own.
//   - Only the message that was read before the letter is dropped: not one that was
//     enqueued, run and archived since.
//   - A correction is in the ledger before the archived task is dropped, so that
//     the next caller enqueues the correction if this one is interrupted. It is taken
//     back when another caller enqueued the task first.
//   - Before anything of it is dropped or enqueued the letter is claimed, so that
//     [Store.Withdraw] leaves it alone.
//   - A task that asynq archived without a verdict is copied into the ledger first.
func (s *Store) Revive(ctx context.Context, id string, r Revival) (ActResult, error) {
	rv := revival{Revival: r, nonce: tasks.NewNonce()}
	out, err := s.reviveIn(ctx, id, &rv)
	if err == nil && out != Replayed && rv.claimed && r.Correct != nil {
		if _, err := uncorrect.Run(ctx, s.rdb, uncorrectKeys{record.TaskKey(id)}, uncorrectArgs{rv.nonce}); err != nil {
			return "", fmt.Errorf("take back correction: %w", err)
		}
	}
	return out, err
}

// reviveIn makes a few rounds, each of which reads the task anew: a round that another caller
// was faster than is followed by another.
func (s *Store) reviveIn(ctx context.Context, id string, rv *revival) (ActResult, error) {
	for range reviveRounds {
		if err := ctx.Err(); err != nil {
			return "", err
		}
		out, err := s.reviveOnce(ctx, id, rv)
		if out != "" || err != nil {
			return out, err
		}
	}
	return Busy, nil
}

const reviveRounds = 8

// revival is a Revival on its way.
type revival struct {
	Revival
	nonce     string
	deposited bool
	claimed   bool // and corrected, where that is wanted
	// archived is when asynq archived the task, in asynq's seconds, of a Revival that is
	// Unnamed: a task that was run and archived again since has the same message, and differs in
	// this time only.
	archived string
}

// reviveOnce is one round. An empty result asks for another round.
func (s *Store) reviveOnce(ctx context.Context, id string, r *revival) (ActResult, error) {
	queue, err := s.queueOf(ctx, id)
	switch {
	case err != nil:
		return "", err
	case queue == "":
		return NotFound, nil
	}
	msg, err := asynqx.Message(ctx, s.rdb, queue, id)
	if err != nil {
		return "", err
	}
	l, err := s.Entry(ctx, id) // after the message: see above
	if err != nil {
		return "", err
	}
	at, err := s.Look(ctx, queue, id)
	if err != nil {
		return "", err
	}
	switch {
	case l.Finished:
		return AlreadyDone, s.withdrawFinished(ctx, l, queue, at, r.DryRun)
	case !l.InLedger && (at == asynqx.Completed || at == asynqx.NoTask && l.State == record.Done):
		return AlreadyDone, nil
	case at == asynqx.Completed:
		return "", nil // it ended between the two reads
	case at != asynqx.NoTask && !at.Dead():
		return Busy, nil
	case !l.InLedger && at == asynqx.NoTask:
		return NotFound, nil
	case at == asynqx.NoTask && l.Payload == nil:
		return "", fmt.Errorf("%s: %w", id, ErrNoPayload)
	case !l.InLedger && msg == "": // a remnant of nothing, which only blocks the id
		if r.DryRun {
			return NotFound, nil
		}
		_, err := s.dropIf(ctx, queue, id, &dropOnly{}) // a task may have come since the message was read
		return "", err
	case !l.InLedger || l.Payload == nil || l.State != record.Dead && msg != "" && !r.deposited:
		// Archived without a verdict, and the sweep has not come by.
		if r.DryRun {
			return WouldReplay, nil
		}
		r.deposited = true
		_, err := s.Deposit(ctx, queue, id, r.nonce)
		return "", err
	case r.Unnamed && l.Stopped():
		return Skipped, nil
	case r.Unnamed && at.Dead():
		// It died, was run again, and may have been stopped since: the ledger would not know of
		// that yet.
		var hand bool
		switch hand, r.archived, err = s.byHand(ctx, queue, id); {
		case err != nil:
			return "", err
		case hand && r.DryRun:
			return Skipped, nil
		case hand:
			_, err := s.Deposit(ctx, queue, id, r.nonce)
			return "", err
		}
	}
	if !r.Died.IsZero() && !l.Died.Equal(r.Died) {
		return Busy, nil // run meanwhile, and it died again: that is another death
	}
	r.Died = l.Died
	return s.revive(ctx, l, at, msg, r)
}

// queueOf says in which queue a task is: by its letter or by its id; empty when
// neither knows.
func (s *Store) queueOf(ctx context.Context, id string) (string, error) {
	queue, err := s.rdb.HGet(ctx, record.TaskKey(id), record.FieldQueue).Result()
	if err == nil || !errors.Is(err, redis.Nil) {
		return queue, err
	}
	typ, _, err := tasks.ParseID(id)
	if err != nil {
		return "", nil
	}
	return typ.Queue, nil
}

func (s *Store) revive(ctx context.Context, l Entry, at asynqx.State, msg string, r *revival) (ActResult, error) {
	p, payload, headers, err := s.content(l, r)
	if err != nil {
		return "", err
	}
	if r.DryRun {
		return WouldReplay, nil
	}
	if r.Before != nil {
		if err := r.Before(ctx, l); err != nil {
			return "", err
		}
		r.Before = nil
	}
	if !r.claimed {
		switch v, err := s.correct(ctx, l, payload, headers, r); {
		case err != nil:
			return "", err
		case v == "running":
			return Busy, nil
		case v != "ok":
			return "", nil
		}
		r.claimed = true
	}
	if l.State == record.Stopping { // by a cancel that comes too late now, or ended halfway
		if err := s.Settle(ctx, l.Queue, l.ID); err != nil {
			return "", err
		}
	}
	if at != asynqx.NoTask {
		now, err := s.dropIf(ctx, l.Queue, l.ID, &dropOnly{msg, r.archived})
		if err != nil || now != Dropped && now != asynqx.NoTask {
			return "", err
		}
	}
	return s.enqueue(ctx, l, p, payload, headers, r)
}

// byHand reports whether a person archived the task in asynq, and when it was archived,
// as asynq has it.
func (s *Store) byHand(ctx context.Context, queue, id string) (hand bool, at string, err error) {
	pipe := s.rdb.Pipeline()
	a := asynqx.ReadArchiving(ctx, pipe, queue, id)
	redisx.ExecEach(ctx, pipe)
	_, hand, _, err = a.Decode(queue, id)
	return hand, a.At(), ignoreGone(err)
}

// ArchivedByHand says of tasks in asynq's archive which of them a person archived, as
// far as that can be read.
func (s *Store) ArchivedByHand(ctx context.Context, queue string, ids []string) map[string]bool {
	pipe := s.rdb.Pipeline()
	read := make([]asynqx.Archiving, len(ids))
	for i, id := range ids {
		read[i] = asynqx.ReadArchiving(ctx, pipe, queue, id)
	}
	if len(ids) > 0 {
		redisx.ExecEach(ctx, pipe)
	}
	by := map[string]bool{}
	for i, id := range ids {
		if _, hand, _, err := read[i].Decode(queue, id); err == nil {
			by[id] = hand
		}
	}
	return by
}

func ignoreGone(err error) error {
	if errors.Is(err, asynqx.ErrNotFound) {
		return nil
	}
	return err
}

// content returns what to run: the payload when it can be read, and the bytes. Bytes that cannot
// be read go back unchanged.
func (s *Store) content(l Entry, r *revival) (tasks.Payload, []byte, map[string]string, error) {
	payload := l.Payload
	p, err := s.keys.Decode(l.ID, l.Type, l.Headers, payload)
	if r.Correct != nil && !r.claimed {
		if p, err = r.Correct(l); err != nil {
			return nil, nil, nil, err
		}
		if err := p.Validate(); err != nil {
			return nil, nil, nil, err
		}
		if tasks.ID(p) != l.ID {
			return nil, nil, nil, fmt.Errorf("%w (%s)", ErrOtherID, tasks.ID(p))
		}
		if payload, err = s.keys.Encode(p); err != nil {
			return nil, nil, nil, err
		}
	}
	if err == nil && tasks.ID(p) != l.ID {
		p = nil // its bytes belong to another intent; the worker will say so again
	}
	if err != nil || p == nil {
		return nil, payload, l.Headers, nil
	}
	h := tasks.ParseHeaders(l.Headers) // when it was enqueued stays: what is old stays old
	h.Schema, h.ProcessAt, h.Nonce = tasks.SchemaOf(p), r.ProcessAt, r.nonce
	return p, payload, h.Map(), nil
}

func (s *Store) correct(ctx context.Context, l Entry, payload []byte, headers map[string]string, r *revival) (string, error) {
	h, err := json.Marshal(headers)
	if err != nil {
		return "", fmt.Errorf("store correction: %w", err)
	}
	args := correctArgs{ID: l.ID, Died: died(l), IsCorrected: r.Correct != nil, Payload: payload, Headers: h, Clock: s.now(), Nonce: r.nonce}
	if r.NotExecuted {
		args.Denied = "0" // a write whose mark is lost
		if !l.InFlight.IsZero() {
			args.Denied = strconv.FormatInt(l.InFlight.UnixMilli(), 10)
		}
		if args.SaidAt, err = s.Now(ctx); err != nil {
			return "", err
		}
	}
	v, err := correct.Run(ctx, s.rdb, correctKeys{record.TaskKey(l.ID), record.DeadKey(l.ID), record.LockKey(l.ID)}, args)
	if err != nil {
		return "", fmt.Errorf("claim dead letter: %w", err)
	}
	return v, nil
}

// enqueue puts a task into asynq that asynq does not have.
func (s *Store) enqueue(
	ctx context.Context, l Entry, p tasks.Payload, payload []byte, headers map[string]string, r *revival,
) (ActResult, error) {
	spec := asynqx.Spec{Type: l.Type, Queue: l.Queue, ID: l.ID, Payload: payload,
		Headers: headers, Retention: s.retention, ProcessAt: r.ProcessAt}
	now := s.now()
	if p != nil {
		spec.Queue, spec.Retention = tasks.TypeOf(p).Queue, tasks.RetentionOf(p, s.retention)
		spec.ProcessAt = s.spread.Next(p, r.ProcessAt, now)
	}
	_, err := s.client.Enqueue(ctx, spec)
	switch {
	case err == nil:
		return Replayed, nil
	case !errors.Is(err, asynqx.ErrExists):
		return "", fmt.Errorf("enqueue %s: %w", l.ID, err)
	}
	// Somebody was faster, or the Redis client repeated a command whose answer it
	// had lost: then the nonce is ours.
	info, err := s.inspector.Task(ctx, l.Queue, l.ID)
	if err != nil {
		return "", ignoreGone(err)
	}
	if tasks.ParseHeaders(info.Headers).Nonce == r.nonce {
		return Replayed, nil
	}
	if p != nil {
		s.spread.GiveBack(p, r.ProcessAt, now)
	}
	return "", nil
}

// withdrawFinished removes what is left of a task that has a finish marker.
func (s *Store) withdrawFinished(ctx context.Context, l Entry, queue string, at asynqx.State, dry bool) error {
	if dry {
		return nil
	}
	if l.InLedger {
		if _, err := s.Resolve(ctx, l, "", "", 0, 0); err != nil {
			return err
		}
	}
	if !at.Dead() {
		return nil
	}
	_, err := s.Drop(ctx, queue, l.ID)
	return err
}
