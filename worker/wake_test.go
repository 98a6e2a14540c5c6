package worker

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
	return next
}

func (c *commandCounter) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		name := cmd.Name()
		for _, arg := range cmd.Args() {
			if s, ok := arg.(string); ok && strings.HasSuffix(s, ":paused") {
				name = "dequeue"
			}
		}
		c.mu.Lock()
		c.counts[name]++
		answer := c.answer
		c.mu.Unlock()
		if answer != nil {
			if err, answered := answer(cmd); answered {
				cmd.SetErr(err)
				return err
			}
		}
		return next(ctx, cmd)
	}
}

// take returns how often a command was sent since it was last asked.
func (c *commandCounter) take(name string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := c.counts[name]
	c.counts[name] = 0
	return n
}

// wakeBench is asynq Servers on a waking client, whose tasks tell when they run.
type wakeBench struct {
	*testing.T
	rdb      *redis.Client
	commands *commandCounter
	asynq    *asynq.Client
	began    chan string
	stop     func()
}

func newWakeBench(t *testing.T, addr string, servers int, answer func(redis.Cmder) (error, bool)) *wakeBench {
	t.Helper()
	b := &wakeBench{T: t, commands: &commandCounter{counts: map[string]int{}, answer: answer}, began: make(chan string, 100)}
	b.rdb = redis.NewClient(&redis.Options{Addr: addr, DisableIdentity: true})
	served := redis.NewClient(&redis.Options{Addr: addr, DisableIdentity: true})
	served.AddHook(b.commands)
	b.asynq = asynq.NewClientFromRedisClient(b.rdb)
	queues := map[string]int{"first": 3, "second": 2, "third": 1}
	w := &Worker{redis: newWakingClient(served, queues)}
	for range servers {
		s := asynq.NewServerFromRedisClient(w.redis, asynq.Config{Concurrency: 2, Queues: queues, TaskCheckInterval: taskCheck, LogLevel: asynq.FatalLevel})
		if err := s.Start(asynq.HandlerFunc(func(_ context.Context, t *asynq.Task) error {
			b.began <- string(t.Payload())
			return nil
		})); err != nil {
			t.Fatal(err)
		}
		w.servers = append(w.servers, s)
	}
	w.redis.watch()
	b.stop = sync.OnceFunc(func() { w.shutdown(w.servers) })
	t.Cleanup(func() {
		b.stop()
		_, _ = served.Close(), b.rdb.Close()
	})
	return b
}

// begins enqueues a task and returns how long it took to begin.
func (b *wakeBench) begins(queue string) time.Duration {
	b.Helper()
	start := time.Now()
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
	return time.Since(start)
}

// during lets time pass.
func (b *wakeBench) during(d time.Duration) {
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
			b := newWakeBench(t, addr, 4, nil)
			b.begins("first")
			b.during(200 * time.Millisecond) // until all is quiet again
			b.commands.take("dequeue")
			const window = 2 * time.Second
			b.during(window)
			// Polled every 50 ms by 4 Servers, 3 queues would be asked 480 times.
			if n := b.commands.take("dequeue"); n == 0 || n > 30 {
				t.Errorf("%d questions for tasks in %s, want a few", n, window)
			}
			// A wake that does not work would leave each of these to chance: the next
			// look is up to a second away.
			for range 5 {
				for _, queue := range []string{"third", "first", "second"} {
					if took := b.begins(queue); took > 250*time.Millisecond {
						t.Errorf("a task of an idle worker began after %s", took)
					}
				}
			}
		})
	}
}

func TestAPausedQueueWithTasksIsNotAskedAllTheTime(t *testing.T) {
	t.Parallel()
	b := newWakeBench(t, redistest.New(t, redistest.Options{AppendFsync: "no"}).Addr(), 2, nil)
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

func TestTasksBeginWithoutAnythingThatTells(t *testing.T) {
	t.Parallel()
	refused := errors.New("ERR unknown command 'blmove'")
	for name, tc := range map[string]struct {
		err   error
		limit time.Duration
	}{
		"the command is refused": {refused, 500 * time.Millisecond},
		"no wake ever comes":     {redis.Nil, wakeRecheck + 500*time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx := t.Context()
			b := newWakeBench(t, redistest.New(t, redistest.Options{AppendFsync: "no"}).Addr(), 2, func(cmd redis.Cmder) (error, bool) {
				if cmd.Name() != "blmove" {
					return nil, false
				}
				if errors.Is(tc.err, redis.Nil) {
					sleep(ctx, wakeBlock)
				}
				return tc.err, true
			})
			for range 3 {
				b.during(100 * time.Millisecond)
				if took := b.begins("first"); took > tc.limit {
					t.Errorf("a task began after %s, want %s at most", took, tc.limit)
				}
			}
		})
	}
}

func TestABusyWorkerAsksOnceForEachTask(t *testing.T) {
	t.Parallel()
	b := newWakeBench(t, redistest.New(t, redistest.Options{AppendFsync: "no"}).Addr(), 1, nil)
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
	b := newWakeBench(t, redistest.New(t, redistest.Options{AppendFsync: "no"}).Addr(), 4, nil)
	b.begins("first")
	b.during(200 * time.Millisecond)
	start := time.Now()
	b.stop()
	if took := time.Since(start); took > 500*time.Millisecond {
		t.Errorf("stopping took %s", took)
	}
}
