package webhook

import (
	"context"
	_ "embed"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ecpayq/ecpayq/internal/asynqx"
	"github.com/ecpayq/ecpayq/internal/redisx"
	"github.com/ecpayq/ecpayq/tasks/record"
)

var (
	//go:embed forward.lua
	forwardLua string
	//go:embed skip.lua
	skipLua string
	//go:embed revive.lua
	reviveLua string
	//go:embed discard.lua
	discardLua string
	//go:embed sweep.lua
	sweepLua string
	//go:embed lead.lua
	leadLua string
	//go:embed live.lua
	liveLua string
	//go:embed begin.lua
	beginLua string
	//go:embed finish.lua
	finishLua string

	forward = redisx.NewScript[forwardKeys, forwardArgs, int64](forwardLua)
	skip    = redisx.NewScript[skipKeys, skipArgs, int64](skipLua)
	revive  = redisx.NewScript[reviveKeys, reviveArgs, int64](asynqx.StoredLua, reviveLua)
	discard = redisx.NewScript[discardKeys, discardArgs, int64](asynqx.StoredLua, discardLua)
	sweep   = redisx.NewScript[sweepKeys, sweepArgs, int64](asynqx.StoredLua, liveLua, sweepLua)
	lead    = redisx.NewScript[leadKeys, leadArgs, int64](leadLua)
	begin   = redisx.NewScript[beginKeys, beginArgs, beginAnswer](record.ScriptText(asynqx.StoredLua), liveLua, beginLua)
	finish  = redisx.NewScript[finishKeys, finishArgs, finishAnswer](record.ScriptText(asynqx.StoredLua), liveLua, finishLua)
)

type (
	forwardKeys struct{ Positions, Open string }
	forwardArgs struct {
		Merchant, From, To string // From is empty for none
		Member             string
	}

	skipKeys struct{ Positions, State string }
	skipArgs struct {
		Merchant, From, To string
		Missed             int64
	}

	reviveKeys struct{ Task, Archived, Open string }
	reviveArgs struct{ ID, Member string }

	discardKeys struct{ Task, Archived string }
	discardArgs struct{ ID string }

	sweepKeys struct{ Open string }
	sweepArgs struct{ Tasks string } // as that of begin

	leadKeys struct{ Leader string }
	leadArgs struct {
		Token string
		Life  time.Duration `unit:"ms"`
	}

	beginKeys struct{ State, Open, Retry string }
	beginArgs struct {
		Subject, Member string
		Tasks           string        // begins the keys of asynq's tasks of the queue
		Interval        time.Duration `unit:"ms"`
		Patient         time.Duration `unit:"ms"` // how long a place in line may be waited for
	}
	beginAnswer struct {
		Wait time.Duration `unit:"ms"`
		Why  string        // one of the constants
	}

	finishKeys struct{ State, Open, Archived string }
	finishArgs struct {
		Subject, Member string
		Tasks           string // as that of begin
		Result          string
		Text            string
		RetryAfter      time.Duration `unit:"ms"`
		Patience        time.Duration `unit:"ms"`
		Last            bool          // of all tries
		MostDead        int
	}
	finishAnswer struct {
		Disabled string
		GivenUp  bool
		Next     string
	}
)

// Why a delivery is not sent now.
const (
	waitDisabled = "disabled"
	waitPause    = "pause"
	waitOrder    = "order"
	waitPace     = "pace"
)

// Why an endpoint is disabled.
const (
	DisabledGone    = "gone"
	DisabledFailing = "failing"
	DisabledFull    = "full"
)

const (
	// MaxOpen is how many deliveries of an endpoint there are at most; those after them wait in
	// the outcomes.
	MaxOpen = 10_000
	// MaxDead is how many are given up at most, until the endpoint is disabled: asynq's archive
	// has room for 10,000 and drops the oldest without a word, and takes no more for ever when
	// 8,000 of them are 90 days old at once.
	MaxDead = 5_000
	// leadLife is how long nobody fills the queue when the process that did has died.
	leadLife = 5 * time.Second
	// patient is how long a delivery waits in place for its time.
	patient = 2 * time.Second
)

// queue is what Redis has of an endpoint.
type queue struct {
	rdb  redis.UniversalClient
	name string
	keys record.WebhookKeys
	// put stores a task and moves a position; again stores one anew that was given up.
	put, again *asynqx.Client
}

func newQueue(rdb redis.UniversalClient, endpoint string) *queue {
	name := QueueOf(endpoint)
	return &queue{
		rdb: rdb, name: name, keys: record.WebhookKeysOf(name),
		put:   asynqx.NewClient(asynqx.NewConditionalClient(rdb, forward.After)),
		again: asynqx.NewClient(asynqx.NewConditionalClient(rdb, revive.After)),
	}
}

