package gate_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/tasks/record"
	"github.com/ecpayq/ecpayq/worker/gate"
)

func TestWhileRedisIsFullNothingBeginsAndWhatAnAttemptBringsIsRecorded(t *testing.T) {
	t.Parallel()
	g, rdb, _ := newGate(t)
	exits := gate.NewEgress(rdb, "exit", 0)
	dead, banned, denied, done := attempt(trigger, "DEAD"), attempt("b2b.invalid.2000132.VG1.2026-01-01", "BANNED"),
		attempt("b2b.invalid.2000132.VG2.2026-01-01", "DENIED"), attempt("b2b.invalid.2000132.VG3.2026-01-01", "DONE")
	now := time.Now()
	for _, a := range []gate.Attempt{dead, banned, denied, done} {
		begin(t, g, a, now)
		enter(t, g, a, now)
	}
	if err := rdb.ConfigSet(t.Context(), "maxmemory", "1").Err(); err != nil {
		t.Fatal(err)
	}

	before := dump(t, rdb)
	next := attempt("b2b.invalid.2000132.VG4.2026-01-01", "NEXT")
	second := write(now)
	second.Name = "2"
	_, notBegun := g.Begin(t.Context(), next, now)
	_, _, notBegunWith := g.BeginWith(t.Context(), next, now, gate.FirstRequest{Request: write(now), Longest: time.Second})
	_, notEntered := g.Enter(t.Context(), done, second)
	for step, err := range map[string]error{"Begin": notBegun, "BeginWith": notBegunWith, "Enter": notEntered} {
		if !redis.HasErrorPrefix(err, "OOM") {
			t.Errorf("%s on a full Redis: %v, want OOM", step, err)
		}
	}
	if diff := cmp.Diff(before, dump(t, rdb)); diff != "" {
		t.Errorf("what is refused changes something (-before +after):\n%s", diff)
	}

	leave(t, g, dead, gate.Result{
		State: record.Dead, Settled: true, Kind: ecpay.Rejected, RtnCode: 2103005,
		Task: &gate.Task{Type: "b2c:trigger_issue", Queue: "trigger_issue", Payload: []byte("{}")},
	})
	leave(t, g, banned, gate.Result{State: record.Held, Banned: time.Minute, BanWhy: "403", Held: true, Kind: ecpay.Throttled})
	if _, _, err := g.Answered(t.Context(), denied, "B2B:fingerprint", gate.KeysRefused, "115"); err != nil {
		t.Errorf("refused keys are not recorded: %v", err)
	}
	leave(t, g, denied, gate.Result{State: record.Held, Held: true, Kind: ecpay.Denied})
	leave(t, g, done, gate.Result{State: record.Done, Settled: true, DoneTTL: time.Hour, Kind: ecpay.OK})
	for merchant := range 3 {
		if s, err := exits.Forbidden(t.Context(), banned, string(rune('A'+merchant)), time.Minute); err != nil ||
			merchant == 2 && s.Why != gate.ForAddress {
			t.Errorf("403 for merchant %d of 3: %+v, %v", merchant, s, err)
		}
	}
	for what, n := range map[string]int64{
		"dead letter":                     rdb.ZCard(t.Context(), record.DeadKey(trigger)).Val(),
		"its owner":                       rdb.ZCard(t.Context(), record.OwnersKey).Val(),
		"finish marker":                   rdb.Exists(t.Context(), record.DoneKey(done.Keys.ID)).Val(),
		"merchant that waits":             rdb.ZCard(t.Context(), record.MerchantsKey).Val(),
		"merchant with a trouble of keys": rdb.ZCard(t.Context(), record.DeniedKey).Val(),
	} {
		if n != 1 {
			t.Errorf("%s: %d, want 1", what, n)
		}
	}
}
