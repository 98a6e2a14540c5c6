package webhook_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"github.com/ecpayq/ecpayq/internal/asynqx"
	"github.com/ecpayq/ecpayq/internal/redistest"
	"github.com/ecpayq/ecpayq/internal/webhook"
	"github.com/ecpayq/ecpayq/tasks/record"
)

func (b *bench) page() *asynq.Inspector { return asynq.NewInspectorFromRedisClient(b.rdb) }

// forwarded waits until all outcomes of a merchant were put into the queue.
func (b *bench) forwarded(e webhook.Endpoint, merchant string) {
	b.Helper()
	last := fmt.Sprintf("%d-%d", baseMS+b.seq[merchant], b.seq[merchant])
	b.eventually("all outcomes of "+merchant+" were put in", func() bool {
		return b.rdb.HGet(b.Context(), record.WebhookKeysOf(e.Queue()).Positions, merchant).Val() == last
	})
}

// downFor fails what is wanted until it is up.
func downFor(up *atomic.Bool, is func(g got) bool) func(got, int) int {
	return func(g got, _ int) int {
		if !up.Load() && is(g) {
			return http.StatusInternalServerError
		}
		return http.StatusOK
	}
}

func TestAPersonWhoDeletesOrArchivesADeliveryHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	for name, leave := range map[string]func(i *asynq.Inspector, queue, id string) error{
		"deletes":  (*asynq.Inspector).DeleteTask,
		"archives": (*asynq.Inspector).ArchiveTask,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			var up atomic.Bool
			r := b.receiver(downFor(&up, func(g got) bool { return g.Seq == 1 }))
			e := r.endpoint("shop")
			b.serve(e)
			first := b.ends(shop, "A", "stopped")
			b.eventually("it has failed", func() bool { return b.status(e).Waiting == 1 })
			// It waits for long, as after its ninth try.
			b.must(b.rdb.ZAdd(t.Context(), asynqx.Key(e.Queue(), asynqx.Retry),
				redis.Z{Score: float64(time.Now().Add(23 * time.Hour).Unix()), Member: first}).Err())
			second, third := b.ends(shop, "A", "cancelled"), b.ends(shop, "A", "done")
			b.eventually("the others wait", func() bool { return b.status(e).Waiting == 3 })
			b.must(leave(b.page(), e.Queue(), first))
			for _, id := range []string{second, third} {
				info, err := b.page().GetTaskInfo(e.Queue(), id)
				b.must(err)
				if left := time.Until(info.NextProcessAt); left > 11*time.Minute {
					t.Errorf("%s waits for %s, though nobody wakes it", id, left)
				}
			}
			b.tryAgain(e) // the time has come
			b.eventually("the others are delivered", func() bool {
				b.tryAgain(e)
				return strings.HasSuffix(r.ids(), second+" "+third)
			})
			b.idle(e)
			up.Store(true)
			if name == "archives" {
				b.must(b.page().RunTask(e.Queue(), first))
				b.eventually("it is delivered after all", func() bool { return strings.HasSuffix(r.ids(), first) })
				b.idle(e)
			}
		})
	}
}

func TestWhatAPersonDeletesDoesNotFillTheQueue(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	r := b.receiver(nil)
	e := r.endpoint("shop")
	b.serve(e)
	first := b.ends(shop, "A", "done")
	b.eventually("it is delivered", func() bool { return r.ids() == first })
	b.must(b.page().PauseQueue(e.Queue()))
	const n = 30
	for i := range n {
		b.ends(shop, fmt.Sprintf("B%d", i), "done")
	}
	b.eventually("they are in the queue", func() bool { return b.status(e).Pending == n })
	if _, err := b.page().DeleteAllPendingTasks(e.Queue()); err != nil {
		t.Fatal(err)
	}
	// As many as there may be at most.
	open := record.WebhookKeysOf(e.Queue()).Open
	var many []redis.Z
	for i := range webhook.MaxOpen {
		many = append(many, redis.Z{Member: fmt.Sprintf("%024d%016d%016dout_x_%d", i, 1, 1, i)})
	}
	b.must(b.rdb.ZAdd(t.Context(), open, many...).Err())
	b.must(b.page().UnpauseQueue(e.Queue()))
	last := b.ends(shop, "C", "done")
	b.eventually("the next one is delivered", func() bool { return strings.HasSuffix(r.ids(), last) })
	b.eventually("nothing is open", func() bool { return b.rdb.ZCard(t.Context(), open).Val() == 0 })
}

func TestAPersonMayDoAnythingOnThePagesOfAsynq(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	var up atomic.Bool
	r := b.receiver(downFor(&up, func(got) bool { return rand.N(10) > 0 }))
	e := r.endpoint("shop")
	b.serve(e)
	b.process(e)
	deleted, refused := map[string]bool{}, 0
	var want []string
	for i := range 120 {
		want = append(want, b.ends(shop, fmt.Sprintf("T%d", i%8), "done"))
		if i%10 == 9 {
			b.forwarded(e, shop)
		}
		id, page := want[rand.N(len(want))], b.page()
		var err error
		switch i % 6 { // some of it is refused, as it runs or is no more where it was
		case 0:
			if err = page.DeleteTask(e.Queue(), id); err == nil {
				deleted[id] = true
			}
		case 1, 2:
			err = page.ArchiveTask(e.Queue(), id)
		case 3:
			err = page.RunTask(e.Queue(), id)
		case 4:
			err = page.PauseQueue(e.Queue())
		case 5:
			_, err = page.RunAllArchivedTasks(e.Queue())
			b.must(page.UnpauseQueue(e.Queue()))
		}
		if err != nil {
			refused++
		}
	}
	if len(deleted) == 0 || refused > 100 {
		t.Fatalf("%d were deleted, and %d of 120 were refused", len(deleted), refused)
	}
	up.Store(true)
	b.enable(e)
	want = slices.DeleteFunc(want, func(id string) bool { return deleted[id] })
	had := func() bool {
		ids := " " + r.ids() + " "
		return !slices.ContainsFunc(want, func(id string) bool { return !strings.Contains(ids, " "+id+" ") })
	}
	b.eventually("all but what was deleted is delivered", func() bool {
		b.tryAgain(e)
		_, err := b.page().RunAllArchivedTasks(e.Queue())
		return err == nil && had()
	})
	b.eventually("nothing is left", func() bool { s := b.status(e); return s.Pending+s.Waiting+s.Dead == 0 })
	b.eventually("nothing is open", func() bool { return b.rdb.ZCard(t.Context(), record.WebhookKeysOf(e.Queue()).Open).Val() == 0 })
	t.Logf("%d were deleted, %d refused, %d requests came for %d", len(deleted), refused, len(r.got()), len(want))
}

