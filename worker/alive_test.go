package worker

import (
	"strings"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"github.com/ecpayq/ecpayq/internal/redistest"
)

func TestAWorkerWhoseServersAskForNothingIsNotAlive(t *testing.T) {
	t.Parallel()
	rdb := redis.NewClient(&redis.Options{Addr: redistest.New(t, redistest.Options{AppendFsync: "no"}).Addr()})
	t.Cleanup(func() { _ = rdb.Close() })
	queues := map[string]int{"first": 1}
	w := &Worker{redis: newWakingClient(rdb, queues)}
	stuck := func() { w.redis.began = w.redis.began.Add(-longestSilence - time.Minute) }
	stuck()
	if err := w.Alive(); err != nil {
		t.Errorf("before the start: %v", err)
	}
	w.redis.asked.Store(1)
	if err := w.Alive(); err == nil || !strings.Contains(err.Error(), "16m") {
		t.Errorf("got %v, want that nobody has asked for 16 minutes", err)
	}
	// A Server that is idle asks.
	s := asynq.NewServerFromRedisClient(w.redis, asynq.Config{Concurrency: 1, Queues: queues, TaskCheckInterval: taskCheck, LogLevel: asynq.FatalLevel})
	if err := s.Start(asynq.NotFoundHandler()); err != nil {
		t.Fatal(err)
	}
	w.redis.watch()
	for deadline := time.Now().Add(30 * time.Second); w.Alive() != nil; <-time.After(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("still not alive")
		}
	}
	w.shutdown([]*asynq.Server{s})
	if stuck(); w.Alive() != nil {
		t.Errorf("after stopping: %v", w.Alive())
	}
	// Stop holds the worker's lock as long as attempts take: a probe must not wait.
	w.mu.Lock()
	defer w.mu.Unlock()
	answered := make(chan struct{})
	go func() {
		_ = w.Alive()
		close(answered)
	}()
	select {
	case <-answered:
	case <-time.After(30 * time.Second):
		t.Error("while it stops: no answer")
	}
}
