//go:build slow

package main_test

import (
	"context"
	"math/rand/v2"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/ecpay/ecpaytest"
	"github.com/ecpayq/ecpayq/enqueue"
	"github.com/ecpayq/ecpayq/internal/redistest"
	"github.com/ecpayq/ecpayq/internal/samples"
	"github.com/ecpayq/ecpayq/tasks"
	"github.com/ecpayq/ecpayq/tasks/record"
)

// intent is one write with what ECPay should show of it in the end.
type intent struct {
	payload tasks.Payload
	id      string
	subject string
	effect  string
}

// intents stages n subjects and returns a write on each, of every kind in turn.
func (b *bench) intents(n int) []intent {
	b.Helper()
	var all []intent
	kinds := samples.Writes(samples.Usual())
	for i := range n {
		c := kinds[i%len(kinds)]
		at := samples.At{MerchantID: merchantID, Subject: c.Subject("CHAOS", i)}
		b.must(c.Stage(b.fake, at))
		p := c.Payload(at)
		all = append(all, intent{p, tasks.ID(p), at.Subject, c.Effect})
	}
	return all
}

// enqueueAll stores the intents from several goroutines and returns those that
// were confirmed to be stored; an error leaves it open, so it tries again.
func (b *bench) enqueueAll(ctx context.Context, all []intent, confirm enqueue.Confirm) {
	b.Helper()
	client, err := enqueue.New(enqueue.Config{
		RedisURL: b.env["ECPAYQ_REDIS_URL"], Confirm: confirm, Interval: tasks.Every(0), PayloadKeys: samples.PayloadKeys(),
	})
	b.must(err)
	b.Cleanup(func() { _ = client.Close() })
	var wg sync.WaitGroup
	work := make(chan intent)
	for range 8 {
		wg.Go(func() {
			for x := range work {
				for ctx.Err() == nil {
					if _, err := client.Enqueue(ctx, x.payload); err == nil {
						break
					}
				}
			}
		})
	}
	for _, x := range all {
		work <- x
	}
	close(work)
	wg.Wait()
}

// tally is what became of the intents.
type tally struct{ done, ambiguous, dead, lost, twice, doneWithout, deadWith int }

// settle waits until every task has ended and judges each by the fake's ledger.
func (b *bench) settle(all []intent, limit time.Duration) tally {
	b.Helper()
	client := b.client()
	ctx, cancel := context.WithTimeout(b.Context(), limit)
	defer cancel()
	var t tally
	for _, x := range all {
		var last record.Task
		for !last.Ended() && ctx.Err() == nil {
			if got, err := client.Task(ctx, x.id); err == nil {
				last = got
			}
			if !last.Ended() {
				select {
				case <-time.After(100 * time.Millisecond):
				case <-ctx.Done():
				}
			}
		}
		effects := 0
		for _, e := range b.fake.EffectsOn(merchantID, x.subject) {
			if e.Name == x.effect {
				effects++
			}
		}
		if effects > 1 {
			t.twice++
			b.Errorf("%s has %d effects", x.id, effects)
		}
		switch {
		case last.State == record.StateCompleted:
			t.done++
			if effects == 0 {
				t.doneWithout++
				b.Errorf("%s is done, but ECPay shows no effect", x.id)
			}
		case last.State == record.StateDead && last.Kind != nil && *last.Kind == ecpay.Ambiguous:
			t.ambiguous++
		case last.State == record.StateDead:
			t.dead++
			if effects > 0 {
				t.deadWith++
				b.Errorf("%s is dead (%v), but ECPay shows its effect", x.id, last.Kind)
			}
		default:
			t.lost++
			b.Errorf("%s is %s: %s", x.id, last.State, last.Reason)
		}
	}
	b.judgeOutcomes(ctx, client, all)
	b.Logf("%d intents: %d done, %d dead(Ambiguous) = %.1f %%, %d dead otherwise; %d lost, %d effects twice",
		len(all), t.done, t.ambiguous, 100*float64(t.ambiguous)/float64(len(all)), t.dead, t.lost, t.twice)
	return t
}

