package asynqx

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"github.com/ecpayq/ecpayq/internal/redistest"
)

// subscribers starts Servers on a SubscribeClient.
func subscribers(t *testing.T, rdb redis.UniversalClient, servers int, handler asynq.HandlerFunc) (refusals *atomic.Int64) {
	t.Helper()
	refusals = &atomic.Int64{}
	c := NewSubscribeClient(rdb, func(error) { refusals.Add(1) })
	for range servers {
		s := asynq.NewServerFromRedisClient(c, asynq.Config{
			Concurrency: 1, Queues: map[string]int{"q": 1}, LogLevel: asynq.FatalLevel, TaskCheckInterval: 10 * time.Millisecond,
		})
		if err := s.Start(handler); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.Shutdown)
	}
	return refusals
}

func TestWithoutSubscribeNoConnectionIsLeftOpen(t *testing.T) {
	t.Parallel()
	s := redistest.New(t, redistest.Options{
		AppendFsync: "no", Username: "u", Password: "p", ACL: "~* resetchannels +@all -subscribe",
		Args: []string{"--user", "admin", "on", ">admin", "~*", "&*", "+@all"},
	})
	admin := redis.NewClient(&redis.Options{Addr: s.Addr(), Username: "admin", Password: "admin", DisableIdentity: true})
	t.Cleanup(func() { _ = admin.Close() })
	// What a subscription that was refused leaves open: its last command was that.
	open := func() int { return strings.Count(admin.ClientList(t.Context()).Val(), "cmd=subscribe ") }
	plain := s.Client().Subscribe(t.Context(), "asynq:cancel")
	if _, err := plain.Receive(t.Context()); !redis.HasErrorPrefix(err, "NOPERM") {
		t.Fatalf("SUBSCRIBE is not refused: %v", err)
	}
	if n := open(); n != 1 {
		t.Fatalf("%d connections of subscriptions that were refused, want the one that nobody has closed", n)
	}
	_ = plain.Close()

	told := subscribers(t, s.Client(), 2, func(context.Context, *asynq.Task) error { return nil })
	refusals := func() (n int64) {
		for _, e := range admin.ACLLog(t.Context(), 128).Val() {
			if e.Object == "subscribe" {
				n += e.Count
			}
		}
		return n
	}
	for deadline := time.Now().Add(20 * time.Second); refusals() < 2; <-time.After(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("no Server tries to subscribe")
		}
	}
	<-time.After(6 * time.Second) // asynq tries again every 5
	if n := open(); n > 0 {
		t.Errorf("%d connections are left open by 2 Servers that have tried to subscribe", n)
	}
	if n := refusals(); n > 3 {
		t.Errorf("SUBSCRIBE was refused %d times to 2 Servers within seconds", n-1)
	}
	if n := told.Load(); n != 1 {
		t.Errorf("the refusal is told %d times, want once", n)
	}
}

func TestATaskThatRunsIsCancelledWhereSubscribeIsAllowed(t *testing.T) {
	t.Parallel()
	s := redistest.New(t, redistest.Options{AppendFsync: "no"})
	rdb := s.Client()
	began, cancelled := make(chan struct{}), make(chan struct{})
	subscribers(t, rdb, 1, func(ctx context.Context, _ *asynq.Task) error {
		close(began)
		<-ctx.Done()
		close(cancelled)
		return nil
	})
	info, err := asynq.NewClientFromRedisClient(rdb).Enqueue(asynq.NewTask("t", nil), asynq.Queue("q"))
	if err != nil {
		t.Fatal(err)
	}
	<-began
	inspector := asynq.NewInspectorFromRedisClient(rdb)
	for deadline := time.Now().Add(20 * time.Second); ; { // the Server may not have subscribed yet
		if err := inspector.CancelProcessing(info.ID); err != nil {
			t.Fatal(err)
		}
		select {
		case <-cancelled:
			return
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			t.Fatal("the task is not cancelled")
		}
	}
}
