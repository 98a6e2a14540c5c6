// Package asynqx is all that knows how asynq v0.26 works inside: its keys in Redis,
// the scripts that its client and its servers run, and how it encodes a task. It gives
// what is built on that: Redis clients for asynq's servers and client that recognise
// those scripts, batches, conditions, and what asynq has of a task.
//
// TestAsynqIsTheOneThatIsKnownHere runs the real asynq on a real Redis and fails when
// one of those shapes has changed.
package asynqx

import "strings"

// prefix begins every key of asynq's.
const prefix = "asynq:"

// What asynq keeps of a queue, by the last part of the key. The first seven are lists or
// sorted sets of tasks' ids: pending and active are lists, in which the next task is the
// last; lease has for each active task the second at which its lease ends; the others
// have the second at which the task is due or expires, or was archived.
//
// All of these names but lease are names of states as well.
const (
	Pending   = "pending"
	Active    = "active"
	Lease     = "lease"
	Scheduled = "scheduled"
	Retry     = "retry"
	Archived  = "archived"
	Completed = "completed"
	// Paused exists while the queue is paused.
	Paused = "paused"
)

// QueuesKey is the set of the names of all queues that a task was ever put into.
const QueuesKey = prefix + "queues"

// CancelChannel is the channel on which asynq's servers are told to cancel a task.
const CancelChannel = prefix + "cancel"

// Key is what asynq keeps of a queue under a name.
func Key(queue, name string) string { return prefix + "{" + queue + "}:" + name }

// is reports whether a key is what asynq keeps of a queue under a name.
func is(key, name string) bool { return strings.HasSuffix(key, "}:"+name) }

// Fields of the hash of a task, which has result and unique_key too.
const (
	// FieldMessage has the task as [DecodeMessage] reads it.
	FieldMessage = "msg"
	// FieldState has the name of its state.
	FieldState = "state"
	// fieldPendingSince has the nanosecond at which it became pending.
	fieldPendingSince = "pending_since"
)

// TaskKey is the hash of a task.
func TaskKey(queue, id string) string { return Key(queue, "t:"+id) }

// AllTasks is the pattern of the keys of all tasks.
const AllTasks = prefix + "{*}:t:*"

// ParseTaskKey is the opposite of [TaskKey].
func ParseTaskKey(key string) (queue, id string, ok bool) {
	rest, ok := strings.CutPrefix(key, prefix+"{")
	if !ok {
		return "", "", false
	}
	return strings.Cut(rest, "}:t:")
}

// Owns reports whether a key is asynq's.
func Owns(key string) bool { return strings.HasPrefix(key, prefix) }