// forward puts a delivery into the queue and moves the position of its merchant. It reports
// whether the position was the one before.
func (q *queue) forward(ctx context.Context, d delivery, merchant, from, to string) (moved bool, err error) {
	condition := asynqx.Condition{Call: asynqx.Call{Append: func(k []string, a []any) ([]string, []any) {
		return forward.Appended(k, a, forwardKeys{q.keys.Positions, q.keys.Open}, forwardArgs{merchant, from, to, d.member})
	}}}
	_, err = q.put.Enqueue(condition.In(ctx), d.spec(q.name))
	if isConflict(err) { // by the condition, or because a person has replayed it
		return condition.Answer == 0, nil
	}
	return err == nil, err
}

// revive stores a delivery anew that was given up, and reports whether it was.
func (q *queue) revive(ctx context.Context, d delivery) (bool, error) {
	condition := asynqx.Condition{Call: asynqx.Call{Append: func(k []string, a []any) ([]string, []any) {
		return revive.Appended(k, a,
			reviveKeys{asynqx.TaskKey(q.name, d.id), asynqx.Key(q.name, asynqx.Archived), q.keys.Open}, reviveArgs{d.id, d.member})
	}}}
	_, err := q.again.Enqueue(condition.In(ctx), d.spec(q.name))
	if isConflict(err) {
		return false, nil
	}
	return err == nil, err
}

// discard removes a delivery that was given up, and reports whether it was.
func (q *queue) discard(ctx context.Context, id string) (bool, error) {
	n, err := discard.Run(ctx, q.rdb, discardKeys{asynqx.TaskKey(q.name, id), asynqx.Key(q.name, asynqx.Archived)}, discardArgs{id})
	return n == 1, err
}

// skip moves a position without a delivery.
func (q *queue) skip(ctx context.Context, merchant, from, to string, missed int64) (moved bool, err error) {
	n, err := skip.Run(ctx, q.rdb, skipKeys{q.keys.Positions, q.keys.State}, skipArgs{merchant, from, to, missed})
	return n == 1, err
}

// open returns how many deliveries there are that are neither done nor given up.
func (q *queue) open(ctx context.Context) (int, error) {
	pipe := q.rdb.Pipeline()
	open := pipe.ZCard(ctx, q.keys.Open)
	tasks := []*redis.IntCmd{
		pipe.LLen(ctx, asynqx.Key(q.name, asynqx.Pending)), pipe.LLen(ctx, asynqx.Key(q.name, asynqx.Active)),
		pipe.ZCard(ctx, asynqx.Key(q.name, asynqx.Retry)), pipe.ZCard(ctx, asynqx.Key(q.name, asynqx.Scheduled)),
	}
	if err := redisx.Exec(ctx, pipe); err != nil {
		return 0, fmt.Errorf("count deliveries: %w", err)
	}
	n := int64(0)
	for _, t := range tasks {
		n += t.Val()
	}
	if open.Val() > n { // a person has deleted or archived some
		if _, err := sweep.Run(ctx, q.rdb, sweepKeys{q.keys.Open}, sweepArgs{asynqx.TaskKey(q.name, "")}); err != nil {
			return 0, fmt.Errorf("sweep deliveries: %w", err)
		}
	}
	return int(n), nil
}

// disabled reports whether the endpoint is.
func (q *queue) disabled(ctx context.Context) (bool, error) {
	return q.rdb.HExists(ctx, q.keys.State, "disabled_at").Result()
}

// lead reports whether this process, or who has the token, fills the queue, and it does for so long.
func (q *queue) lead(ctx context.Context, token string, life time.Duration) (bool, error) {
	n, err := lead.Run(ctx, q.rdb, leadKeys{q.keys.Leader}, leadArgs{token, life})
	return n == 1, err
}

func (q *queue) begin(ctx context.Context, d delivery, interval time.Duration) (beginAnswer, error) {
	return begin.Run(ctx, q.rdb, beginKeys{q.keys.State, q.keys.Open, asynqx.Key(q.name, asynqx.Retry)},
		beginArgs{d.subject, d.member, asynqx.TaskKey(q.name, ""), interval, patient})
}

func (q *queue) finish(ctx context.Context, d delivery, a Answer, last bool) (finishAnswer, error) {
	return finish.Run(ctx, q.rdb, finishKeys{q.keys.State, q.keys.Open, asynqx.Key(q.name, asynqx.Archived)},
		finishArgs{d.subject, d.member, asynqx.TaskKey(q.name, ""), string(a.Result), a.Text, a.RetryAfter, Patience, last, MaxDead})
}