func TestATaskThatIsNoDeliveryIsArchived(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	r := b.receiver(nil)
	e := r.endpoint("shop")
	b.serve(e)
	client := asynq.NewClientFromRedisClient(b.rdb)
	foreign := []struct{ id, payload string }{
		{"foreign", "garbage"},
		{"out_2000132_1_1795000000000", "garbage"},
		{"out_2000132_2_1795000000000", ""},
		{"out_2000132_3_1795000000000", "[]"},
		{"out_2000132_4_1795000000000", `{"seq":5,"merchant_id":"2000132"}`},
		{"out_2000132_5_1795000000000", `{"seq":5,"merchant_id":"3002599"}`},
		{"foreign-with-an-outcome", `{"seq":5,"merchant_id":"2000132"}`},
		{"out_2000132_5_", `{"seq":5,"merchant_id":"2000132"}`},
		{"_", `{}`},
		{"out__0_1", "null"},
	}
	for _, f := range foreign {
		task := asynq.NewTask(webhook.TaskType, []byte(f.payload), asynq.TaskID(f.id), asynq.Queue(e.Queue()))
		_, err := client.EnqueueContext(t.Context(), task)
		b.must(err)
	}
	id := b.ends(shop, "A", "done")
	b.eventually("all is done", func() bool { s := b.status(e); return len(r.got()) > 0 && s.Pending+s.Waiting == 0 })
	if s := b.status(e); r.ids() != id && !strings.HasSuffix(r.ids(), id) || s.Dead != len(foreign) {
		t.Errorf("%q came, and it is %+v, want %d dead", r.ids(), s, len(foreign))
	}
	b.idle(e)
	if n, err := b.admin.ReplayRange(t.Context(), e, webhook.Range{Dead: true}); err != nil || n != 0 {
		t.Errorf("%d are replayed, %v", n, err)
	}
}

func TestAPersonPausesAndEnablesAnEndpoint(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	r := b.receiver(nil)
	e := r.endpoint("shop")
	b.serve(e)
	if s := b.status(e); s.State != webhook.StateEnabled { // no task was ever put in
		t.Errorf("it is %+v", s)
	}
	b.enable(e)
	b.must(b.page().PauseQueue(e.Queue()))
	var want []string
	for i := range 20 {
		want = append(want, b.ends(shop, fmt.Sprintf("T%d", i), "done"))
	}
	b.eventually("they are in the queue", func() bool { return b.status(e).Pending == len(want) })
	if s := b.status(e); s.State != webhook.StatePaused || len(r.got()) != 0 {
		t.Errorf("%d came, and it is %+v", len(r.got()), s)
	}
	b.enable(e)
	b.enable(e)
	b.eventually("all are delivered", func() bool { return len(r.got()) == len(want) })
	b.idle(e)
	if again := r.came(want); again != 0 || b.status(e).State != webhook.StateEnabled {
		t.Errorf("%d came again, and it is %+v", again, b.status(e))
	}
}

// before calls do before asynq is told to pause a queue.
type before struct{ do func() }

func (before) DialHook(next redis.DialHook) redis.DialHook { return next }

func (before) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

func (h before) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if args := cmd.Args(); len(args) > 1 && cmd.Name() == "set" && strings.HasSuffix(fmt.Sprint(args[1]), ":"+asynqx.Paused) {
			h.do()
		}
		return next(ctx, cmd)
	}
}

func TestAnEndpointThatIsEnabledWhileItIsDisabledIsNotLeftPaused(t *testing.T) {
	t.Parallel()
	server := redistest.New(t, redistest.Options{AppendFsync: "no"})
	slow := server.Client()
	b := newBenchOn(t, slow)
	b.admin = webhook.NewAdmin(server.Client())
	r := b.receiver(func(_ got, n int) int {
		if n == 1 {
			return http.StatusGone
		}
		return http.StatusOK
	})
	e := r.endpoint("shop")
	var enabled atomic.Int64
	slow.AddHook(before{func() {
		if s := b.status(e); s.State == webhook.StateDisabled {
			enabled.Add(1)
			b.enable(e)
		}
	}})
	b.serve(e)
	id := b.ends(shop, "A", "done")
	b.eventually("it is delivered", func() bool {
		if enabled.Load() > 0 {
			b.tryAgain(e)
		}
		return r.ids() == id+" "+id
	})
	b.idle(e)
	if s := b.status(e); s.State != webhook.StateEnabled || enabled.Load() != 1 {
		t.Errorf("it was enabled %d times, and is %+v", enabled.Load(), s)
	}
}
