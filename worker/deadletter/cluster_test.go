package deadletter_test

import (
	"testing"
	"time"

	"github.com/ecpayq/ecpayq/enqueue"
	"github.com/ecpayq/ecpayq/internal/asynqx"
	"github.com/ecpayq/ecpayq/internal/asynqx/asynqxtest"
	"github.com/ecpayq/ecpayq/internal/redistest"
	"github.com/ecpayq/ecpayq/tasks"
	"github.com/ecpayq/ecpayq/tasks/ledger"
	"github.com/ecpayq/ecpayq/worker/deadletter"
)

func TestTheLedgerWorksOnARedisCluster(t *testing.T) {
	t.Parallel()
	cluster := redistest.NewCluster(t, 3)
	rdb := cluster.Client()
	producer, err := enqueue.New(enqueue.Config{Redis: rdb})
	if err != nil {
		t.Fatal(err)
	}
	const n = 12
	for i := range n {
		p := void(number(i))
		p.MerchantID = []string{"1000001", "1000002", "1000003"}[i%3]
		r, err := producer.Invalid(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		if err := asynqxtest.GiveUp(t.Context(), rdb, queue, r.ID); err != nil {
			t.Fatal(err)
		}
		if i%4 == 0 {
			if err := rdb.ZRem(t.Context(), asynqx.Key(queue, "archived"), r.ID).Err(); err != nil {
				t.Fatal(err)
			}
		}
	}
	r, err := deadletter.NewSweeper(deadletter.SweeperConfig{Redis: rdb, Keep: 3, Limit: time.Minute}).Sweep(t.Context())
	if err != nil || r.Copied != n*3/4 || r.Orphans != n/4 || r.Trimmed != n*3/4-3 {
		t.Errorf("%+v, %v", r, err)
	}
	l := deadletter.New(deadletter.Config{Redis: rdb, Interval: tasks.Every(0)})
	listed := 0
	for letter, err := range l.List(t.Context(), deadletter.Filter{Live: true}) {
		if err != nil {
			t.Fatal(err)
		}
		if listed++; listed == 1 {
			if out, err := l.Resolve(t.Context(), letter.ID, "ops", "by hand"); err != nil || out != ledger.Resolved {
				t.Errorf("%s, %v", out, err)
			}
		}
	}
	if listed != n {
		t.Errorf("%d listed, want %d", listed, n)
	}
	got := map[ledger.ActResult]int{}
	err = l.ReplayAll(t.Context(), deadletter.Filter{},
		deadletter.ReplayOptions{Set: map[string]string{"Reason": "x"}}, func(r deadletter.Result) { got[r.ActResult]++ })
	if err != nil || got[ledger.Replayed] != n-1 {
		t.Errorf("%v, %v", got, err)
	}
	if pending := rdb.LLen(t.Context(), asynqx.Key(queue, "pending")).Val(); pending != n-1 {
		t.Errorf("%d pending, want %d", pending, n-1)
	}
}
