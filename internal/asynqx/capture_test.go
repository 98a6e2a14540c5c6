package asynqx

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/ecpayq/ecpayq/internal/redistest"
)

// onCommand is a hook that sees each command that a client sends by itself.
type onCommand func(redis.Cmder)

func (onCommand) DialHook(next redis.DialHook) redis.DialHook { return next }

func (f onCommand) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		f(cmd)
		return next(ctx, cmd)
	}
}

func (onCommand) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

func TestWhatIsCapturedIsWhatAsynqsClientSends(t *testing.T) {
	t.Parallel()
	srv := redistest.New(t, redistest.Options{AppendFsync: "no"})
	var commands [][]any
	rdb := srv.Client()
	rdb.AddHook(onCommand(func(cmd redis.Cmder) { commands = append(commands, cmd.Args()) }))
	plain, capture := NewClient(rdb), NewCapture(srv.Client())
	for name, at := range map[string]time.Time{"pending": {}, "scheduled": time.Now().Add(time.Hour)} {
		task := Spec{Type: "t", Queue: "query", ID: name, Payload: []byte("{}"), ProcessAt: at}
		commands = nil
		if _, err := plain.Enqueue(t.Context(), task); err != nil {
			t.Fatal(err)
		}
		if _, _, err := capture.Task(t.Context(), task); err != nil {
			t.Fatal(err)
		}
		got, state, err := capture.Task(t.Context(), task)
		if err != nil || state != name {
			t.Fatalf("%s: %s, %v", name, state, err)
		}
		if len(got.keys) != 2 || len(got.args) != 3 {
			t.Errorf("%s: %d keys and %d arguments, want 2 and 3", name, len(got.keys), len(got.args))
		}
		flat := []any{"evalsha", got.sha, len(got.keys), got.keys[0], got.keys[1]}
		want := commands[slices.IndexFunc(commands, func(args []any) bool { return args[0] == "evalsha" })]
		if diff := cmp.Diff(want[:5], flat); diff != "" {
			t.Errorf("%s (-asynq's client +captured):\n%s", name, diff)
		}
		text := commands[len(commands)-1] // of the first call to a new server
		if text[0] != "eval" || text[1] != got.text || len(want) != 5+len(got.args) {
			t.Errorf("%s: the text of the script or the number of arguments is another", name)
		}
	}
}
