package worker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hibiken/asynq"

	"github.com/ecpayq/ecpayq/internal/asynqx"
)

// asynqWorld is a Redis with one queue, and servers of asynq on it: real ones, or
// those of the simulation's model.
type asynqWorld struct {
	s       *sim
	real    bool
	client  *asynq.Client
	inspect *asynq.Inspector
	ends    map[string][]asynqEnd
	servers []*asynqServer

	mu   sync.Mutex
	runs map[string][]time.Duration // of each task, since the start
}

type asynqServer struct {
	proc *simProc
	real *asynq.Server
	free chan struct{} // ends handlers that hang
}

// asynqEnd is how the handler ends one run of a task.
type asynqEnd struct {
	takes time.Duration // before it returns
	err   error
	hangs bool
}

const asynqQueue = "q"

func newAsynqWorld(t *testing.T, real bool, ends map[string][]asynqEnd) *asynqWorld {
	s := newSim(t, 1, nil)
	s.faulty.Store(false)
	s.queues = []string{asynqQueue}
	p := s.newProc("client")
	w := &asynqWorld{
		s: s, real: real, client: asynq.NewClientFromRedisClient(p.rdb), inspect: asynq.NewInspectorFromRedisClient(p.rdb),
		ends: ends, runs: map[string][]time.Duration{},
	}
	s.perform = func(p *simProc, m message) error { return w.handle(w.serverOf(p), m.id) }
	return w
}

func (w *asynqWorld) serverOf(p *simProc) *asynqServer {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range w.servers {
		if s.proc == p {
			return s
		}
	}
	return nil
}

// handle is the handler of both kinds of servers.
func (w *asynqWorld) handle(s *asynqServer, id string) error {
	w.mu.Lock()
	n := len(w.runs[id])
	w.runs[id] = append(w.runs[id], time.Since(w.s.start))
	w.mu.Unlock()
	all := w.ends[id]
	if n >= len(all) {
		return nil
	}
	time.Sleep(all[n].takes)
	if all[n].hangs {
		<-s.free
	}
	return all[n].err
}

func (w *asynqWorld) must(err error) {
	if err != nil {
		w.s.t.Error(err)
	}
}

func (w *asynqWorld) enqueue(id string, opts ...asynq.Option) {
	opts = append(opts, asynq.TaskID(id), asynq.Queue(asynqQueue))
	_, err := w.client.Enqueue(asynq.NewTaskWithHeaders("type", []byte("payload of "+id), map[string]string{"v": "1", "n": "x"}, opts...))
	w.must(err)
}

// serve starts a server.
func (w *asynqWorld) serve() *asynqServer {
	s := &asynqServer{proc: w.s.newProc("server"), free: make(chan struct{})}
	w.mu.Lock()
	w.servers = append(w.servers, s)
	w.mu.Unlock()
	if !w.real {
		w.s.workers = append(w.s.workers, s.proc)
		return s
	}
	s.real = asynq.NewServerFromRedisClient(s.proc.rdb, asynq.Config{
		Concurrency: simConcurrency, Queues: map[string]int{asynqQueue: 1}, RetryDelayFunc: retryDelay, IsFailure: asynqx.Counts,
		Logger: quietLogger{}, TaskCheckInterval: 500 * time.Millisecond, DelayedTaskCheckInterval: time.Second, ShutdownTimeout: time.Second,
	})
	w.must(s.real.Start(asynq.HandlerFunc(func(ctx context.Context, _ *asynq.Task) error {
		id, _ := asynq.GetTaskID(ctx)
		return w.handle(s, id)
	})))
	return s
}

type quietLogger struct{}

func (quietLogger) Debug(...any) {}
func (quietLogger) Info(...any)  {}
func (quietLogger) Warn(...any)  {}
func (quietLogger) Error(...any) {}
func (quietLogger) Fatal(...any) {}

// steal lets the lease of a task seem long expired, as to a server with a clock
// far ahead, and starts a server, which looks for such tasks first.
func (w *asynqWorld) steal(id string) {
	w.s.redis.direct("ZADD", asynqKey(asynqQueue, "lease"), "XX", 0, id)
	w.serve()
	if !w.real {
		w.s.asynq.recover(asynqQueue)
	}
}

// stop tells a server to end, with a shutdown timeout of a second.
func (w *asynqWorld) stop(s *asynqServer) {
	if s.real != nil {
		go s.real.Shutdown()
		return
	}
	w.s.stop(s.proc, time.Second)
}

