package deadletter_test

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ecpayq/ecpayq/internal/asynqx"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/enqueue"
	"github.com/ecpayq/ecpayq/tasks"
	"github.com/ecpayq/ecpayq/tasks/ledger"
	"github.com/ecpayq/ecpayq/tasks/record"
	"github.com/ecpayq/ecpayq/worker/deadletter"
	"github.com/ecpayq/ecpayq/worker/gate"
)

// between calls f before the n-th command of a client.
type between struct {
	n     int64
	count atomic.Int64
	f     func()
}

func (h *between) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) { return next(ctx, network, addr) }
}

func (h *between) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		h.step()
		return next(ctx, cmd)
	}
}

func (h *between) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		h.step()
		return next(ctx, cmds)
	}
}

func (h *between) step() {
	if h.count.Add(1) == h.n {
		h.f()
	}
}

// between runs act on a task with a client before whose first, second and so on command
// other is done to the same task, until act gets through before it comes to that. check
// looks at each outcome.
func (b *bench) between(
	act func(rdb redis.UniversalClient, i int, id string) string, made func(i int) string,
	other func(i int, id string) string, check func(i int, id, did, meanwhile string),
) {
	b.Helper()
	for n := int64(1); ; n++ {
		made, meanwhile := made(int(n)), ""
		h := &between{n: n, f: func() { meanwhile = other(int(n), made) }}
		rdb := redis.NewClient(&redis.Options{Addr: b.srv.Addr(), MaxRetries: -1})
		rdb.AddHook(h)
		did := act(rdb, int(n), made)
		_ = rdb.Close()
		check(int(n), made, did, meanwhile)
		if b.Failed() {
			b.Fatalf("before command %d: %s", n, meanwhile)
		}
		if h.count.Load() < n {
			return
		}
		if n > 100 {
			b.Fatal("more than 100 commands")
		}
	}
}

func (b *bench) place(id string) asynqx.State {
	b.Helper()
	p, err := ledger.New(b.rdb, time.Hour, time.Now).Look(b.Context(), queue, id)
	b.must(err)
	return p
}

// others are what else may be done to a task at any moment.
func (b *bench) others() map[string]func(i int, id string) string {
	second := deadletter.New(deadletter.Config{Redis: b.rdb, Interval: tasks.Every(0)})
	replay := func(_ int, id string) string {
		return fmt.Sprint(second.Replay(b.Context(), id, deadletter.ReplayOptions{By: "x"}))
	}
	return map[string]func(i int, id string) string{
		"replay": replay,
		"bare replay": func(int, string) string {
			s := ""
			err := second.ReplayAll(b.Context(), deadletter.Filter{}, deadletter.ReplayOptions{By: "x"},
				func(r deadletter.Result) { s += fmt.Sprint(r.ID, r.ActResult, r.Err) })
			return fmt.Sprint(s, err)
		},
		"run":     func(_ int, id string) string { return fmt.Sprint(b.inspector.RunTask(queue, id)) },
		"enqueue": func(i int, _ string) string { return fmt.Sprint(b.producer.Invalid(b.Context(), void(number(i)))) },
		"replace": func(i int, _ string) string {
			return fmt.Sprint(b.producer.Invalid(b.Context(), void(number(i)), enqueue.ReplaceDead()))
		},
		"sweep":   func(int, string) string { return fmt.Sprint(b.sweep()) },
		"resolve": func(_ int, id string) string { return fmt.Sprint(second.Resolve(b.Context(), id, "x", "n")) },
		"cancel":  func(_ int, id string) string { return fmt.Sprint(second.Cancel(b.Context(), id, "x", "n")) },
		"replay and send": func(i int, id string) string {
			said := replay(i, id)
			a := gate.Attempt{Keys: record.KeysOfTask(id), Token: "meanwhile", Start: time.Now(), LockFor: time.Minute}
			if _, err := b.gate.Begin(b.Context(), a, time.Now()); err != nil {
				return said + fmt.Sprint(err)
			}
			return said + fmt.Sprint(" sent: ", b.entered(a))
		},
		"run and send": func(_ int, id string) string {
			if err := b.inspector.RunTask(queue, id); err != nil {
				return err.Error()
			}
			a := gate.Attempt{Keys: record.KeysOfTask(id), Token: "meanwhile", Start: time.Now(), LockFor: time.Minute}
			if _, err := b.gate.Begin(b.Context(), a, time.Now()); err != nil {
				return err.Error()
			}
			return fmt.Sprint(" sent: ", b.entered(a))
		},
	}
}

