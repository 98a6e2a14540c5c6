package relay

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ecpayq/ecpayq/tasks/record"
)

// Status is what relays tell about a table in Redis, for pages that do not reach its database.
type Status struct {
	// Database names it, without user and password.
	Database string `json:"database"`
	State
	At time.Time `json:"at"`
}

const (
	tellEvery = 10 * time.Second
	// silent is after how long a relay that tells nothing is taken for one that does not run.
	silent = time.Minute
	// forgotten is when a table is not spoken of any more.
	forgotten = 7 * 24 * time.Hour
)

// Silent reports whether no relay has told anything for a minute.
func (s Status) Silent(now time.Time) bool { return now.Sub(s.At) > silent }

// tell writes where the table stands, now and then. What cannot be read or written is not told.
func (r *Relay) tell(ctx context.Context) {
	admin := NewAdmin(r.cfg.Database, r.db)
	t := time.NewTicker(tellEvery)
	defer t.Stop()
	for {
		tellOnce(ctx, r.cfg.Status, admin, r.cfg.Database.String())
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
	}
}

func tellOnce(ctx context.Context, rdb redis.UniversalClient, a *Admin, name string) {
	ctx, cancel := context.WithTimeout(ctx, tellEvery/2)
	defer cancel()
	s, err := a.State(ctx)
	if err != nil {
		return
	}
	now := time.Now()
	text, err := json.Marshal(Status{name, s, now})
	if err != nil || rdb.HSet(ctx, record.OutboxKey, name, text).Err() != nil {
		return
	}
	all, err := rdb.HGetAll(ctx, record.OutboxKey).Result()
	if err != nil {
		return
	}
	for name, text := range all {
		if _, known := readStatus(text, now); !known {
			rdb.HDel(ctx, record.OutboxKey, name)
		}
	}
}

// readStatus reports whether a table is still spoken of.
func readStatus(text string, now time.Time) (s Status, known bool) {
	err := json.Unmarshal([]byte(text), &s)
	return s, err == nil && now.Sub(s.At) <= forgotten
}

// ReadStatus reads what relays told, by name.
func ReadStatus(ctx context.Context, rdb redis.UniversalClient, now time.Time) ([]Status, error) {
	all, err := rdb.HGetAll(ctx, record.OutboxKey).Result()
	if err != nil {
		return nil, fmt.Errorf("read where the outbox stands: %w", err)
	}
	var list []Status
	for _, text := range all {
		if s, known := readStatus(text, now); known {
			list = append(list, s)
		}
	}
	slices.SortFunc(list, func(a, b Status) int { return strings.Compare(a.Database, b.Database) })
	return list, nil
}
