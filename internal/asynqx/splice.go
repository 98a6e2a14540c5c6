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

// repeatLua wraps the script by which asynq stores a task into one that stores many tasks of a
// queue: the calls themselves are much of what tasks cost Redis, and with appendfsync always
// Redis waits for the disk after every few. asynq's text is in it unchanged, and sees the keys
// and arguments that asynq gave.
const repeatLua = `
local function ecpayq_one(KEYS, ARGV)
%s
end
local ecpayq_keys, ecpayq_args, ecpayq_answers = {}, {}, {}
for i = 0, #KEYS / %[2]d - 1 do
  for k = 1, %[2]d do ecpayq_keys[k] = KEYS[i * %[2]d + k] end
  for a = 1, %[3]d do ecpayq_args[a] = ARGV[i * %[3]d + a] end
  ecpayq_answers[i + 1] = ecpayq_one(ecpayq_keys, ecpayq_args)
end
return ecpayq_answers`

// repeated is the text that executes a script of asynq's once for each of so many keys and arguments.
func repeated(asynqs string, numKeys, numArgs int) string {
	return fmt.Sprintf(repeatLua, asynqs, numKeys, numArgs)
}

// hash is that by which Redis knows a script.
func hash(text string) string { return redis.NewScript(text).Hash() }
