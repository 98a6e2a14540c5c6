package deadletter

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"

	"github.com/redis/go-redis/v9"

	"github.com/ecpayq/ecpayq/internal/asynqx"
	"github.com/ecpayq/ecpayq/internal/redisx"
	"github.com/ecpayq/ecpayq/tasks"
	"github.com/ecpayq/ecpayq/tasks/record"
	"github.com/ecpayq/ecpayq/tasks/seal"
)

// StoredPayload is a payload that is sealed, or of a type with data of buyers, as it is stored.
type StoredPayload struct {
	ID, Type string
	// Key is the id of the key with which it is sealed, empty where it is readable.
	Key string
	// Letter means that it is in the ledger of dead letters, not among asynq's tasks.
	Letter bool
	// Active means that a worker runs the task.
	Active bool

	key, field string // where it is stored
	text       string // what is stored there
	payload    []byte
}

// Payloads yields all payloads that are sealed, also those of types that only a newer version knows, and
// all of types with data of buyers: of dead letters, with what was before a correction, and of asynq's
// tasks, whatever their state. What is stored before the walk begins and stays until its end is yielded,
// in no order, and so is that of a letter that is replayed meanwhile, since letters come first. On a cluster
// only masters are looked at that have a queue of this version. looked, when not nil, is told of
// every key of Redis that was looked at. After an error it ends.
func (l *Ledger) Payloads(ctx context.Context, looked func(n int)) iter.Seq2[StoredPayload, error] {
	if looked == nil {
		looked = func(int) {}
	}
	return func(yield func(StoredPayload, error) bool) {
		if l.letters(ctx, looked, yield) {
			l.tasks(ctx, looked, yield)
		}
	}
}

// hasBuyers reports whether a payload is sealed, and by which key, or of a type with data of buyers.
func hasBuyers(typeName string, payload []byte) (key string, ok bool) {
	typ, _ := tasks.ByName(typeName)
	key, sealed := seal.KeyOf(payload)
	return key, sealed || typ.BuyerData
}

// tasks yields those of asynq's tasks. A task moves from list to list, and its hash stays: so all hashes
// are looked for.
func (l *Ledger) tasks(ctx context.Context, looked func(int), yield func(StoredPayload, error) bool) {
	nodes, err := nodesOf(ctx, l.rdb, slices.Sorted(maps.Keys(tasks.Queues())))
	if err != nil {
		yield(StoredPayload{}, err)
		return
	}
	for _, n := range nodes {
		for cursor, first := uint64(0), true; first || cursor > 0; first = false {
			var keys []string
			if keys, cursor, err = n.Scan(ctx, cursor, asynqx.AllTasks, scanPage).Result(); err != nil {
				yield(StoredPayload{}, fmt.Errorf("look for tasks: %w", err))
				return
			}
			looked(scanPage)
			found, err := l.tasksAt(ctx, keys)
			if err != nil {
				yield(StoredPayload{}, err)
				return
			}
			for _, p := range found {
				if !yield(p, nil) {
					return
				}
			}
		}
	}
}

// tasksAt reads the tasks of some keys. What cannot be read holds no key back.
func (l *Ledger) tasksAt(ctx context.Context, keys []string) (found []StoredPayload, err error) {
	pipe := l.rdb.Pipeline()
	var ids, at []string
	var stored []*redis.SliceCmd
	for _, key := range keys {
		if _, id, ok := asynqx.ParseTaskKey(key); ok {
			ids, at, stored = append(ids, id), append(at, key), append(stored, pipe.HMGet(ctx, key, asynqx.FieldMessage, asynqx.FieldState))
		}
	}
	if len(ids) == 0 {
		return nil, nil
	}
	if err := redisx.Exec(ctx, pipe); err != nil {
		return nil, fmt.Errorf("read tasks: %w", err)
	}
	for i, id := range ids {
		msg, _ := stored[i].Val()[0].(string)
		state, _ := stored[i].Val()[1].(string)
		t, err := asynqx.DecodeMessage([]byte(msg))
		if err != nil {
			continue
		}
		if key, ok := hasBuyers(t.Type, t.Payload); ok {
			found = append(found, StoredPayload{
				ID: id, Type: t.Type, Key: key, Active: state == asynqx.Active, key: at[i], field: asynqx.FieldMessage, text: msg, payload: t.Payload,
			})
		}
	}
	return found, nil
}

