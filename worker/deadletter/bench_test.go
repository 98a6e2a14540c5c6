package deadletter_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/enqueue"
	"github.com/ecpayq/ecpayq/internal/asynqx"
	"github.com/ecpayq/ecpayq/internal/asynqx/asynqxtest"
	"github.com/ecpayq/ecpayq/internal/redistest"
	"github.com/ecpayq/ecpayq/internal/redisx"
	"github.com/ecpayq/ecpayq/tasks"
	"github.com/ecpayq/ecpayq/tasks/ledger"
	"github.com/ecpayq/ecpayq/tasks/record"
	"github.com/ecpayq/ecpayq/worker/deadletter"
	"github.com/ecpayq/ecpayq/worker/gate"
)

// bench is a real Redis with everything that touches the ledger.
type bench struct {
	*testing.T
	srv       *redistest.Server
	rdb       *redis.Client
	producer  *enqueue.Client
	gate      *gate.Gate
	ledger    *deadletter.Ledger
	inspector *asynq.Inspector
}

func newBench(t *testing.T, opts ...redistest.Options) *bench {
	t.Helper()
	srv := redistest.New(t, opts...)
	b := &bench{T: t, srv: srv, rdb: srv.Client()}
	producer, err := enqueue.New(enqueue.Config{Redis: b.rdb})
	b.must(err)
	b.producer, b.gate = producer, gate.New(b.rdb, redisx.Confirm{})
	b.ledger = deadletter.New(deadletter.Config{Redis: b.rdb, Interval: tasks.Every(0)})
	b.inspector = asynq.NewInspectorFromRedisClient(b.rdb)
	return b
}

func (b *bench) must(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

func (b *bench) sweeper(change func(*deadletter.SweeperConfig)) *deadletter.Sweeper {
	cfg := deadletter.SweeperConfig{Redis: b.rdb, Limit: 2 * time.Minute}
	if change != nil {
		change(&cfg)
	}
	return deadletter.NewSweeper(cfg)
}

func (b *bench) sweep() deadletter.Report {
	b.Helper()
	r, err := b.sweeper(nil).Sweep(b.Context())
	b.must(err)
	return r
}

const queue = "invalid"

func void(number string) tasks.B2BInvalid {
	return tasks.B2BInvalid{MerchantID: "2000132", InvoiceNumber: number, InvoiceDate: "2026-11-01", Reason: "訂單取消"}
}

func number(i int) string { return fmt.Sprintf("VG%08d", i) }

// enqueued stores a void and returns its id.
func (b *bench) enqueued(i int) string {
	b.Helper()
	r, err := b.producer.Invalid(b.Context(), void(number(i)))
	b.must(err)
	return r.ID
}

func (b *bench) info(id string) *asynq.TaskInfo {
	b.Helper()
	info, err := b.inspector.GetTaskInfo(queue, id)
	b.must(err)
	return info
}

// judged records what a handler decided about a task, as the gate does it.
func (b *bench) judged(id string, res gate.Result) {
	b.Helper()
	token := tasks.NewNonce()
	_, err := b.gate.Begin(b.Context(),
		gate.Attempt{Keys: record.KeysOfTask(id), Token: token, Start: time.Now(), LockFor: time.Minute}, time.Now())
	b.must(err)
	if res.State == record.Dead {
		info := b.info(id)
		res.Task = &gate.Task{Type: info.Type, Queue: info.Queue, Payload: info.Payload, Headers: info.Headers}
	}
	b.must(b.gate.Leave(b.Context(), gate.Attempt{Keys: record.KeysOfTask(id), Token: token}, res))
}

func dead(k ecpay.Kind) gate.Result {
	return gate.Result{State: record.Dead, Kind: k, RtnCode: 5070450, RtnMsg: "該發票已被折讓過，無法直接作廢發票",
		Reason: record.Text{En: "mend it", Zh: "請修正"}, Settled: k != ecpay.Ambiguous}
}

// died is a task that a handler found dead, as asynq then has it.
func (b *bench) died(i int, k ecpay.Kind) string {
	b.Helper()
	id := b.enqueued(i)
	b.judged(id, dead(k))
	b.givenUp(queue, id)
	return id
}

// givenUp lets asynq archive a task by itself.
func (b *bench) givenUp(queue, id string) {
	b.Helper()
	b.must(asynqxtest.GiveUp(b.Context(), b.rdb, queue, id))
}

// swept is the same after asynq's archive was shortened.
func (b *bench) swept(i int, k ecpay.Kind) string {
	b.Helper()
	id := b.died(i, k)
	b.must(b.inspector.DeleteTask(queue, id))
	return id
}

// entered marks a write of an attempt.
func (b *bench) entered(a gate.Attempt) error {
	_, err := b.gate.Enter(b.Context(), a, gate.Request{Write: true, Stamp: time.Now(), Now: time.Now(), InFlight: 8, Life: time.Minute})
	return err
}

// crashed is a task that asynq archived without a verdict.
func (b *bench) crashed(i int, sent bool) string {
	b.Helper()
	id := b.enqueued(i)
	_, err := b.gate.Begin(b.Context(),
		gate.Attempt{Keys: record.KeysOfTask(id), Token: "crash", Start: time.Now(), LockFor: time.Minute}, time.Now())
	b.must(err)
	if sent {
		b.must(b.entered(gate.Attempt{Keys: record.KeysOfTask(id), Token: "crash"}))
	}
	b.must(b.rdb.Del(b.Context(), record.LockKey(id)).Err()) // its minute is over
	b.givenUp(queue, id)
	return id
}

// orphan leaves only asynq's hash, as bulk archiving does beyond 9,999.
func (b *bench) orphan(id string) {
	b.Helper()
	b.must(b.rdb.ZRem(b.Context(), asynqx.Key(queue, "archived"), id).Err())
}

func (b *bench) list(f deadletter.Filter) []deadletter.Letter {
	b.Helper()
	var all []deadletter.Letter
	for l, err := range b.ledger.List(b.Context(), f) {
		b.must(err)
		all = append(all, l)
	}
	return all
}

func ids(letters []deadletter.Letter) []string {
	all := make([]string, len(letters))
	for i, l := range letters {
		all[i] = l.ID
	}
	return all
}

func (b *bench) get(id string) deadletter.Letter {
	b.Helper()
	l, err := b.ledger.Get(b.Context(), id)
	b.must(err)
	return l
}

func (b *bench) inLedger(id string) bool {
	b.Helper()
	_, err := b.ledger.Get(b.Context(), id)
	if err != nil && !errors.Is(err, deadletter.ErrNotFound) {
		b.Fatal(err)
	}
	return err == nil
}

// pending counts how often a task is in asynq's list of what to run.
func (b *bench) pending(id string) int {
	b.Helper()
	list, err := b.rdb.LRange(b.Context(), asynqx.Key(queue, "pending"), 0, -1).Result()
	b.must(err)
	n := 0
	for _, got := range list {
		if got == id {
			n++
		}
	}
	return n
}

// wantPending demands that asynq will run the task, once, and that the ledger
// keeps it until it is done.
func (b *bench) wantPending(id string) {
	b.Helper()
	if n := b.pending(id); n != 1 {
		b.Errorf("%s is %d times in asynq's pending list, want once", id, n)
	} else if info := b.info(id); info.State != asynq.TaskStatePending {
		b.Errorf("%s is %s, want pending", id, info.State)
	}
	if !b.inLedger(id) {
		b.Errorf("%s left the ledger before it is done", id)
	}
}

func (b *bench) replay(l *deadletter.Ledger, id string, o deadletter.ReplayOptions, want ...ledger.ActResult) {
	b.Helper()
	got, err := l.Replay(b.Context(), id, o)
	if err != nil || !slices.Contains(want, got) {
		b.Errorf("replay of %s: %q, %v; want %q", id, got, err, want)
	}
}

// fault makes the n-th command of a client fail, before Redis gets it or after
// Redis has executed it. A pipeline is one command, of which Redis may have
// executed some.
type fault struct {
	n     int64
	after bool
	some  int  // of a pipeline that fails before: how many Redis gets
	stays bool // all that follow fail too
	count atomic.Int64
}

var errFault = errors.New("the process ends here")

func (f *fault) hit() bool {
	k := f.count.Add(1)
	return k == f.n || f.stays && k > f.n
}

func (f *fault) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) { return next(ctx, network, addr) }
}

