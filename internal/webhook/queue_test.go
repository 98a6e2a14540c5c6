package webhook_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"

	"github.com/ecpayq/ecpayq/internal/asynqx"
	"github.com/ecpayq/ecpayq/internal/redistest"
	"github.com/ecpayq/ecpayq/internal/webhook"
	"github.com/ecpayq/ecpayq/tasks/record"
)

// process is one more that delivers, until it is stopped or the test ends.
func (b *bench) process(list ...webhook.Endpoint) *webhook.Service {
	b.Helper()
	s := webhook.New(webhook.Config{Redis: b.rdb, Logger: zerolog.New(zerolog.NewTestWriter(b.T)), Agent: "test"})
	b.Cleanup(s.Stop)
	b.must(s.Set(list))
	return s
}

// came checks that a receiver had each of these at least once, the first times in order of their
// subjects, and returns how many came more than once.
func (r *receiver) came(want []string) (again int) {
	r.Helper()
	had, last := map[string]bool{}, map[string]int64{}
	for _, g := range r.got() {
		if had[g.webhookID] {
			again++
			continue
		}
		had[g.webhookID] = true
		subject := g.MerchantID + g.Subject["Tsr"]
		if g.Seq <= last[subject] {
			r.Errorf("of %s, %d came after %d", subject, g.Seq, last[subject])
		}
		last[subject] = g.Seq
	}
	for _, id := range want {
		if !had[id] {
			r.Errorf("%s did not come", id)
		}
	}
	if len(had) > len(want) {
		r.Errorf("%d came, %d were wanted", len(had), len(want))
	}
	return again
}

// distinct is how many different ones came.
func (r *receiver) distinct() int {
	had := map[string]bool{}
	for _, g := range r.got() {
		had[g.webhookID] = true
	}
	return len(had)
}

func TestTwoProcessesThatBothLeadPutEachOutcomeInOnce(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	r := b.receiver(nil)
	e := r.endpoint("shop")
	b.serve(e)
	b.process(e)
	// Each takes the lead when it looks, and keeps filling the queue until it looks again.
	leaders := map[string]bool{}
	var wg sync.WaitGroup
	stop := make(chan struct{})
	wg.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				if token := b.rdb.GetDel(b.Context(), record.WebhookKeysOf(e.Queue()).Leader).Val(); token != "" {
					leaders[token] = true
				}
			}
		}
	})
	var want []string
	for i := range 400 {
		want = append(want, b.ends([]string{shop, other}[i%2], fmt.Sprintf("T%d", i%40), "done"))
		if i%100 == 99 {
			b.eventually("these are delivered", func() bool { return len(r.got()) >= len(want) })
		}
	}
	// Long enough for both to have looked who leads.
	b.eventually("both lead", func() bool {
		want = append(want, b.ends(shop, fmt.Sprintf("T%d", len(want)%40), "done"))
		b.eventually("it is delivered", func() bool { return len(r.got()) >= len(want) })
		return len(want) >= 440
	})
	b.idle(e)
	close(stop)
	wg.Wait()
	if again := r.came(want); again > 0 {
		t.Errorf("%d came again", again)
	}
	if len(leaders) != 2 {
		t.Errorf("%d processes have led", len(leaders))
	}
}

func TestAProcessThatIsStoppedLosesNothing(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	r := b.receiver(nil)
	e := r.endpoint("shop")
	s := b.serve(e)
	var want []string
	for i := range 500 {
		want = append(want, b.ends(shop, fmt.Sprintf("T%d", i%50), "done"))
		if i%150 == 100 {
			b.eventually("some are delivered", func() bool { return r.distinct() > i-90 })
			s.Stop()
			if err := s.Set([]webhook.Endpoint{e}); err == nil {
				t.Error("what is stopped may be set")
			}
			s.Stop() // again
			if left := b.rdb.PTTL(b.Context(), record.WebhookKeysOf(e.Queue()).Leader).Val(); left > time.Millisecond {
				t.Errorf("nobody may fill the queue for %s", left)
			}
			s = b.process(e)
		}
	}
	b.eventually("all are delivered", func() bool { return r.distinct() >= len(want) })
	b.idle(e)
	if again := r.came(want); again > 0 {
		t.Errorf("%d came again, though each process was stopped in order", again)
	}
}

