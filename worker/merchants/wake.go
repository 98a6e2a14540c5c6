package merchants

import (
	"context"
	_ "embed"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ecpayq/ecpayq/internal/asynqx"
	"github.com/ecpayq/ecpayq/internal/redisx"
	"github.com/ecpayq/ecpayq/tasks"
	"github.com/ecpayq/ecpayq/tasks/record"
)

var (
	//go:embed wake.lua
	wakeLua string
	//go:embed forget.lua
	forgetLua string

	wake   = redisx.NewScript[wakeKeys, wakeArgs, []int64](record.ScriptText(wakeLua))
	forget = redisx.NewScript[forgetKeys, forgetArgs, int64](forgetLua)
)

type wakeKeys struct {
	Pace  string
	Tasks []string // their records
}

type wakeArgs struct {
	Interval time.Duration `unit:"us"` // when none is known
	Most     int           // tasks
	Kinds    []any         // to wake
}

type forgetKeys struct{ Held string }

type forgetArgs struct {
	Tasks []any // ids, each with when it was to run again (Unix milliseconds)
}

// Woken is what waking held tasks brought about.
type Woken struct {
	// Tasks is how many run again along the merchant's pace.
	Tasks int `json:"woken"`
	// Running is how many are run at this moment, or are about to be.
	Running int `json:"running"`
}

// Wake lets held tasks of a merchant run along its pace, at most limit (0 for all): those of the
// kinds for which want, when not nil, returns true. No task runs later than it would have. It
// may be interrupted and run twice.
func (m *Inspector) Wake(ctx context.Context, id string, limit int, want func(taskID string) bool, kinds ...string) (Woken, error) {
	var sum Woken
	held := record.KeysOf(id).Held
	for cursor := uint64(0); ; {
		words, next, err := m.rdb.ZScan(ctx, held, cursor, "", wakePage).Result()
		if err != nil {
			return sum, fmt.Errorf("list held tasks: %w", err)
		}
		var page []heldTask
		for i := 0; i+1 < len(words); i += 2 {
			at, _ := strconv.ParseFloat(words[i+1], 64)
			if want == nil || want(words[i]) {
				page = append(page, heldTask{id: words[i], at: time.UnixMilli(int64(at))})
			}
		}
		if limit > 0 {
			slices.SortFunc(page, func(a, b heldTask) int { return a.at.Compare(b.at) })
		}
		most := len(page)
		if limit > 0 {
			most = limit - sum.Tasks - sum.Running
		}
		w, err := m.wakePage(ctx, id, page, most, kinds)
		sum.Tasks += w.Tasks
		sum.Running += w.Running
		if err != nil || next == 0 || limit > 0 && sum.Tasks+sum.Running >= limit {
			return sum, err
		}
		cursor = next
	}
}

type heldTask struct {
	id string
	at time.Time // when it runs again
}

const (
	wakePage = 500
	// WakeEarly is how much earlier than its place a task runs again; a worker keeps it
	// until then. asynq counts in whole seconds.
	WakeEarly = 2500 * time.Millisecond
)

func (m *Inspector) wakePage(ctx context.Context, id string, page []heldTask, most int, kinds []string) (Woken, error) {
	var w Woken
	if len(page) == 0 {
		return w, nil
	}
	keys, args := wakeKeys{Pace: record.KeysOf(id).Pace}, wakeArgs{Interval: tasks.DefaultInterval, Most: most}
	for _, t := range page {
		keys.Tasks = append(keys.Tasks, record.TaskKey(t.id))
	}
	for _, k := range kinds {
		args.Kinds = append(args.Kinds, k)
	}
	places, err := wake.Run(ctx, m.rdb, keys, args)
	switch {
	case err != nil:
		return w, fmt.Errorf("give places: %w", err)
	case len(places) != len(page):
		return w, fmt.Errorf("give places: %d of %d", len(places), len(page))
	}
	// asynq's own entry says when it runs: moved if it is there, and never to later.
	pipe := m.rdb.Pipeline()
	found := make([]*redis.FloatCmd, len(page))
	now := pipe.Time(ctx)
	for i, t := range page {
		typ, _, _ := tasks.ParseID(t.id)
		retry := asynqx.Key(typ.Queue, asynqx.Retry)
		if places[i] > 0 {
			at := time.UnixMicro(places[i]).Add(-WakeEarly).Unix()
			pipe.ZAddArgs(ctx, retry, redis.ZAddArgs{XX: true, LT: true, Members: []redis.Z{{Score: float64(at), Member: t.id}}})
		}
		found[i] = pipe.ZScore(ctx, retry, t.id)
	}
	if err := redisx.Exec(ctx, pipe); err != nil {
		return w, fmt.Errorf("wake tasks: %w", err)
	}
	var over []any
	for i, t := range page {
		there, gone := found[i].Err() == nil, t.at.Before(now.Val().Add(-goneAfter))
		switch {
		case there && places[i] > 0:
			w.Tasks++
			over = append(over, t.id, t.at.UnixMilli())
		case !there && gone: // deleted, or run by other means
			over = append(over, t.id, t.at.UnixMilli())
		case places[i] > 0:
			w.Running++ // asynq is about to store the entry: the next call wakes it
		}
	}
	if len(over) > 0 {
		if _, err := forget.Run(ctx, m.rdb, forgetKeys{record.KeysOf(id).Held}, forgetArgs{over}); err != nil {
			return w, fmt.Errorf("wake tasks: %w", err)
		}
	}
	return w, nil
}

// goneAfter is how long after its time a task that asynq does not know may still be on
// its way into asynq's entries.
const goneAfter = 10 * time.Minute
