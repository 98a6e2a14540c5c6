package asynqx

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"github.com/ecpayq/ecpayq/internal/redistest"
)

// commandCounter counts what is sent to Redis, and can answer in its place.
type commandCounter struct {
	mu     sync.Mutex
	counts map[string]int
	answer func(redis.Cmder) (err error, answered bool)
}

func (c *commandCounter) DialHook(next redis.DialHook) redis.DialHook { return next }

func (c *commandCounter) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		if err, answered := c.sees("pipeline of "+cmds[0].Name(), cmds[0]); answered {
			return err
		}
		return next(ctx, cmds)
	}
}

func (c *commandCounter) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		name := cmd.Name()
		for _, arg := range cmd.Args() {
			if s, ok := arg.(string); ok && strings.HasSuffix(s, ":paused") {
				name = "dequeue"
			}
		}
		if err, answered := c.sees(name, cmd); answered {
			cmd.SetErr(err)
			return err
		}
		return next(ctx, cmd)
	}
}

// sees counts a command by a name, and reports whether it is answered here.
func (c *commandCounter) sees(name string, cmd redis.Cmder) (err error, answered bool) {
	c.mu.Lock()
	c.counts[name]++
	answer := c.answer
	c.mu.Unlock()
	if answer == nil {
		return nil, false
	}
	return answer(cmd)
}

// take returns how often a command was sent since it was last asked.
func (c *commandCounter) take(name string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := c.counts[name]
	c.counts[name] = 0
	return n
}

// dequeueBench is asynq Servers on a DequeueClient, whose tasks tell when they run.
type dequeueBench struct {
	*testing.T
	rdb      *redis.Client
	commands *commandCounter
	asynq    *asynq.Client
	began    chan string
	stop     func()
}

func newDequeueBench(t *testing.T, addr string, servers int, recheck time.Duration, answer func(redis.Cmder) (error, bool)) *dequeueBench {
	t.Helper()
	b := &dequeueBench{T: t, commands: &commandCounter{counts: map[string]int{}, answer: answer}, began: make(chan string, 100)}
	b.rdb = redis.NewClient(&redis.Options{Addr: addr, DisableIdentity: true})
	served := redis.NewClient(&redis.Options{Addr: addr, DisableIdentity: true})
	served.AddHook(b.commands)
	b.asynq = asynq.NewClientFromRedisClient(b.rdb)
	queues := map[string]int{"first": 3, "second": 2, "third": 1}
	c := NewDequeueClient(NewForwardClient(served, queues, delayedTaskCheck/2), queues, nil)
	c.recheck = recheck
	c.Start()
	var all []*asynq.Server
	for range servers {
		s := asynq.NewServerFromRedisClient(c, asynq.Config{
			Concurrency: 2, Queues: queues, TaskCheckInterval: taskCheck, DelayedTaskCheckInterval: delayedTaskCheck, LogLevel: asynq.FatalLevel,
		})
		if err := s.Start(asynq.HandlerFunc(func(_ context.Context, t *asynq.Task) error {
			b.began <- string(t.Payload())
			return nil
		})); err != nil {
			t.Fatal(err)
		}
		all = append(all, s)
	}
	b.stop = sync.OnceFunc(func() { shutdown(c, all) })
	t.Cleanup(func() {
		b.stop()
		_, _ = served.Close(), b.rdb.Close()
	})
	return b
}

// shutdown stops Servers, all at once.
func shutdown(c *DequeueClient, servers []*asynq.Server) {
	c.Stop()
	var wg sync.WaitGroup
	for _, s := range servers {
		wg.Go(s.Shutdown)
	}
	wg.Wait()
}

// How often a worker's Servers look for work.
const (
	taskCheck        = 2 * time.Millisecond
	delayedTaskCheck = 200 * time.Millisecond
)

// never is longer than any test: what is asked again after it was not asked again.
const never = time.Hour

