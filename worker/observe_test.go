package worker

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/ecpay/ecpaytest"
	"github.com/ecpayq/ecpayq/tasks"
	"github.com/ecpayq/ecpayq/tasks/record"
	"github.com/ecpayq/ecpayq/worker/gate"
)

func TestEveryHoldHasAWordForWhatItWaitsFor(t *testing.T) {
	t.Parallel()
	hold := func(k ecpay.Kind, reason Reason) Verdict { return Verdict{Action: Hold, Kind: k, Reason: reason} }
	seen := map[Wait]bool{}
	for _, row := range []struct {
		v    Verdict
		want Wait
	}{
		{Verdict{Action: Done}, ""},
		{Verdict{Action: Retry, Kind: ecpay.Unavailable}, ""},
		{Verdict{Action: Dead, Kind: ecpay.Denied}, ""},
		{queued(gate.ForTurn, time.Minute, 0), WaitTurn},
		{queued(gate.ForBan, time.Minute, 0), WaitBan},
		{queued(gate.ForAddress, time.Minute, 0), WaitBan},
		{queued(gate.ForOutage, time.Minute, 0), WaitOutage},
		{queued(gate.ForRate, time.Minute, 0), WaitTurn},
		{queued(gate.ForDenial, time.Minute, 0).of("1a2b3c4d"), WaitKeys},
		{hold(ecpay.Unavailable, reasonBusy), WaitSubject},
		{hold(ecpay.Throttled, reasonThrottled), WaitBan},
		{hold(ecpay.Denied, reasonDenied), WaitKeys},
		{hold(ecpay.Operator, reasonOperator), WaitOperator},
		{hold(ecpay.Ambiguous, reasonFence), WaitAnswer},
		{hold(ecpay.OK, reasonUnconfirmed), WaitCounterparty},
		{hold(ecpay.NotFound, reasonUnissued), WaitIssue},
		{hold(ecpay.Unknown, reasonNewer).saying(record.Plain("x")), WaitNewerWorker},
		{hold(ecpay.Unknown, reasonSealed), WaitPayloadKey},
		{(&handler{random: func() float64 { return 0 }}).redisAway(errors.New("x")), WaitRedis},
		{hold(ecpay.Rejected, 0), WaitOther},
	} {
		if got := row.v.Wait(); got != row.want {
			t.Errorf("%+v: got %q, want %q", row.v, got, row.want)
		}
		seen[row.want] = true
	}
	for _, w := range Waits() {
		if !seen[w] {
			t.Errorf("nothing waits for %q", w)
		}
	}
}

func TestEveryReasonIsToldInEachLanguageAlone(t *testing.T) {
	t.Parallel()
	han := func(s string) bool {
		return strings.ContainsFunc(s, func(r rune) bool { return unicode.Is(unicode.Han, r) })
	}
	for _, r := range Reasons() {
		if text := r.Text(); text.En == "" || han(text.En) || !han(text.Zh) && r != reasonRedis {
			t.Errorf("reason %d: %+v", r, text)
		}
	}
	long := Verdict{Action: Dead, Kind: ecpay.Denied, Reason: reasonDenied}.of("1a2b3c4d").unaccounted(true, false).Text()
	if !strings.HasSuffix(long.En, "ask ECPay; key fingerprint 1a2b3c4d") ||
		han(long.En) || !strings.HasSuffix(long.Zh, "洽綠界；金鑰指紋 1a2b3c4d") || !han(long.Zh) {
		t.Errorf("of two reasons and a key: %+v", long)
	}
}

func TestAnAttemptIsObservedFromItsStartToItsEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	x := writes()["void"]
	if err := x.stage(w.fake); err != nil {
		t.Fatal(err)
	}
	w.fake.Inject(ecpaytest.Match{Operation: "B2B Invalid"}, ecpaytest.Fault{RtnCode: 9000001})
	type key struct{}
	var started []string
	var got []Finished
	w.h.observer.Start = func(ctx context.Context, typ string, carrier map[string]string) context.Context {
		started = append(started, fmt.Sprint(typ, carrier))
		return context.WithValue(ctx, key{}, len(started))
	}
	w.h.observer.Attempt = func(ctx context.Context, f Finished) {
		if n, _ := ctx.Value(key{}).(int); n != len(started) {
			t.Error("the context is not that of the start")
		}
		if f.Duration <= 0 {
			t.Errorf("took %s", f.Duration)
		}
		f.Duration = 0
		got = append(got, f)
	}
	j := w.job(x.payload)
	j.headers = tasks.Headers{Enqueued: w.clock(), Nonce: "N", Trace: map[string]string{"traceparent": "a trace"}}.Map()
	w.once(j)
	w.advance(36 * time.Hour)
	w.once(j)
	want := []Finished{
		{ID: j.id, Type: j.typeName, Queue: j.queue, Attempt: 1, Verdict: got[0].Verdict},
		{ID: j.id, Type: j.typeName, Queue: j.queue, Attempt: 2, Verdict: Verdict{Action: Done}, Age: 0.5},
	}
	want[1].Verdict.Kind = ecpay.OK
	if diff := cmp.Diff(want, got); diff != "" || got[0].Verdict.Action != Retry {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"b2b:invalidmap[traceparent:a trace]", "b2b:invalidmap[traceparent:a trace]"}, started); diff != "" {
		t.Errorf("started (-want +got):\n%s", diff)
	}
}

func TestWhatAsynqLosesIsObserved(t *testing.T) {
	t.Parallel()
	var lost []string
	o := Observer{Lost: func(l Loss) { lost = append(lost, l.String()) }}.withDefaults()
	log := asynqLogger{zerolog.Nop(), o.Lost}
	log.Warn("Could not remove task id=x type=\"b2b:invalid\" from \"asynq:{invalid}:active\" err: EOF; Will retry syncing")
	log.Warn("Retry exhausted for task id=x")
	log.Warn("something else")
	if diff := cmp.Diff([]string{NotCompleted.String()}, lost); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for err, want := range map[error]Loss{nil: Recorded,
		fmt.Errorf("%w: x", errNotRecorded): NotRecorded, errors.New("superseded"): Superseded} {
		if got := lossOf(err); got != want {
			t.Errorf("%v: got %q, want %q", err, got, want)
		}
	}
}
