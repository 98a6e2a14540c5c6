package enqueue

import (
	"context"
	"errors"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/internal/asynqx"
	"github.com/ecpayq/ecpayq/internal/redistest"
	"github.com/ecpayq/ecpayq/tasks"
	"github.com/ecpayq/ecpayq/tasks/record"
)

func void(number, reason string) tasks.B2BInvalid {
	return tasks.B2BInvalid{MerchantID: "2000132", InvoiceNumber: number, InvoiceDate: "2026-11-01", Reason: reason}
}

func trigger(tsr string) tasks.B2CTriggerIssue {
	return tasks.B2CTriggerIssue{MerchantID: "2000132", Tsr: tsr}
}

func newClient(t *testing.T, srv *redistest.Server) *Client {
	t.Helper()
	c, err := New(Config{RedisURL: srv.URL()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func TestEveryOperationIsStoredAsAsynqWantsIt(t *testing.T) {
	t.Parallel()
	srv := redistest.New(t)
	c := newClient(t, srv)
	ctx := t.Context()
	insp := asynq.NewInspectorFromRedisClient(srv.Client())
	for name, call := range map[string]func() (Receipt, error){
		"b2c:trigger_issue": func() (Receipt, error) { return c.TriggerIssue(ctx, trigger("A")) },
		"b2c:cancel_delay_issue": func() (Receipt, error) {
			return c.CancelDelayIssue(ctx, tasks.B2CCancelDelayIssue{MerchantID: "2000132", Tsr: "A"})
		},
		"b2b:invalid": func() (Receipt, error) { return c.Invalid(ctx, void("VG11000002", "r")) },
		"b2b:invalid_confirm": func() (Receipt, error) {
			return c.InvalidConfirm(ctx, tasks.B2BInvalidConfirm{MerchantID: "2000132", InvoiceNumber: "VG11000002", InvoiceDate: "2026/11/01"})
		},
		"b2b:get_allowance_confirm": func() (Receipt, error) {
			return c.GetAllowanceConfirm(ctx, tasks.B2BGetAllowanceConfirm{MerchantID: "2000132", AllowanceNo: "1"})
		},
	} {
		r, err := call()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		typ, _ := tasks.ByName(name)
		info, err := insp.GetTaskInfo(typ.Queue, r.ID)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		want := Receipt{ID: r.ID, Type: name, Queue: typ.Queue, State: "pending"}
		if diff := cmp.Diff(want, r); diff != "" {
			t.Errorf("%s: receipt (-want +got):\n%s", name, diff)
		}
		retention := tasks.DefaultRetention
		if !typ.Operation.Write {
			retention = tasks.QueryRetention
		}
		if info.Type != name || info.MaxRetry != asynqx.MaxRetry || info.Timeout != asynqx.Timeout || info.Retention != retention {
			t.Errorf("%s: stored as %+v", name, info)
		}
		if h := tasks.ParseHeaders(info.Headers); time.Since(h.Enqueued) > time.Minute || h.Nonce == "" || info.Headers["v"] != "1" {
			t.Errorf("%s: headers %v", name, info.Headers)
		}
	}
}

func TestSecondCallIsADuplicateAndSaysWhatDiffers(t *testing.T) {
	t.Parallel()
	srv := redistest.New(t)
	c := newClient(t, srv)
	first, err := c.Invalid(t.Context(), void("VG11000002", "typo"))
	if err != nil || first.Duplicate {
		t.Fatalf("%+v, %v", first, err)
	}
	again, err := c.Invalid(t.Context(), void(" VG11000002", "typo"))
	if want := (Receipt{ID: first.ID, Type: "b2b:invalid", Queue: "invalid", State: "pending", Duplicate: true}); err != nil ||
		!cmp.Equal(again, want) {
		t.Errorf("%+v, %v; want %+v", again, err, want)
	}
	other, err := c.Invalid(t.Context(), void("VG11000002", "mended"))
	if err != nil || !other.Duplicate || !cmp.Equal(other.Differs, []string{"Reason"}) {
		t.Errorf("%+v, %v; want it to differ in Reason", other, err)
	}
	insp := asynq.NewInspectorFromRedisClient(srv.Client())
	if err := insp.ArchiveTask("invalid", first.ID); err != nil {
		t.Fatal(err)
	}
	if r, err := c.Invalid(t.Context(), void("VG11000002", "typo")); err != nil || r.State != record.StateDead || !r.Duplicate {
		t.Errorf("duplicate of a dead task: %+v, %v", r, err)
	}
}

func TestWhatAsynqForgotIsStillADuplicate(t *testing.T) {
	t.Parallel()
	srv := redistest.New(t)
	c := newClient(t, srv)
	rdb := srv.Client()
	p := trigger("A")
	id := tasks.ID(&p)
	rdb.Set(t.Context(), record.DoneKey(id), 1, time.Hour)
	if r, err := c.TriggerIssue(t.Context(), p); err != nil || !r.Duplicate || r.State != record.StateCompleted {
		t.Errorf("%+v, %v; want a duplicate that is completed", r, err)
	}
	if n := rdb.Exists(t.Context(), asynqx.TaskKey("trigger_issue", id)).Val(); n != 0 {
		t.Error("the task was stored again")
	}
	// A query is a new question, whatever was answered before.
	q := tasks.B2BGetAllowanceConfirm{MerchantID: "2000132", AllowanceNo: "1"}
	rdb.Set(t.Context(), record.DoneKey(tasks.ID(&q)), 1, time.Hour)
	if r, err := c.GetAllowanceConfirm(t.Context(), q); err != nil || r.Duplicate || r.State != record.StatePending {
		t.Errorf("%+v, %v; want a new task", r, err)
	}
}

func TestManyProducersAtOnceStoreOneTask(t *testing.T) {
	t.Parallel()
	srv := redistest.New(t)
	var stored atomic.Int32
	var wg sync.WaitGroup
	for range 8 {
		c := newClient(t, srv)
		wg.Go(func() {
			r, err := c.TriggerIssue(context.Background(), trigger("SAME"))
			if err != nil {
				t.Error(err)
			} else if !r.Duplicate {
				stored.Add(1)
			}
		})
	}
	wg.Wait()
	if stored.Load() != 1 {
		t.Errorf("%d producers were told that they stored the task, want 1", stored.Load())
	}
}

func TestProcessAtSchedules(t *testing.T) {
	t.Parallel()
	srv := redistest.New(t)
	c := newClient(t, srv)
	at := time.Now().Add(time.Hour).Truncate(time.Second)
	r, err := c.TriggerIssue(t.Context(), trigger("A"), ProcessAt(at))
	if err != nil || r.State != record.StateScheduled {
		t.Fatalf("%+v, %v", r, err)
	}
	task, err := c.Task(t.Context(), r.ID)
	if err != nil || task.NextAt == nil || !task.NextAt.Equal(at) || !tasks.ParseHeaders(task.Headers).ProcessAt.Equal(at) {
		t.Errorf("%+v, %v", task, err)
	}
	if r, err := c.TriggerIssue(t.Context(), trigger("B"), ProcessIn(time.Hour)); err != nil || r.State != record.StateScheduled {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestInvalidFieldStoresNothing(t *testing.T) {
	t.Parallel()
	srv := redistest.New(t)
	c := newClient(t, srv)
	_, err := c.Invalid(t.Context(), void("VG1", ""))
	var v *ecpay.ValidationError
	if !errors.As(err, &v) || len(v.Fields) != 2 || errors.Is(err, ErrRedis) {
		t.Errorf("%v", err)
	}
	if n := srv.Client().DBSize(t.Context()).Val(); n != 0 {
		t.Errorf("%d keys in Redis, want 0", n)
	}
}

func TestRedisAwayFailsWithinTheDeadline(t *testing.T) {
	t.Parallel()
	frozen := redistest.New(t)
	own := newClient(t, frozen)
	// A client of the caller's whose commands ignore their context.
	deaf := redis.NewClient(&redis.Options{Addr: frozen.Addr(), ReadTimeout: 30 * time.Second})
	t.Cleanup(func() { _ = deaf.Close() })
	theirs, err := New(Config{Redis: deaf})
	if err != nil {
		t.Fatal(err)
	}
	if err := deaf.Ping(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	frozen.Freeze()
	t.Cleanup(frozen.Thaw)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := ln.Addr().String()
	_ = ln.Close()
	gone, err := New(Config{RedisURL: "redis://" + nobody})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = gone.Close() })
	for name, c := range map[string]*Client{"frozen": own, "frozen, client that ignores contexts": theirs, "nobody listens": gone} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
			defer cancel()
			start := time.Now()
			_, err := c.TriggerIssue(ctx, trigger("A"))
			if !errors.Is(err, ErrRedis) {
				t.Errorf("error %v, want ErrRedis", err)
			}
			if took := time.Since(start); took > 3*time.Second { // ten times the deadline: not a measurement, a hang
				t.Errorf("took %s", took)
			}
		})
	}
}

func TestRedisThatRefusesIsAnError(t *testing.T) {
	t.Parallel()
	srv := redistest.New(t)
	c := newClient(t, srv)
	if err := srv.Client().ConfigSet(t.Context(), "maxmemory", "1").Err(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.TriggerIssue(t.Context(), trigger("A")); !errors.Is(err, ErrRedis) {
		t.Errorf("error %v, want ErrRedis", err)
	}
}

func TestRemnantsAreStuckAndNeverADuplicate(t *testing.T) {
	t.Parallel()
	for name, leave := range map[string]func(ctx context.Context, rdb *redis.Client, key, id string){
		"result only": func(ctx context.Context, rdb *redis.Client, key, _ string) {
			rdb.Del(ctx, key)
			rdb.HSet(ctx, key, "result", "x")
		},
		"state without a task":   func(ctx context.Context, rdb *redis.Client, key, _ string) { rdb.HDel(ctx, key, "msg") },
		"a message that is none": func(ctx context.Context, rdb *redis.Client, key, _ string) { rdb.HSet(ctx, key, "msg", "none") },
		"archived, not listed": func(ctx context.Context, rdb *redis.Client, _, id string) {
			_ = asynq.NewInspectorFromRedisClient(rdb).ArchiveTask("trigger_issue", id)
			rdb.ZRem(ctx, "asynq:{trigger_issue}:archived", id)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := redistest.New(t)
			c := newClient(t, srv)
			r, err := c.TriggerIssue(t.Context(), trigger("A"))
			if err != nil {
				t.Fatal(err)
			}
			leave(t.Context(), srv.Client(), "asynq:{trigger_issue}:t:"+r.ID, r.ID)
			if got, err := c.TriggerIssue(t.Context(), trigger("A")); !errors.Is(err, ErrStuck) {
				t.Errorf("%+v, %v; want ErrStuck", got, err)
			}
		})
	}
}

func TestConfigIsChecked(t *testing.T) {
	t.Parallel()
	rdb := redis.NewClient(&redis.Options{})
	t.Cleanup(func() { _ = rdb.Close() })
	for name, cfg := range map[string]Config{
		"nothing":          {},
		"both":             {RedisURL: "redis://127.0.0.1", Redis: rdb},
		"bad URL":          {RedisURL: "http://127.0.0.1"},
		"negative timeout": {Redis: rdb, Timeout: -1},
	} {
		if _, err := New(cfg); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestParseRedisURL(t *testing.T) {
	t.Parallel()
	type want struct {
		Addrs            []string
		User, Pass       string
		DB               int
		Master, Sentinel string
		Cluster, TLS     bool
	}
	for in, w := range map[string]*want{
		"redis://127.0.0.1:6379/0":               {Addrs: []string{"127.0.0.1:6379"}},
		"redis://u:p@h/3":                        {Addrs: []string{"h:6379"}, User: "u", Pass: "p", DB: 3},
		"redis://:p@h:1?db=4":                    {Addrs: []string{"h:1"}, Pass: "p", DB: 4},
		"rediss://h":                             {Addrs: []string{"h:6379"}, TLS: true},
		"unix:///run/r.sock?db=2":                {Addrs: []string{"/run/r.sock"}, DB: 2},
		"redis-sentinel://a,b:2/1?master=m":      {Addrs: []string{"a:26379", "b:2"}, DB: 1, Master: "m"},
		"redis-sentinel://a?sentinel_password=s": {Addrs: []string{"a:26379"}, Master: "mymaster", Sentinel: "s"},
		"redis-cluster://a:1,b:2":                {Addrs: []string{"a:1", "b:2"}, Cluster: true},
		"rediss-cluster://a:1":                   {Addrs: []string{"a:1"}, Cluster: true, TLS: true},
		"redis://[::1]:7":                        {Addrs: []string{"[::1]:7"}},
		"redis-cluster://a/1":                    nil,
		"redis://a,b":                            nil,
		"redis://":                               nil,
		"redis://h/x":                            nil,
		"redis://h?nope=1":                       nil,
		"redis://h/1?db=2":                       nil,
		"redis://h?db=1&db=1":                    nil,
		"redis://h?ca_file=/etc/ca.pem":          nil,
		"redis://h?master=m":                     nil,
		"redis-cluster://h?sentinel_password=s":  nil,
		"redis://u:a%2Fb%23c%40d%25@h":           {Addrs: []string{"h:6379"}, User: "u", Pass: "a/b#c@d%"},
		"unix:///run/a@b.sock":                   {Addrs: []string{"/run/a@b.sock"}},
		"http://h":                               nil,
		"unix://":                                nil,
		"rediss://h?ca_file=/does/not/exist":     nil,
		"rediss://h?ca_file=/dev/zero":           nil,
		"::":                                     nil,
		"":                                       nil,
	} {
		o, err := ParseRedisURL(in)
		if (err == nil) != (w != nil) {
			t.Errorf("%s: %v", in, err)
			continue
		}
		if err != nil {
			continue
		}
		if !o.DisableIdentity {
			t.Errorf("%s: the client would send CLIENT SETINFO, which the documented Redis user may not", in)
		}
		got := want{o.Addrs, o.Username, o.Password, o.DB, o.MasterName, o.SentinelPassword, o.IsClusterMode, o.TLSConfig != nil}
		if diff := cmp.Diff(*w, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", in, diff)
		}
	}
}

func TestAPasswordThatIsNotEncodedIsSaidToBeAndNotQuoted(t *testing.T) {
	t.Parallel()
	for _, in := range []string{
		"redis://:s3cret/word@h:6379/0", "redis://:12/s3cret@h:6379/0",
		"redis://:s3cret#word@h:6379", "redis://:12#s3cret@h", "redis://u:s3cret?word@h",
		"redis://:s3cret%word@h", "redis://:s3cret word@h", "redis://:s3cret[word@h",
		"redis-sentinel://:s3cret^word@h,g", "redis://h?sentinel_password=s3cret%",
	} {
		if _, err := ParseRedisURL(in); !errors.Is(err, ErrURLEncoding) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: got %v, want that a character must be percent-encoded, and no word of the password", in, err)
		}
	}
	for _, in := range []string{"redis://:12?s3cret-word@h", "redis://:12?s3cret@h=1"} {
		if _, err := ParseRedisURL(in); err == nil || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: got %v, want an error with no word of the password", in, err)
		}
	}
}

func TestAnUnknownOptionOfARedisURLIsAnErrorThatListsTheKnownOnes(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"redis://h?cafile=x":  `redis URL has an option "cafile"; options are master, sentinel_username, sentinel_password, ca_file, db`,
		"redis://h?ca_file=x": "redis URL has the option ca_file, which applies to rediss://, rediss-sentinel://, rediss-cluster:// only",
		"redis://h?db=1&db=2": "redis URL has the option db twice",
		"redis://h/1?db=2":    "redis URL names a database twice: after the host, and as db",
	} {
		if _, err := ParseRedisURL(in); err == nil || err.Error() != want {
			t.Errorf("%s: got %v, want %s", in, err, want)
		}
	}
}

func BenchmarkEnqueue(b *testing.B) {
	srv, err := redistest.Start(b.Context(), redistest.Options{AppendFsync: "no"})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = srv.Stop() })
	c, err := New(Config{RedisURL: srv.URL()})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = c.Close() })
	nonce := tasks.NewNonce()
	n := 0
	for b.Loop() {
		n++
		if _, err := c.TriggerIssue(b.Context(), trigger(nonce+strconv.Itoa(n))); err != nil {
			b.Fatal(err)
		}
	}
}
