package asynqx

import (
	"context"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"github.com/ecpayq/ecpayq/internal/redisx"
)

// LeaseClient is the Redis client of asynq's Servers as far as leases are concerned: it tells
// of those that were lost, and lets those that are held be extended also while Redis is full.
type LeaseClient struct {
	redisx.Wrapped

	lost func(taskType string)
}

// NewLeaseClient returns a client over rdb. lost is told of each lease that was lost.
func NewLeaseClient(rdb redis.UniversalClient, lost func(taskType string)) *LeaseClient {
	return &LeaseClient{redisx.Wrapped{UniversalClient: rdb}, lost}
}

// EvalSha implements [redis.Scripter].
func (c *LeaseClient) EvalSha(ctx context.Context, sha string, keys []string, args ...any) *redis.Cmd {
	return c.told(c.UniversalClient.EvalSha(ctx, sha, keys, args...), keys, args)
}

// Eval implements [redis.Scripter].
func (c *LeaseClient) Eval(ctx context.Context, text string, keys []string, args ...any) *redis.Cmd {
	return c.told(c.UniversalClient.Eval(ctx, text, keys, args...), keys, args)
}

// told tells of a task that was taken from a worker of which nothing was heard for too long. All
// Servers of all workers look for such tasks, and the script by which one of them
// takes the task succeeds for that one alone: so a lost lease counts once, whoever else found
// it, and not at all while Redis does not execute the script.
func (c *LeaseClient) told(cmd *redis.Cmd, keys []string, args []any) *redis.Cmd {
	if typ, ok := takesBack(keys, args); ok && cmd.Err() == nil {
		c.lost(typ)
	}
	return cmd
}

// takesBack reports whether a script of asynq's takes a task back because its lease is over, and
// the task's type. Two scripts may: the one that lets a task be tried again and the one that
// archives it. Both have the list of active tasks and the leases as their second and third key,
// and the task with the error as their second argument.
func takesBack(keys []string, args []any) (taskType string, ok bool) {
	if len(keys) < 4 || len(args) < 2 || !is(keys[1], Active) || !is(keys[2], Lease) || !is(keys[3], Retry) && !is(keys[3], Archived) {
		return "", false
	}
	encoded, _ := args[1].([]byte)
	task, err := DecodeMessage(encoded)
	if err != nil || task.LastErr != asynq.ErrLeaseExpired.Error() {
		return "", false
	}
	return task.Type, true
}

// ZAddXX extends leases. Redis refuses ZADD while its memory is full, although with XX it adds
// nothing. A lease that is not extended is lost after 30 seconds, and the attempt with it; the
// task then runs once more.
func (c *LeaseClient) ZAddXX(ctx context.Context, key string, members ...redis.Z) *redis.IntCmd {
	cmd := c.UniversalClient.ZAddXX(ctx, key, members...)
	if !redis.HasErrorPrefix(cmd.Err(), "OOM") {
		return cmd
	}
	var ends extendArgs
	for _, m := range members {
		ends.Leases = append(ends.Leases, m.Score, m.Member)
	}
	n, err := extend.Run(ctx, c.UniversalClient, extendKeys{key}, ends)
	return redis.NewIntResult(n, err)
}

type (
	extendKeys struct{ Lease string }
	extendArgs struct{ Leases []any } // the end of one, its task, and so on
)

// extend is ZADD XX of many. After a command that removes, even one that removed nothing, a
// script may write while Redis is full.
var extend = redisx.NewScript[extendKeys, extendArgs, int64](`
redis.call('ZREM', KEYS.lease, '')
local n = 0
for i = FIRST.leases, #ARGV, 2 do n = n + redis.call('ZADD', KEYS.lease, 'XX', ARGV[i], ARGV[i + 1]) end
return n`)
