package record

import (
	"context"

	"github.com/redis/go-redis/v9"
)

// run is one call of a script.
type run struct {
	keys   []string
	args   []any
	answer *redis.Cmd
}

// runAll makes many calls of a script in one round trip, each with an answer or
// an error of its own. Their keys may be on different servers of a cluster. A
// server that has forgotten the script gets its text in one more trip. The
// script must be one that may be executed twice.
func runAll(ctx context.Context, rdb redis.UniversalClient, script *redis.Script, runs []*run) {
	trip := func(runs []*run, call func(redis.Pipeliner, *run) *redis.Cmd) {
		if len(runs) == 0 {
			return
		}
		pipe := rdb.Pipeline()
		for _, r := range runs {
			r.answer = call(pipe, r)
		}
		ExecEach(ctx, pipe)
	}
	trip(runs, func(pipe redis.Pipeliner, r *run) *redis.Cmd { return script.EvalSha(ctx, pipe, r.keys, r.args...) })
	var forgotten []*run
	for _, r := range runs {
		if redis.HasErrorPrefix(r.answer.Err(), "NOSCRIPT") {
			forgotten = append(forgotten, r)
		}
	}
	trip(forgotten, func(pipe redis.Pipeliner, r *run) *redis.Cmd { return script.Eval(ctx, pipe, r.keys, r.args...) })
}
