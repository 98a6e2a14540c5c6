package redisx

import (
	"context"
	"slices"

	"github.com/redis/go-redis/v9"
)

// ExecEach runs a pipeline each of whose commands has its answer or its error
// afterwards. go-redis (v9.23) tells the commands nothing when it found no connection
// to send them on: they would look as if they had been answered with nothing.
func ExecEach(ctx context.Context, pipe redis.Pipeliner) {
	cmds, err := pipe.Exec(ctx)
	if err == nil || slices.ContainsFunc(cmds, func(c redis.Cmder) bool { return c.Err() != nil }) {
		return
	}
	for _, c := range cmds {
		c.SetErr(err)
	}
}
