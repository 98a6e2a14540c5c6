package deadletter

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/internal/redisx"
	"github.com/ecpayq/ecpayq/tasks/record"
)

// Tally is how many letters there are of each cause.
type Tally map[record.Cause]int

const (
	tallyPage  = 500  // ids in one answer
	tallyBatch = 2000 // ids, about, in one round trip
	// tallyLife is how long a tally is told of when no sweep makes another.
	tallyLife = 15 * time.Minute
)

// Tally returns the one that the last sweep made; nil when that was long ago, or
// never.
func (l *Ledger) Tally(ctx context.Context) (Tally, error) {
	text, err := l.rdb.Get(ctx, record.TallyKey).Bytes()
	if redisx.Missing(err) && err != nil {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read tally of dead letters: %w", err)
	}
	var counts []tallied
	if err := json.Unmarshal(text, &counts); err != nil {
		return nil, fmt.Errorf("read tally of dead letters: %w", err)
	}
	t := Tally{}
	for _, c := range counts {
		if k, err := ecpay.ParseKind(c.Kind); err == nil { // a newer version may know more
			t[record.Cause{Type: c.Type, Kind: k}] += c.Count
		}
	}
	return t, nil
}

// tallied is how one cause of a tally is stored.
type tallied struct {
	Kind  string `json:"kind"`
	Type  string `json:"type"`
	Count int    `json:"count"`
}

// tally counts the letters by cause, and leaves the result where all workers
// find it.
func (s *Sweeper) tally(ctx context.Context) error {
	t, err := s.count(ctx)
	if err != nil {
		return err
	}
	counts := []tallied{}
	for cause, n := range t {
		counts = append(counts, tallied{cause.Kind.String(), cause.Type, n})
	}
	text, err := json.Marshal(counts)
	if err != nil {
		return err
	}
	if err := s.rdb.Set(ctx, record.TallyKey, text, tallyLife).Err(); err != nil {
		return fmt.Errorf("store tally of dead letters: %w", err)
	}
	return nil
}

// count walks the whole ledger, some thousand letters at a time.
func (s *Sweeper) count(ctx context.Context) (Tally, error) {
	owners, err := ownersLetters(ctx, s.rdb)
	if err != nil {
		return nil, err
	}
	t := Tally{}
	pipe, expected := s.rdb.Pipeline(), 0
	var pages []*redis.StringSliceCmd
	flush := func() error {
		if err := redisx.Exec(ctx, pipe); err != nil {
			return fmt.Errorf("count dead letters: %w", err)
		}
		var ids []string
		for _, page := range pages {
			ids = append(ids, page.Val()...)
		}
		pages, expected = pages[:0], 0
		causes, err := record.Causes(ctx, s.rdb, ids)
		for _, cause := range causes {
			t[cause]++
		}
		return err
	}
	for owner, n := range owners {
		for at := int64(0); at < n; at += tallyPage {
			pages = append(pages, pipe.ZRange(ctx, record.OwnerDeadKey(owner), at, at+tallyPage-1))
			if expected += int(min(n-at, tallyPage)); expected >= tallyBatch {
				if err := flush(); err != nil {
					return nil, err
				}
			}
		}
	}
	if expected > 0 {
		err = flush()
	}
	return t, err
}
