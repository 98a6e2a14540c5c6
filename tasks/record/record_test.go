package record

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/internal/asynqx"
	"github.com/ecpayq/ecpayq/internal/redisx"
	"github.com/ecpayq/ecpayq/tasks"
)

const id = "b2c.trigger_issue.2000132.T1"

func newRedis(t *testing.T) *redis.Client {
	t.Helper()
	rdb := redis.NewClient(&redis.Options{Addr: miniredis.RunT(t).Addr()})
	t.Cleanup(func() { _ = rdb.Close() })
	return rdb
}

func TestKeysOfOneMerchantShareASlot(t *testing.T) {
	t.Parallel()
	for in, tag := range map[string]string{
		id:                                 "{2000132}",
		"b2b.invalid.2000132.VG1.2026":     "{2000132}",
		"by other means":                   "{-}",
		"b2c.trigger_issue.{x}.T1":         "{-}",
		"b2c.issue_it.2000132.T1":          "{-}",
		"b2c.trigger_issue.~7D.T1":         "{-}",
		"":                                 "{-}",
		"b2c.trigger_issue.20~2E32.{evil}": "{20.32}",
	} {
		for _, key := range []string{TaskKey(in), DoneKey(in)} {
			if !strings.HasPrefix(key, "ecpayq:1:"+tag+":") || strings.IndexByte(key, '{') != len("ecpayq:1:") {
				t.Errorf("key of %q is %q, want tag %s", in, key, tag)
			}
		}
		cluster := redis.NewClusterClient(&redis.ClusterOptions{})
		k := KeysOfTask(in)
		got := []string{k.ID, k.Owner, k.Task, k.Done, k.Lock, k.Dead,
			k.Replication(redisx.Topology{}), k.Replication(redisx.TopologyOf(cluster))}
		want := []string{in, Owner(in), TaskKey(in), DoneKey(in), LockKey(in), DeadKey(in),
			ReplicationKey(redisx.Topology{}, in), ReplicationKey(redisx.TopologyOf(cluster), in)}
		if diff := cmp.Diff(want, got); diff != "" || k.MerchantKeys != KeysOf(Owner(in)) {
			t.Errorf("keys of %q are %+v (-want +got):\n%s", in, k, diff)
		}
		typ, _, _ := tasks.ParseID(in)
		if other := typ.UndoneByOf(in); other == "" && k.Undone != "" || other != "" && k.Undone != DoneKey(other) {
			t.Errorf("%q is undone at %q", in, k.Undone)
		}
	}
}

func TestStateOfATask(t *testing.T) {
	t.Parallel()
	in := func(state string) *asynqx.Task { return &asynqx.Task{State: state} }
	for name, tc := range map[string]struct {
		info *asynqx.Task
		rec  State
		want string
	}{
		"new":                         {in(asynqx.Pending), "", StatePending},
		"scheduled":                   {in(asynqx.Scheduled), "", StateScheduled},
		"running":                     {in(asynqx.Active), Active, StateActive},
		"waits for a retry":           {in(asynqx.Retry), Retry, StateRetry},
		"waits for the lock":          {in(asynqx.Retry), "", StateHeld},
		"held":                        {in(asynqx.Retry), Held, StateHeld},
		"its worker died":             {in(asynqx.Retry), Active, StateRetry},
		"dead":                        {in(asynqx.Archived), Dead, StateDead},
		"run again":                   {in(asynqx.Pending), Dead, StatePending},
		"done":                        {in(asynqx.Completed), Done, StateCompleted},
		"done and forgotten by asynq": {nil, Done, StateCompleted},
		"dead and trimmed by asynq":   {nil, Dead, StateDead},
		"deleted in asynq":            {nil, Held, StateMissing},
	} {
		if got := stateOf(tc.info, Record{State: tc.rec}); got != tc.want {
			t.Errorf("%s: %s, want %s", name, got, tc.want)
		}
		if ended := (Task{State: tc.want}).Ended(); ended != (tc.want == StateCompleted || tc.want == StateDead || tc.want == StateMissing) {
			t.Errorf("%s: Ended is %v", tc.want, ended)
		}
	}
}

func TestReaderFindsWhatAsynqForgot(t *testing.T) {
	t.Parallel()
	rdb := newRedis(t)
	ctx := t.Context()
	r := NewReader(rdb)
	if _, err := r.Get(ctx, id); !errors.Is(err, ErrNotFound) {
		t.Errorf("nothing is there: %v", err)
	}
	if _, err := r.Get(ctx, "no id"); err == nil || errors.Is(err, ErrNotFound) {
		t.Errorf("no id: %v", err)
	}
	rdb.Set(ctx, DoneKey(id), 1, time.Hour)
	if task, err := r.Get(ctx, id); err != nil || task.State != StateCompleted || task.Kind != nil {
		t.Errorf("only the finish marker is left: %+v, %v", task, err)
	}
	rdb.HSet(ctx, TaskKey(id), FieldState, "dead", FieldAttempts, 3, FieldKind, "Rejected",
		FieldRtn, 2103005, FieldMsg, "錯", FieldLast, 1_700_000_000_000, FieldResult, `{"a":1}`)
	task, err := r.Get(ctx, id)
	rejected, last := ecpay.Rejected, time.UnixMilli(1_700_000_000_000)
	want := Task{ID: id, Type: "b2c:trigger_issue", Queue: "trigger_issue", MerchantID: "2000132", State: StateDead,
		Attempts: 3, Kind: &rejected, RtnCode: 2103005, RtnMsg: "錯", Result: []byte(`{"a":1}`), LastAt: &last}
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, task); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestRecordThatSomebodyElseWroteReads(t *testing.T) {
	t.Parallel()
	rdb := newRedis(t)
	rdb.HSet(t.Context(), TaskKey(id), FieldAttempts, "many", FieldKind, "Fancy", FieldResult, "{", FieldInFlight, "-3")
	r, err := Get(t.Context(), rdb, id)
	if err != nil || r.Attempts != 0 || r.Kind != ecpay.Unknown || r.Result != nil || !r.InFlight.IsZero() {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestReaderObeysItsContext(t *testing.T) {
	t.Parallel()
	rdb := newRedis(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := NewReader(rdb).Get(ctx, id); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}
