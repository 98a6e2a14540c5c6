package enqueue

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ecpayq/ecpayq/internal/redistest"
	"github.com/ecpayq/ecpayq/tasks"
	"github.com/ecpayq/ecpayq/tasks/record"
)

// freezeReplicas stops what is not the master and returns a func that lets it go on.
func freezeReplicas(t *testing.T, g *redistest.Sentinel) func() {
	t.Helper()
	master := g.Master()
	var frozen []*redistest.Server
	for _, n := range g.Nodes {
		if n.Addr() != master.Addr() {
			n.Freeze()
			frozen = append(frozen, n)
		}
	}
	if len(frozen) == 0 {
		t.Fatal("no replica to freeze")
	}
	return func() {
		for _, n := range frozen {
			n.Thaw()
		}
	}
}

// confirming is a client that waits for one replica for so long.
func confirming(t *testing.T, group *redistest.Sentinel, wait time.Duration) *Client {
	t.Helper()
	c, err := New(Config{RedisURL: group.URL(), Timeout: time.Minute, Confirm: Confirm{Replicas: 1, Timeout: wait}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func TestConfirmationByReplicas(t *testing.T) {
	t.Parallel()
	group := redistest.NewSentinel(t, redistest.SentinelOptions{Replicas: 1})
	c := confirming(t, group, 500*time.Millisecond)
	patient := confirming(t, group, 30*time.Second) // a replica that runs answers when it comes to it
	if r, err := patient.TriggerIssue(t.Context(), trigger("A")); err != nil || r.Duplicate {
		t.Fatalf("%+v, %v", r, err)
	}
	thaw := freezeReplicas(t, group)
	r, err := c.TriggerIssue(t.Context(), trigger("B"))
	thaw()
	if !errors.Is(err, ErrNotConfirmed) || r.ID == "" || r.State == "" {
		t.Errorf("with a frozen replica: %+v, %v; want ErrNotConfirmed with a receipt", r, err)
	}
	// Calling again waits again, for the same task.
	if again, err := patient.TriggerIssue(t.Context(), trigger("B")); err != nil || !again.Duplicate {
		t.Errorf("%+v, %v", again, err)
	}
	two, err := New(Config{RedisURL: group.URL(), Confirm: Confirm{Replicas: 2, Timeout: 3 * time.Second}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = two.Close() })
	if _, err := two.TriggerIssue(t.Context(), trigger("C")); !errors.Is(err, ErrNotConfirmed) || !strings.Contains(err.Error(), "1 of 2") {
		t.Errorf("%v; want it to say 1 of 2 replicas", err)
	}
}

func TestConfirmationByDisk(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		fsync string
		want  error
	}{"always": {"always", nil}, "no append-only file": {"no", ErrNotConfirmed}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := redistest.New(t, redistest.Options{AppendFsync: tc.fsync})
			c, err := New(Config{RedisURL: srv.URL(), Confirm: Confirm{Disk: true}})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = c.Close() })
			if r, err := c.TriggerIssue(t.Context(), trigger("A")); !errors.Is(err, tc.want) || r.ID == "" {
				t.Errorf("%+v, %v; want %v", r, err, tc.want)
			}
		})
	}
}

func TestConfirmationOnClusterGoesToTheMasterOfTheQueue(t *testing.T) {
	t.Parallel()
	cluster := redistest.NewCluster(t, 3)
	c, err := New(Config{RedisURL: cluster.URL(), Confirm: Confirm{Disk: true}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	for _, p := range []tasks.Payload{ptrTo(trigger("A")), ptrTo(void("VG11000002", "r"))} {
		if r, err := c.Enqueue(t.Context(), p); err != nil {
			t.Errorf("%+v, %v", r, err)
		}
	}
}

func ptrTo[T any](v T) *T { return &v }

// TestConfirmationNoticesThatTheMasterLostTheTask: a WAIT alone would succeed.
func TestConfirmationNoticesThatTheMasterLostTheTask(t *testing.T) {
	t.Parallel()
	srv := redistest.New(t)
	c, err := New(Config{RedisURL: srv.URL(), Confirm: Confirm{Disk: true}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	r, err := c.TriggerIssue(t.Context(), trigger("A"))
	if err != nil {
		t.Fatal(err)
	}
	if err := srv.Client().FlushDB(t.Context()).Err(); err != nil { // as after a failover to a replica that lagged
		t.Fatal(err)
	}
	if again, err := c.confirmed(t.Context(), r); err != nil || !again {
		t.Errorf("%v, %v; want that it has to be stored again", again, err)
	}
	if r, err := c.TriggerIssue(t.Context(), trigger("A")); err != nil || r.Duplicate {
		t.Errorf("%+v, %v; want it stored anew", r, err)
	}
}

func TestConfirmNeedsAClientOfOneMaster(t *testing.T) {
	t.Parallel()
	srv := redistest.New(t)
	ring := redis.NewRing(&redis.RingOptions{Addrs: map[string]string{"a": srv.Addr()}})
	t.Cleanup(func() { _ = ring.Close() })
	c, err := New(Config{Redis: ring, Confirm: Confirm{Replicas: 1}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.TriggerIssue(context.Background(), trigger("A")); !errors.Is(err, ErrNotConfirmed) {
		t.Errorf("%v, want ErrNotConfirmed", err)
	}
}

// TestConfirmationOfWhatAsynqForgotIsNotWaitedFor: it is not to be stored again
// for having gone from asynq.
func TestConfirmationOfWhatAsynqForgotIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	srv := redistest.New(t)
	c, err := New(Config{RedisURL: srv.URL(), Confirm: Confirm{Disk: true}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	p := trigger("A")
	srv.Client().Set(t.Context(), record.DoneKey(tasks.ID(&p)), 1, time.Hour)
	if r, err := c.TriggerIssue(t.Context(), p); err != nil || !r.Duplicate || r.State != record.StateCompleted {
		t.Errorf("%+v, %v; want a duplicate that is completed", r, err)
	}
}