// begins enqueues a task, and waits for it to begin.
func (b *dequeueBench) begins(queue string) {
	b.Helper()
	if _, err := b.asynq.Enqueue(asynq.NewTask("t", []byte(queue)), asynq.Queue(queue)); err != nil {
		b.Fatal(err)
	}
	select {
	case got := <-b.began:
		if got != queue {
			b.Fatalf("the task of %s began, want that of %s", got, queue)
		}
	case <-time.After(10 * time.Second):
		b.Fatalf("the task of %s does not begin", queue)
	}
}

// during lets time pass.
func (b *dequeueBench) during(d time.Duration) {
	b.Helper()
	<-time.After(d)
}

func TestAnIdleWorkerBeginsATaskAtOnceAndAsksNextToNothing(t *testing.T) {
	t.Parallel()
	for name, addr := range map[string]string{
		"redis-server": redistest.New(t, redistest.Options{AppendFsync: "no"}).Addr(),
		"miniredis":    miniredis.RunT(t).Addr(),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newDequeueBench(t, addr, 4, defaultRecheck, nil)
			b.begins("first")
			b.during(200 * time.Millisecond) // until all is quiet again
			b.commands.take("dequeue")
			const window = 2 * time.Second
			b.during(window)
			// Polled every 50 ms by 4 Servers, 3 queues would be asked 480 times.
			if n := b.commands.take("dequeue"); n == 0 || n > 30 {
				t.Errorf("%d questions for tasks in %s, want a few", n, window)
			}
			b.stop()
			b = newDequeueBench(t, addr, 4, never, nil) // only the return of the blocked command begins a task
			for range 5 {
				for _, queue := range []string{"third", "first", "second"} {
					b.begins(queue)
				}
			}
		})
	}
}

func TestAPausedQueueWithTasksIsNotAskedAllTheTime(t *testing.T) {
	t.Parallel()
	b := newDequeueBench(t, redistest.New(t, redistest.Options{AppendFsync: "no"}).Addr(), 2, defaultRecheck, nil)
	if err := b.rdb.Set(t.Context(), "asynq:{second}:paused", 1, 0).Err(); err != nil {
		t.Fatal(err)
	}
	if _, err := b.asynq.Enqueue(asynq.NewTask("t", []byte("second")), asynq.Queue("second")); err != nil {
		t.Fatal(err)
	}
	b.during(time.Second)
	b.commands.take("blmove")
	b.commands.take("dequeue")
	b.during(2 * time.Second)
	if blocks, asked := b.commands.take("blmove"), b.commands.take("dequeue"); blocks > 30 || asked > 60 {
		t.Errorf("%d blocked commands and %d questions for tasks in 2 s", blocks, asked)
	}
	b.begins("first") // the others go on
	if err := b.rdb.Del(t.Context(), "asynq:{second}:paused").Err(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-b.began:
	case <-time.After(5 * time.Second):
		t.Error("the task does not begin when its queue is no longer paused")
	}
}

func TestAFullRedisIsNotAskedForTasksAllTheTime(t *testing.T) {
	t.Parallel()
	s := redistest.New(t, redistest.Options{AppendFsync: "no"})
	rdb := s.Client()
	if _, err := asynq.NewClientFromRedisClient(rdb).Enqueue(asynq.NewTask("t", []byte("first")), asynq.Queue("first")); err != nil {
		t.Fatal(err)
	}
	if err := rdb.ConfigSet(t.Context(), "maxmemory", "1").Err(); err != nil {
		t.Fatal(err)
	}
	b := newDequeueBench(t, s.Addr(), 4, defaultRecheck, nil)
	b.during(200 * time.Millisecond)
	b.commands.take("dequeue")
	const window = 2 * time.Second
	b.during(window)
	if n := b.commands.take("dequeue"); n == 0 || n > 60 {
		t.Errorf("%d questions for tasks in %s by 4 Servers, want a few", n, window)
	}
	if err := rdb.ConfigSet(t.Context(), "maxmemory", "0").Err(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-b.began:
	case <-time.After(5 * time.Second):
		t.Error("the task does not begin when there is memory")
	}
}

