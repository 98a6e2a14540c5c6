package asynqx

import (
	"context"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

// asNoScript makes asynq, which sends the SHA-1 of a script first, send its text.
var asNoScript = redis.NewCmdResult(nil, redis.ErrNoScript)

// Before returns the text of a script of ours that is executed before one of asynq's, which has
// so many keys and arguments. In the call ours come after asynq's, and the text counts from
// there, so that Redis copies no tables. If our script returns something, that is the answer of
// the call and asynq's script is not executed; if it returns nothing, asynq's script is.
// go-redis may send the call twice.
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

// splice puts a script of ours before one of asynq's that has so many keys and arguments: both
// are executed or none, and no other command comes between. asynq's text is in it unchanged, and
// finds its keys and arguments where asynq put them; ours come after them.
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
