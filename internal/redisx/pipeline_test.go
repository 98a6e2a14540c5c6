package redisx_test

import (
	"context"
	"errors"
	"net"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/ecpayq/ecpayq/internal/redisx"
)

func TestCommandsOfAPipelineThatFoundNoConnectionHaveItsError(t *testing.T) {
	t.Parallel()
	refused := errors.New("refused")
	rdb := redis.NewClient(&redis.Options{MaxRetries: -1,
		Dialer: func(context.Context, string, string) (net.Conn, error) { return nil, refused }})
	defer rdb.Close()
	pipe := rdb.Pipeline()
	cmds := []redis.Cmder{pipe.HMGet(t.Context(), "a", "b"), pipe.Exists(t.Context(), "a"), pipe.EvalSha(t.Context(), "sha", nil)}
	redisx.ExecEach(t.Context(), pipe)
	for _, c := range cmds {
		if !errors.Is(c.Err(), refused) {
			t.Errorf("%s: got error %v, want %v", c.Name(), c.Err(), refused)
		}
	}
}