func TestARedisThatIsRestartedLosesNothing(t *testing.T) {
	t.Parallel()
	server := redistest.New(t, redistest.Options{AppendFsync: "always"})
	o := *server.Client().Options()
	o.MaxRetries, o.MinRetryBackoff, o.MaxRetryBackoff = 20, 50*time.Millisecond, time.Second // as those of a worker
	rdb := redis.NewClient(&o)
	t.Cleanup(func() { rdb.Close() })
	b := newBenchOn(t, rdb)
	r := b.receiver(nil)
	e := r.endpoint("shop")
	s := b.serve(e)
	var want []string
	for i := range 200 {
		want = append(want, b.ends(shop, fmt.Sprintf("T%d", i%20), "done"))
		if i == 60 || i == 140 {
			b.eventually("some are delivered", func() bool { return r.distinct() > i-50 })
			if i == 140 {
				server.Kill()
			}
			b.must(server.Restart(b.Context()))
		}
	}
	// What Redis gave asynq in an answer that did not arrive is taken for running, until its lease has ended
	// and another process looks.
	b.forwarded(e, shop)
	s.Stop()
	active, err := b.rdb.LRange(t.Context(), asynqx.Key(e.Queue(), asynqx.Active), 0, -1).Result()
	b.must(err)
	for _, id := range active {
		b.must(b.rdb.ZAdd(t.Context(), asynqx.Key(e.Queue(), asynqx.Lease), redis.Z{Score: 1, Member: id}).Err())
	}
	b.process(e)
	b.eventually("all are delivered", func() bool {
		b.tryAgain(e)
		return r.distinct() >= len(want)
	})
	b.idle(e)
	t.Logf("%d came again, %d were taken for running", r.came(want), len(active))
}

func TestOutcomesThatAreNotKeptAreCountedAndPassed(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	r := b.receiver(nil)
	e := r.endpoint("shop")
	s := b.serve(e)
	want := []string{b.ends(shop, "A", "done")}
	b.eventually("the first is delivered", func() bool { return len(r.got()) == 1 })
	b.idle(e)
	s.Stop()
	for i := range 10 {
		id := b.ends(shop, fmt.Sprintf("B%d", i), "done")
		of := b.ends(other, fmt.Sprintf("B%d", i), "done") // a merchant whose first one is not kept
		if i >= 6 {
			want = append(want, id)
		}
		if i >= 3 {
			want = append(want, of)
		}
	}
	for merchant, n := range map[string]int64{shop: 4, other: 7} {
		b.must(b.rdb.XTrimMaxLen(t.Context(), record.OwnerOutcomesKey(merchant), n).Err())
	}
	b.process(e)
	b.eventually("those that are kept are delivered", func() bool { return len(r.got()) >= len(want) })
	want = append(want, b.ends(shop, "C", "done"))
	b.eventually("one more is delivered", func() bool { return len(r.got()) >= len(want) })
	b.idle(e)
	if again := r.came(want); again != 0 || b.status(e).Missed != 6+3 {
		t.Errorf("%d came again, and %d are counted as missed, want 9", again, b.status(e).Missed)
	}
}

