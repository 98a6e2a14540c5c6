package asynqx

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"github.com/ecpayq/ecpayq/internal/redistest"
)

// conformance is the real asynq on a real Redis, with tasks of every fate. Their ids and types
// are their fates.
type conformance struct {
	*testing.T
	rdb *redis.Client
	*recorder
	logs *lines
}

const (
	isDone, isKept, isLater   = "is done", "is kept", "is later"
	failsOnce, isDead, runsOn = "fails once", "is dead", "runs on"
	lostOnce, lostForGood     = "lost once", "lost for good"
	byHand, noTask            = "by hand", "is not there"
)

// lines are those that asynq logs.
type lines struct {
	mu  sync.Mutex
	all []string
}

func (l *lines) add(args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, fmt.Sprint(args...))
}

func (l *lines) Debug(args ...any) {}
func (l *lines) Info(args ...any)  {}
func (l *lines) Warn(args ...any)  { l.add(args...) }
func (l *lines) Error(args ...any) { l.add(args...) }
func (l *lines) Fatal(args ...any) { l.add(args...) }

func (l *lines) some(is func(string) bool) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.ContainsFunc(l.all, is)
}

// TestAsynqIsTheOneThatIsKnownHere fails when asynq does not do any more what this package
// relies on, and says what has changed.
func TestAsynqIsTheOneThatIsKnownHere(t *testing.T) {
	t.Parallel()
	c := &conformance{T: t, rdb: redistest.New(t, redistest.Options{AppendFsync: "no"}).Client(), logs: &lines{}}
	c.recorder = &recorder{
		UniversalClient: c.rdb, texts: map[string]string{},
		ids: []string{isDone, isKept, failsOnce, isDead, runsOn, isLater, byHand, lostOnce, lostForGood, noTask},
	}
	c.enqueue()
	c.inspect()
	c.serve()
	c.checkScripts()
	c.checkDetectors()
	c.checkCommands()
}

// must ends the test on an error.
func (c *conformance) must(err error) {
	c.Helper()
	if err != nil {
		c.Fatal(err)
	}
}

// enqueue stores the tasks, and checks what is stored.
func (c *conformance) enqueue() {
	ctx, client := c.Context(), NewClient(c.recorder)
	put := func(id string, s Spec, state string) {
		s.ID, s.Type, s.Queue, s.Payload = id, id, "q", []byte("payload of "+id)
		got, err := client.Enqueue(ctx, s)
		if err != nil || got != state {
			c.Fatalf("%s: stored as %q, %v; want %s", id, got, err, state)
		}
	}
	headers := map[string]string{"a": "1", "b": "2"}
	put(isDone, Spec{Headers: headers}, Pending)
	put(isLater, Spec{ProcessAt: time.Now().Add(2 * time.Second)}, Scheduled)
	put(byHand, Spec{ProcessAt: time.Now().Add(time.Hour)}, Scheduled)
	c.wantHash(isDone, "msg", "pending_since", "state")
	c.wantHash(isLater, "msg", "state")
	put(isKept, Spec{Retention: time.Hour}, Pending)
	if oldest := c.rdb.LIndex(ctx, Key("q", Pending), -1).Val(); oldest != isDone {
		c.Errorf("the last of the list of pending tasks is %q, want the first that was stored", oldest)
	}
	if _, err := client.Enqueue(ctx, Spec{ID: isDone, Type: isDone, Queue: "q"}); !errors.Is(err, ErrExists) {
		c.Errorf("a second task with an id: %v, want ErrExists", err)
	}
	task, err := DecodeMessage([]byte(c.rdb.HGet(ctx, TaskKey("q", isDone), "msg").Val()))
	c.must(err)
	want := &Task{
		ID: isDone, Queue: "q", Type: isDone, State: Active, Payload: []byte("payload of " + isDone), Headers: headers, MaxRetry: MaxRetry,
	}
	if diff := cmp.Diff(want, task); diff != "" {
		c.Errorf("what msg says (-want +got):\n%s", diff)
	}
	for _, id := range []string{failsOnce, isDead, runsOn, lostOnce} {
		put(id, Spec{}, Pending)
	}
	_, err = client.asynq.Enqueue(asynq.NewTask(lostForGood, nil), asynq.TaskID(lostForGood), asynq.Queue("q"), asynq.MaxRetry(0))
	c.must(err)
	for _, id := range []string{lostOnce, lostForGood} { // as if a worker had died with them
		c.must(c.rdb.LRem(ctx, Key("q", Pending), 0, id).Err())
		c.must(c.rdb.LPush(ctx, Key("q", Active), id).Err())
		c.must(c.rdb.ZAdd(ctx, Key("q", Lease), redis.Z{Score: float64(time.Now().Add(-time.Hour).Unix()), Member: id}).Err())
		c.must(c.rdb.HSet(ctx, TaskKey("q", id), "state", Active).Err())
	}
}

