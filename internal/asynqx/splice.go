package asynqx

import (
	"context"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

// asNoScript makes asynq, which sends the SHA-1 of a script first, send its text.
var asNoScript = redis.NewCmdResult(nil, redis.ErrNoScript)

// Before is the text of a script of ours that goes before one of asynq's, by how many keys and
// arguments that has: ours come after them, as the text says, so that Redis fills no tables
// for it. What ours returns is the answer, and asynq's is not executed then; when it returns
// nothing, asynq's is. go-redis may send it twice.
type Before func(keys, args int) string

// Call is what such a script is called with.
type Call struct {
	// Append adds our keys and arguments to those of asynq's.
	Append func(keys []string, args []any) ([]string, []any)
	// Took, when not nil, is told how long the two took.
	Took func(time.Duration)
}

// spliced is a script of ours and one of asynq's after it, as one.
type spliced struct {
	script           *redis.Script
	numKeys, numArgs int // of asynq's
}

// spliceLua is the text of one.
const spliceLua = `
do
%s
end
%s`

// splice puts a script of ours before one of asynq's that has so many keys and arguments:
// both are executed or none, and nothing can come between. asynq's text is in it as it is,
// and finds its keys and arguments as it gave them; ours come after them.
func splice(ours Before, asynqs string, numKeys, numArgs int) *spliced {
	return &spliced{redis.NewScript(fmt.Sprintf(spliceLua, ours(numKeys, numArgs), asynqs)), numKeys, numArgs}
}

// run executes both. After an error nobody knows what was executed.
func (s *spliced) run(ctx context.Context, rdb redis.UniversalClient, keys []string, args []any, ours Call) *redis.Cmd {
	start := time.Now()
	keys, args = ours.Append(keys[:s.numKeys:s.numKeys], args[:s.numArgs:s.numArgs])
	cmd := s.script.Run(ctx, rdb, keys, args...)
	if ours.Took != nil {
		ours.Took(time.Since(start))
	}
	return cmd
}
