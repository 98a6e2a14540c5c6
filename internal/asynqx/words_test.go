package asynqx

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"github.com/ecpayq/ecpayq/internal/redistest"
)

// refusing is a Redis client by which no task is completed and nothing is subscribed to.
type refusing struct {
	redis.UniversalClient
	id string
}

func (r refusing) EvalSha(ctx context.Context, sha string, keys []string, args ...any) *redis.Cmd {
	if len(args) > 0 && args[0] == r.id {
		return redis.NewCmdResult(nil, errors.New("refused"))
	}
	return r.UniversalClient.EvalSha(ctx, sha, keys, args...)
}

func (r refusing) Subscribe(ctx context.Context, _ ...string) *redis.PubSub {
	s := r.UniversalClient.Subscribe(ctx)
	_ = s.Close()
	return s
}

func TestWhatAsynqLogsIsKnownByItsWords(t *testing.T) {
	t.Parallel()
	rdb := redistest.New(t, redistest.Options{AppendFsync: "no"}).Client()
	if _, err := NewClient(rdb).Enqueue(t.Context(), Spec{Type: "t", Queue: "q", ID: "ID"}); err != nil {
		t.Fatal(err)
	}
	logs := &lines{}
	s := asynq.NewServerFromRedisClient(refusing{rdb, "ID"}, asynq.Config{
		Concurrency: 1, Queues: map[string]int{"q": 1}, Logger: logs, LogLevel: asynq.InfoLevel,
	})
	if err := s.Start(asynq.HandlerFunc(func(context.Context, *asynq.Task) error { return nil })); err != nil {
		t.Fatal(err)
	}
	defer s.Shutdown()
	both := func() bool { return logs.some(SaysNotRecorded) && logs.some(SaysCannotSubscribe) }
	for deadline := time.Now().Add(20 * time.Second); !both(); <-time.After(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not both are known: %q", logs.all)
		}
	}
}

func TestAnErrorOfRedisIsToldWithoutAsynqsWords(t *testing.T) {
	t.Parallel()
	rdb := redis.NewClient(&redis.Options{Addr: "127.0.0.1:1", MaxRetries: -1})
	defer rdb.Close()
	_, err := NewClient(rdb).Enqueue(t.Context(), Spec{Type: "t", Queue: "q", ID: "ID"})
	if err == nil {
		t.Fatal("a task is stored in no Redis")
	}
	if got, want := PlainText(err.Error()), "dial tcp 127.0.0.1:1: connect: connection refused"; got != want {
		t.Errorf("got %q, want %q; asynq said %q", got, want, err)
	}
}
