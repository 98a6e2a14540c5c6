package record

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"github.com/ecpayq/ecpayq/tasks"
)

var (
	//go:embed prelude.lua
	preludeLua string
	//go:embed place.lua
	placeLua string
	//go:embed deposit.lua
	depositLua string
	//go:embed confirm.lua
	confirmLua string
	//go:embed correct.lua
	correctLua string
	//go:embed resolve.lua
	resolveLua string
	//go:embed owner.lua
	ownerLua string

	place   = redis.NewScript(placeLua)
	deposit = NewScript(depositLua)
	confirm = NewScript(confirmLua)
	correct = NewScript(correctLua)
	resolve = NewScript(resolveLua)
	owner   = redis.NewScript(ownerLua)
)

// NewScript returns a script that may use what prelude.lua defines.
func NewScript(lua string) *redis.Script { return redis.NewScript(preludeLua + lua) }

// NoteOwner is called before a letter is written, so that no index is without
// its owner in [OwnersKey].
func NoteOwner(ctx context.Context, rdb redis.UniversalClient, id string) error {
	if err := owner.Run(ctx, rdb, []string{OwnersKey}, Owner(id), 0).Err(); err != nil {
		return fmt.Errorf("note owner of dead letter: %w", err)
	}
	return nil
}

// ForgetOwner is called for an owner without letters. It does nothing when one
// was noted within the last hour, far longer than any attempt takes.
func ForgetOwner(ctx context.Context, rdb redis.UniversalClient, name string) error {
	return owner.Run(ctx, rdb, []string{OwnersKey}, name, time.Hour.Milliseconds()).Err()
}

// Place is where asynq has a task: one of asynq's states, or one of these.
type Place string

// Places that are no state of asynq's.
const (
	PlaceNone  Place = "none"
	PlaceStuck Place = "stuck" // a remnant that asynq can neither list nor run
	PlaceHalf  Place = "half"  // asynq could not finish archiving it
	// PlaceDropped is the answer of [Store.Drop] when it removed the task.
	PlaceDropped Place = "dropped"

	PlaceArchived  Place = "archived"
	PlaceCompleted Place = "completed"
)

// Dead reports whether asynq will not run the task by itself, nor could.
func (p Place) Dead() bool { return p == PlaceArchived || p == PlaceStuck || p == PlaceHalf }

// Store moves dead tasks between asynq and the ledger. It is safe for concurrent
// use.
type Store struct {
	rdb       redis.UniversalClient
	inspector *asynq.Inspector
	client    *asynq.Client
	retention time.Duration
	now       func() time.Time
	spread    *tasks.Spread
}

// NewStore returns a Store that uses rdb and never closes it. retention is that
// of the tasks it enqueues.
func NewStore(rdb redis.UniversalClient, retention time.Duration, now func() time.Time) *Store {
	return &Store{
		rdb: rdb, inspector: asynq.NewInspectorFromRedisClient(rdb), client: asynq.NewClientFromRedisClient(rdb),
		retention: retention, now: now, spread: tasks.NewSpread(tasks.Every(0)),
	}
}

// Spread makes the tasks that are run again stand in their merchants' lines, and
// returns s.
func (s *Store) Spread(spread *tasks.Spread) *Store {
	s.spread = spread
	return s
}

// Letter is a task's record with what else decides about it.
type Letter struct {
	ID string
	Record
	// InLedger is true from death until the task is done or resolved.
	InLedger bool
	// Finished means that the task has a finish marker.
	Finished bool
}

// Letter reads one task.
func (s *Store) Letter(ctx context.Context, id string) (Letter, error) {
	pipe := s.rdb.Pipeline()
	fields := pipe.HGetAll(ctx, TaskKey(id))
	score := pipe.ZScore(ctx, DeadKey(id), id)
	done := pipe.Exists(ctx, DoneKey(id))
	if err := Exec(ctx, pipe); err != nil {
		return Letter{}, fmt.Errorf("read dead letter: %w", err)
	}
	return Letter{ID: id, Record: parse(fields.Val()), InLedger: score.Err() == nil, Finished: done.Val() == 1}, nil
}

// Letters reads the records of many tasks.
func (s *Store) Letters(ctx context.Context, ids []string) ([]Letter, error) {
	pipe := s.rdb.Pipeline()
	fields, scores := make([]*redis.MapStringStringCmd, len(ids)), make([]*redis.FloatCmd, len(ids))
	for i, id := range ids {
		fields[i], scores[i] = pipe.HGetAll(ctx, TaskKey(id)), pipe.ZScore(ctx, DeadKey(id), id)
	}
	if err := Exec(ctx, pipe); err != nil {
		return nil, fmt.Errorf("read dead letters: %w", err)
	}
	letters := make([]Letter, len(ids))
	for i, id := range ids {
		letters[i] = Letter{ID: id, Record: parse(fields[i].Val()), InLedger: scores[i].Err() == nil}
	}
	return letters, nil
}