func (c *conformance) wantHash(id string, fields ...string) {
	c.Helper()
	got := slices.Sorted(maps.Keys(c.rdb.HGetAll(c.Context(), TaskKey("q", id)).Val()))
	if diff := cmp.Diff(fields, got); diff != "" {
		c.Errorf("fields of the task that %s (-want +got):\n%s", id, diff)
	}
}

// inspect uses asynq's Inspector as this package does.
func (c *conformance) inspect() {
	ctx, i := c.Context(), NewInspector(c.recorder)
	asked, err := i.Task(ctx, "q", isLater)
	c.must(err)
	pipe := c.rdb.Pipeline()
	stored := Read(ctx, pipe, "q", isLater)
	_, err = pipe.Exec(ctx)
	c.must(err)
	told, err := Decode("q", isLater, stored, asked.NextProcessAt)
	c.must(err)
	if diff := cmp.Diff(asked, told); diff != "" {
		c.Errorf("a task (-as the Inspector reads it +as it is told):\n%s", diff)
	}
	list, err := i.Waiting(ctx, "q", Scheduled, 1, 10)
	if err != nil || len(list) != 2 || list[0].ID != isLater {
		c.Errorf("scheduled are %+v, %v; want two, the first one in front", list, err)
	}
	msg := c.rdb.HGet(ctx, TaskKey("q", byHand), "msg").Val()
	c.must(i.Archive(ctx, "q", byHand))
	archived, err := i.Task(ctx, "q", byHand)
	c.must(err)
	at, now := c.rdb.ZScore(ctx, Key("q", Archived), byHand).Val(), c.rdb.HGet(ctx, TaskKey("q", byHand), "msg").Val()
	if !archived.ArchivedByHand(at) || now != msg {
		c.Errorf("%+v is not known for one that a person archived", archived)
	}
	c.must(i.Run(ctx, "q", byHand))
	if _, err := i.Task(ctx, "q", noTask); !errors.Is(err, ErrNotFound) {
		c.Errorf("a task that is not there: %v, want ErrNotFound", err)
	}
	c.must(i.SumUp(ctx, "q"))
}

// serve runs the tasks until each has met its fate.
func (c *conformance) serve() {
	ctx := c.Context()
	var mu sync.Mutex
	runs := map[string]int{}
	s := asynq.NewServerFromRedisClient(c.recorder, asynq.Config{
		Concurrency: 10, Queues: map[string]int{"q": 1}, Logger: c.logs, LogLevel: asynq.InfoLevel, ShutdownTimeout: 100 * time.Millisecond,
		TaskCheckInterval: 20 * time.Millisecond, DelayedTaskCheckInterval: 50 * time.Millisecond, JanitorInterval: 100 * time.Millisecond,
		RetryDelayFunc: func(int, error, *asynq.Task) time.Duration { return 0 },
	})
	c.must(s.Start(asynq.HandlerFunc(func(ctx context.Context, t *asynq.Task) error {
		mu.Lock()
		defer mu.Unlock()
		runs[t.Type()]++
		switch {
		case t.Type() == failsOnce && runs[failsOnce] == 1:
			return errors.New("once")
		case t.Type() == isDead:
			return fmt.Errorf("dead: %w", asynq.SkipRetry)
		case t.Type() == runsOn:
			mu.Unlock()
			<-ctx.Done()
			mu.Lock()
		}
		return nil
	})))
	states := func() string {
		var all []string
		for _, id := range c.ids[:len(c.ids)-1] {
			all = append(all, id+": "+c.rdb.HGet(ctx, TaskKey("q", id), "state").Val())
		}
		return strings.Join(all, ", ")
	}
	const want = "is done: , is kept: completed, fails once: , is dead: archived, runs on: active, " +
		"is later: , by hand: , lost once: , lost for good: archived"
	for deadline := time.Now().Add(30 * time.Second); ; <-time.After(20 * time.Millisecond) {
		c.mu.Lock()
		extended := len(c.extended) > 0 // a server does so every five seconds
		c.mu.Unlock()
		if states() == want && extended {
			break
		}
		if time.Now().After(deadline) {
			s.Shutdown()
			c.Fatalf("the tasks are %s, want %s; leases extended: %v", states(), want, extended)
		}
	}
	dead, err := NewInspector(c.rdb).Task(ctx, "q", isDead)
	c.must(err)
	if dead.ArchivedByHand(c.rdb.ZScore(ctx, Key("q", Archived), isDead).Val()) || !strings.HasPrefix(dead.LastErr, "dead: ") {
		c.Errorf("%+v is taken for one that a person archived", dead)
	}
	s.Shutdown()
	if got := c.rdb.HGet(ctx, TaskKey("q", runsOn), "state").Val(); got != Pending {
		c.Errorf("a task that did not end before its server is %s, want pending", got)
	}
}

