package gate

import (
	"context"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ecpayq/ecpayq/tasks/ledger"
	"github.com/ecpayq/ecpayq/tasks/record"
)

// With is a script of asynq's together with that of [Gate.Leave] before it, as one: for
// a task that is done both are executed or none. asynq's text is in it as it is, and
// finds its keys and arguments as it gave them: ours come after them.
type With struct {
	script  *redis.Script
	numKeys int
	numArgs int
}

// with is the text of one; its last numbers are those of asynq's keys and arguments.
const with = `
local function ecpayq_leave(KEYS, ARGV)
%s
end
do
  local keys, args = {}, {}
  for i = %[3]d + 1, #KEYS do keys[i - %[3]d] = KEYS[i] end
  for i = %[4]d + 1, #ARGV do args[i - %[4]d] = ARGV[i] end
  ecpayq_leave(keys, args)
end
%[2]s`

// NewWith returns what is made of the text of a script of asynq's that has so many keys
// and arguments.
func NewWith(text string, numKeys, numArgs int) *With {
	return &With{redis.NewScript(fmt.Sprintf(with, record.ScriptText(paceLua+ledger.EndedLua+leaveLua), text, numKeys, numArgs)), numKeys, numArgs}
}

// LeaveWith is [Gate.Leave] of an attempt whose task is done, with the other script after it
// by rdb, which has to be one server with all keys. The result is the other script's. After
// an error nobody knows what was executed: Gate.Leave then tells, or does it.
func (g *Gate) LeaveWith(ctx context.Context, rdb redis.UniversalClient, w *With, keys []string, args []any, a Attempt, r Result) *redis.Cmd {
	defer g.since(stepLeave, time.Now())
	return w.script.Run(ctx, rdb, append(keys[:w.numKeys:w.numKeys], leaveKeys(a)...), append(args[:w.numArgs:w.numArgs], leaveArgs(a, r)...)...)
}
