package record

import (
	"strconv"
	"strings"

	"github.com/ecpayq/ecpayq/internal/asynqx"
	"github.com/ecpayq/ecpayq/internal/redisx"
	"github.com/ecpayq/ecpayq/tasks"
)

const prefix = "ecpayq:1:"

func tag(id string) string {
	if _, merchantID, err := tasks.ParseID(id); err == nil && !strings.ContainsAny(merchantID, "{}") {
		return "{" + merchantID + "}"
	}
	return "{-}" // a task put in by other means: its id may be anything
}

// TaskKey is the hash that holds a task's record.
func TaskKey(id string) string { return prefix + tag(id) + ":task:" + id }

// DoneKey is a task's finish marker: the effect is proven.
func DoneKey(id string) string { return prefix + tag(id) + ":done:" + id }

// LockKey is the lock of a task's subject, held by one attempt at a time; see
// prelude.lua for what is in it.
func LockKey(id string) string { return prefix + tag(id) + ":lock:" + tasks.Lock(id) }

// MerchantKeys are the keys of a merchant that are about no task of its.
type MerchantKeys struct {
	// Pace is a hash; see pace.lua in worker/gate for what is in it.
	Pace string
	// Flight is the set of the requests that are on their way.
	Flight string
	// Held is a sorted set of the tasks that are held because of the merchant (wrong keys, a
	// pause that ECPay asked for, a person who must act first) and not of their own, by when
	// they run again.
	Held string
}

// KeysOf returns those of a MerchantID.
func KeysOf(merchantID string) MerchantKeys {
	p := prefix + "{" + merchantID + "}:"
	return MerchantKeys{Pace: p + "pace", Flight: p + "flight", Held: p + "held"}
}

// ReplicationKey is where the replication id of the Redis that holds a task's keys
// is remembered, a hash of FieldReplID and FieldChanged. On a cluster each
// merchant's slot has its own, since the slots are on different masters.
func ReplicationKey(of redisx.Topology, id string) string {
	if of.Cluster() {
		return prefix + tag(id) + ":replication"
	}
	return ClockKey
}

// ClockKey is what workers tell each other of their clocks, a hash of FieldLooked,
// FieldStepped and FieldFence. Unless on a cluster, it is the [ReplicationKey] as well.
const ClockKey = prefix + "{replication}"

// BarrierKey is what a producer writes to learn that replicas and disks have
// everything of a queue that was written before. Its hash tag is that of asynq's
// keys of the queue.
func BarrierKey(queue string) string { return prefix + "{" + queue + "}:barrier" }

// ProbeKeys are the keys by which a Redis is probed: one of ours, which is written, and
// one with the prefix of asynq's, which never has a value. Each n has another hash
// tag, so that some of them reach every master of a cluster.
func ProbeKeys(n int) (ours, asynqs string) {
	name := "probe" + strconv.Itoa(n)
	return prefix + "{" + name + "}:probe", asynqx.Key(name, "probe")
}

// DeadKey is the index of the ledger of dead letters, one per merchant: a sorted
// set of task ids by time of death. The letter itself is the task's record.
func DeadKey(id string) string { return prefix + tag(id) + ":dead" }

// Owner is whose ledger a task's letter is in: a MerchantID, or [NoOwner].
func Owner(id string) string { return strings.Trim(tag(id), "{}") }

// NoOwner owns the tasks that were put in by other means, whose ids say nothing.
const NoOwner = "-"

// CancelKey is there while somebody cancels the task, for a while that no step of it takes: what is
// stopped meanwhile has not ended before the cancel did. It expires by itself.
func CancelKey(id string) string { return prefix + tag(id) + ":cancel:" + id }

// OwnerDeadKey is the [DeadKey] of an owner.
func OwnerDeadKey(owner string) string { return prefix + "{" + owner + "}:dead" }

// OwnerDoneKey is the [DoneKey] of a task of an owner.
func OwnerDoneKey(owner, id string) string { return prefix + "{" + owner + "}:done:" + id }

