package enqueue

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hibiken/asynq"

	"github.com/ecpayq/ecpayq/internal/redistest"
	"github.com/ecpayq/ecpayq/tasks"
	"github.com/ecpayq/ecpayq/tasks/record"
)

// TestABacklogOfOneMerchantStandsBeforeNoOther: 2,000 tasks of A, then one of B.
func TestABacklogOfOneMerchantStandsBeforeNoOther(t *testing.T) {
	t.Parallel()
	const backlog = 2000
	for name, put := range map[string]func(t *testing.T, c *Client, p tasks.Payload){
		"one by one": func(t *testing.T, c *Client, p tasks.Payload) {
			if r, err := c.Enqueue(t.Context(), p); err != nil || r.State != record.StatePending {
				t.Fatalf("%+v, %v", r, err)
			}
		},
		"in a batch": func(t *testing.T, c *Client, p tasks.Payload) {
			for r := range c.Batch(t.Context(), items(p)) {
				if r.Err != nil || r.Receipt.State != record.StatePending {
					t.Fatalf("%+v", r)
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := redistest.New(t, redistest.Options{AppendFsync: "no"})
			c := newClient(t, srv)
			start := time.Now()
			for i := range backlog {
				put(t, c, ptrTo(trigger(fmt.Sprintf("A%04d", i))))
			}
			took := time.Since(start)
			other := trigger("B")
			other.MerchantID = "3000000"
			put(t, c, &other)

			rdb := srv.Client()
			// What was enqueued within its lead, and while the enqueues took, is at once.
			pending := rdb.LRange(t.Context(), "asynq:{trigger_issue}:pending", 0, -1).Val()
			if most := 9 + int((took+time.Second)/tasks.DefaultInterval); len(pending) > most || pending[0] != tasks.ID(&other) {
				t.Errorf("%d tasks pending, want at most %d and B's last", len(pending), most)
			}
			perSecond := map[float64]int{}
			for _, z := range rdb.ZRangeWithScores(t.Context(), "asynq:{trigger_issue}:scheduled", 0, -1).Val() {
				perSecond[z.Score]++
			}
			for second, n := range perSecond {
				if n > 6 {
					t.Errorf("%d tasks at %v, want 5 a second", n, second)
				}
			}
			last := trigger(fmt.Sprintf("A%04d", backlog-1))
			task, err := c.Task(t.Context(), tasks.ID(&last))
			turn := start.Add((backlog - 1) * tasks.DefaultInterval)
			if err != nil || task.State != record.StatePending || task.NextAt == nil || task.NextAt.Sub(turn).Abs() > took+3*time.Second {
				t.Errorf("the last: %+v, %v; want it pending until about %s", task, err, turn)
			}
			if h := tasks.ParseHeaders(task.Headers); !h.ProcessAt.IsZero() {
				t.Errorf("the header says that %s was wished; nobody did", h.ProcessAt)
			}
			again, err := c.TriggerIssue(t.Context(), last)
			want := (Receipt{ID: again.ID, Type: "b2c:trigger_issue", Queue: "trigger_issue", State: record.StatePending, Duplicate: true})
			if err != nil || !cmp.Equal(want, again) {
				t.Errorf("%+v, %v; want %+v", again, err, want)
			}
		})
	}
}

func TestDuplicatesTakeNoPlaceInLine(t *testing.T) {
	t.Parallel()
	srv := redistest.New(t, redistest.Options{AppendFsync: "no"})
	c := newClient(t, srv)
	now := time.Now()
	c.cfg.Now = func() time.Time { return now }
	again := func(yield func(Item) bool) {
		for range 2 * chunkSize {
			if !yield(Item{Payload: ptrTo(trigger("SAME"))}) {
				return
			}
		}
	}
	for r := range c.Batch(t.Context(), again) {
		if r.Err != nil {
			t.Fatal(r.Err)
		}
	}
	for range 20 {
		if _, err := c.TriggerIssue(t.Context(), trigger("SAME")); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 6 {
		r, err := c.TriggerIssue(t.Context(), trigger(fmt.Sprint("NEW", i)))
		if err != nil {
			t.Fatal(err)
		}
		if info, err := asynq.NewInspectorFromRedisClient(srv.Client()).GetTaskInfo(r.Queue, r.ID); err != nil ||
			info.State != asynq.TaskStatePending {
			t.Errorf("%d: %+v, %v; want it pending at once", i, info, err)
		}
	}
}

func TestAWishStaysAWishInABacklog(t *testing.T) {
	t.Parallel()
	srv := redistest.New(t, redistest.Options{AppendFsync: "no"})
	c := newClient(t, srv)
	wish := time.Now().Add(time.Hour).Truncate(time.Second)
	var last Receipt
	for r := range c.Batch(t.Context(), numbered(100), ProcessAt(wish)) {
		if r.Err != nil || r.Receipt.State != record.StateScheduled {
			t.Fatalf("%+v", r)
		}
		last = r.Receipt
	}
	task, err := c.Task(t.Context(), last.ID)
	if err != nil || task.State != record.StateScheduled ||
		!tasks.ParseHeaders(task.Headers).ProcessAt.Equal(wish) || !task.NextAt.Equal(wish.Add(18*time.Second)) {
		t.Errorf("%+v, %v; want it wished at %s and run 18 s later", task, err, wish)
	}
}
