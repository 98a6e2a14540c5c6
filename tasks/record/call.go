package record

import (
	"context"

	"github.com/redis/go-redis/v9"
)

// Call is one call of a script.
type Call struct {
	Keys   []string
	Args   []any
	Answer *redis.Cmd
}

// CallAll makes many calls of a script in one round trip, each with an answer or
// an error of its own. Their keys may be on different servers of a cluster. A
// server that has forgotten the script gets its text in one more trip. The
// script must be one that may be executed twice.
func CallAll(ctx context.Context, rdb redis.UniversalClient, script *redis.Script, calls []*Call) {
	trip := func(calls []*Call, send func(redis.Pipeliner, *Call) *redis.Cmd) {
		if len(calls) == 0 {
			return
		}
		pipe := rdb.Pipeline()
		for _, c := range calls {
			c.Answer = send(pipe, c)
		}
		ExecEach(ctx, pipe)
	}
	trip(calls, func(pipe redis.Pipeliner, c *Call) *redis.Cmd { return script.EvalSha(ctx, pipe, c.Keys, c.Args...) })
	var forgotten []*Call
	for _, c := range calls {
		if redis.HasErrorPrefix(c.Answer.Err(), "NOSCRIPT") {
			forgotten = append(forgotten, c)
		}
	}
	trip(forgotten, func(pipe redis.Pipeliner, c *Call) *redis.Cmd { return script.Eval(ctx, pipe, c.Keys, c.Args...) })
}