func TestTasksBeginWithoutAnythingThatTells(t *testing.T) {
	t.Parallel()
	refused := errors.New("ERR unknown command 'blmove'")
	for name, tc := range map[string]struct {
		err     error
		recheck time.Duration
	}{
		"the command is refused": {refused, never},
		"it never returns early": {redis.Nil, defaultRecheck},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx := t.Context()
			addr := redistest.New(t, redistest.Options{AppendFsync: "no"}).Addr()
			b := newDequeueBench(t, addr, 2, tc.recheck, func(cmd redis.Cmder) (error, bool) {
				if cmd.Name() != "blmove" {
					return nil, false
				}
				if errors.Is(tc.err, redis.Nil) {
					sleep(ctx, blockTime)
				}
				return tc.err, true
			})
			for range 3 {
				b.during(100 * time.Millisecond)
				b.begins("first")
			}
		})
	}
}

func TestABusyWorkerAsksOnceForEachTask(t *testing.T) {
	t.Parallel()
	b := newDequeueBench(t, redistest.New(t, redistest.Options{AppendFsync: "no"}).Addr(), 1, defaultRecheck, nil)
	b.begins("first")
	const tasks = 90
	if err := b.rdb.Set(t.Context(), "asynq:{third}:paused", 1, 0).Err(); err != nil {
		t.Fatal(err)
	}
	for range tasks {
		if _, err := b.asynq.Enqueue(asynq.NewTask("t", []byte("third")), asynq.Queue("third")); err != nil {
			t.Fatal(err)
		}
	}
	b.commands.take("dequeue")
	if err := b.rdb.Del(t.Context(), "asynq:{third}:paused").Err(); err != nil {
		t.Fatal(err)
	}
	for range tasks {
		select {
		case <-b.began:
		case <-time.After(10 * time.Second):
			t.Fatal("the tasks are not all run")
		}
	}
	// asynq alone would ask the two queues before it each time, nearly.
	if n := b.commands.take("dequeue"); n < tasks || n > tasks*3/2 {
		t.Errorf("%d questions for %d tasks", n, tasks)
	}
}

func TestAnIdleWorkerStopsAtOnce(t *testing.T) {
	t.Parallel()
	b := newDequeueBench(t, redistest.New(t, redistest.Options{AppendFsync: "no"}).Addr(), 4, never, nil)
	b.begins("first")
	b.during(200 * time.Millisecond)
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		b.stop()
	}()
	select {
	case <-stopped:
	case <-time.After(10 * time.Second):
		t.Error("a worker without tasks does not stop")
	}
}

func TestTheSilenceOfServersIsKnown(t *testing.T) {
	t.Parallel()
	rdb := redis.NewClient(&redis.Options{Addr: redistest.New(t, redistest.Options{AppendFsync: "no"}).Addr()})
	t.Cleanup(func() { _ = rdb.Close() })
	queues := map[string]int{"first": 1}
	c := NewDequeueClient(rdb, queues, nil)
	old := func() { c.made = c.made.Add(-time.Hour) }
	old()
	if d := c.Silent(); d != 0 {
		t.Errorf("before the start: silent for %s", d)
	}
	c.Start()
	c.asked.Store(1)
	if d := c.Silent(); d < time.Hour {
		t.Errorf("silent for %s while no Server asks, want an hour", d)
	}
	// A Server that is idle asks.
	s := asynq.NewServerFromRedisClient(c, asynq.Config{
		Concurrency: 1, Queues: queues, TaskCheckInterval: taskCheck, LogLevel: asynq.FatalLevel,
	})
	if err := s.Start(asynq.NotFoundHandler()); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(30 * time.Second); c.Silent() > time.Minute; <-time.After(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("silent still")
		}
	}
	shutdown(c, []*asynq.Server{s})
	if old(); c.Silent() != 0 {
		t.Errorf("after stopping: silent for %s", c.Silent())
	}
}