// eachOther runs f with each of the named [bench.others], on a Redis of its own.
func eachOther(t *testing.T, names []string, f func(b *bench, other func(i int, id string) string)) {
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, quick)
			f(b, b.others()[name])
		})
	}
}

func TestWhatIsAnsweredAsCancelledIsSentByNobodyWhateverHappensMeanwhile(t *testing.T) {
	t.Parallel()
	eachOther(t, []string{"replay", "bare replay", "run", "enqueue", "replace", "sweep", "resolve", "cancel"},
		func(b *bench, other func(i int, id string) string) {
			b.between(
				func(rdb redis.UniversalClient, _ int, id string) string {
					out, err := deadletter.New(deadletter.Config{Redis: rdb, Interval: tasks.Every(0)}).Cancel(b.Context(), id, "ops", "not wanted")
					if err != nil {
						return err.Error()
					}
					return string(out)
				}, b.later, other,
				func(_ int, id, did, meanwhile string) {
					at := b.place(id)
					switch {
					case did == string(ledger.Cancelled) && (at != asynqx.NoTask || b.inLedger(id)):
						b.Errorf("cancelled, and asynq has it as %s (%s); in the ledger %t", at, meanwhile, b.inLedger(id))
					case did != string(ledger.Cancelled) && at == asynqx.NoTask && !b.inLedger(id) &&
						b.rdb.HGet(b.Context(), record.TaskKey(id), record.FieldState).Val() != string(record.Done):
						b.Errorf("it is nowhere, and the answer is %s", did)
					}
				})
		})
}

func TestWhatIsAnsweredAsResolvedIsSentByNobodyWhateverHappensMeanwhile(t *testing.T) {
	t.Parallel()
	eachOther(t, []string{"replay", "run", "replace", "sweep", "replay and send"}, func(b *bench, other func(i int, id string) string) {
		b.between(
			func(rdb redis.UniversalClient, _ int, id string) string {
				out, err := deadletter.New(deadletter.Config{Redis: rdb, Interval: tasks.Every(0)}).Resolve(b.Context(), id, "ops", "not wanted")
				b.must(err)
				return string(out)
			},
			func(i int) string { return b.died(i, ecpay.Unavailable) }, other,
			func(_ int, id, did, meanwhile string) {
				if did != string(ledger.Resolved) {
					return
				}
				if b.rdb.Exists(b.Context(), record.DoneKey(id)).Val() != 1 {
					b.Errorf("resolved without a finish marker (%s)", meanwhile)
				}
				if b.rdb.HGet(b.Context(), record.TaskKey(id), record.FieldInFlight).Val() != "" {
					b.Errorf("resolved, and sent since (%s)", meanwhile)
				}
			})
	})
}

// One payload of two is run, and the receipt says which.
func TestWhatReplacesADeadTaskIsRunOrIsForgotten(t *testing.T) {
	t.Parallel()
	eachOther(t, []string{"replay", "run", "replace", "sweep", "resolve"}, func(b *bench, other func(i int, id string) string) {
		for from, made := range map[string]func(i int) string{
			"died":    func(i int) string { return b.died(i, ecpay.Unavailable) },
			"swept":   func(i int) string { return b.swept(100+i, ecpay.Unavailable) },
			"crashed": func(i int) string { return b.crashed(200+i, false) },
		} {
			offset := map[string]int{"died": 0, "swept": 100, "crashed": 200}[from]
			b.between(
				func(rdb redis.UniversalClient, i int, _ string) string {
					c, err := enqueue.New(enqueue.Config{Redis: rdb, Interval: tasks.Every(0)})
					b.must(err)
					p := void(number(offset + i))
					p.Reason = "NEW"
					r, err := c.Invalid(b.Context(), p, enqueue.ReplaceDead())
					b.must(err)
					return fmt.Sprintf("replaced %t duplicate %t", r.Replaced, r.Duplicate)
				}, made,
				func(i int, id string) string { return other(offset+i, id) },
				func(_ int, id, did, meanwhile string) {
					runs := ""
					if info, err := b.inspector.GetTaskInfo(queue, id); err == nil {
						runs = string(info.Payload)
					}
					rec, err := record.Get(b.Context(), b.rdb, id)
					b.must(err)
					done := b.rdb.Exists(b.Context(), record.DoneKey(id)).Val() == 1
					isNew := func(payload string) bool { return strings.Contains(payload, "NEW") }
					switch {
					case done:
					case runs == "" && !b.inLedger(id):
						b.Errorf("%s: %s (%s): it is nowhere", from, did, meanwhile)
					case strings.HasPrefix(did, "replaced true") && !isNew(runs):
						b.Errorf("%s: %s (%s): asynq has %s", from, did, meanwhile, runs)
					case strings.HasPrefix(did, "replaced false") && !isNew(runs) && isNew(string(rec.Payload)):
						b.Errorf("%s: %s (%s): asynq has %s, and the next replay takes %s", from, did, meanwhile, runs, rec.Payload)
					}
				})
		}
	})
}