// judgeOutcomes demands that the feed tells how each task ended, and misses no number. A task that
// was dead is done once its effect was proven.
func (b *bench) judgeOutcomes(ctx context.Context, client *enqueue.Client, all []intent) {
	b.Helper()
	ends, seq := map[string][]string{}, int64(0)
	for o, err := range client.Outcomes(ctx, enqueue.Feed{}) {
		b.must(err)
		if seq++; o.Seq != seq {
			b.Errorf("outcome %d has the number %d", seq, o.Seq)
		}
		ends[o.ID] = append(ends[o.ID], o.State)
	}
	for _, x := range all {
		want := record.OutcomeDone
		if got, err := client.Task(ctx, x.id); err != nil || got.State != record.StateCompleted {
			want = record.OutcomeDead
		}
		got := strings.Join(ends[x.id], " ")
		if want == record.OutcomeDone { // once at most, behind the end
			got = strings.TrimSuffix(got, " "+record.OutcomeIssued)
		}
		if got != want && got != record.OutcomeDead+" "+want {
			b.Errorf("the feed tells of %s %q, want %q", x.id, got, want)
		}
	}
}

// tellsInvoices waits until the number is known of each invoice that a trigger had ECPay issue at once, and demands that
// the feed tells it, once.
func (b *bench) tellsInvoices(all []intent, limit time.Duration) {
	b.Helper()
	client := b.client()
	ctx, cancel := context.WithTimeout(b.Context(), limit)
	defer cancel()
	numbers := map[string]string{}
	for _, x := range all {
		p, ok := x.payload.(*tasks.B2CTriggerIssue)
		if !ok || x.effect != ecpaytest.EffectIssued || p.RelateNumber == "" {
			continue
		}
		for numbers[x.id] == "" {
			task, err := client.Task(ctx, x.id)
			switch {
			case err == nil && task.Invoice != nil:
				numbers[x.id] = task.Invoice.Number
			case err == nil && task.State == record.StateDead: // a person decides
				numbers[x.id] = "dead"
			case ctx.Err() != nil:
				b.Fatalf("the invoice of %s is not known after %s", x.id, limit)
			default:
				time.Sleep(100 * time.Millisecond)
			}
		}
	}
	told := map[string][]string{}
	for o, err := range client.Outcomes(ctx, enqueue.Feed{}) {
		b.must(err)
		if o.State == record.OutcomeIssued {
			told[o.ID] = append(told[o.ID], o.Invoice.Number)
		}
	}
	for id, number := range numbers {
		if got := strings.Join(told[id], " "); got != number && number != "dead" {
			b.Errorf("the feed tells of %s the invoice %q, want %q", id, got, number)
		}
	}
	b.Logf("%d invoices of triggers told", len(numbers))
}

// chaosEnv makes everything quick that may be: the fake forgets a request after
// 10 s, so the fence may be short.
var chaosEnv = env{
	"ECPAYQ_FENCE": "15s", "ECPAYQ_HTTP_TIMEOUT": "2s", "ECPAYQ_TASK_TIMEOUT": "10s", "ECPAYQ_SHUTDOWN_TIMEOUT": "20s",
	"ECPAYQ_MERCHANT_INTERVAL": "0s", "ECPAYQ_MERCHANT_IN_FLIGHT": "100", "ECPAYQ_CONCURRENCY": "6", "ECPAYQ_LOG_LEVEL": "info",
}

func chaosFake() ecpaytest.Config { return ecpaytest.Config{Window: 10 * time.Second} }

// troubles breaks about every seventh call in some way.
func (b *bench) troubles(rng *rand.Rand, calls int) {
	kinds := []ecpaytest.Fault{
		{Drop: true}, {Drop: true, AfterEffect: true}, {EffectAfter: 3 * time.Second}, {Garbage: true, AfterEffect: true},
		{HTTPStatus: 500, Body: "<html>", AfterEffect: true}, {HTTPStatus: 502, Body: "<html>"}, {UnreadableData: true, AfterEffect: true},
		{RtnCode: 9000001}, {TransCode: 104}, {Hang: true},
	}
	var script []ecpaytest.Fault
	for range calls {
		f := ecpaytest.Fault{Name: "slow", Latency: 1500 * time.Millisecond}
		if rng.IntN(7) == 0 {
			f = kinds[rng.IntN(len(kinds))]
		}
		script = append(script, f)
	}
	b.fake.Inject(ecpaytest.Match{}, script...)
}