func TestWhereTheOutcomesOfAMerchantBegin(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	r, named := b.receiver(nil), b.receiver(nil)
	all, one := r.endpoint("all"), named.endpoint("one")
	one.Merchants = []string{shop}
	for range 3 {
		b.ends(shop, "BEFORE", "done")
		b.ends(other, "BEFORE", "done")
	}
	s := b.serve(all, one)
	var wantAll, wantOne []string
	both := func(merchant string) {
		id := b.ends(merchant, "A", "done")
		wantAll = append(wantAll, id)
		if one.Owns(merchant) {
			wantOne = append(wantOne, id)
		}
		b.eventually("it is delivered", func() bool {
			return strings.Contains(r.ids(), id) && (!one.Owns(merchant) || strings.Contains(named.ids(), id))
		})
	}
	both(shop)
	both(other)
	both("4000001") // under "*", one that appears later begins with its first
	both("4000001")
	// One that is added later begins behind its last.
	one.Merchants = []string{shop, other, "5000001"}
	b.must(s.Set([]webhook.Endpoint{all, one}))
	b.eventually("the merchant is begun", func() bool {
		return b.rdb.HExists(b.Context(), record.WebhookKeysOf(one.Queue()).Positions, other).Val()
	})
	both(other)
	both("5000001") // has none yet
	// Also where the endpoint had "*" before.
	all.Merchants = []string{shop}
	b.must(s.Set([]webhook.Endpoint{all, one}))
	last := b.ends(shop, "B", "done")
	b.eventually("it is delivered to both", func() bool { return strings.Contains(r.ids(), last) && strings.Contains(named.ids(), last) })
	b.ends("6000001", "BEFORE", "done")
	all.Merchants = []string{shop, "6000001"}
	b.must(s.Set([]webhook.Endpoint{all, one}))
	b.eventually("the merchant is begun", func() bool {
		return b.rdb.HExists(b.Context(), record.WebhookKeysOf(all.Queue()).Positions, "6000001").Val()
	})
	after := b.ends("6000001", "AFTER", "done")
	b.eventually("it is delivered", func() bool { return strings.Contains(r.ids(), after) })
	b.idle(all)
	b.idle(one)
	if got, want := r.ids(), strings.Join(append(wantAll, last, after), " "); got != want {
		t.Errorf("the one for all got\n%s, want\n%s", got, want)
	}
	if got, want := named.ids(), strings.Join(append(wantOne, last), " "); got != want {
		t.Errorf("the other one got\n%s, want\n%s", got, want)
	}
}

func TestStatesAndTypesAreFiltered(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	r := b.receiver(nil)
	e := r.endpoint("shop")
	e.States, e.Types = []string{"dead", "stopped"}, []string{"b2c:trigger_issue"}
	b.serve(e)
	var want []string
	for i := range 40 {
		for j, state := range record.OutcomeStates() {
			id := b.ends(shop, fmt.Sprintf("T%d.%d", i, j), state)
			if slices.Contains(e.States, state) {
				want = append(want, id)
			}
			b.appends(shop, fmt.Sprintf("b2b.invalid.%s.VG%08d.2019-09-23", shop, i), state)
		}
	}
	b.eventually("those that are wanted are delivered", func() bool { return len(r.got()) >= len(want) })
	b.forwarded(e, shop) // behind the last one, which is not wanted
	b.idle(e)
	if again := r.came(want); again > 0 {
		t.Errorf("%d came again", again)
	}
}

func TestRetryAfterLeavesTheWholeEndpointAlone(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	r := b.receiver(func(_ got, n int) int {
		if n == 1 {
			return http.StatusTooManyRequests
		}
		return http.StatusOK
	})
	r.retryAfter = "3600"
	e := r.endpoint("shop")
	b.serve(e)
	want := []string{b.ends(shop, "A", "done")}
	b.eventually("it is to be left alone", func() bool { return b.status(e).Resume != nil })
	for i := range 10 {
		want = append(want, b.ends(shop, fmt.Sprintf("B%d", i), "done"))
	}
	b.eventually("all wait", func() bool { return b.status(e).Waiting == len(want) })
	left := time.Until(*b.status(e).Resume)
	if n := len(r.got()); n != 1 || left < 58*time.Minute || left > time.Hour {
		t.Errorf("%d requests came, and it is left alone for %s", n, left)
	}
	b.tryAgain(e)
	b.eventually("all wait again", func() bool { return b.status(e).Waiting == len(want) && b.status(e).Pending == 0 })
	if n := len(r.got()); n != 1 {
		t.Errorf("%d requests came meanwhile", n)
	}
	b.enable(e)
	b.eventually("all are delivered", func() bool { return len(r.got()) == 1+len(want) })
	b.idle(e)
}

func TestTheIntervalIsKeptByAllProcessesTogether(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	r := b.receiver(nil)
	e := r.endpoint("shop")
	e.Interval = 400 * time.Millisecond
	b.serve(e)
	b.process(e)
	begun := time.Now()
	const n = 12 // more than can wait in place
	for i := range n {
		b.ends(shop, fmt.Sprintf("T%d", i), "done")
	}
	b.eventually("all are delivered", func() bool { return len(r.got()) >= n })
	b.idle(e)
	got := r.got()
	slices.SortFunc(got, byTime)
	// The nth is never before its place, however late this machine is.
	for i, g := range got {
		if place := time.Duration(i) * e.Interval; g.at.Sub(begun) < place-10*time.Millisecond {
			t.Errorf("request %d came after %s, its place is at %s", i, g.at.Sub(begun), place)
		}
	}
}

