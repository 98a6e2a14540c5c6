package worker

import (
	"errors"
	"testing"
	"time"

	"github.com/hibiken/asynq"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/ecpay/ecpaytest"
	"github.com/ecpayq/ecpayq/internal/asynqx"
	"github.com/ecpayq/ecpayq/tasks/record"
)

func TestADeadTaskThatTheLedgerDoesNotTakeComesBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.h.timeout = 400 * time.Millisecond
	x := writes()["void"]
	if err := x.stage(w.fake); err != nil {
		t.Fatal(err)
	}
	w.fake.Inject(ecpaytest.Match{Operation: "B2B Invalid"}, ecpaytest.Fault{RtnCode: 2103005, RtnMsg: "x", Times: 2})
	j := w.job(x.payload)
	if err := w.mr.Set(record.DeadKey(j.id), "in the way of the index"); err != nil {
		t.Fatal(err)
	}
	v, text, err := w.h.run(t.Context(), j)
	if v.Action != Dead || !errors.Is(err, errNotRecorded) {
		t.Fatalf("%s, %v", v.Action, err)
	}
	if asynqErr := toAsynq(v, text, err).Err(); errors.Is(asynqErr, asynq.SkipRetry) || asynqx.Counts(asynqErr) {
		t.Errorf("asynq would archive it: %v", asynqErr)
	}
	w.mr.Del(record.DeadKey(j.id))
	w.advance(12 * time.Minute) // past the fence: the refusal was not recorded either
	w.h.timeout = 10 * time.Second
	if v := w.once(j); v.Action != Dead || v.Kind != ecpay.Rejected {
		t.Errorf("%s(%s)", v.Action, v.Kind)
	}
	if score, err := w.mr.ZScore(record.DeadKey(j.id), j.id); err != nil || score != float64(w.clock().UnixMilli()) {
		t.Errorf("in the ledger at %v, %v; want now by Redis' clock", score, err)
	}
	if got := w.record(j).Payload; string(got) != string(j.payload) {
		t.Errorf("the ledger has %s", got)
	}
}