// Exec runs a pipeline. A missing value is no error, wherever it stands: go-redis
// returns the first error only, which may hide one that matters. A key of the
// wrong type reads as missing, so that one that was tampered with does not keep
// all others from being read.
func Exec(ctx context.Context, pipe redis.Pipeliner) error {
	cmds, err := pipe.Exec(ctx)
	if Missing(err) {
		for _, c := range cmds {
			if err := c.Err(); !Missing(err) {
				return err
			}
		}
		return nil
	}
	return err
}

// Missing reports whether the error of a command says no more than that there is
// no such value, as [Exec] reads it.
func Missing(err error) bool {
	return err == nil || errors.Is(err, redis.Nil) || redis.HasErrorPrefix(err, "WRONGTYPE")
}

// AsynqKey is a key of asynq's (v0.26).
func AsynqKey(queue, name string) string { return "asynq:{" + queue + "}:" + name }

// placeOf runs the one script that knows where asynq has a task.
func placeOf(ctx context.Context, rdb redis.UniversalClient, queue, id string, args ...any) (Place, error) {
	keys := []string{
		AsynqTaskKey(queue, id), AsynqKey(queue, "archived"), AsynqKey(queue, "lease"), AsynqKey(queue, "completed"),
		AsynqKey(queue, "retry"), AsynqKey(queue, "scheduled"), AsynqKey(queue, "active"),
	}
	p, err := place.Run(ctx, rdb, keys, append([]any{id}, args...)...).Text()
	if err != nil {
		return "", fmt.Errorf("look for task in asynq: %w", err)
	}
	return Place(p), nil
}

// Place says where asynq has a task.
func (s *Store) Place(ctx context.Context, queue, id string) (Place, error) {
	return placeOf(ctx, s.rdb, queue, id, "look")
}

// Drop removes a dead task from asynq, and only a dead one. Call it only for a
// task that the ledger has, or that is done.
func (s *Store) Drop(ctx context.Context, queue, id string) (Place, error) {
	return placeOf(ctx, s.rdb, queue, id, "drop")
}

// dropIf is Drop when asynq's message is still the one that was read.
func (s *Store) dropIf(ctx context.Context, queue, id, msg string) (Place, error) {
	return placeOf(ctx, s.rdb, queue, id, "drop", msg)
}

// message is what asynq has of a task, as it encodes it; empty without one. It
// changes with every enqueue, since the headers have a nonce.
func (s *Store) message(ctx context.Context, queue, id string) (string, error) {
	msg, err := s.rdb.HGet(ctx, AsynqTaskKey(queue, id), "msg").Result()
	if err != nil && !errors.Is(err, redis.Nil) {
		return "", fmt.Errorf("read task in asynq: %w", err)
	}
	return msg, nil
}

// Mend finishes what asynq could not: a task that it half archived.
func (s *Store) Mend(ctx context.Context, queue, id string) (Place, error) {
	return placeOf(ctx, s.rdb, queue, id, "mend")
}

// reasonSwept is stored with a task that asynq archived without our verdict.
const reasonSwept = "archived without a verdict: its worker died, or a person archived it; look it up at ECPay if it was sent / 未經判定即封存：工作程序中斷或遭手動封存，若曾送出請至綠界查詢"

const maxLastErr = 500

