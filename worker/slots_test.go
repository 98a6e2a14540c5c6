package worker

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"github.com/ecpayq/ecpayq/internal/asynqx"
	"github.com/ecpayq/ecpayq/internal/redistest"
)

// While all requests of a process are taken, tasks stay in the queue, where another process
// finds them, and as soon as there is room they are taken.
func TestNoMoreTasksAreTakenThanCanBeSentSoon(t *testing.T) {
	t.Parallel()
	const requests, tasks, servers = 4, 100, 2
	rdb := redis.NewClient(&redis.Options{Addr: redistest.New(t, redistest.Options{AppendFsync: "no"}).Addr(), DisableIdentity: true})
	producer := asynq.NewClientFromRedisClient(rdb)
	enqueue := func(n int) {
		for range n {
			if _, err := producer.Enqueue(asynq.NewTask("t", nil), asynq.Queue("first")); err != nil {
				t.Fatal(err)
			}
		}
	}
	enqueue(2 * requests)
	slots, answer, done := newSlots(requests, 1), make(chan struct{}), make(chan struct{}, tasks)
	w := &Worker{redis: asynqx.NewDequeueClient(rdb, map[string]int{"first": 1}, slots.admit)}
	w.redis.Start()
	for range servers {
		s := asynq.NewServerFromRedisClient(w.redis,
			asynq.Config{Concurrency: tasks, Queues: map[string]int{"first": 1}, TaskCheckInterval: taskCheck, LogLevel: asynq.FatalLevel})
		if err := s.Start(asynq.HandlerFunc(func(ctx context.Context, _ *asynq.Task) error {
			if !slots.take(ctx) {
				return errors.New("no request is free")
			}
			defer slots.release()
			<-answer
			done <- struct{}{}
			return nil
		})); err != nil {
			t.Fatal(err)
		}
		w.servers = append(w.servers, s)
	}
	defer func() {
		w.shutdown(w.servers)
		_ = rdb.Close()
	}()
	for end := time.Now().Add(time.Minute); slots.waiting.Load() < requests; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d tasks wait while %d are sent, want as many", slots.waiting.Load(), requests)
		}
	}
	enqueue(tasks - 2*requests)
	time.Sleep(time.Second)
	// Each Server may have been about to take one when there was no more room.
	if n := rdb.LLen(t.Context(), "asynq:{first}:active").Val(); n < 2*requests || n > 2*requests+servers {
		t.Errorf("%d tasks are taken while %d are sent, want %d or one more for each Server", n, requests, 2*requests)
	}
	close(answer)
	for range tasks {
		select {
		case <-done:
		case <-time.After(10 * time.Second):
			t.Fatal("the others are not taken when there is room")
		}
	}
}

func TestAStopEndsTheWaitForRoom(t *testing.T) {
	t.Parallel()
	slots := newSlots(1, 1)
	slots.waiting.Add(1)
	admitted := make(chan struct{})
	go func() {
		slots.admit(t.Context())
		close(admitted)
	}()
	select {
	case <-admitted:
		t.Fatal("a task is taken although one waits for the only request")
	case <-time.After(100 * time.Millisecond):
	}
	close(slots.stopping)
	select {
	case <-admitted:
	case <-time.After(10 * time.Second):
		t.Error("it still waits after the stop")
	}
}
