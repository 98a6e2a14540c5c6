package enqueue

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/ecpayq/ecpayq/internal/redistest"
)

// commandNames is a hook that notes the commands that it sees.
type commandNames struct {
	mu   sync.Mutex
	seen []string
}

func (*commandNames) DialHook(next redis.DialHook) redis.DialHook { return next }

func (c *commandNames) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		c.mu.Lock()
		c.seen = append(c.seen, cmd.Name())
		c.mu.Unlock()
		return next(ctx, cmd)
	}
}

func (*commandNames) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

func TestAHookSeesWhatIsSentToRedis(t *testing.T) {
	t.Parallel()
	srv, seen := redistest.New(t), &commandNames{}
	c, err := New(Config{RedisURL: srv.URL(), Hook: seen})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if _, err := c.TriggerIssue(t.Context(), trigger("HOOKED")); err != nil {
		t.Fatal(err)
	}
	seen.mu.Lock()
	defer seen.mu.Unlock()
	if !slices.ContainsFunc(seen.seen, func(name string) bool { return strings.HasPrefix(name, "eval") }) {
		t.Errorf("the hook saw %q, want a script in it", seen.seen)
	}
}

func TestAHookIsNotAddedToAClientOfTheCaller(t *testing.T) {
	t.Parallel()
	rdb := redis.NewClient(&redis.Options{})
	t.Cleanup(func() { _ = rdb.Close() })
	if _, err := New(Config{Redis: rdb, Hook: &commandNames{}}); err == nil || !strings.Contains(err.Error(), "AddHook") {
		t.Errorf("got %v, want an error that names AddHook", err)
	}
}
