package enqueue

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"github.com/redis/go-redis/v9"

	"github.com/ecpayq/ecpayq/internal/asynqx"
	"github.com/ecpayq/ecpayq/tasks"
	"github.com/ecpayq/ecpayq/tasks/record"
)

// unlessKnown is the Redis client of an [asynq.Client] that puts a condition
// before the script by which asynq v0.26 stores a task: that no letter and no
// finish marker stand. Both are then looked up and the task is stored in one
// round trip, and nothing can come between. What is written is asynq's doing
// alone: its script follows as it is, and finds its keys and arguments as it gave
// them.
//
// It takes one server that has all keys; on a cluster the merchant's are elsewhere.
type unlessKnown struct {
	redis.UniversalClient
	scripts sync.Map // *redis.Script by the SHA-1 of asynq's
}

// condition goes before asynq's script, which answers 0 or 1, and has its keys and
// arguments where it looks for them: ours come after them.
//
// KEYS: those of asynq, index of the ledger, finish marker
// ARGV: those of asynq, task id, "1" where a finish marker counts
// Returns: -1 for a letter, -2 for a finish marker, -3 for both
const condition = `
local ecpayq_known = 0
if redis.call('ZSCORE', KEYS[#KEYS - 1], ARGV[#ARGV - 1]) then ecpayq_known = -1 end
if ARGV[#ARGV] == '1' and redis.call('EXISTS', KEYS[#KEYS]) == 1 then ecpayq_known = ecpayq_known - 2 end
if ecpayq_known < 0 then return ecpayq_known end
`

// lookup is what one call looks up, and finds.
type lookup struct {
	id      string
	counts  string // "1" where a finish marker does
	found   earlier
	refused bool // by Redis, which was reached
}

type lookupKey struct{}

// EvalSha implements [redis.Scripter].
func (u *unlessKnown) EvalSha(ctx context.Context, sha string, keys []string, args ...any) *redis.Cmd {
	l := ctx.Value(lookupKey{}).(*lookup)
	s, known := u.scripts.Load(sha)
	if !known {
		return asNoScript // so that its text comes
	}
	owner := record.Owner(l.id)
	cmd := s.(*redis.Script).Run(ctx, u.UniversalClient, append(keys, record.OwnerDeadKey(owner), record.OwnerDoneKey(owner, l.id)), append(args, l.id, l.counts)...)
	switch n, err := cmd.Int64(); {
	case err != nil:
		var answer redis.Error
		l.refused = errors.As(err, &answer)
	case n < 0:
		l.found = earlier{dead: n != -2, done: n <= -2}
		return asConflict
	}
	return cmd
}

var asConflict = redis.NewCmdResult(int64(0), nil)

// Eval implements [redis.Scripter].
func (u *unlessKnown) Eval(ctx context.Context, text string, keys []string, args ...any) *redis.Cmd {
	sha := redis.NewScript(text).Hash()
	u.scripts.LoadOrStore(sha, redis.NewScript(condition+text))
	return u.EvalSha(ctx, sha, keys, args...)
}

// oneTrip enqueues by [unlessKnown] where one server has all keys.
type oneTrip struct {
	asynq *asynqx.Client // nil where it cannot be so
	off   atomic.Bool    // Redis takes only two trips: a proxy, or a node of a cluster
}

func newOneTrip(rdb redis.UniversalClient) *oneTrip {
	if _, one := rdb.(*redis.Client); !one {
		return &oneTrip{}
	}
	return &oneTrip{asynq: asynqx.NewClient(&unlessKnown{UniversalClient: rdb})}
}

// put stores a task unless an earlier one stands, which is found then. It takes
// one round trip where it can, else two.
func (c *Client) put(ctx context.Context, i *intent) (state string, found earlier, err error) {
	t := c.task(i)
	once := c.once.asynq != nil && !c.once.off.Load()
	if once {
		state, l, err := c.putOnce(ctx, t, i)
		if !l.refused {
			return state, l.found, err
		}
	}
	if found, err = c.lookUp(ctx, i.receipt.ID); err != nil || found.stands(i.payload) {
		return "", found, err
	}
	state, err = c.send(ctx, t)
	if once && err == nil {
		c.once.off.Store(true)
	}
	return state, earlier{}, err
}

func (c *Client) putOnce(ctx context.Context, t asynqx.Spec, i *intent) (string, lookup, error) {
	type answer struct {
		state string
		lookup
	}
	a, err := obey(ctx, c.own, func() (answer, error) {
		l := lookup{id: i.receipt.ID}
		if tasks.KeepsRecord(i.payload) {
			l.counts = "1"
		}
		state, err := c.once.asynq.Enqueue(context.WithValue(ctx, lookupKey{}, &l), t)
		return answer{state, l}, err
	})
	return a.state, a.lookup, err
}
