package webhook_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hibiken/asynq"

	"github.com/ecpayq/ecpayq/internal/webhook"
)

func TestReplayById(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	var up atomic.Bool
	r := b.receiver(downFor(&up, func(g got) bool { return g.Subject["Tsr"] == "WAITS" }))
	e := r.endpoint("shop")
	e.Merchants = []string{shop}
	before := b.ends(shop, "BEFORE", "done")
	b.serve(e)
	replay := func(id string) error { return b.admin.Replay(t.Context(), e, id) }
	// Of a queue that was never used, and of an outcome that it never had.
	b.must(replay(before))
	b.eventually("it is delivered", func() bool { return r.ids() == before })
	delivered := b.ends(shop, "A", "done")
	b.eventually("it is delivered", func() bool { return strings.HasSuffix(r.ids(), delivered) })
	b.idle(e)
	b.must(replay(delivered))
	b.eventually("it is delivered again", func() bool { return strings.Count(r.ids(), delivered) == 2 })
	waits := b.ends(shop, "WAITS", "done")
	b.eventually("it waits", func() bool { return b.status(e).Waiting == 1 })
	b.must(replay(waits))
	b.eventually("it is tried again", func() bool { return strings.Count(r.ids(), waits) >= 2 && b.status(e).Waiting == 1 })
	b.must(b.page().ArchiveTask(e.Queue(), waits)) // as one that was given up
	up.Store(true)
	b.must(replay(waits))
	b.eventually("it is delivered", func() bool { s := b.status(e); return s.Pending+s.Waiting+s.Dead == 0 })
	b.idle(e)
	b.must(b.page().PauseQueue(e.Queue()))
	for range 3 { // one that is pending
		b.must(replay(before))
	}
	if n := b.status(e).Pending; n != 1 {
		t.Errorf("%d are pending", n)
	}
	b.enable(e)
	b.idle(e)
	foreign := b.ends(other, "A", "done")
	for _, id := range []string{
		foreign, fmt.Sprintf("out_%s_%d_%d", shop, 99, baseMS+1), "out_9999999_1_1795000000000",
		fmt.Sprintf("out_%s_1_%d", shop, baseMS+2),
	} {
		if err := replay(id); !errors.Is(err, webhook.ErrNoOutcome) {
			t.Errorf("%s: got %v", id, err)
		}
	}
	for _, id := range []string{"", "out_", "foreign", "out_1", "out_1_2", "out__1_2", "out_2000132_a_b", "out_2000132_01_1795000000000",
		"out_2000132_-1_1795000000000", "out_{a}_1_2", "test_1795000000000", strings.TrimPrefix(before, "out_")} {
		if err := replay(id); err == nil || errors.Is(err, webhook.ErrNoOutcome) {
			t.Errorf("%q: got %v", id, err)
		}
	}
	b.idle(e)
	if n := strings.Count(r.ids(), waits); strings.Contains(r.ids(), foreign) || n != 3 {
		t.Errorf("got %s", r.ids())
	}
}

func TestReplayByTimeHasExactBounds(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	r := b.receiver(nil)
	e := r.endpoint("shop")
	e.States = []string{"done"}
	var ids []string
	for i := range 20 {
		ids = append(ids, b.ends(shop, fmt.Sprintf("T%d", i), "done"))
		b.ends(other, fmt.Sprintf("T%d", i), "dead")
	}
	b.serve(e) // they are of the time before
	at := func(i int) time.Time { return time.UnixMilli(baseMS + int64(i) + 1) }
	for _, tt := range []struct {
		name         string
		since, until time.Time
		want         []string
	}{
		{"all", time.Time{}, time.Time{}, ids},
		{"since", at(15), time.Time{}, ids[15:]},
		{"since a bit later", at(15).Add(1), time.Time{}, ids[16:]},
		{"until", time.Time{}, at(5), ids[:5]},
		{"until a bit later", time.Time{}, at(5).Add(1), ids[:6]},
		{"both", at(3), at(7), ids[3:7]},
		{"one", at(3), at(4), ids[3:4]},
		{"since after the last", at(20), time.Time{}, nil},
		{"until before the first", time.Time{}, at(0), nil},
	} {
		begun, told := len(r.got()), 0
		n, err := b.admin.ReplayRange(t.Context(), e, webhook.Range{Since: tt.since, Until: tt.until, Progress: func(int) { told++ }})
		if err != nil || n != len(tt.want) || told != n {
			t.Fatalf("%s: %d and %v, told %d times, want %d", tt.name, n, err, told, len(tt.want))
		}
		b.eventually("they are delivered", func() bool { return len(r.got())-begun >= n })
		b.idle(e)
		had := map[string]bool{}
		for _, g := range r.got()[begun:] {
			had[g.webhookID] = true
		}
		for _, id := range tt.want {
			if !had[id] {
				t.Errorf("%s: %s did not come", tt.name, id)
			}
		}
	}
}