// EgressKeys are the keys of an egress, in a slot of their own: its state, and the
// merchants that met a 403 or no answer lately; see egress.lua in worker/gate.
func EgressKeys(name string) []string {
	p := prefix + "{egress:" + name + "}:"
	return []string{p + "state", p + "forbidden", p + "unavailable"}
}

// OutcomeKeys are those by which an end is told: the stream of a merchant's outcomes and, unless
// on a cluster, the set of all merchants that have one.
type OutcomeKeys struct{ Outcomes, OutcomeOwners string }

// OutcomeKeysOf returns those of an owner. On a cluster the set is in another slot, and is written
// before.
func OutcomeKeysOf(of redisx.Topology, owner string) OutcomeKeys {
	k := OutcomeKeys{Outcomes: OwnerOutcomesKey(owner)}
	if !of.Cluster() {
		k.OutcomeOwners = OutcomeOwnersKey
	}
	return k
}

// IdempotencyKey remembers for which intent an Idempotency-Key was sent, by a hash of it. It is
// in a slot of its own.
func IdempotencyKey(hash string) string { return prefix + "{idempotency:" + hash + "}" }

// OwnerOutcomesKey is the stream of the outcomes of an owner.
func OwnerOutcomesKey(owner string) string { return prefix + "{" + owner + "}:outcomes" }

// WebhookKeys are those of an endpoint to which outcomes are delivered, in the slot of asynq's
// queue of it.
type WebhookKeys struct {
	// State is a hash; see finish.lua in internal/webhook for what is in it.
	State string
	// Positions is a hash of how far each merchant's outcomes were put into the queue.
	Positions string
	// Open is a set of the deliveries that are not done, in order of their subjects.
	Open string
	// Leader names the process that fills the queue.
	Leader string
}

// WebhookKeysOf returns those of an endpoint by the name of its queue.
func WebhookKeysOf(queue string) WebhookKeys {
	p := prefix + "{" + queue + "}:"
	return WebhookKeys{p + "state", p + "positions", p + "open", p + "leader"}
}

// Keys that belong to no merchant.
const (
	// OwnersKey is a sorted set of the owners that have dead letters, by the time of
	// the last one.
	OwnersKey = prefix + "{dead}:owners"
	// UnsureKey is a set of the letters that were copied from asynq's archive and
	// not yet compared with it again.
	UnsureKey = prefix + "{dead}:unsure"
	// SweepKey is the lock of the sweep.
	SweepKey = prefix + "{dead}:sweep"
	// ScanKey is a hash of how far the search for orphans has come, by the names of the
	// queues of a server, and of [FieldSweeps].
	ScanKey = prefix + "{dead}:scan"
	// TallyKey is how many letters there are, by kind and type.
	TallyKey = prefix + "{dead}:tally"
	// MerchantsKey is a sorted set of the merchants for which something was sent lately,
	// by when, and DeniedKey one of those with keys that ECPay refuses, by when it did
	// last.
	MerchantsKey = prefix + "{merchants}:seen"
	DeniedKey    = prefix + "{merchants}:denied"
	// OutcomeOwnersKey is a set of the owners that have outcomes.
	OutcomeOwnersKey = prefix + "{outcomes}:owners"
	// OutboxKey is a hash of where the outbox of each database stands, by its name; see Status
	// in internal/relay for what is in it.
	OutboxKey = prefix + "{outbox}:state"
	// ReconciledKey is a hash of what the last reconcile of a schedule found, by MerchantID; see Stored in internal/reconcile
	// for what is in it.
	ReconciledKey = prefix + "{reconcile}:last"
	// ReconcileTallyKey is a hash of how much each schedule found, by its name.
	ReconcileTallyKey = prefix + "{reconcile}:tally"
	// AuditKey is a stream of who replayed, corrected, replaced and resolved what.
	AuditKey = prefix + "{audit}"
)

// ScheduleKey is the state of a replay schedule with certain times, a hash; see
// claim.lua in worker/schedule for what is in it.
func ScheduleKey(name, spec string) string { return prefix + "{schedule}:" + name + ":" + spec }