// checkScripts compares the scripts that were run with those that are known.
func (c *conformance) checkScripts() {
	of := map[shape]string{}
	for what, k := range known {
		of[k.shape] = what
	}
	seen := map[string]bool{}
	for _, call := range c.scripts {
		what, ok := of[call.shape]
		if !ok {
			for name, k := range known {
				if k.sha == call.sha {
					diff := cmp.Diff(k.shape, call.shape, cmp.AllowUnexported(shape{}))
					c.Errorf("the script that %s is called in another way (%s) (-known +asynq's):\n%s", name, k.why, diff)
					seen[name], ok = true, true
				}
			}
			if !ok {
				c.Errorf("a script that is not known here has keys %q and arguments %q:\n%s", call.shape.keys, call.shape.args, c.texts[call.sha])
			}
			continue
		}
		if k := known[what]; k.sha != call.sha && !seen[what] {
			c.Errorf("the script that %s has another text, SHA-1 %s; see whether it still does what is relied on (%s):\n%s",
				what, call.sha, k.why, c.texts[call.sha])
		}
		seen[what] = true
	}
	for what, k := range known {
		if !seen[what] {
			c.Errorf("no script was run that %s; relied on by: %s", what, k.why)
		}
	}
}

// checkDetectors lets each client say which of the scripts are its own.
func (c *conformance) checkDetectors() {
	queues := map[string]int{"q": 1}
	dequeue, forward := NewDequeueClient(c.rdb, queues, nil), NewForwardClient(c.rdb, queues, time.Second)
	complete := NewCompleteClient(c.rdb, nil)
	for _, id := range c.ids {
		complete.open[id] = &Completion{ID: id}
	}
	got := map[string][]string{}
	note := func(client, what string) {
		if !slices.Contains(got[client], what) {
			got[client] = append(got[client], what)
			slices.Sort(got[client])
		}
	}
	for _, call := range c.scripts {
		what := ""
		for name, k := range known {
			if k.sha == call.sha && k.shape == call.shape {
				what = name
			}
		}
		if dequeue.dequeued(call.keys) != nil {
			note("dequeue", what)
		}
		if _, ok := forward.forwards(call.keys, call.args); ok {
			note("forward", what)
		}
		if typ, ok := takesBack(call.keys, call.args); ok {
			note("lease", what+" of type "+typ)
		}
		if complete.about(call.args) != nil {
			note("complete", what)
		}
	}
	want := map[string][]string{
		"dequeue": {"asks for a task"},
		"forward": {"makes delayed tasks pending", "makes tasks pending that are to be tried again"},
		"lease":   {"archives a task of type " + lostForGood, "lets a task be tried again of type " + lostOnce},
		// What is done by hand, and reading, is the Inspector's, which has another client.
		"complete": {
			"archives a task", "archives a task by hand", "completes a task", "gives a task back", "lets a task be tried again", "reads a task",
			"removes a task that is done", "runs a task by hand",
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		c.Errorf("which scripts each client takes for its own (-want +got):\n%s", diff)
	}
}

// checkCommands checks what is relied on beside scripts.
func (c *conformance) checkCommands() {
	if got := c.extended[0]; got != "asynq:{q}:lease "+runsOn+" 30s" {
		c.Errorf("a lease is extended by ZADD XX of %q, want 30 s for the one task that runs on", got)
	}
	if !slices.Equal(c.channels, []string{CancelChannel}) {
		c.Errorf("a server subscribes to %q, want %s", c.channels, CancelChannel)
	}
	if diff := cmp.Diff([]string{"add " + QueuesKey + " [q]", "look " + QueuesKey + " q"}, c.sets); diff != "" {
		c.Errorf("sets (-want +got):\n%s", diff)
	}
	if !c.logs.some(SaysExhausted) {
		c.Errorf("no line is known to be about a task that is archived: %q", c.logs.all)
	}
}