func TestWhatIsReplayedIsInOrderOfItsSubject(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	r := b.receiver(nil)
	e := r.endpoint("shop")
	e.InFlight = 30
	var want []string
	for i := range 120 {
		want = append(want, b.ends(shop, fmt.Sprintf("T%d", i%4), "done"))
	}
	b.serve(e)
	b.must(b.page().PauseQueue(e.Queue())) // so that none has begun when the next is put in
	if n, err := b.admin.ReplayRange(t.Context(), e, webhook.Range{}); n != len(want) || err != nil {
		t.Fatalf("%d are replayed, %v", n, err)
	}
	b.enable(e)
	b.eventually("all are delivered", func() bool { return len(r.got()) >= len(want) })
	b.idle(e)
	r.came(want)
}

func TestWhatWasGivenUpIsReplayedInOrderOfItsSubject(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	var up atomic.Bool
	r := b.receiver(downFor(&up, func(got) bool { return true }))
	e := r.endpoint("shop")
	e.InFlight = 30
	b.serve(e)
	var want []string
	for i := range 90 {
		want = append(want, b.ends(shop, fmt.Sprintf("T%d", i%3), "done"))
	}
	b.eventually("all wait", func() bool { s := b.status(e); return s.Waiting == len(want) && s.Pending == 0 })
	b.must(b.page().PauseQueue(e.Queue()))
	if n, err := b.page().ArchiveAllRetryTasks(e.Queue()); n != len(want) || err != nil {
		t.Fatalf("%d are archived, %v", n, err)
	}
	b.must(b.page().UnpauseQueue(e.Queue()))
	begun := len(r.got())
	up.Store(true)
	if n, err := b.admin.ReplayRange(t.Context(), e, webhook.Range{Dead: true}); n != len(want) || err != nil {
		t.Fatalf("%d are replayed, %v", n, err)
	}
	b.eventually("all are delivered", func() bool { return len(r.got())-begun >= len(want) })
	b.idle(e)
	r.mu.Lock()
	r.all = r.all[begun:]
	r.mu.Unlock()
	r.came(want)
}

func TestReplayTwiceAtOnce(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	r := b.receiver(func(got, int) int { return http.StatusOK })
	e := r.endpoint("shop")
	var want []string
	for i := range 200 {
		want = append(want, b.ends(shop, fmt.Sprintf("T%d", i), "done"))
	}
	b.serve(e)
	b.must(b.page().PauseQueue(e.Queue())) // so that what the one puts in is there for the other
	var total atomic.Int64
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			n, err := b.admin.ReplayRange(t.Context(), e, webhook.Range{})
			if total.Add(int64(n)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if s := b.status(e); total.Load() != int64(len(want)) || s.Pending != len(want) {
		t.Errorf("%d were replayed, and it is %+v", total.Load(), s)
	}
	b.enable(e)
	b.eventually("all are delivered", func() bool { return len(r.got()) >= len(want) })
	b.idle(e)
	if again := r.came(want); again > 0 {
		t.Errorf("%d came again", again)
	}
}

func TestWhatWasGivenUpAloneIsDiscardedAndBeginsAnewWhenItIsReplayed(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	r := b.receiver(func(got, int) int { return http.StatusBadRequest })
	e := r.endpoint("shop")
	b.serve(e)
	one, two := b.ends(shop, "A", "done"), b.ends(shop, "B", "done")
	b.eventually("both wait", func() bool { return b.status(e).Waiting == 2 })
	if err := b.admin.Discard(t.Context(), e, one); !errors.Is(err, webhook.ErrNotGivenUp) {
		t.Errorf("one that waits: %v, want ErrNotGivenUp", err)
	}
	inspector := asynq.NewInspectorFromRedisClient(b.rdb)
	for _, id := range []string{one, two} {
		b.must(inspector.ArchiveTask(e.Queue(), id))
	}
	b.must(b.admin.Discard(t.Context(), e, one))
	if err := b.admin.Discard(t.Context(), e, one); !errors.Is(err, webhook.ErrNotGivenUp) {
		t.Errorf("again: %v, want ErrNotGivenUp", err)
	}
	n := len(r.got())
	b.must(b.admin.Replay(t.Context(), e, two))
	b.eventually("the other is tried again", func() bool { return len(r.got()) == n+1 && b.status(e).Waiting == 1 })
	if task, err := inspector.GetTaskInfo(e.Queue(), two); err != nil || task.Retried != 1 {
		t.Errorf("it is %+v, %v, want one that failed once", task, err)
	}
	if s := b.status(e); s.Dead != 0 || r.got()[n].webhookID != two {
		t.Errorf("%s came, and it is %+v", r.ids(), s)
	}
}