// play runs the steps at their times, and then waits until the limit.
func (w *asynqWorld) play(steps map[time.Duration]func(w *asynqWorld), limit time.Duration) {
	if !w.real {
		for d, step := range steps {
			w.s.at(d, "step", func() { step(w) })
		}
		w.s.at(limit, "the end", func() {})
		w.s.faulty.Store(true) // so that the driver goes on though nothing waits; the odds are all zero
		w.s.run(limit)
		return
	}
	times := make([]time.Duration, 0, len(steps))
	for d := range steps {
		times = append(times, d)
	}
	slices.Sort(times)
	for _, d := range times {
		time.Sleep(d - time.Since(w.s.start))
		steps[d](w)
	}
	time.Sleep(limit - time.Since(w.s.start))
}

func (w *asynqWorld) close() {
	for _, s := range w.servers {
		close(s.free)
	}
	for _, s := range w.servers {
		if s.real != nil {
			s.real.Shutdown()
		}
	}
	w.s.close()
}

// seen is where each task is in the end, with what asynq stores of it.
func (w *asynqWorld) seen() map[string]string {
	seen := map[string]string{}
	for _, key := range w.s.redis.list("KEYS", asynqKey(asynqQueue, "t:*")) {
		id := strings.TrimPrefix(key, asynqKey(asynqQueue, "t:"))
		h := w.s.redis.hash(key)
		m := decodeMessage(h["msg"])
		text := fmt.Sprintf("%s type=%s payload=%q headers=%v retried=%d retry=%d retention=%d",
			h["state"], m.typeName, m.payload, m.headers, m.retried, m.retry, m.retention)
		if info, err := w.inspect.GetTaskInfo(asynqQueue, id); err == nil {
			text += fmt.Sprintf(" error=%q failed=%t completed=%t", info.LastErr, !info.LastFailedAt.IsZero(), !info.CompletedAt.IsZero())
		}
		for _, list := range []string{"pending", "active"} {
			for _, have := range w.s.redis.list("LRANGE", asynqKey(asynqQueue, list), 0, -1) {
				if have == id {
					text += " in:" + list
				}
			}
		}
		for _, set := range []string{"lease", "retry", "scheduled", "archived", "completed"} {
			if _, ok := w.s.redis.direct("ZSCORE", asynqKey(asynqQueue, set), id).(string); ok {
				text += " in:" + set
			}
		}
		seen[id] = text
	}
	return seen
}

func asynqHold(d time.Duration) error {
	return toAsynq(Verdict{Action: Hold, Delay: d}, "held", nil).Err()
}

func asynqRetry(d time.Duration) error {
	return toAsynq(Verdict{Action: Retry, Delay: d}, "again", nil).Err()
}

var (
	asynqDead = toAsynq(Verdict{Action: Dead}, "dead", nil).Err()
	asynqKeep = []asynq.Option{asynq.MaxRetry(10_000), asynq.Retention(time.Hour), asynq.Timeout(90 * time.Second)}
)

func serveAsynq(w *asynqWorld) { w.serve() }

// asynqSteps are what happens, by when.
type asynqSteps = map[time.Duration]func(w *asynqWorld)