// letterFields are those of a record that hold payloads: the one that is run, the one before all
// corrections, and the one before a correction that may be taken back.
var letterFields = []string{record.FieldPayload, record.FieldOriginal, record.FieldBase}

// letters yields those of dead letters, and reports whether more are wanted.
func (l *Ledger) letters(ctx context.Context, looked func(int), yield func(StoredPayload, error) bool) bool {
	fields := append([]string{record.FieldType}, letterFields...)
	for ids, err := range l.pages(ctx, Filter{}) {
		if err != nil {
			yield(StoredPayload{}, err)
			return false
		}
		looked(len(ids))
		stored := make([]*redis.SliceCmd, len(ids))
		pipe := l.rdb.Pipeline()
		for i, id := range ids {
			stored[i] = pipe.HMGet(ctx, record.TaskKey(id), fields...)
		}
		if len(ids) == 0 {
			continue
		}
		if err := redisx.Exec(ctx, pipe); err != nil {
			yield(StoredPayload{}, fmt.Errorf("read dead letters: %w", err))
			return false
		}
		for i, id := range ids {
			values := stored[i].Val()
			typeName, _ := values[0].(string)
			for f, v := range values[1:] {
				text, _ := v.(string)
				key, ok := hasBuyers(typeName, []byte(text))
				if !ok || text == "" {
					continue
				}
				p := StoredPayload{
					ID: id, Type: typeName, Key: key, Letter: true,
					key: record.TaskKey(id), field: letterFields[f], text: text, payload: []byte(text),
				}
				if !yield(p, nil) {
					return false
				}
			}
		}
	}
	return true
}

type (
	resealKeys struct{ Stored string }
	resealArgs struct {
		Field string
		Task  bool // it is a field of asynq's task, not of a letter
		Was   string
		Is    []byte
	}
)

// reseal writes a field that is as it was read. The task of a worker that runs it is left alone: asynq
// writes it once more when the attempt ends. So is a correction that was not run yet: an end knows by the
// bytes whether it is that of the correction (leave.lua in worker/gate). Safe to execute twice.
var reseal = redisx.NewScript[resealKeys, resealArgs, int64](asynqx.StoredLua, `
if redis.call('HGET', KEYS.stored, ARGV.field) ~= ARGV.was then return 0 end
if ARGV.task == '1' and asynq_stored_state(KEYS.stored) == 'active' then return 0 end
if ARGV.field == 'payload' and redis.call('HGET', KEYS.stored, 'fix') == '1' then return 0 end
redis.call('HSET', KEYS.stored, ARGV.field, ARGV.is)
return 1`)

// Reseal seals a payload with the first key, and reports whether it did: not what is sealed with it
// already, what a worker runs, a correction that was not run yet, or what was changed since it was read. An
// error that [IsUnsealable] is about this one alone.
func (l *Ledger) Reseal(ctx context.Context, p StoredPayload) (bool, error) {
	if p.Active {
		return false, nil
	}
	again, err := l.keys.Reseal(p.ID, p.Type, p.payload)
	if err == nil && again != nil && !p.Letter {
		again, err = asynqx.WithPayload([]byte(p.text), again)
	}
	if err != nil || again == nil {
		return false, err
	}
	if !p.Letter { // its correction, if it comes after this, is another task, with other bytes
		switch fix, err := l.rdb.HGet(ctx, record.TaskKey(p.ID), record.FieldFix).Result(); {
		case err != nil && !errors.Is(err, redis.Nil):
			return false, fmt.Errorf("seal %s anew: %w", p.ID, err)
		case fix == "1":
			return false, nil
		}
	}
	n, err := reseal.Run(ctx, l.rdb, resealKeys{p.key}, resealArgs{p.field, !p.Letter, p.text, again})
	if err != nil {
		return false, fmt.Errorf("seal %s anew: %w", p.ID, err)
	}
	return n == 1, nil
}

// IsUnsealable reports whether an error of [Ledger.Reseal] means that this payload cannot be opened, or
// its task not be read.
func IsUnsealable(err error) bool {
	var missing *seal.KeyError
	return errors.As(err, &missing) || errors.Is(err, tasks.ErrCorrupt) || errors.Is(err, tasks.ErrNewerSchema) ||
		errors.Is(err, asynqx.ErrUnreadable)
}
