package record

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"slices"
	"strconv"
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
	// ReplicationLua is what scripts have in common that notice another replication id. It
	// stands before them in [NewScript].
	//
	//go:embed replication.lua
	ReplicationLua string
	//go:embed deposit.lua
	depositLua string
	//go:embed confirm.lua
	confirmLua string
	//go:embed correct.lua
	correctLua string
	//go:embed uncorrect.lua
	uncorrectLua string
	//go:embed resolve.lua
	resolveLua string
	//go:embed owner.lua
	ownerLua string

	place         = redis.NewScript(placeLua)
	depositScript = NewScript(ReplicationLua + depositLua)
	confirm       = NewScript(ReplicationLua + confirmLua)
	correct       = NewScript(correctLua)
	uncorrect     = redis.NewScript(uncorrectLua)
	resolve       = NewScript(resolveLua)
	owner         = redis.NewScript(ownerLua)
)

// NewScript returns a script that may use what prelude.lua defines.
func NewScript(lua string) *redis.Script { return redis.NewScript(ScriptText(lua)) }

// ScriptText is the text of [NewScript].
func ScriptText(lua string) string { return preludeLua + lua }

// Note puts a name into a sorted set of names by when they were noted last.
func Note(ctx context.Context, rdb redis.UniversalClient, key, name string) error {
	return owner.Run(ctx, rdb, []string{key}, name, 0).Err()
}

// Forget takes a name out of such a set. It does nothing when the name was noted
// within the last hour, far longer than any attempt takes.
func Forget(ctx context.Context, rdb redis.UniversalClient, key, name string) error {
	return owner.Run(ctx, rdb, []string{key}, name, time.Hour.Milliseconds()).Err()
}

// NoteOwner is called before a letter is written, so that no index is without
// its owner in [OwnersKey].
func NoteOwner(ctx context.Context, rdb redis.UniversalClient, id string) error {
	if err := Note(ctx, rdb, OwnersKey, Owner(id)); err != nil {
		return fmt.Errorf("note owner of dead letter: %w", err)
	}
	return nil
}

// ForgetOwner is called for an owner without letters.
func ForgetOwner(ctx context.Context, rdb redis.UniversalClient, name string) error {
	return Forget(ctx, rdb, OwnersKey, name)
}

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

// ExecEach runs a pipeline each of whose commands has its answer or its error
// afterwards. go-redis (v9.23) tells the commands nothing when it found no connection
// to send them on: they would look as if they had been answered with nothing.
func ExecEach(ctx context.Context, pipe redis.Pipeliner) {
	cmds, err := pipe.Exec(ctx)
	if err == nil || slices.ContainsFunc(cmds, func(c redis.Cmder) bool { return c.Err() != nil }) {
		return
	}
	for _, c := range cmds {
		c.SetErr(err)
	}
}

// Missing reports whether the error of a command says no more than that there is
// no such value, as [Exec] reads it.
func Missing(err error) bool {
	return err == nil || errors.Is(err, redis.Nil) || redis.HasErrorPrefix(err, "WRONGTYPE")
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

// Resolve ends a dead task by a person's word. died is the death that the person
// saw. doneTTL is the life of the finish marker, 0 for none.
func (s *Store) Resolve(ctx context.Context, l Letter, who, note string, doneTTL, recordTTL time.Duration) (string, error) {
	return s.end(ctx, l, who, note, doneTTL, recordTTL, false)
}

func (s *Store) end(ctx context.Context, l Letter, who, note string, doneTTL, recordTTL time.Duration, unbegun bool) (string, error) {
	keys := []string{TaskKey(l.ID), DoneKey(l.ID), DeadKey(l.ID), LockKey(l.ID)}
	v, err := resolve.Run(ctx, s.rdb, keys,
		l.ID, died(l), who, note, doneTTL.Milliseconds(), recordTTL.Milliseconds(), s.now().UnixMilli(), flag(unbegun)).Text()
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
