package asynqx

import (
	"errors"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ecpayq/ecpayq/internal/redistest"
)

var errAlone = errors.New("not recorded by itself either")

// asynq completes nothing whose lease is over, and nothing that a shutdown has given up.
func TestAnOutcomeThatAsynqDoesNotTakeIsRecordedByItself(t *testing.T) {
	t.Parallel()
	for name, stop := range map[string]bool{"after a while": false, "when the worker stops": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rdb := redis.NewClient(&redis.Options{Addr: "127.0.0.1:1", MaxRetries: -1})
			defer rdb.Close()
			c := NewCompleteClient(rdb, nil)
			told := make(chan error, 2)
			p := &Completion{ID: "A", Alone: func() error { return errAlone }, After: func(err error) { told <- err }}
			if !c.Take(p) {
				t.Fatal("it is not taken")
			}
			if c.Take(&Completion{ID: "A"}) {
				t.Error("a second outcome of the task is taken")
			}
			if stop {
				c.Stop()
				if c.Take(&Completion{ID: "B"}) {
					t.Error("an outcome is taken by a worker that has stopped")
				}
			}
			select {
			case err := <-told:
				if !errors.Is(err, errAlone) {
					t.Errorf("told %v", err)
				}
			case <-time.After(30 * time.Second):
				t.Fatal("it is not recorded")
			}
			if c.about([]any{"A"}) != nil {
				t.Error("it is still open")
			}
			c.Stop()
			if len(told) != 0 {
				t.Error("it is recorded twice")
			}
		})
	}
}

// asynq tries nothing again: a script of its that fails leaves the task active until its lease is
// over. The first of a script comes with its text, and the outcome may be recorded meanwhile.
func TestAsynqCompletesWhatIsRecordedByItselfWhileItsFirstScriptIsMade(t *testing.T) {
	t.Parallel()
	rdb := redis.NewClient(&redis.Options{Addr: redistest.New(t, redistest.Options{AppendFsync: "no"}).Addr(), DisableIdentity: true})
	defer rdb.Close()
	var c *CompleteClient
	p := &Completion{ID: "A", Alone: func() error { return nil }, After: func(error) {}}
	c = NewCompleteClient(rdb, func(int, int) string {
		if c.claim(p) { // as after completionWait
			_ = c.alone(p)
		}
		return ""
	})
	if !c.Take(p) {
		t.Fatal("it is not taken")
	}
	script := redis.NewScript("return redis.call('INCR', KEYS[1])")
	if n, err := script.Run(t.Context(), c, []string{"completed"}, "A").Int(); n != 1 || err != nil {
		t.Errorf("asynq's script: %d, %v; want that it ran", n, err)
	}
}
