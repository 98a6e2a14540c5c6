package gate_test

import (
	"testing"
	"time"

	"github.com/ecpayq/ecpayq/tasks/record"
	"github.com/ecpayq/ecpayq/worker/gate"
	"github.com/ecpayq/ecpayq/worker/merchants"
)

func TestAQuestionWithoutATaskKeepsThePaceOfItsMerchantAndEndsABan(t *testing.T) {
	t.Parallel()
	g, rdb, _ := newGate(t)
	q := gate.NewQuestions(rdb)
	one := gate.Question{MerchantID: "2000132", Token: "doctor:1", Interval: time.Minute, InFlight: 8, Life: time.Second}
	ask := func(r gate.Question) gate.Turn {
		t.Helper()
		turn, err := q.Ask(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		return turn
	}
	over := func(r gate.Question, banned time.Duration) {
		t.Helper()
		if err := q.Over(t.Context(), r, banned, "why"); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 { // a client may repeat a command
		if turn := ask(one); turn.Wait != 0 {
			t.Fatalf("the first: got %+v, want go", turn)
		}
	}
	two := one
	two.Token = "doctor:2"
	if turn := ask(two); turn.Wait < 50*time.Second || turn.Why != gate.ForTurn {
		t.Errorf("the second: got %+v, want the merchant's pace", turn)
	}
	a := attempt(trigger, "A")
	begin(t, g, a, time.Now())
	r := write(time.Now())
	r.Interval = time.Minute
	if turn, err := g.Enter(t.Context(), a, r); err != nil || turn.Wait < 50*time.Second {
		t.Errorf("a task's request after it: got %+v, %v, want the merchant's pace", turn, err)
	}
	if n := rdb.ZCard(t.Context(), record.KeysOf("2000132").Flight).Val(); n != 1 {
		t.Errorf("%d in flight, want 1", n)
	}
	over(one, 0)
	if n := rdb.ZCard(t.Context(), record.KeysOf("2000132").Flight).Val(); n != 0 {
		t.Errorf("%d in flight afterwards, want none", n)
	}

	other := gate.Question{MerchantID: "3000001", Token: "doctor:3", InFlight: 8, Life: time.Second}
	ask(other)
	over(other, time.Hour)
	m, err := merchants.New(rdb).Get(t.Context(), "3000001")
	if err != nil || m.Ban == nil || m.Ban.Why != "why" {
		t.Fatalf("after a ban: got %+v, %v", m, err)
	}
	other.Token = "doctor:4"
	if turn := ask(other); turn.Why != gate.ForBan || turn.Wait < 50*time.Minute {
		t.Errorf("during a ban: got %+v, want its end", turn)
	}
	if m, _ := merchants.New(rdb).Get(t.Context(), "3000001"); m.NextPlace != nil {
		t.Errorf("a question took a place in line: %+v", m)
	}
	// The first one after a ban ends it for all.
	pace := record.KeysOf("3000001").Pace
	if err := rdb.HSet(t.Context(), pace, "ban", time.Now().Add(-time.Second).UnixMicro()).Err(); err != nil {
		t.Fatal(err)
	}
	if turn := ask(other); turn.Wait != 0 {
		t.Fatalf("after the ban: got %+v, want go", turn)
	}
	late := other
	late.Token = "doctor:5"
	if turn := ask(late); turn.Wait == 0 {
		t.Error("a second one went before the first was answered")
	}
	over(other, 0)
	if m, _ := merchants.New(rdb).Get(t.Context(), "3000001"); m.Ban != nil {
		t.Errorf("the ban is still there: %+v", m.Ban)
	}
}