func TestSlow500TasksSurviveWorkersThatAreKilledStoppedAndFrozen(t *testing.T) {
	t.Parallel()
	b := newBenchOf(t, chaosFake(), chaosEnv.with(env{"ECPAYQ_FETCH_INVOICE": "on"}))
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	all := b.intents(500)
	b.troubles(rng, 700)
	workers := []*child{b.worker(), b.worker(), b.worker()}
	b.enqueueAll(t.Context(), all, enqueue.Confirm{})

	counts := map[string]int{}
	var frozen sync.WaitGroup
	for i, end := 0, time.Now().Add(60*time.Second); time.Now().Before(end); i++ {
		w := &workers[i%len(workers)]
		switch i % 4 { // coprime to the number of workers: each meets everything
		case 0, 2:
			counts["kill -9"]++
			(*w).kill()
			*w = b.worker()
		case 1:
			counts["SIGTERM"]++
			(*w).stop()
			*w = b.worker()
		default:
			counts["SIGSTOP"]++
			victim := *w
			*w = b.worker() // another one takes its place, as an orchestrator would do
			victim.signal(syscall.SIGSTOP)
			awake := time.Duration(5+rng.IntN(30)) * time.Second
			frozen.Go(func() {
				pause(t, awake) // longer than its lock, often
				victim.signal(syscall.SIGCONT)
			})
		}
		pause(t, time.Duration(500+rng.IntN(1500))*time.Millisecond)
	}
	frozen.Wait()
	t.Logf("workers: %v", counts)
	b.settle(all, 6*time.Minute)
	b.tellsInvoices(all, 3*time.Minute)
}

// TestSlowTasksSurviveARedisThatIsKilledAndFrozen restarts Redis with its append-only file
// while 300 tasks are in motion, and freezes it for 15 and for 45 s.
func TestSlowTasksSurviveARedisThatIsKilledAndFrozen(t *testing.T) {
	t.Parallel()
	b := newBenchWithout(t, chaosFake(), chaosEnv)
	b.useRedis(redistest.Options{AppendFsync: "always"})
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	all := b.intents(300)
	b.troubles(rand.New(rand.NewPCG(seed, 0)), 500)
	b.worker()
	b.worker()
	var enqueueing sync.WaitGroup
	enqueueing.Go(func() { b.enqueueAll(t.Context(), all, enqueue.Confirm{}) })
	pause(t, 2*time.Second)
	b.redis.Kill()
	b.must(b.redis.Restart(t.Context()))
	pause(t, 5*time.Second)
	for _, d := range []time.Duration{15 * time.Second, 45 * time.Second} {
		b.redis.Freeze()
		pause(t, d)
		b.redis.Thaw()
		pause(t, 3*time.Second)
	}
	b.redis.Kill()
	b.must(b.redis.Restart(t.Context()))
	enqueueing.Wait()
	b.settle(all, 6*time.Minute)
}

// TestSlow3000TasksSurviveAFailover lets Sentinel choose another master while 3,000
// tasks are in motion. Replication is asynchronous, so producers wait for the
// replica.
func TestSlow3000TasksSurviveAFailover(t *testing.T) {
	t.Parallel()
	b := newBenchWithout(t, chaosFake(), chaosEnv)
	group := redistest.NewSentinel(t, redistest.SentinelOptions{Replicas: 2})
	b.env["ECPAYQ_REDIS_URL"] = group.URL()
	b.set(env{"ECPAYQ_CONCURRENCY": "32"})
	all := b.intents(3000)
	b.worker()
	b.worker()
	var enqueueing sync.WaitGroup
	enqueueing.Go(func() { b.enqueueAll(t.Context(), all, enqueue.Confirm{Replicas: 1}) })
	b.eventually("a third of the tasks have their effect", func() bool { return len(b.fake.Effects()) >= len(all)/3 })
	old := group.KillMaster()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	next, err := group.AwaitMaster(ctx, old)
	b.must(err)
	t.Logf("master %s -> %s with %d effects so far", old.Addr(), next.Addr(), len(b.fake.Effects()))
	enqueueing.Wait()
	b.settle(all, 6*time.Minute)
}

// TestSlow300TasksOnAClusterSurviveAKilledWorker kills a worker while the tasks of one merchant lie
// on three masters.
func TestSlow300TasksOnAClusterSurviveAKilledWorker(t *testing.T) {
	t.Parallel()
	b := newBenchWithout(t, chaosFake(), chaosEnv)
	cluster := redistest.NewCluster(t, 3)
	b.env["ECPAYQ_REDIS_URL"] = cluster.URL()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	all := b.intents(300)
	b.troubles(rand.New(rand.NewPCG(seed, 0)), 400)
	victim := b.worker()
	b.worker()
	b.enqueueAll(t.Context(), all, enqueue.Confirm{Disk: true})
	pause(t, 3*time.Second)
	victim.kill()
	b.settle(all, 6*time.Minute)
}

// pause lets the world go on for a while: what is waited for is trouble itself.
func pause(t *testing.T, d time.Duration) {
	select {
	case <-time.After(d):
	case <-t.Context().Done():
	}
}
