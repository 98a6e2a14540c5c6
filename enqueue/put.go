package enqueue

import (
	"context"
	"sync/atomic"

	"github.com/redis/go-redis/v9"

	"github.com/ecpayq/ecpayq/internal/asynqx"
	"github.com/ecpayq/ecpayq/internal/redisx"
	"github.com/ecpayq/ecpayq/tasks"
	"github.com/ecpayq/ecpayq/tasks/record"
)

type (
	knownKeys struct{ Ledger, Done string }
	knownArgs struct {
		ID     string
		Counts bool // whether a finish marker does
	}
)

// known is the condition before asynq's script: that no letter and no finish marker stand. It
// returns -1 for a letter, -2 for a finish marker, -3 for both, and nothing for neither.
var known = redisx.NewScript[knownKeys, knownArgs, int64](`
local known = 0
if redis.call('ZSCORE', KEYS.ledger, ARGV.id) then known = -1 end
if ARGV.counts == '1' and redis.call('EXISTS', KEYS.done) == 1 then known = known - 2 end
if known < 0 then return known end`)

// oneTrip enqueues by an [asynqx.ConditionalClient] where one server has all keys.
type oneTrip struct {
	asynq *asynqx.Client // nil where it cannot be so
	off   atomic.Bool    // Redis takes only two trips: a proxy, or a node of a cluster
}

func newOneTrip(rdb redis.UniversalClient) *oneTrip {
	if !redisx.TopologyOf(rdb).Single() {
		return &oneTrip{}
	}
	return &oneTrip{asynq: asynqx.NewClient(asynqx.NewConditionalClient(rdb, known.After))}
}

// put stores a task unless an earlier one stands, which is found then. It takes
// one round trip where it can, else two.
func (c *Client) put(ctx context.Context, i *intent) (state string, found earlier, err error) {
	t := c.task(i)
	once := c.once.asynq != nil && !c.once.off.Load()
	if once {
		state, found, refused, err := c.putOnce(ctx, t, i)
		if !refused {
			return state, found, err
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

// putOnce takes one trip. refused means that Redis does not take it.
func (c *Client) putOnce(ctx context.Context, t asynqx.Spec, i *intent) (state string, found earlier, refused bool, err error) {
	type answer struct {
		state string
		asynqx.Condition
	}
	owner := record.Owner(i.receipt.ID)
	keys := knownKeys{Ledger: record.OwnerDeadKey(owner), Done: record.OwnerDoneKey(owner, i.receipt.ID)}
	args := knownArgs{ID: i.receipt.ID, Counts: tasks.WantedOnce(i.payload)}
	a, err := obey(ctx, c.own, func() (answer, error) {
		condition := asynqx.Condition{Call: asynqx.Call{
			// This is what known.Appended does, without reflection: it is done for every task.
			Append: func(k []string, a []any) ([]string, []any) {
				return append(k, keys.Ledger, keys.Done), append(a, args.ID, args.Counts)
			},
		}}
		state, err := c.once.asynq.Enqueue(condition.In(ctx), t)
		return answer{state, condition}, err
	})
	found = earlier{dead: a.Answer == -1 || a.Answer == -3, done: a.Answer == -2 || a.Answer == -3}
	return a.state, found, a.Refused, err
}