// asynqHistories are played on asynq and on its model.
var asynqHistories = []struct {
	name  string
	ends  map[string][]asynqEnd
	steps asynqSteps
	limit time.Duration
	slack time.Duration // between the runs of both
}{
	{
		"done, held, retried, dead", map[string][]asynqEnd{
			"done": nil, "forgotten": nil,
			"held":  {{err: asynqHold(20 * time.Second)}, {err: asynqHold(time.Minute)}, {}},
			"again": {{err: asynqRetry(1500 * time.Millisecond)}, {err: asynqRetry(0)}, {err: errors.New("another")}, {}},
			"dead":  {{takes: time.Second, err: asynqDead}},
			"late":  {{}},
		},
		asynqSteps{0: func(w *asynqWorld) {
			for _, id := range []string{"done", "held", "again", "dead"} {
				w.enqueue(id, asynqKeep...)
			}
			w.enqueue("forgotten", asynq.MaxRetry(10))
			w.enqueue("late", append(asynqKeep, asynq.ProcessIn(40*time.Second))...)
			w.serve()
		}}, 3 * time.Minute, 4 * time.Second,
	},
	{
		"the last retry",
		map[string][]asynqEnd{"a": {{err: asynqRetry(time.Second)}, {err: asynqRetry(time.Second)}}, "b": {{err: asynqHold(time.Second)}}},
		asynqSteps{0: func(w *asynqWorld) {
			w.enqueue("a", asynq.MaxRetry(1))
			w.enqueue("b", asynq.MaxRetry(0))
			w.serve()
		}}, time.Minute, 4 * time.Second,
	},
	{
		"a server that is cut off in mid-run", map[string][]asynqEnd{"a": {{hangs: true}, {}}, "last": {{hangs: true}}},
		asynqSteps{
			0:                func(w *asynqWorld) { w.enqueue("a", asynqKeep...); w.enqueue("last", asynq.MaxRetry(0)); w.serve() },
			10 * time.Second: func(w *asynqWorld) { w.servers[0].proc.cut.Store(true) },
			12 * time.Second: serveAsynq,
		}, 4 * time.Minute, 70 * time.Second,
	},
	{
		"a task that is run twice at once, and ends first in its first run", map[string][]asynqEnd{
			"a": {{takes: 20 * time.Second}, {takes: 40 * time.Second}},
		},
		asynqSteps{
			0:               func(w *asynqWorld) { w.enqueue("a", asynqKeep...); w.serve() },
			5 * time.Second: func(w *asynqWorld) { w.steal("a") },
		}, 4 * time.Minute, 4 * time.Second,
	},
	{
		"a task that is run twice at once, and is retried by its first run", map[string][]asynqEnd{
			"a": {{takes: 20 * time.Second, err: asynqHold(30 * time.Second)}, {takes: 40 * time.Second, err: asynqDead}, {}},
		},
		asynqSteps{
			0:               func(w *asynqWorld) { w.enqueue("a", asynqKeep...); w.serve() },
			5 * time.Second: func(w *asynqWorld) { w.steal("a") },
		}, 4 * time.Minute, 4 * time.Second,
	},
	{
		"a server that is stopped in mid-run", map[string][]asynqEnd{"a": {{takes: 30 * time.Second}, {}}},
		asynqSteps{
			0:                func(w *asynqWorld) { w.enqueue("a", asynqKeep...); w.serve() },
			5 * time.Second:  func(w *asynqWorld) { w.stop(w.servers[0]) },
			10 * time.Second: serveAsynq,
		}, 2 * time.Minute, 4 * time.Second,
	},
	{
		"run from the dashboard", map[string][]asynqEnd{"dead": {{err: asynqDead}, {}}, "held": {{err: asynqHold(time.Hour)}, {}}},
		asynqSteps{
			0: func(w *asynqWorld) { w.enqueue("dead", asynqKeep...); w.enqueue("held", asynqKeep...); w.serve() },
			20 * time.Second: func(w *asynqWorld) {
				w.must(w.inspect.RunTask(asynqQueue, "dead"))
				w.must(w.inspect.RunTask(asynqQueue, "held"))
			},
		}, time.Minute, 4 * time.Second,
	},
	{
		"a paused queue", map[string][]asynqEnd{},
		asynqSteps{
			0:                func(w *asynqWorld) { w.enqueue("a", asynqKeep...); w.must(w.inspect.PauseQueue(asynqQueue)); w.serve() },
			20 * time.Second: func(w *asynqWorld) { w.must(w.inspect.UnpauseQueue(asynqQueue)) },
		}, time.Minute, 4 * time.Second,
	},
}

// TestTheModelOfAsynqDoesWhatAsynqDoes runs the same histories on real servers of
// asynq and on the model that the simulation drives, both in bubbles, and demands
// that tasks run as often, at about the same times, and end in the same places.
func TestTheModelOfAsynqDoesWhatAsynqDoes(t *testing.T) {
	for _, row := range asynqHistories {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			play := func(real bool) (seen map[string]string, runs map[string][]time.Duration) {
				synctest.Test(t, func(t *testing.T) {
					w := newAsynqWorld(t, real, row.ends)
					w.play(row.steps, row.limit)
					seen, runs = w.seen(), w.runs
					w.close()
				})
				return seen, runs
			}
			wantSeen, wantRuns := play(true)
			gotSeen, gotRuns := play(false)
			if diff := cmp.Diff(wantSeen, gotSeen); diff != "" {
				t.Errorf("tasks in the end (-asynq +model):\n%s", diff)
			}
			for id, want := range wantRuns {
				got := gotRuns[id]
				if len(got) != len(want) {
					t.Errorf("%s: the model runs it at %s, asynq at %s", id, got, want)
					continue
				}
				for i := range want {
					if (got[i] - want[i]).Abs() > row.slack {
						t.Errorf("%s: the model runs it at %s, asynq at %s", id, got, want)
						break
					}
				}
			}
			if len(gotRuns) != len(wantRuns) || len(wantRuns) == 0 {
				t.Errorf("the model runs %d tasks, asynq %d", len(gotRuns), len(wantRuns))
			}
		})
	}
}
