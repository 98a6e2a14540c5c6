package redishealth

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ecpayq/ecpayq/internal/redisx"
	"github.com/ecpayq/ecpayq/tasks/record"
)

//go:embed probe.lua
var probeLua string

// probeScript tells in which of its steps Redis refused, and what it said; else whether it
// is a node of a cluster.
var probeScript = redisx.NewScript[probeKeys, probeArgs, []string](probeLua)

type probeKeys struct{ Ours string }

type probeArgs struct{ Asynqs string } // a key of asynq's

const (
	// probeTimeout bounds one probe of [Probe.Check], a second look included.
	probeTimeout = 1500 * time.Millisecond
	// probeAge is how long its result counts: whoever asks often costs Redis no more.
	probeAge = time.Second
)

// Probe asks a Redis whether workers can use it, for those who ask often. Its result
// counts for a second, as long as Redis answers PING.
type Probe struct {
	rdb redis.UniversalClient

	mu   sync.Mutex
	at   time.Time
	last error
}

// NewProbe returns a Probe that uses rdb and never closes it.
func NewProbe(rdb redis.UniversalClient) *Probe { return &Probe{rdb: rdb} }

// Check returns nil when Redis can be used, within a second or two. Its error has a
// reason, see [ReasonOf].
func (p *Probe) Check(ctx context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	// Whoever asks may go away; the result is for others too.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), probeTimeout)
	defer cancel()
	switch young := !p.at.IsZero() && time.Since(p.at) < probeAge; {
	case young && p.last != nil:
		return p.last
	case young:
		asking, over := withoutTheLastThird(ctx)
		defer over()
		err := p.rdb.Ping(asking).Err()
		if err == nil {
			return nil
		}
		p.last = known(ctx, p.rdb, err)
	default:
		p.last = Ask(ctx, p.rdb)
	}
	p.at = time.Now()
	return p.last
}

// Ask does once what workers do: a script, by EVAL and by EVALSHA, asks the clock and
// the replication id, and writes a key that expires after a minute; on a cluster on
// every master. It costs one round trip. Its error has a reason, see [ReasonOf].
func Ask(ctx context.Context, rdb redis.UniversalClient) error {
	asking, cancel := withoutTheLastThird(ctx)
	defer cancel()
	if err := askOnce(asking, rdb); err != nil {
		return known(ctx, rdb, err)
	}
	return nil
}

// withoutTheLastThird leaves time for a second look: a client that tries again until its
// time is over says no more than that.
func withoutTheLastThird(ctx context.Context) (context.Context, context.CancelFunc) {
	if end, ok := ctx.Deadline(); ok {
		return context.WithTimeout(ctx, time.Until(end)*2/3)
	}
	return context.WithCancel(ctx)
}

func askOnce(ctx context.Context, rdb redis.UniversalClient) error {
	tags, err := tagsOf(ctx, rdb)
	if err != nil {
		return err
	}
	node, err := askAll(ctx, rdb, tags)
	if err == nil && node && !redisx.TopologyOf(rdb).Cluster() {
		// A node that has all slots does for a client that knows no clusters; one that has
		// some answers MOVED to the keys of others.
		_, err = askAll(ctx, rdb, []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12})
	}
	return err
}

// askAll probes the servers that have the keys of some tags; node means that one of them
// is of a cluster.
func askAll(ctx context.Context, rdb redis.UniversalClient, tags []int) (node bool, err error) {
	errs, nodes := make([]error, len(tags)), make([]bool, len(tags))
	var all sync.WaitGroup
	for i, tag := range tags {
		all.Go(func() { nodes[i], errs[i] = ask(ctx, rdb, tag) })
	}
	all.Wait()
	for _, err := range errs {
		if err != nil {
			return false, err
		}
	}
	return slices.Contains(nodes, true), nil
}

func ask(ctx context.Context, rdb redis.UniversalClient, tag int) (node bool, err error) {
	ours, asynqs := record.ProbeKeys(tag)
	pipe := rdb.Pipeline()
	k, a := probeKeys{ours}, probeArgs{asynqs}
	whole, again := probeScript.ByText(ctx, pipe, k, a), probeScript.ByHash(ctx, pipe, k, a) // which may be forbidden by itself
	redisx.ExecEach(ctx, pipe)
	for _, call := range []*redisx.Call[[]string]{whole, again} {
		reply, err := call.Answer()
		switch {
		case redis.HasErrorPrefix(err, "NOSCRIPT"): // forgotten between the two
		case err != nil && keysRefused(err):
			return false, &Error{Denied, "keys ecpayq:*", err}
		case err != nil:
			return false, err
		case len(reply) == 2:
			return false, named(reply[0], answer(reply[1]))
		case len(reply) == 1:
			node = true
		}
	}
	return node, nil
}

// named adds to a refusal what was refused: a script's own error does not say.
func named(step string, err error) error {
	if ReasonOf(err) != Denied {
		return err
	}
	return &Error{Denied, step, err}
}

// answer is what a command in a script was answered.
type answer string

// Error implements error.
func (a answer) Error() string { return string(a) }

// RedisError implements [redis.Error].
func (answer) RedisError() {}

// mostTags bounds the search for the masters of a cluster: one with a hundredth of the
// slots is missed once in 10^17.
const mostTags = 4000

// tagsOf are numbers of hash tags of [record.ProbeKeys], by which each master of a cluster is
// reached, or the one server. It asks nobody who knows the cluster's slots already.
func tagsOf(ctx context.Context, rdb redis.UniversalClient) ([]int, error) {
	topology := redisx.TopologyOf(rdb)
	if !topology.Cluster() {
		return []int{0}, nil
	}
	var mu sync.Mutex
	masters := 0
	if err := redisx.ForEachMaster(ctx, rdb, func(context.Context, redis.Cmdable) error {
		mu.Lock()
		defer mu.Unlock()
		masters++
		return nil
	}); err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	var tags []int
	for tag := 0; tag < mostTags && len(tags) < masters; tag++ {
		key, _ := record.ProbeKeys(tag)
		node, err := topology.MasterOf(ctx, key)
		if err != nil {
			return nil, err
		}
		if addr := node.Options().Addr; !seen[addr] {
			seen[addr], tags = true, append(tags, tag)
		}
	}
	if len(tags) == 0 {
		return nil, errors.New("the cluster has no master")
	}
	return tags, nil
}

// known gives an error a reason, by another look where it does not say enough.
func known(ctx context.Context, rdb redis.UniversalClient, err error) error {
	err = Diagnose(ctx, rdb, err)
	if ReasonOf(err) == "" {
		return &Error{Reason: OtherTrouble, Err: err}
	}
	return err
}

// Explain is an error with its reason before it, for logs and probes.
func Explain(err error) error {
	if r := ReasonOf(err); r != "" {
		return fmt.Errorf("redis (%s): %w", r, err)
	}
	return fmt.Errorf("redis: %w", err)
}
