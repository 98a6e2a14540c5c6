package gate

import (
	"fmt"
	"time"

	"github.com/ecpayq/ecpayq/internal/asynqx"
	"github.com/ecpayq/ecpayq/tasks/ledger"
	"github.com/ecpayq/ecpayq/tasks/record"
)

// leaveAfter is the text of [LeaveAfter].
const leaveAfter = `
local keys, args = {}, {}
for i = %[2]d + 1, #KEYS do keys[i - %[2]d] = KEYS[i] end
for i = %[3]d + 1, #ARGV do args[i - %[3]d] = ARGV[i] end
local KEYS, ARGV = keys, args
%[1]s`

// LeaveAfter is the text of the script of [Gate.Leave] for a place before one of asynq's with
// so many keys and arguments, see [asynqx.CompleteClient].
func LeaveAfter(keys, args int) string {
	return fmt.Sprintf(leaveAfter, record.ScriptText(paceLua+ledger.EndedLua+leaveLua), keys, args)
}

// LeaveWith is what that script is called with for an attempt whose task is done, and that
// ECPay does not ban. After an error nobody knows what was executed: [Gate.Leave] then
// tells, or does it.
func (g *Gate) LeaveWith(a Attempt, r Result) asynqx.Call {
	return asynqx.Call{
		Append: func(keys []string, args []any) ([]string, []any) {
			return append(keys, leaveKeys(a)...), append(args, leaveArgs(a, r)...)
		},
		Took: func(took time.Duration) { g.took(stepLeave, took) },
	}
}