func byTime(a, b got) int { return a.at.Compare(b.at) }

func TestSoManyDeliveriesAreOpenAtMost(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	r := b.receiver(nil)
	e := r.endpoint("shop")
	b.serve(e)
	want := []string{b.ends(shop, "A", "done")}
	b.eventually("the queue is used", func() bool { return len(r.got()) == 1 })
	b.idle(e)
	// As many as there may be, which are never due.
	var many []redis.Z
	for i := range webhook.MaxOpen {
		many = append(many, redis.Z{Score: 1e12, Member: fmt.Sprintf("out_x_%d", i)})
	}
	key := asynqx.Key(e.Queue(), asynqx.Retry)
	b.must(b.rdb.ZAdd(t.Context(), key, many...).Err())
	// A look may have counted before. The lead is kept between two looks.
	left := b.rdb.PTTL(t.Context(), record.WebhookKeysOf(e.Queue()).Leader).Val()
	b.eventually("the lead is kept once more", func() bool {
		before := left
		left = b.rdb.PTTL(t.Context(), record.WebhookKeysOf(e.Queue()).Leader).Val()
		return left > before
	})
	position := b.rdb.HGet(t.Context(), record.WebhookKeysOf(e.Queue()).Positions, shop).Val()
	for i := range 5 {
		want = append(want, b.ends(shop, fmt.Sprintf("B%d", i), "done"))
	}
	// A look takes at most a second, and leaves no trace: two more of another endpoint are a clock.
	clock := b.receiver(nil)
	tick := clock.endpoint("clock")
	b.process(tick)
	b.adopted(tick)
	for i := range 3 {
		want = append(want, b.ends(shop, fmt.Sprintf("C%d", i), "done"))
		b.eventually("the other endpoint has it", func() bool { return len(clock.got()) > i })
		b.idle(tick)
	}
	if now := b.rdb.HGet(t.Context(), record.WebhookKeysOf(e.Queue()).Positions, shop).Val(); now != position || len(r.got()) != 1 {
		t.Errorf("%d are delivered, and the position went from %s to %s", len(r.got()), position, now)
	}
	b.must(b.rdb.Del(t.Context(), key).Err())
	b.eventually("it goes on", func() bool { return len(r.got()) >= len(want) })
	b.idle(e)
	if again := r.came(want); again > 0 {
		t.Errorf("%d came again", again)
	}
}

func TestEndpointsMayChangeWhileTheyAreServed(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	r, o := b.receiver(nil), b.receiver(nil)
	e, keeps := r.endpoint("changes"), o.endpoint("stays")
	s := b.serve(e, keeps)
	second, err := webhook.ParseKey(ofBytes(32))
	b.must(err)
	var want []string
	for i := range 240 {
		want = append(want, b.ends(shop, fmt.Sprintf("T%d", i%30), "done"))
		if i%20 != 10 {
			continue
		}
		b.eventually("some are delivered", func() bool { return r.distinct() > i-30 })
		list := []webhook.Endpoint{keeps}
		switch e2 := e; i / 20 % 4 {
		case 0:
			e2.Secrets = append(slices.Clone(e.Secrets), second)
			list = append(list, e2)
		case 1:
			e2.InFlight = 1
			list = append(list, e2)
		case 2: // it is gone
		case 3:
			list = append(list, e)
		}
		b.must(s.Set(list))
		if len(list) == 1 {
			b.must(s.Set([]webhook.Endpoint{keeps, e}))
		}
	}
	b.eventually("all are delivered", func() bool { return r.distinct() >= len(want) && o.distinct() >= len(want) })
	b.idle(e)
	b.idle(keeps)
	if again := r.came(want) + o.came(want); again > 0 {
		t.Errorf("%d came again", again)
	}
	two := 0
	for _, g := range r.got() {
		if strings.Count(g.signature, "v1,") == 2 {
			two++
		}
	}
	if two == 0 || two == len(r.got()) {
		t.Errorf("%d of %d requests have two signatures", two, len(r.got()))
	}
	for _, g := range o.got() {
		if strings.Count(g.signature, "v1,") != 1 {
			t.Errorf("the other endpoint has the signatures %s", g.signature)
		}
	}
}