func (f *fault) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		hit := f.hit()
		if hit && !f.after {
			cmd.SetErr(errFault)
			return errFault
		}
		err := next(ctx, cmd)
		if hit {
			cmd.SetErr(errFault)
			return errFault
		}
		return err
	}
}

func (f *fault) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		hit := f.hit()
		if hit && !f.after {
			if some := min(f.some, len(cmds)); some > 0 {
				_ = next(ctx, cmds[:some])
			}
			return f.fail(cmds)
		}
		err := next(ctx, cmds)
		if hit {
			return f.fail(cmds)
		}
		return err
	}
}

func (f *fault) fail(cmds []redis.Cmder) error {
	for _, c := range cmds {
		c.SetErr(errFault)
	}
	return errFault
}

// everyFault runs act with a client that fails at the first command, then at the
// second and so on, before and after, until act gets through. made makes what it
// acts on, and check looks at it after the failure.
func (b *bench) everyFault(made func(i int) string, act func(rdb redis.UniversalClient, id string) error, check func(id string)) {
	b.Helper()
	b.faults([]fault{{}, {after: true}}, made, act, check)
}

func (b *bench) faults(
	kinds []fault, made func(i int) string, act func(rdb redis.UniversalClient, id string) error, check func(id string),
) {
	b.Helper()
	i := 0
	for k := range kinds {
		for n := int64(1); ; n++ {
			i++
			id := made(i)
			f := &fault{n: n, after: kinds[k].after, some: kinds[k].some}
			rdb := redis.NewClient(&redis.Options{Addr: b.srv.Addr(), MaxRetries: -1})
			rdb.AddHook(f)
			err := act(rdb, id)
			_ = rdb.Close()
			check(id)
			if b.Failed() {
				b.Fatalf("command %d failed: after Redis executed it: %t, or %d of its pipeline: %v", n, f.after, f.some, err)
			}
			if f.count.Load() < n {
				if err != nil {
					b.Fatalf("nothing failed, and yet: %v", err)
				}
				break
			}
			if n > 100 {
				b.Fatal("more than 100 commands")
			}
		}
	}
	b.Logf("%d interruptions", i)
}

// each runs f for 0 to n-1, several at once.
func each(n int, f func(i int)) {
	var wg sync.WaitGroup
	next := make(chan int)
	for range 16 {
		wg.Go(func() {
			for i := range next {
				f(i)
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	wg.Wait()
}
