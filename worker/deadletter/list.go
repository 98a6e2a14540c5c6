package deadletter

import (
	"cmp"
	"container/heap"
	"context"
	"fmt"
	"iter"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/internal/redisx"
	"github.com/ecpayq/ecpayq/tasks/record"
)

// Filter selects letters; its zero value selects all. Conditions are joined.
type Filter struct {
	// IDs, when not empty, are the only ones looked at, in their order.
	IDs []string
	// Type is a task type like "b2b:invalid".
	Type string
	// Kind, when not nil, is what they died of.
	Kind *ecpay.Kind
	// MerchantID selects one merchant; [record.NoOwner] the tasks whose id names none.
	MerchantID string
	// OlderThan is the least time since death.
	OlderThan time.Duration
	// DiedBefore, when not zero, is the latest time of death.
	DiedBefore time.Time
	// Limit ends the list after that many; 0 for no end.
	Limit int
	// Live asks for the state in asynq too.
	Live bool
	// Broken, when not nil, is told whose letters cannot be listed, see [record.Owner],
	// since their index is a key of the wrong type. The others are listed.
	Broken func(owner string, err error)
}

const pageSize = 250

// List yields the letters of the moment at which it is called, the longest dead
// first. It holds one page of letters and a few ids for each merchant, however
// many there are. What dies during the walk, also for a second time, is left to
// the next one. After an error it ends.
func (l *Ledger) List(ctx context.Context, f Filter) iter.Seq2[Letter, error] {
	return func(yield func(Letter, error) bool) {
		emitted := 0
		for ids, err := range l.pages(ctx, f) {
			if err != nil {
				yield(Letter{}, err)
				return
			}
			letters, err := l.read(ctx, ids, f.Live)
			if err != nil {
				yield(Letter{}, err)
				return
			}
			for _, letter := range letters {
				if !f.matches(letter) {
					continue
				}
				if !yield(letter, nil) {
					return
				}
				if emitted++; f.Limit > 0 && emitted >= f.Limit {
					return
				}
			}
		}
	}
}

func (f Filter) matches(l Letter) bool {
	owner := record.Owner(l.ID)
	return (f.Type == "" || l.Type == f.Type) && (f.Kind == nil || l.Kind == *f.Kind) &&
		(f.MerchantID == "" || owner == f.MerchantID)
}

// Count returns how many letters there are, by no more of the filter than the
// merchant and the age: an upper bound for a progress bar.
func (l *Ledger) Count(ctx context.Context, f Filter) (int, error) {
	if len(f.IDs) > 0 {
		return len(f.IDs), nil
	}
	owners, limit, err := l.scope(ctx, f)
	if err != nil {
		return 0, err
	}
	var n int64
	for _, o := range owners {
		c, err := l.rdb.ZCount(ctx, record.OwnerDeadKey(o), "-inf", strconv.FormatInt(limit, 10)).Result()
		if !redisx.Missing(err) {
			return 0, fmt.Errorf("count dead letters: %w", err)
		}
		n += c
	}
	if f.Limit > 0 {
		n = min(n, int64(f.Limit))
	}
	return int(n), nil
}

// Size returns how many letters there are in all, cheaply enough for a metric.
func (l *Ledger) Size(ctx context.Context) (int, error) {
	counts, err := ownersLetters(ctx, l.rdb)
	n := int64(0)
	for _, c := range counts {
		n += c
	}
	return int(n), err
}

// Sizes returns how many letters each owner has, see [record.Owner].
func (l *Ledger) Sizes(ctx context.Context) (map[string]int64, error) {
	return ownersLetters(ctx, l.rdb)
}

// scope returns whose letters are asked for, and the latest time of death.
func (l *Ledger) scope(ctx context.Context, f Filter) (owners []string, latest int64, err error) {
	now, err := l.rdb.Time(ctx).Result()
	if err != nil {
		return nil, 0, fmt.Errorf("read clock: %w", err)
	}
	owners = []string{f.MerchantID}
	if f.MerchantID == "" {
		if owners, err = l.rdb.ZRange(ctx, record.OwnersKey, 0, -1).Result(); err != nil {
			return nil, 0, fmt.Errorf("read merchants with dead letters: %w", err)
		}
	}
	latest = now.Add(-f.OlderThan).UnixMilli()
	if !f.DiedBefore.IsZero() {
		latest = min(latest, f.DiedBefore.UnixMilli())
	}
	return owners, latest, nil
}

