package deadletter_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/ecpayq/ecpayq/internal/asynqx"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/enqueue"
	"github.com/ecpayq/ecpayq/tasks"
	"github.com/ecpayq/ecpayq/tasks/ledger"
	"github.com/ecpayq/ecpayq/tasks/record"
	"github.com/ecpayq/ecpayq/worker/deadletter"
)

// overdue lets the time pass in which a cancel may go on.
func (b *bench) overdue(id string) {
	b.Helper()
	b.must(b.rdb.Del(b.Context(), record.CancelKey(id)).Err())
}

func cancelBy(b *bench, rdb redis.UniversalClient, id string) (ledger.ActResult, error) {
	return deadletter.New(deadletter.Config{Redis: rdb, Interval: tasks.Every(0)}).Cancel(b.Context(), id, "ops", "not wanted")
}

// A task of the same id may have ended before, whose record is there still.
func (b *bench) laterAgain(i int) string {
	b.Helper()
	id := b.later(i)
	b.cancel(id, ledger.Cancelled)
	return b.later(i)
}

func TestACancelThatWasInterruptedIsOneOutcomeAndWhatEndsItLaterIsAnother(t *testing.T) {
	t.Parallel()
	for name, made := range map[string]func(b *bench) func(int) string{
		"first of its id":  func(b *bench) func(int) string { return b.later },
		"cancelled before": func(b *bench) func(int) string { return b.laterAgain },
	} {
		for by, end := range map[string]func(b *bench, id string) string{
			"cancel": func(b *bench, id string) string {
				b.cancel(id, ledger.Cancelled)
				return "cancelled Stopped"
			},
			"resolve": func(b *bench, id string) string {
				out, err := b.ledger.Resolve(b.Context(), id, "ops", "n")
				if b.must(err); out != ledger.Resolved {
					b.Errorf("resolve: %s", out)
				}
				return "resolved Stopped"
			},
		} {
			for _, swept := range []bool{true, false} {
				t.Run(name+", "+by+map[bool]string{true: " after a sweep"}[swept], func(t *testing.T) {
					t.Parallel()
					b := newBench(t, quick)
					before := []string{}
					if name == "cancelled before" {
						before = append(before, "cancelled Stopped")
					}
					b.everyFault(made(b),
						func(rdb redis.UniversalClient, id string) error {
							_, err := cancelBy(b, rdb, id)
							return err
						},
						func(id string) {
							want := slices.Clone(before)
							b.sweep()
							if swept {
								b.overdue(id)
								b.sweep()
								b.sweep()
							}
							switch at := b.place(id); {
							case at == asynqx.Scheduled: // it did not come to it
								b.cancel(id, ledger.Cancelled)
								want = append(want, "cancelled Stopped")
							case b.inLedger(id):
								if swept {
									want = append(want, "stopped Stopped")
									b.wantEnds(id, want...)
								}
								want = append(want, end(b, id))
							default:
								want = append(want, "cancelled Stopped")
							}
							b.overdue(id)
							b.sweep()
							b.wantEnds(id, want...)
							if n := b.rdb.SCard(b.Context(), record.UnsureKey).Val(); n != 0 {
								b.Errorf("%d notes of unsure letters are left", n)
							}
						})
				})
			}
		}
	}
}

func TestACancelIsOneOutcomeWhateverHappensMeanwhile(t *testing.T) {
	t.Parallel()
	eachOther(t, []string{"replay", "bare replay", "run", "enqueue", "replace", "sweep", "resolve", "cancel"},
		func(b *bench, other func(i int, id string) string) {
			b.between(
				func(rdb redis.UniversalClient, _ int, id string) string {
					out, err := cancelBy(b, rdb, id)
					if err != nil {
						return err.Error()
					}
					return string(out)
				}, b.laterAgain, other,
				func(_ int, id, did, meanwhile string) {
					b.overdue(id)
					b.sweep()
					got := b.ends(id)[1:] // after that of the task before
					at, inLedger := b.place(id), b.inLedger(id)
					var want []string
					switch {
					case did == string(ledger.Cancelled), strings.HasPrefix(meanwhile, "cancelled"):
						want = []string{"cancelled Stopped"}
					case strings.HasPrefix(meanwhile, "resolved"):
						want = []string{"resolved Stopped"}
					case inLedger: // a person has it run again, or it is dead
						want = []string{"stopped Stopped"}
					}
					if !slices.Equal(got, want) {
						b.Errorf("%s (%s); asynq has it as %s, in the ledger %t: outcomes %q, want %q", did, meanwhile, at, inLedger, got, want)
					}
				})
		})
}

func TestWhatAPersonEndedSaysWhoAndWhyAndTheNextTaskDoesNot(t *testing.T) {
	t.Parallel()
	b := newBench(t, quick)
	task := func(id string) record.Task {
		t.Helper()
		got, err := b.producer.Task(t.Context(), id)
		b.must(err)
		return got
	}
	says := func(id string, kind ecpay.Kind, reason, reasonZh string) {
		t.Helper()
		got := task(id)
		if got.State != record.StateCompleted || got.Kind == nil || *got.Kind != kind || got.Reason != reason || got.ReasonZh != reasonZh {
			t.Errorf("got %+v, want %s of kind %s because of %s", got, record.StateCompleted, kind, reason)
		}
	}
	fresh := func(id, state string) {
		t.Helper()
		got := task(id)
		if got.State != state || got.Kind != nil || got.Reason != "" || got.ReasonZh != "" || got.RtnCode != 0 || got.RtnMsg != "" ||
			got.Attempts != 0 || got.Result != nil || got.LastAt != nil {
			t.Errorf("got %+v, want a %s task and nothing of an earlier end", got, state)
		}
	}
	id := b.later(1)
	b.cancel(id, ledger.Cancelled)
	says(id, ecpay.Stopped, "cancelled by ops before it was begun; nothing was sent: not wanted", "尚未開始即由 ops 取消，未送出任何請求：not wanted")
	b.later(1)
	fresh(id, record.StateScheduled)
	for w, err := range record.NewReader(b.rdb).Waiting(t.Context(), queue, true) {
		if b.must(err); w.Kind != nil || w.Reason != "" {
			t.Errorf("listed as %+v", w)
		}
	}

	dead := b.died(2, ecpay.Conflict)
	out, err := b.ledger.Resolve(t.Context(), dead, "ops", "voided by hand")
	if b.must(err); out != ledger.Resolved {
		t.Fatalf("resolve: %s", out)
	}
	says(dead, ecpay.Conflict, "resolved by ops: voided by hand", "由 ops 結案：voided by hand")
	b.must(b.rdb.Del(t.Context(), record.DoneKey(dead)).Err()) // after ECPAYQ_FINISH_TTL
	b.enqueued(2)
	fresh(dead, record.StatePending)

	replaced := b.died(3, ecpay.Rejected)
	r, err := b.producer.Invalid(t.Context(), void(number(3)), enqueue.ReplaceDead())
	if b.must(err); !r.Replaced {
		t.Fatalf("got %+v", r)
	}
	fresh(replaced, record.StatePending)
}
