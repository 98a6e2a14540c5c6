package deadletter

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ecpayq/ecpayq/internal/asynqx"
	"github.com/ecpayq/ecpayq/internal/redisx"
	"github.com/ecpayq/ecpayq/tasks/ledger"
	"github.com/ecpayq/ecpayq/tasks/record"
)

// The search for orphans looks at every key of Redis, millions of them before a
// long queue, beside workers that have better to do. So it looks at few at a time,
// and pauses for much longer than that took, but not for so long that a small
// Redis is not searched at once.
const (
	scanPage  = 250
	scanPause = 50 * time.Millisecond
	scanRatio = 20
)

// findOrphans looks, in bounded steps, at every task that asynq stores: one that
// is archived but in no list can neither be seen nor run.
func (s *Sweeper) findOrphans(ctx context.Context, token string, r *Report) error {
	now, err := s.rdb.Time(ctx).Result()
	if err != nil {
		return fmt.Errorf("read clock: %w", err)
	}
	nodes, err := nodesOf(ctx, s.rdb, s.cfg.Queues)
	if err != nil {
		return err
	}
	var errs []error
	for _, n := range nodes {
		if err := s.search(ctx, n, now, token, r); err != nil {
			errs = append(errs, fmt.Errorf("search for orphans: %w", err))
		}
	}
	return errors.Join(errs...)
}

// node is a server with the queues that it has: a SCAN of a cluster is one of each
// of its nodes.
type node struct {
	redis.Cmdable
	queues []string
}

// name is that of the node's place in the search.
func (n *node) name() string { return strings.Join(n.queues, " ") }

func nodesOf(ctx context.Context, rdb redis.UniversalClient, queues []string) ([]*node, error) {
	topology := redisx.TopologyOf(rdb)
	if !topology.Cluster() {
		return []*node{{rdb, queues}}, nil
	}
	var nodes []*node
	for _, q := range queues {
		master, err := topology.MasterOf(ctx, asynqx.Key(q, asynqx.Archived))
		if err != nil {
			return nil, fmt.Errorf("find node of queue %s: %w", q, err)
		}
		i := slices.IndexFunc(nodes, func(n *node) bool { return n.Cmdable == master })
		if i < 0 {
			i = len(nodes)
			nodes = append(nodes, &node{Cmdable: master})
		}
		nodes[i].queues = append(nodes[i].queues, q)
	}
	return nodes, nil
}

// search goes on where the last sweep left it, for as many pages as one sweep may
// look at.
func (s *Sweeper) search(ctx context.Context, n *node, now time.Time, token string, r *Report) error {
	stored, err := s.rdb.HGet(ctx, record.ScanKey, n.name()).Result()
	if err != nil && !errors.Is(err, redis.Nil) {
		return err
	}
	// "cursor" while a search goes on, "@milliseconds" when the last one ended.
	var cursor uint64
	if ended, ok := strings.CutPrefix(stored, "@"); ok {
		ms, _ := strconv.ParseInt(ended, 10, 64)
		if now.Sub(time.UnixMilli(ms)).Abs() < s.cfg.ScanEvery {
			return nil
		}
	} else {
		cursor, _ = strconv.ParseUint(stored, 10, 64)
	}
	for range s.cfg.ScanSteps {
		start := time.Now()
		var keys []string
		keys, cursor, err = n.Scan(ctx, cursor, asynqx.AllTasks, scanPage).Result()
		if err != nil {
			return err
		}
		if err := s.rescue(ctx, n, keys, token, r); err != nil {
			return err
		}
		if cursor == 0 || !s.pause(ctx, time.Since(start)) {
			break
		}
	}
	next := strconv.FormatUint(cursor, 10)
	if cursor == 0 {
		next = "@" + strconv.FormatInt(now.UnixMilli(), 10)
	}
	return s.rdb.HSet(ctx, record.ScanKey, n.name(), next).Err()
}

// pause reports whether there is time for another page in this sweep.
func (s *Sweeper) pause(ctx context.Context, took time.Duration) bool {
	d := min(scanRatio*took, scanPause)
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) < s.cfg.Limit/10+d {
		return false
	}
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// rescue brings back the orphans among some of asynq's tasks.
func (s *Sweeper) rescue(ctx context.Context, n *node, keys []string, token string, r *Report) error {
	type task struct {
		queue, id string
		state     *redis.StringCmd
	}
	var all []task
	pipe := s.rdb.Pipeline()
	for _, key := range keys {
		queue, id, ok := asynqx.ParseTaskKey(key)
		if ok && slices.Contains(n.queues, queue) {
			all = append(all, task{queue, id, pipe.HGet(ctx, key, "state")})
		}
	}
	if len(all) == 0 {
		return nil
	}
	if err := redisx.Exec(ctx, pipe); err != nil {
		return err
	}
	archived := map[string][]string{}
	for _, t := range all {
		if t.state.Val() == "archived" {
			archived[t.queue] = append(archived[t.queue], t.id)
		}
	}
	for queue, ids := range archived {
		if err := s.rescuePage(ctx, queue, ids, token, r); err != nil {
			return err
		}
	}
	return nil
}

func (s *Sweeper) rescuePage(ctx context.Context, queue string, ids []string, token string, r *Report) error {
	var stuck []string
	for i, p := range s.store.LookAll(ctx, queue, ids) {
		switch {
		case p.Err != nil:
			s.notCopied(ctx, queue, ids[i], p.Err)
		case p.State == asynqx.Stuck:
			stuck = append(stuck, ids[i])
		}
	}
	var copied []string
	for i, d := range s.store.DepositAll(ctx, queue, stuck, token) {
		if d.Err != nil {
			s.notCopied(ctx, queue, stuck[i], d.Err)
			continue
		}
		copied = append(copied, stuck[i])
	}
	// Look again: only what the ledger has, or what is done, may go.
	page, err := s.look(ctx, queue, copied)
	if err != nil {
		return err
	}
	var had []string
	for _, k := range page {
		if k.finished || k.complete {
			had = append(had, k.id)
		}
	}
	for i, p := range s.store.DropAll(ctx, queue, had) {
		switch {
		case p.Err != nil:
			s.notCopied(ctx, queue, had[i], p.Err)
		case p.State == ledger.Dropped:
			r.Orphans++
		}
	}
	return ctx.Err()
}
