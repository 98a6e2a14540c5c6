package worker

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/internal/asynqx"
	"github.com/ecpayq/ecpayq/tasks"
	"github.com/ecpayq/ecpayq/tasks/record"
	"github.com/ecpayq/ecpayq/worker/gate"
)

func typeNamed(t *testing.T, name string) tasks.Type {
	t.Helper()
	typ, ok := tasks.ByName(name)
	if !ok {
		t.Fatalf("no type %s", name)
	}
	return typ
}

// TestVerdictOfEveryKind says what follows from every Kind, for a write that
// must not be repeated, a write that may be, and a read.
func TestVerdictOfEveryKind(t *testing.T) {
	t.Parallel()
	type row struct{ trigger, invalid, cancel, read Action }
	same := func(a Action) row { return row{a, a, a, a} }
	want := map[ecpay.Kind]row{
		ecpay.OK:          same(Done),
		ecpay.AlreadyDone: same(Done),
		ecpay.Rejected:    same(Dead),
		ecpay.NotFound:    {Retry, Dead, Dead, Dead},
		ecpay.Conflict:    same(Dead),
		ecpay.Denied:      same(Hold),
		ecpay.Operator:    same(Hold),
		ecpay.Throttled:   same(Hold),
		ecpay.Stale:       same(Retry),
		ecpay.Unavailable: same(Retry),
		ecpay.Ambiguous:   {Dead, Dead, Retry, Retry},
		ecpay.Unknown:     {Dead, Dead, Retry, Retry},
	}
	p := Policy{}.withDefaults()
	for _, kind := range ecpay.Kinds() {
		row, ok := want[kind]
		if !ok {
			t.Fatalf("no row for %s", kind)
		}
		for typ, action := range map[string]Action{
			"b2c:trigger_issue": row.trigger, "b2b:invalid": row.invalid,
			"b2c:cancel_delay_issue": row.cancel, "b2b:get_allowance_confirm": row.read,
		} {
			t.Run(fmt.Sprint(kind, " ", typ), func(t *testing.T) {
				t.Parallel()
				v := decide(typeNamed(t, typ), &ecpay.Error{Kind: kind}, false, gate.History{Attempts: 1}, p, 0.5)
				if v.Action != action || v.Kind != kind {
					t.Errorf("%s(%s), want %s(%s)", v.Action, v.Kind, action, kind)
				}
				if (v.Action == Dead || v.Action == Hold) && v.Reason == 0 {
					t.Error("no reason for people")
				}
				if v.Action == Hold && v.Delay <= 0 {
					t.Error("a hold without a delay is a hot loop")
				}
			})
		}
	}
}