// pages yields ids, oldest death first, over all owners.
func (l *Ledger) pages(ctx context.Context, f Filter) iter.Seq2[[]string, error] {
	return func(yield func([]string, error) bool) {
		if len(f.IDs) > 0 {
			for rest := f.IDs; len(rest) > 0; {
				n := min(pageSize, len(rest))
				if !yield(rest[:n], nil) {
					return
				}
				rest = rest[n:]
			}
			return
		}
		owners, latest, err := l.scope(ctx, f)
		if err != nil {
			yield(nil, err)
			return
		}
		m := merge{ctx: ctx, rdb: l.rdb, latest: strconv.FormatInt(latest, 10), broken: f.Broken}
		// With many merchants each holds few ids ahead.
		m.ahead = int64(max(1, min(pageSize, 4*pageSize/max(1, len(owners)))))
		if err := m.start(owners); err != nil {
			yield(nil, err)
			return
		}
		page := make([]string, 0, pageSize)
		for m.Len() > 0 {
			id, err := m.next()
			if err != nil {
				yield(nil, err)
				return
			}
			if page = append(page, id); len(page) == pageSize {
				if !yield(page, nil) {
					return
				}
				page = page[:0]
			}
		}
		if len(page) > 0 {
			yield(page, nil)
		}
	}
}

// merge walks the indexes of all owners at once: a heap of cursors.
type merge struct {
	ctx     context.Context
	rdb     redis.UniversalClient
	latest  string
	ahead   int64
	cursors []*cursor
	broken  func(owner string, err error)
}

// cursor is a position in one index: by score and, among equal scores, by id, which
// is the order of Redis. An entry that is removed behind it moves nothing.
type cursor struct {
	key   string
	buf   []redis.Z
	score float64
	id    string // of the last one that was read
	ties  int64  // how many were read at that score
	ended bool
}

func (m *merge) start(owners []string) error {
	const chunk = 500
	for len(owners) > 0 {
		n := min(chunk, len(owners))
		pipe := m.rdb.Pipeline()
		cmds := make([]*redis.ZSliceCmd, n)
		for i, o := range owners[:n] {
			cmds[i] = pipe.ZRangeByScoreWithScores(m.ctx, record.OwnerDeadKey(o), &redis.ZRangeBy{Min: "-inf", Max: m.latest, Count: m.ahead})
		}
		if err := redisx.Exec(m.ctx, pipe); err != nil {
			return fmt.Errorf("read dead letters: %w", err)
		}
		for i, o := range owners[:n] {
			if err := cmds[i].Err(); err != nil && m.broken != nil {
				m.broken(o, err)
			}
			c := &cursor{key: record.OwnerDeadKey(o)}
			if c.take(cmds[i].Val(), m.ahead); len(c.buf) > 0 {
				m.cursors = append(m.cursors, c)
			}
		}
		owners = owners[n:]
	}
	heap.Init(m)
	return nil
}

// take adds what was read; fewer than asked for means that the index ended.
func (c *cursor) take(zs []redis.Z, asked int64) {
	c.ended = int64(len(zs)) < asked
	for _, z := range zs {
		id, _ := z.Member.(string)
		if c.id != "" && z.Score == c.score && id <= c.id {
			continue
		}
		if z.Score != c.score {
			c.score, c.ties = z.Score, 0
		}
		c.id = id
		c.ties++
		c.buf = append(c.buf, z)
	}
}

func (m *merge) fill(c *cursor) error {
	for len(c.buf) == 0 && !c.ended {
		// From the last score on, so that equal scores are not missed; the ones that
		// were read already come again.
		asked := m.ahead + c.ties
		zs, err := m.rdb.ZRangeByScoreWithScores(m.ctx, c.key, &redis.ZRangeBy{
			Min: strconv.FormatFloat(c.score, 'f', -1, 64), Max: m.latest, Count: asked,
		}).Result()
		if !redisx.Missing(err) {
			return fmt.Errorf("read dead letters: %w", err)
		}
		c.take(zs, asked)
	}
	return nil
}

func (m *merge) next() (string, error) {
	c := m.cursors[0]
	id, _ := c.buf[0].Member.(string)
	c.buf = c.buf[1:]
	if err := m.fill(c); err != nil {
		return "", err
	}
	if len(c.buf) == 0 {
		heap.Pop(m)
	} else {
		heap.Fix(m, 0)
	}
	return id, nil
}

// Len implements [heap.Interface].
func (m *merge) Len() int { return len(m.cursors) }

// Less implements [heap.Interface].
func (m *merge) Less(i, j int) bool {
	a, b := m.cursors[i].buf[0], m.cursors[j].buf[0]
	return cmp.Or(cmp.Compare(a.Score, b.Score), cmp.Compare(a.Member.(string), b.Member.(string))) < 0
}

// Swap implements [heap.Interface].
func (m *merge) Swap(i, j int) { m.cursors[i], m.cursors[j] = m.cursors[j], m.cursors[i] }

// Push implements [heap.Interface]; cursors only leave.
func (m *merge) Push(any) {}

// Pop implements [heap.Interface].
func (m *merge) Pop() any {
	last := m.cursors[len(m.cursors)-1]
	m.cursors = m.cursors[:len(m.cursors)-1]
	return last
}
