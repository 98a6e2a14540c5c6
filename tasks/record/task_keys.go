package record

import (
	"strings"

	"github.com/ecpayq/ecpayq/internal/redisx"
	"github.com/ecpayq/ecpayq/tasks"
)

// TaskKeys are the keys of one task, of its subject and of its merchant, for who needs many
// of them: its id is parsed once.
type TaskKeys struct {
	ID string
	// Owner is [Owner] of the id.
	Owner string
	// Task, Done, Lock and Dead are [TaskKey], [DoneKey], [LockKey] and [DeadKey].
	Task, Done, Lock, Dead string
	// Undone is the [DoneKey] of the task that undoes it, see [tasks.Type.UndoneBy]; empty for none.
	Undone string
	MerchantKeys
}

// KeysOfTask returns those of an id.
func KeysOfTask(id string) *TaskKeys {
	owner, lock, undoneBy := NoOwner, id, ""
	if t, merchantID, err := tasks.ParseID(id); err == nil {
		lock, undoneBy = t.LockOf(id), t.UndoneByOf(id)
		if !strings.ContainsAny(merchantID, "{}") {
			owner = merchantID
		}
	}
	p := prefix + "{" + owner + "}:"
	k := &TaskKeys{
		ID: id, Owner: owner, MerchantKeys: KeysOf(owner),
		Task: p + "task:" + id, Done: p + "done:" + id, Lock: p + "lock:" + lock, Dead: p + "dead",
	}
	if undoneBy != "" {
		k.Undone = p + "done:" + undoneBy
	}
	return k
}

// Replication is the [ReplicationKey].
func (k *TaskKeys) Replication(of redisx.Topology) string {
	if of.Cluster() {
		return prefix + "{" + k.Owner + "}:replication"
	}
	return ClockKey
}