// Deposit copies a task that asynq archived, or left as a remnant, into the
// ledger, if it is not there. It reports whether the ledger has the task now.
//
// asynq and the ledger are in different slots, so that this takes steps, after
// any of which the process may end: the letter is noted as unsure, written,
// compared with asynq again, and then kept or withdrawn. What is noted is
// finished by the next sweep.
func (s *Store) Deposit(ctx context.Context, queue, id, token string) (bool, error) {
	info, err := s.inspector.GetTaskInfo(queue, id)
	if err != nil {
		if p, perr := s.Place(ctx, queue, id); perr == nil && !p.Dead() {
			return false, nil // gone or run meanwhile
		}
		return false, fmt.Errorf("read task %s: %w", id, err)
	}
	headers, err := json.Marshal(info.Headers)
	if err != nil {
		return false, fmt.Errorf("read task %s: %w", id, err)
	}
	if err := NoteOwner(ctx, s.rdb, id); err != nil {
		return false, err
	}
	if err := s.rdb.SAdd(ctx, UnsureKey, unsureMember(queue, id)).Err(); err != nil {
		return false, fmt.Errorf("note unsure letter: %w", err)
	}
	var died int64
	if !info.LastFailedAt.IsZero() {
		died = info.LastFailedAt.UnixMilli()
	}
	enqueued := unixMilli(tasks.ParseHeaders(info.Headers).Enqueued)
	state, err := deposit.Run(ctx, s.rdb, []string{TaskKey(id), DoneKey(id), DeadKey(id), ReplicationKey(s.rdb, id)},
		id, token, died, info.Type, queue, info.Payload, headers, clip(info.LastErr, maxLastErr), reasonSwept, enqueued).Text()
	switch {
	case err != nil:
		return false, fmt.Errorf("copy into ledger: %w", err)
	case state == "unsure":
		return s.Settle(ctx, queue, id, token)
	}
	return state == "known", s.forgetUnsure(ctx, queue, id)
}

// Settle ends the doubt about a letter, token being that of the Deposit. It
// reports whether the ledger keeps the task.
func (s *Store) Settle(ctx context.Context, queue, id, token string) (bool, error) {
	p, err := s.Place(ctx, queue, id)
	if err != nil {
		return false, err
	}
	what := "withdraw" // somebody ran it: asynq has it
	switch {
	case p.Dead():
		what = "keep"
	case p == PlaceNone:
		what = "unless done" // trimmed or deleted; then the letter is all there is
	}
	// The letter has the headers by now.
	stored, err := s.rdb.HGet(ctx, TaskKey(id), FieldHeaders).Result()
	if err != nil && !Missing(err) {
		return false, fmt.Errorf("settle letter: %w", err)
	}
	var headers map[string]string
	_ = json.Unmarshal([]byte(stored), &headers)
	enqueued := unixMilli(tasks.ParseHeaders(headers).Enqueued)
	if err := confirm.Run(ctx, s.rdb, []string{TaskKey(id), DeadKey(id), ReplicationKey(s.rdb, id)}, id, token, what, reasonSwept, enqueued).Err(); err != nil {
		return false, fmt.Errorf("settle letter: %w", err)
	}
	if err := s.forgetUnsure(ctx, queue, id); err != nil {
		return false, err
	}
	return what == "keep", nil
}

func (s *Store) forgetUnsure(ctx context.Context, queue, id string) error {
	if err := s.rdb.SRem(ctx, UnsureKey, unsureMember(queue, id)).Err(); err != nil {
		return fmt.Errorf("settle letter: %w", err)
	}
	return nil
}

func unixMilli(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func unsureMember(queue, id string) string { return queue + "\x00" + id }

// SettleLeftovers finishes up to n letters whose Deposit did not end.
func (s *Store) SettleLeftovers(ctx context.Context, n int) (int, error) {
	members, err := s.rdb.SRandMemberN(ctx, UnsureKey, int64(n)).Result()
	if err != nil {
		return 0, fmt.Errorf("read unsure letters: %w", err)
	}
	for _, m := range members {
		queue, id, _ := strings.Cut(m, "\x00")
		token, err := s.rdb.HGet(ctx, TaskKey(id), FieldUnsure).Result()
		switch {
		case err != nil && Missing(err):
			err = s.forgetUnsure(ctx, queue, id)
		case err == nil:
			_, err = s.Settle(ctx, queue, id, token)
		}
		if err != nil {
			return 0, err
		}
	}
	return len(members), nil
}

// Resolve ends a dead task by a person's word. died is the death that the person
// saw. doneTTL is the life of the finish marker, 0 for none.
func (s *Store) Resolve(ctx context.Context, l Letter, who, note string, doneTTL, recordTTL time.Duration) (string, error) {
	keys := []string{TaskKey(l.ID), DoneKey(l.ID), DeadKey(l.ID), LockKey(l.ID)}
	v, err := resolve.Run(ctx, s.rdb, keys, l.ID, died(l), who, note, doneTTL.Milliseconds(), recordTTL.Milliseconds(), s.now().UnixMilli()).Text()
	if err != nil {
		return "", fmt.Errorf("resolve: %w", err)
	}
	return v, nil
}

// died names one death in scripts.
func died(l Letter) string {
	if l.Died.IsZero() {
		return ""
	}
	return strconv.FormatInt(l.Died.UnixMilli(), 10)
}

// clip shortens s to n bytes, not inside a character.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "")
}
