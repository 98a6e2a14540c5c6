package schedule_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/internal/asynqx"
	"github.com/ecpayq/ecpayq/internal/redistest"
	"github.com/ecpayq/ecpayq/tasks"
	"github.com/ecpayq/ecpayq/tasks/ledger"
	"github.com/ecpayq/ecpayq/tasks/record"
	"github.com/ecpayq/ecpayq/worker/deadletter"
	"github.com/ecpayq/ecpayq/worker/schedule"
)

// bench is a Redis with dead letters, and a clock that the test sets.
type bench struct {
	*testing.T
	srv *redistest.Server
	rdb *redis.Client
	now atomic.Pointer[time.Time]

	mu   sync.Mutex
	runs []schedule.Run
}

func newBench(t *testing.T, now time.Time) *bench {
	t.Helper()
	srv := redistest.New(t, redistest.Options{AppendFsync: "no"})
	b := &bench{T: t, srv: srv, rdb: srv.Client()}
	b.now.Store(&now)
	return b
}

func (b *bench) must(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

func (b *bench) set(now time.Time) { b.now.Store(&now) }

// scheduler is one worker's. Its runs are kept.
func (b *bench) scheduler(rdb redis.UniversalClient, change func(*schedule.Config)) *schedule.Scheduler {
	cfg := schedule.Config{
		Redis: rdb, Ledger: deadletter.New(deadletter.Config{Redis: rdb, Interval: tasks.Every(0)}), Pause: time.Microsecond,
		Now: func(context.Context) (time.Time, error) { return *b.now.Load(), nil },
		Observe: func(r schedule.Run) {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.runs = append(b.runs, r)
		},
	}
	if change != nil {
		change(&cfg)
	}
	return schedule.NewScheduler(cfg)
}

func (b *bench) tick(s *schedule.Scheduler, e schedule.Entry) {
	b.Helper()
	if _, err := s.Tick(b.Context(), e); err != nil {
		b.Errorf("tick: %v", err)
	}
}

func id(merchant, n int) string { return fmt.Sprintf("b2b.invalid.%d.VG%08d.2026-11-01", merchant, n) }

// dies makes a task dead at a time, in the ledger only, as after a sweep; what asynq
// has of it goes.
func (b *bench) dies(id string, at time.Time, kind ecpay.Kind) {
	b.Helper()
	typ, merchant, err := tasks.ParseID(id)
	b.must(err)
	payload := fmt.Sprintf(`{"MerchantID":%q,"InvoiceNumber":%q,"InvoiceDate":"2026-11-01","Remark":"r"}`, merchant, strings.Split(id, ".")[3])
	if typ.Name == "b2b:invalid" {
		payload = strings.Replace(payload, "Remark", "Reason", 1)
	}
	ctx := b.Context()
	b.must(ledger.NoteOwner(ctx, b.rdb, id))
	pipe := b.rdb.Pipeline()
	pipe.LRem(ctx, asynqx.Key(typ.Queue, "pending"), 0, id)
	pipe.Del(ctx, asynqx.TaskKey(typ.Queue, id))
	pipe.HSet(ctx, record.TaskKey(id), record.FieldState, "dead",
		record.FieldKind, kind.String(), record.FieldType, typ.Name, record.FieldQueue, typ.Queue,
		record.FieldPayload, payload, record.FieldHeaders, "{}", record.FieldDied, at.UnixMilli(), record.FieldBy, "worker")
	pipe.ZAdd(ctx, record.DeadKey(id), redis.Z{Score: float64(at.UnixMilli()), Member: id})
	_, err = pipe.Exec(ctx)
	b.must(err)
}

// pending are the ids that were put back into asynq, in order.
func (b *bench) pending() []string {
	b.Helper()
	ids := []string{}
	for _, queue := range []string{"invalid", "invalid_confirm"} {
		infos, err := asynq.NewInspectorFromRedisClient(b.rdb).ListPendingTasks(queue, asynq.PageSize(1000))
		if err != nil && !errors.Is(err, asynq.ErrQueueNotFound) {
			b.Fatal(err)
		}
		for _, i := range infos {
			ids = append(ids, i.ID)
		}
	}
	slices.Sort(ids)
	return ids
}

func (b *bench) status(e schedule.Entry) schedule.Status {
	b.Helper()
	all, err := schedule.List(b.Context(), b.rdb, []schedule.Entry{e})
	b.must(err)
	return all[0]
}

// started is a bench whose schedule was seen before its first slot, which is now due.
func started(t *testing.T, e schedule.Entry) (*bench, time.Time) {
	t.Helper()
	slot := time.Now().Add(-time.Hour).Truncate(time.Minute)
	b := newBench(t, slot.Add(-time.Second))
	b.tick(b.scheduler(b.rdb, nil), e)
	if b.status(e).Runs != 0 {
		t.Fatal("it ran when it was seen first")
	}
	b.set(slot)
	return b, slot
}
