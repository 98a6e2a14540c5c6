package asynqx

import (
	"errors"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"github.com/ecpayq/ecpayq/internal/redistest"
)

func TestDelayedTasksOfAllQueuesAreLookedForByOneQuestion(t *testing.T) {
	t.Parallel()
	b := newDequeueBench(t, redistest.New(t, redistest.Options{AppendFsync: "no"}).Addr(), 1, defaultRecheck, nil)
	b.begins("first")
	later := time.Now().Add(time.Hour)
	for _, queue := range []string{"first", "second", "third"} {
		if _, err := b.asynq.Enqueue(asynq.NewTask("t", nil), asynq.Queue(queue), asynq.ProcessAt(later)); err != nil {
			t.Fatal(err)
		}
	}
	b.during(2 * delayedTaskCheck)
	b.commands.take("pipeline of zrange")
	b.commands.take("evalsha")
	const rounds = 10
	b.during(rounds * delayedTaskCheck)
	looks, scripts := b.commands.take("pipeline of zrange"), b.commands.take("evalsha")
	if looks < rounds/3 || looks > rounds+1 {
		t.Errorf("%d questions for %d rounds", looks, rounds)
	}
	// asynq alone would run 6 scripts a round. What is left is its housekeeping.
	if scripts > rounds {
		t.Errorf("%d scripts in %d rounds", scripts, rounds)
	}
}

func TestDelayedTasksBeginWhenTheirTimeHasCome(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		err  error // of the question when the first task is due
		rest int   // scripts that are run at least
	}{
		"Redis says when":         {nil, 1},
		"Redis does not say when": {errors.New("NOPERM this user has no permissions to run the 'zrange' command"), 20},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			addr := redistest.New(t, redistest.Options{AppendFsync: "no"}).Addr()
			b := newDequeueBench(t, addr, 1, defaultRecheck, func(cmd redis.Cmder) (error, bool) {
				return tc.err, tc.err != nil && cmd.Name() == "zrange"
			})
			at := time.Now().Add(2 * time.Second).Truncate(time.Second)
			for _, queue := range []string{"first", "third"} {
				if _, err := b.asynq.Enqueue(asynq.NewTask("t", []byte(queue)), asynq.Queue(queue), asynq.ProcessAt(at)); err != nil {
					t.Fatal(err)
				}
			}
			for range 2 {
				select {
				case queue := <-b.began:
					if early := time.Until(at); early > 0 {
						t.Errorf("the task of %s begins %s early", queue, early)
					}
				case <-time.After(10 * time.Second):
					t.Fatal("a task does not begin")
				}
			}
			if n := b.commands.take("evalsha"); n < tc.rest {
				t.Errorf("%d scripts, want %d at least", n, tc.rest)
			}
		})
	}
}
