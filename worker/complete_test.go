package worker

import (
	"context"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"

	"github.com/ecpayq/ecpayq/ecpay/ecpaytest"
	"github.com/ecpayq/ecpayq/internal/asynqx"
	"github.com/ecpayq/ecpayq/internal/redistest"
	"github.com/ecpayq/ecpayq/tasks"
	"github.com/ecpayq/ecpayq/tasks/record"
)

// doneBench is a worker on a Redis of its own, whose scripts are watched.
type doneBench struct {
	*world
	rdb     *redis.Client
	worker  *Worker
	losses  atomic.Int64
	mu      sync.Mutex
	scripts []string // which of the places a task has in Redis each of them knows
	refuse  func(client, script string) error
}

func newDoneBench(t *testing.T, timeout time.Duration) *doneBench {
	t.Helper()
	b := &doneBench{world: newWorld(t)}
	srv := redistest.New(t, redistest.Options{AppendFsync: "no"})
	b.rdb = srv.Client()
	client := func(name string) *redis.Client {
		c := redis.NewClient(&redis.Options{Addr: srv.Addr(), DisableIdentity: true, MaxRetries: -1})
		c.AddHook(b.watch(name))
		t.Cleanup(func() { _ = c.Close() })
		return c
	}
	w, err := New(Config{
		Redis: client("asynq"), GateRedis: client("gate"), ECPay: b.h.ecpay, Keys: b.keys, Logger: zerolog.Nop(), Servers: 1, Concurrency: 4,
		TaskTimeout: timeout, ShutdownTimeout: timeout + time.Second,
		Observer: Observer{Attempt: func(_ context.Context, f Finished) {
			if f.Loss != Recorded {
				b.losses.Add(1)
			}
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Stop)
	b.worker = w
	return b
}

// watch notes the scripts about a task, and may refuse them.
func (b *doneBench) watch(client string) redis.Hook {
	return onScript(func(ctx context.Context, cmd redis.Cmder, next func() error) error {
		var places []string
		active := false
		for _, arg := range cmd.Args() {
			s, _ := arg.(string)
			switch {
			case strings.HasPrefix(s, "ecpayq:") && strings.Contains(s, ":task:") && !slices.Contains(places, "record"):
				places = append(places, "record")
			case strings.HasPrefix(s, "asynq:") && strings.HasSuffix(s, ":completed"):
				places = append(places, "completed")
			case strings.HasPrefix(s, "asynq:") && strings.HasSuffix(s, ":active"):
				active = true
			}
		}
		if !active {
			places = slices.DeleteFunc(places, func(p string) bool { return p == "completed" }) // asynq's janitor
		}
		if len(places) == 0 || ctx.Err() != nil { // asynq tries again with a context that has ended: it is not sent
			return next()
		}
		slices.Sort(places)
		script := strings.Join(places, "+")
		b.mu.Lock()
		refuse := b.refuse
		if cmd.Name() == "evalsha" {
			b.scripts = append(b.scripts, client+": "+script)
		}
		b.mu.Unlock()
		if refuse != nil {
			if err := refuse(client, script); err != nil {
				return err
			}
		}
		return next()
	})
}

// voids stages and enqueues the void of an invoice, and returns its id.
func (b *doneBench) voids(invoice string) string {
	b.t.Helper()
	p := &tasks.B2BInvalid{MerchantID: testMerchant, InvoiceNumber: invoice, InvoiceDate: testDate, Reason: "r"}
	if err := b.fake.StageInvoice(ecpaytest.Invoice{InvoiceNumber: invoice, InvoiceDate: testDate}); err != nil {
		b.t.Fatal(err)
	}
	j := b.job(p)
	spec := asynqx.Spec{Type: j.typeName, Queue: j.queue, ID: j.id, Payload: j.payload, Headers: j.headers, Retention: time.Hour}
	_, err := asynqx.NewClient(b.rdb).Enqueue(b.t.Context(), spec)
	if err != nil {
		b.t.Fatal(err)
	}
	return j.id
}

// await waits until the record of a task and asynq say so.
func (b *doneBench) await(id string, state record.State, inAsynq asynq.TaskState) {
	b.t.Helper()
	inspector := asynq.NewInspectorFromRedisClient(b.rdb)
	for deadline := time.Now().Add(30 * time.Second); ; <-time.After(5 * time.Millisecond) {
		rec, err := record.Get(b.t.Context(), b.rdb, id)
		info, ierr := inspector.GetTaskInfo("invalid", id)
		if err == nil && ierr == nil && rec.State == state && info.State == inAsynq {
			return
		}
		if time.Now().After(deadline) {
			b.t.Fatalf("%s: the record says %s (%v), asynq %+v (%v)", id, rec.State, err, info, ierr)
		}
	}
}

// took returns the scripts about tasks since it was last asked.
func (b *doneBench) took() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.scripts
	b.scripts = nil
	return s
}

func (b *doneBench) wantScripts(want ...string) {
	b.t.Helper()
	if got := b.took(); !slices.Equal(got, want) {
		b.t.Errorf("got scripts %q, want %q", got, want)
	}
}

const begins, leaves, completes, both = "gate: record", "gate: record", "asynq: completed", "asynq: completed+record"

// A test of what asynq v0.26 does as well: were its script another, there would be three.
func TestWhatIsDoneIsRecordedByTheScriptThatCompletesIt(t *testing.T) {
	t.Parallel()
	b := newDoneBench(t, 45*time.Second)
	b.await(b.voids("VG11000001"), record.Done, asynq.TaskStateCompleted)
	b.took() // Redis has the scripts now
	for _, invoice := range []string{"VG11000002", "VG11000003"} {
		b.await(b.voids(invoice), record.Done, asynq.TaskStateCompleted)
		b.wantScripts(begins, both)
	}
	if err := b.rdb.ScriptFlush(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	b.await(b.voids("VG11000004"), record.Done, asynq.TaskStateCompleted)
	b.wantScripts(begins, both)
	if n := b.losses.Load(); n != 0 {
		t.Errorf("%d outcomes are told to be lost", n)
	}
}

func TestWhatIsDoneIsRecordedByItselfWhereRedisTakesNoScriptForBoth(t *testing.T) {
	t.Parallel()
	b := newDoneBench(t, 45*time.Second)
	b.await(b.voids("VG11000001"), record.Done, asynq.TaskStateCompleted)
	b.took()
	refuse := func(with string) {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.refuse = func(_, script string) error {
			if with != "" && script == "completed+record" {
				return proto(with)
			}
			return nil
		}
	}
	refuse("READONLY You can't write against a read only replica.") // for a moment
	b.await(b.voids("VG11000002"), record.Done, asynq.TaskStateCompleted)
	b.wantScripts(begins, both, leaves, completes)
	refuse("")
	b.await(b.voids("VG11000003"), record.Done, asynq.TaskStateCompleted)
	b.wantScripts(begins, both)
	refuse("CROSSSLOT Keys in request don't hash to the same slot")
	b.await(b.voids("VG11000004"), record.Done, asynq.TaskStateCompleted)
	b.wantScripts(begins, both, leaves, completes)
	b.await(b.voids("VG11000005"), record.Done, asynq.TaskStateCompleted)
	b.wantScripts(begins, leaves, completes)
	if n := b.losses.Load(); n != 0 {
		t.Errorf("%d outcomes are told to be lost", n)
	}
}

// proto is an answer of Redis that is an error.
type proto string

func (e proto) Error() string { return string(e) }
func (proto) RedisError()     {}

func TestWhatIsNotRecordedIsNotCompleted(t *testing.T) {
	t.Parallel()
	b := newDoneBench(t, 4*time.Second)
	b.await(b.voids("VG11000001"), record.Done, asynq.TaskStateCompleted)
	b.took()
	sent := false
	b.refuse = func(client, script string) error {
		switch {
		case script == "completed":
			b.t.Error("asynq completes what is not recorded")
		case sent: // all but the begin
			return proto("OOM command not allowed when used memory > 'maxmemory'.")
		}
		sent = true
		return nil
	}
	id := b.voids("VG11000002")
	for deadline := time.Now().Add(30 * time.Second); b.losses.Load() == 0; <-time.After(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the loss is not told")
		}
	}
	b.await(id, record.Active, asynq.TaskStateActive)
	if rec, err := record.Get(t.Context(), b.rdb, id); err != nil || rec.InFlight.IsZero() {
		t.Errorf("got %+v, %v; want the mark, by which it is asked about", rec, err)
	}
}