func TestVerdictByHistory(t *testing.T) {
	t.Parallel()
	p := Policy{}.withDefaults()
	for name, tc := range map[string]struct {
		typ     string
		err     ecpay.Error
		canFind bool
		h       gate.History
		want    Verdict // Reason is not compared
	}{
		"unavailable until the age": {"b2b:invalid", ecpay.Error{Kind: ecpay.Unavailable}, false,
			gate.History{Attempts: 500, Age: 71 * time.Hour}, Verdict{Action: Retry, Delay: 450 * time.Second}},
		"unavailable too old": {"b2b:invalid", ecpay.Error{Kind: ecpay.Unavailable},
			false, gate.History{Attempts: 2, Age: 72 * time.Hour}, Verdict{Action: Dead}},
		"first backoff": {"b2b:invalid", ecpay.Error{Kind: ecpay.Unavailable},
			false, gate.History{Attempts: 1}, Verdict{Action: Retry, Delay: 2500 * time.Millisecond}},
		"third backoff": {"b2b:invalid", ecpay.Error{Kind: ecpay.Unavailable},
			false, gate.History{Attempts: 3}, Verdict{Action: Retry, Delay: 10 * time.Second}},
		"stale once, at once": {"b2b:invalid", ecpay.Error{Kind: ecpay.Stale},
			false, gate.History{Attempts: 1}, Verdict{Action: Retry}},
		"stale twice, as unavailable": {"b2b:invalid", ecpay.Error{Kind: ecpay.Stale}, false,
			gate.History{Attempts: 2, Stale: 1}, Verdict{Action: Retry, Delay: 5 * time.Second}},
		"stale too old": {"b2b:invalid", ecpay.Error{Kind: ecpay.Stale},
			false, gate.History{Attempts: 9, Stale: 1, Age: 72 * time.Hour}, Verdict{Action: Dead}},
		"trigger not found in grace": {"b2c:trigger_issue", ecpay.Error{Kind: ecpay.NotFound}, false,
			gate.History{Attempts: 1, Age: 9 * time.Minute}, Verdict{Action: Retry, Delay: 2500 * time.Millisecond}},
		"trigger not found after grace": {"b2c:trigger_issue", ecpay.Error{Kind: ecpay.NotFound},
			false, gate.History{Attempts: 9, Age: 10 * time.Minute}, Verdict{Action: Dead}},
		"denied, pause not known": {"b2b:invalid", ecpay.Error{Kind: ecpay.Denied}, false,
			gate.History{Attempts: 1, Age: 1000 * time.Hour}, Verdict{Action: Hold, Delay: time.Minute, Pauses: true, Held: true}},
		"denied, with the fleet's pause": {"b2b:invalid", ecpay.Error{Kind: ecpay.Denied, RetryAfter: 8 * time.Minute}, false,
			gate.History{Attempts: 1, Holds: 1000}, Verdict{Action: Hold, Delay: 8 * time.Minute, Pauses: true, Held: true}},
		"operator": {"b2b:invalid", ecpay.Error{Kind: ecpay.Operator}, false,
			gate.History{Attempts: 1, Age: 1000 * time.Hour}, Verdict{Action: Hold, Delay: time.Hour, Pauses: true, Held: true}},
		"throttled": {"b2b:invalid", ecpay.Error{Kind: ecpay.Throttled}, false,
			gate.History{Attempts: 1}, Verdict{Action: Hold, Delay: 30 * time.Minute, Pauses: true, Held: true}},
		"throttled with Retry-After": {"b2b:invalid", ecpay.Error{Kind: ecpay.Throttled, RetryAfter: 90 * time.Second},
			false, gate.History{Attempts: 1}, Verdict{Action: Hold, Delay: 90 * time.Second, Pauses: true, Held: true}},
		"ambiguous, can be asked": {"b2b:invalid", ecpay.Error{Kind: ecpay.Ambiguous},
			true, gate.History{Attempts: 1}, Verdict{Action: Retry, Delay: 2500 * time.Millisecond}},
		"ambiguous, attempts used up": {"b2b:invalid", ecpay.Error{Kind: ecpay.Ambiguous},
			true, gate.History{Attempts: 25}, Verdict{Action: Dead}},
		"unknown, can be asked": {"b2b:invalid", ecpay.Error{Kind: ecpay.Unknown},
			true, gate.History{Attempts: 1}, Verdict{Action: Retry, Delay: 2500 * time.Millisecond}},
		"unknown, attempts used up": {"b2b:get_allowance_confirm",
			ecpay.Error{Kind: ecpay.Unknown}, false, gate.History{Attempts: 25}, Verdict{Action: Dead}},
		"unknown, but proven not to act": {"b2b:invalid", ecpay.Error{Kind: ecpay.Unknown, Execution: ecpay.NotExecuted},
			false, gate.History{Attempts: 1}, Verdict{Action: Retry, Delay: 2500 * time.Millisecond}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := decide(typeNamed(t, tc.typ), &tc.err, tc.canFind, tc.h, p, 0.5)
			got.Reason, got.Words, tc.want.Kind = 0, record.Text{}, tc.err.Kind
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestVerdictAfterAsking(t *testing.T) {
	t.Parallel()
	p := Policy{}.withDefaults()
	none, known0, known3, unknown := tasks.Delay{}, tasks.Delay{Applies: true, Known: true},
		tasks.Delay{Applies: true, Known: true, Days: 3}, tasks.Delay{Applies: true}
	const day = 24 * time.Hour
	type want struct {
		Action         Action
		Delay          time.Duration
		Send, Resolved bool
	}
	for name, tc := range map[string]struct {
		found     finding
		d         tasks.Delay
		retrigger bool
		since     time.Duration
		want      want
	}{
		"shown":                             {shown, none, false, 0, want{Done, 0, false, true}},
		"shown, scheduled":                  {shown, known3, false, 0, want{Done, 0, false, true}},
		"void not shown before the fence":   {notShown, none, false, time.Second, want{Hold, time.Minute, false, false}},
		"void not shown just before":        {notShown, none, false, 11*time.Minute - time.Second, want{Hold, time.Second, false, false}},
		"void not shown after the fence":    {notShown, none, false, 11 * time.Minute, want{0, 0, true, true}},
		"at once, before the fence":         {notShown, known0, false, 0, want{Hold, time.Minute, false, false}},
		"at once, after the fence":          {notShown, known0, false, 12 * time.Minute, want{0, 0, true, true}},
		"scheduled, before the fence":       {notShown, known3, false, 0, want{Hold, time.Minute, false, false}},
		"scheduled, after the fence":        {notShown, known3, false, 12 * time.Minute, want{Hold, 6 * time.Hour, false, false}},
		"scheduled, nearly due":             {notShown, known3, false, 4*day - time.Hour, want{Hold, time.Hour, false, false}},
		"scheduled, overdue":                {notShown, known3, false, 4 * day, want{0, 0, true, true}},
		"scheduled, may re-trigger":         {notShown, known3, true, 12 * time.Minute, want{0, 0, true, false}},
		"delay unknown, before the fence":   {notShown, unknown, false, 0, want{Hold, time.Minute, false, false}},
		"delay unknown, after the fence":    {notShown, unknown, false, 12 * time.Minute, want{Dead, 0, false, false}},
		"delay unknown, may re-trigger":     {notShown, unknown, true, 12 * time.Minute, want{0, 0, true, false}},
		"cannot ask":                        {cannotAsk, known0, false, 12 * time.Minute, want{Dead, 0, false, false}},
		"cannot ask, before the fence":      {cannotAsk, known0, false, 0, want{Dead, 0, false, false}},
		"cannot ask, may re-trigger, early": {cannotAsk, unknown, true, 0, want{Hold, time.Minute, false, false}},
		"cannot ask, may re-trigger":        {cannotAsk, unknown, true, 12 * time.Minute, want{0, 0, true, false}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v, send, resolved := afterAsk(tc.found, tc.d, tc.retrigger, gate.History{InFlight: true, SinceSent: tc.since}, p)
			if diff := cmp.Diff(tc.want, want{v.Action, v.Delay, send, resolved}); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if v.Action == Dead && v.Kind != ecpay.Ambiguous {
				t.Errorf("dead(%s), want dead(Ambiguous)", v.Kind)
			}
		})
	}
}

// TestVerdictAfterALoss: Redis may have lost the mark of a write, and nothing says
// that there was one.
func TestVerdictAfterALoss(t *testing.T) {
	t.Parallel()
	p := Policy{}.withDefaults()
	none, known3, unknown := tasks.Delay{}, tasks.Delay{Applies: true, Known: true, Days: 3}, tasks.Delay{Applies: true}
	for name, tc := range map[string]struct {
		found finding
		d     tasks.Delay
		since time.Duration
		want  Verdict // Reason is not compared
		send  bool
	}{
		"shown": {shown, none, 0, Verdict{Action: Done, Kind: ecpay.AlreadyDone}, false},
		"not shown before the fence": {notShown, none, time.Second,
			Verdict{Action: Hold, Kind: ecpay.Ambiguous, Delay: time.Minute}, false},
		"not shown just before": {notShown, none, 11*time.Minute - time.Second,
			Verdict{Action: Hold, Kind: ecpay.Ambiguous, Delay: time.Second}, false},
		"not shown after the fence":         {notShown, none, 11 * time.Minute, Verdict{}, true},
		"cannot ask":                        {cannotAsk, none, 0, Verdict{}, true},
		"scheduled cannot be seen":          {notShown, known3, 0, Verdict{}, true},
		"of unknown delay cannot be seen":   {notShown, unknown, 0, Verdict{}, true},
		"scheduled and issued all the same": {shown, known3, 0, Verdict{Action: Done, Kind: ecpay.AlreadyDone}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v, send, resolved := afterLoss(tc.found, tc.d, false, gate.History{MarksLost: true, SinceLost: tc.since}, p)
			if v.Action == Hold && v.Reason == 0 {
				t.Error("no reason for people")
			}
			v.Reason = 0
			if diff := cmp.Diff(tc.want, v); diff != "" || send != tc.send {
				t.Errorf("got send %t, want %t (-want +got):\n%s", send, tc.send, diff)
			}
			if told := tc.found == shown || send && tc.found == notShown && atOnce(tc.d); resolved != told {
				t.Errorf("got resolved %t, want %t", resolved, told)
			}
		})
	}
	// A mark that is still there may not be the last one.
	h := gate.History{InFlight: true, SinceSent: time.Hour, MarksLost: true, SinceLost: 10 * time.Minute}
	if v, send, _ := afterAsk(notShown, none, false, h, p); v.Action != Hold || v.Delay != time.Minute || send {
		t.Errorf("an old mark and a loss since: got %s for %s, send %t; want hold for the rest of the fence", v.Action, v.Delay, send)
	}
}

// TestWhatDiesWithAWriteUnaccountedForIsAmbiguous: "dead" of any other kind says
// that there is no effect.
func TestWhatDiesWithAWriteUnaccountedForIsAmbiguous(t *testing.T) {
	t.Parallel()
	for _, kind := range ecpay.Kinds() {
		for _, action := range []Action{Done, Retry, Hold, Dead} {
			v := Verdict{Action: action, Kind: kind, Reason: reasonRejected}
			if got := v.unaccounted(false, false); got != v {
				t.Errorf("%s(%s), nothing open: got %+v, want it unchanged", action, kind, got)
			}
			for _, in := range [][2]bool{{true, false}, {false, true}, {true, true}} {
				got := v.unaccounted(in[0], in[1])
				if action != Dead && got != v {
					t.Errorf("%s(%s), open %t, doubt %t: got %+v, want it unchanged", action, kind, in[0], in[1], got)
				}
				if action == Dead && (got.Kind != ecpay.Ambiguous || !strings.HasSuffix(got.Text().En, reasonRejected.Text().En) ||
					!strings.HasSuffix(got.Text().Zh, reasonRejected.Text().Zh)) {
					t.Errorf("%s(%s), open %t, doubt %t: got %+v, want Ambiguous with the old reason", action, kind, in[0], in[1], got)
				}
			}
		}
	}
}

func TestBackoffIsFullJitterWithinItsBounds(t *testing.T) {
	t.Parallel()
	p := Policy{BackoffBase: 5 * time.Second, BackoffMax: 15 * time.Minute}
	for attempts, ceiling := range map[int]time.Duration{
		0: 5 * time.Second, 1: 5 * time.Second, 2: 10 * time.Second, 8: 640 * time.Second, 9: 15 * time.Minute, 1 << 40: 15 * time.Minute,
	} {
		if got := backoff(p, attempts, 0); got != 0 {
			t.Errorf("attempt %d, jitter 0: %s", attempts, got)
		}
		if got := backoff(p, attempts, 0.999999); got > ceiling || got < ceiling-ceiling/1000 {
			t.Errorf("attempt %d, jitter 1: %s, want just under %s", attempts, got, ceiling)
		}
	}
}

func TestAsynqWords(t *testing.T) {
	t.Parallel()
	hold := toAsynq(Verdict{Action: Hold, Delay: time.Minute}, "x", nil).Err()
	retry := toAsynq(Verdict{Action: Retry, Delay: time.Second}, "x", nil).Err()
	now := toAsynq(Verdict{Action: Hold}, "x", nil).Err()
	dead := toAsynq(Verdict{Action: Dead}, "why", nil).Err()
	lost := toAsynq(Verdict{Action: Done}, "x", errNotRecorded).Err()
	if err := toAsynq(Verdict{Action: Done}, "x", nil).Err(); err != nil {
		t.Errorf("done is %v", err)
	}
	for name, tc := range map[string]struct {
		err     error
		failure bool
		delay   time.Duration
	}{
		// asynq drops what is no whole second, and a hold must not end early.
		"hold":                  {hold, false, time.Minute + 999*time.Millisecond},
		"retry":                 {retry, true, time.Second},
		"a hold of no time":     {now, false, 999 * time.Millisecond},
		"dead":                  {dead, true, time.Second},
		"done but not recorded": {lost, false, notRecordedDelay + 999*time.Millisecond},
		"a lost lease":          {fmt.Errorf("asynq: task lease expired"), true, time.Second},
	} {
		if got := asynqx.Counts(tc.err); got != tc.failure {
			t.Errorf("%s: counts = %v", name, got)
		}
		if got := retryDelay(3, tc.err, nil); got != tc.delay {
			t.Errorf("%s: delay %s, want %s", name, got, tc.delay)
		}
	}
	if got := record.Clip(string(make([]byte, 2000)), maxStoredError); len(got) != maxStoredError {
		t.Errorf("stored error of %d bytes", len(got))
	}
}

func TestTasksWhoseWorkerDiedComeBackApart(t *testing.T) {
	t.Parallel()
	lost := errors.New("asynq: task lease expired")
	seen := map[time.Duration]bool{}
	for range 200 {
		d := retryApart(1, lost, nil)
		if d < retryDelay(1, lost, nil) || d > retryDelay(1, lost, nil)+apartAfterDeath {
			t.Fatalf("a task whose worker died comes back after %s", d)
		}
		seen[d.Truncate(time.Second)] = true // asynq counts in whole seconds
	}
	if len(seen) < 5 {
		t.Errorf("they come back in %d different seconds only", len(seen))
	}
	hold := toAsynq(Verdict{Action: Hold, Delay: time.Minute}, "x", nil).Err()
	if got, want := retryApart(1, hold, nil), retryDelay(1, hold, nil); got != want {
		t.Errorf("a hold takes %s, want %s as ever", got, want)
	}
}
