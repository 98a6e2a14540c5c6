package enqueue

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"github.com/ecpayq/ecpayq/internal/redistest"
	"github.com/ecpayq/ecpayq/tasks"
	"github.com/ecpayq/ecpayq/tasks/record"
)

// asynqOptions are those of a task in asynq's own words.
func asynqOptions(p tasks.Payload) []asynq.Option {
	retention := 24 * time.Hour
	if !tasks.WantedOnce(p) {
		retention = time.Minute
	}
	return []asynq.Option{
		asynq.TaskID(tasks.ID(p)), asynq.Queue(tasks.TypeOf(p).Queue),
		asynq.MaxRetry(10_000), asynq.Timeout(90 * time.Second), asynq.Retention(retention),
	}
}

// TestEnqueueWritesByteForByteWhatAsynqsClientWrites: the condition before asynq's
// script changes nothing of what it writes.
func TestEnqueueWritesByteForByteWhatAsynqsClientWrites(t *testing.T) {
	t.Parallel()
	ours, theirs := redistest.New(t, redistest.Options{AppendFsync: "no"}), redistest.New(t, redistest.Options{AppendFsync: "no"})
	c := newClient(t, ours)
	now := time.Now()
	c.cfg.Now = func() time.Time { return now }
	c.nonce = func() string { return "NONCE123" }
	plain := asynq.NewClientFromRedisClient(theirs.Client())
	for _, at := range []time.Time{{}, now.Add(time.Hour).Truncate(time.Second)} {
		for _, p := range append(oneOfEach(), ptrTo(trigger("ANOTHER"))) {
			if tr, ok := p.(*tasks.B2CTriggerIssue); ok && !at.IsZero() {
				tr.Tsr += "LATER"
			}
			h := tasks.Headers{Enqueued: now, Nonce: "NONCE123", ProcessAt: at}
			var opts []Option
			options := asynqOptions(p)
			if !at.IsZero() {
				opts, options = append(opts, ProcessAt(at)), append(options, asynq.ProcessAt(at))
			}
			if _, err := c.Enqueue(t.Context(), p, opts...); err != nil {
				t.Fatal(err)
			}
			stored, err := tasks.Encode(p)
			if err != nil {
				t.Fatal(err)
			}
			// A second one of the others conflicts, with both.
			_, _ = plain.EnqueueContext(t.Context(), asynq.NewTaskWithHeaders(tasks.TypeOf(p).Name, stored, h.Map(), options...))
		}
	}
	want, got := everything(t, theirs.Client()), everything(t, ours.Client())
	if len(want) < 8 {
		t.Fatalf("%d keys are compared", len(want))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Redis (-asynq's client +Enqueue):\n%s", diff)
	}
}

func TestEnqueueTakesOneRoundTrip(t *testing.T) {
	t.Parallel()
	srv := redistest.New(t, redistest.Options{AppendFsync: "no"})
	var commands []string
	c := hooked(t, srv, sent{
		process: func(_ context.Context, cmd redis.Cmder) { commands = append(commands, cmd.Name()) },
		pipeline: func(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
			return func(ctx context.Context, cmds []redis.Cmder) error {
				commands = append(commands, "a pipeline")
				return next(ctx, cmds)
			}
		},
	})
	for _, tsr := range []string{"FIRST", "SECOND"} {
		commands = nil
		if r, err := c.TriggerIssue(t.Context(), trigger(tsr)); err != nil || r.Duplicate {
			t.Fatalf("%+v, %v", r, err)
		}
	}
	if diff := cmp.Diff([]string{"evalsha"}, commands); diff != "" {
		t.Errorf("commands of the second call (-want +got):\n%s", diff)
	}
}

// crossSlot is an answer of a Redis that does not take keys of two slots in one script.
type crossSlot struct{}

func (crossSlot) Error() string { return "CROSSSLOT Keys in request don't hash to the same slot" }
func (crossSlot) RedisError()   {}

// behave is a hook around every single command.
type behave func(ctx context.Context, cmd redis.Cmder, next redis.ProcessHook) error

func (behave) DialHook(next redis.DialHook) redis.DialHook { return next }
func (b behave) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error { return b(ctx, cmd, next) }
}
func (behave) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

// keysOf is how many keys a script is called with.
func keysOf(cmd redis.Cmder) int {
	if args := cmd.Args(); cmd.Name() == "evalsha" || cmd.Name() == "eval" {
		return args[2].(int)
	}
	return 0
}

// TestARedisThatDoesNotTakeKeysOfTwoSlotsIsAskedInTwoTrips: a node of a cluster, or
// a proxy before one, looks like one server.
func TestARedisThatDoesNotTakeKeysOfTwoSlotsIsAskedInTwoTrips(t *testing.T) {
	t.Parallel()
	srv := redistest.New(t, redistest.Options{AppendFsync: "no"})
	rdb := srv.Client()
	refused := 0
	rdb.AddHook(behave(func(ctx context.Context, cmd redis.Cmder, next redis.ProcessHook) error {
		if keysOf(cmd) != 4 {
			return next(ctx, cmd)
		}
		refused++
		cmd.SetErr(crossSlot{})
		return crossSlot{}
	}))
	c, err := New(Config{Redis: rdb})
	if err != nil {
		t.Fatal(err)
	}
	finished := trigger("FINISHED")
	rdb.Set(t.Context(), record.DoneKey(tasks.ID(&finished)), 1, time.Hour)
	for _, row := range []struct {
		tsr, state string
		duplicate  bool
	}{{"FINISHED", "completed", true}, {"A", "pending", false},
		{"A", "pending", true}, {"B", "pending", false}, {"FINISHED", "completed", true}} {
		if r, err := c.TriggerIssue(t.Context(), trigger(row.tsr)); err != nil || r.State != row.state || r.Duplicate != row.duplicate {
			t.Errorf("%s: %+v, %v; want %s", row.tsr, r, err, row.state)
		}
	}
	if refused != 2 {
		t.Errorf("refused %d times, want that it is not tried again once two trips stored a task", refused)
	}
}

// TestATaskThatWasDoneBeforeItsEnqueueWasRepeatedIsNoDuplicate: the Redis client
// lost the answer, and sends the command again.
func TestATaskThatWasDoneBeforeItsEnqueueWasRepeatedIsNoDuplicate(t *testing.T) {
	t.Parallel()
	srv := redistest.New(t, redistest.Options{AppendFsync: "no"})
	rdb, admin := srv.Client(), srv.Client()
	rdb.AddHook(behave(func(ctx context.Context, cmd redis.Cmder, next redis.ProcessHook) error {
		if keysOf(cmd) == 4 {
			if err := next(ctx, cmd); err == nil {
				p := trigger("A")
				admin.Set(ctx, record.DoneKey(tasks.ID(&p)), 1, time.Hour)
			}
			cmd.SetErr(nil)
		}
		return next(ctx, cmd)
	}))
	c, err := New(Config{Redis: rdb})
	if err != nil {
		t.Fatal(err)
	}
	if r, err := c.TriggerIssue(t.Context(), trigger("A")); err != nil || r.Duplicate {
		t.Errorf("%+v, %v; want it stored by this call", r, err)
	}
	if r, err := c.TriggerIssue(t.Context(), trigger("A")); err != nil || !r.Duplicate {
		t.Errorf("%+v, %v; want a duplicate", r, err)
	}
}