func TestASweepForgetsNothingThatIsSentMeanwhile(t *testing.T) {
	t.Parallel()
	for _, sent := range []bool{false, true} {
		eachOther(t, []string{"run and send"}, func(b *bench, other func(i int, id string) string) {
			b.between(
				func(rdb redis.UniversalClient, _ int, _ string) string {
					r, err := deadletter.NewSweeper(deadletter.SweeperConfig{Redis: rdb, Limit: 2 * time.Minute, ScanEvery: time.Hour}).Sweep(b.Context())
					b.must(err)
					return fmt.Sprint(r)
				},
				func(i int) string { return b.crashed(i, sent) }, other,
				func(_ int, id, did, meanwhile string) {
					rec := b.rdb.HMGet(b.Context(), record.TaskKey(id), record.FieldInFlight, record.FieldToken).Val()
					now := meanwhile == " sent: <nil>"
					if (sent || now) && rec[0] == nil || now && rec[1] != "meanwhile" {
						b.Errorf("sent before %t, %s, meanwhile%s: the record has %v", sent, did, meanwhile, rec)
					}
				})
		})
	}
}

// A sweep that read a task before a person cancelled it, and writes its letter since, keeps
// nothing that the shop asks for then.
func TestWhatIsEnqueuedAfterACancelIsThereWhateverASweepDoes(t *testing.T) {
	t.Parallel()
	for how, again := range map[string]func(b *bench, i int) (enqueue.Receipt, error){
		"enqueue": func(b *bench, i int) (enqueue.Receipt, error) {
			return b.producer.Invalid(b.Context(), void(number(i)))
		},
		"batch": func(b *bench, i int) (r enqueue.Receipt, err error) {
			p := void(number(i))
			for res := range b.producer.Batch(b.Context(), slices.Values([]enqueue.Item{{Payload: &p}})) {
				r, err = res.Receipt, res.Err
			}
			return r, err
		},
	} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, quick)
			// The cancel comes before one command of the sweep, the call before one of those after it.
			i, left, steps := 0, 0, int64(1)
			for cancel := int64(1); cancel <= steps; cancel++ {
				for call := cancel + 1; call <= max(steps, cancel+1); call++ {
					i++
					id := b.later(i)
					b.must(b.inspector.ArchiveTask(queue, id))
					h := &between{n: cancel, f: func() { b.cancel(id, ledger.Cancelled) }}
					var receipt enqueue.Receipt
					last := &between{n: call, f: func() {
						if b.rdb.HExists(b.Context(), record.TaskKey(id), record.FieldUnsure).Val() {
							left++
						}
						var err error
						receipt, err = again(b, i)
						b.must(err)
					}}
					rdb := redis.NewClient(&redis.Options{Addr: b.srv.Addr(), MaxRetries: -1})
					rdb.AddHook(h)
					rdb.AddHook(last)
					_, err := deadletter.NewSweeper(deadletter.SweeperConfig{Redis: rdb, Limit: 2 * time.Minute, ScanEvery: time.Hour}).Sweep(b.Context())
					b.must(err)
					_ = rdb.Close()
					steps = max(steps, h.count.Load())
					if at := b.place(id); receipt.ID != "" && (at == asynqx.NoTask || at.Dead() || receipt.Duplicate || b.inLedger(id)) {
						b.Fatalf("cancelled before command %d and enqueued before command %d: got %+v; asynq has it as %s", cancel, call, receipt, at)
					}
				}
			}
			if left == 0 {
				t.Error("no sweep wrote the letter of a cancelled task")
			}
			t.Logf("%d commands; %d calls met a letter that was withdrawn", steps, left)
		})
	}
}
