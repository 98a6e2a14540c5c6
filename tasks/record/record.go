// Package record names every key that ecpayq keeps in Redis beside asynq's own,
// and reads what is stored there: the state and result of each task. Workers
// write it (worker/gate), and so do the steps by which a dead task gets into the
// ledger and back into asynq (tasks/ledger); everybody may read it.
//
// Keys begin with "ecpayq:", carry the version of their format, and have the
// MerchantID as hash tag, so that all keys of a merchant share one slot of a
// Redis Cluster and can be used by one script.
package record

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ecpayq/ecpayq/ecpay"
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
// one with the prefix of asynq's, which never has a value. Each turn has another hash
// tag, so that some of them reach every master of a cluster.
func ProbeKeys(turn int) (ours, asynqs string) {
	tag := "{probe" + strconv.Itoa(turn) + "}"
	return prefix + tag + ":probe", asynqx.Key("probe"+strconv.Itoa(turn), "probe")
}

// DeadKey is the index of the ledger of dead letters, one per merchant: a sorted
// set of task ids by time of death. The letter itself is the task's record.
func DeadKey(id string) string { return prefix + tag(id) + ":dead" }

// Owner is whose ledger a task's letter is in: a MerchantID, or [NoOwner].
func Owner(id string) string { return strings.Trim(tag(id), "{}") }

// NoOwner owns the tasks that were put in by other means, whose ids say nothing.
const NoOwner = "-"

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
	// AuditKey is a stream of who replayed, corrected, replaced and resolved what.
	AuditKey = prefix + "{audit}"
)

// ScheduleKey is the state of a replay schedule with certain times, a hash; see
// claim.lua in worker/schedule for what is in it.
func ScheduleKey(name, spec string) string { return prefix + "{schedule}:" + name + ":" + spec }

// Fields of the hash at [TaskKey]. Times are Unix milliseconds by Redis' clock.
const (
	FieldState      = "state"        // a State
	FieldToken      = "token"        // the attempt that runs now, empty between attempts
	FieldLeft       = "left"         // the attempt that left last
	FieldAttempts   = "attempts"     // attempts that spent budget
	FieldCrashes    = "crashes"      // attempts that never left
	FieldHolds      = "holds"        // holds in a row, by which pauses grow
	FieldStale      = "stale"        // requests refused with TransCode 104 in a row
	FieldInFlight   = "in_flight"    // a write went out at this time and nothing is proven since
	FieldSentAt     = "sent_at"      // the same time by the clock that stamped it: two clocks guard the fence
	FieldMarked     = "marked"       // the attempt that sent it
	FieldDenied     = "not_executed" // "IN_FLIGHT AT": of that write a person said then that it did not happen
	FieldRepeated   = "repeated"     // how often a write was sent again with an earlier one unanswered
	FieldRepeats    = "repeats"      // the attempt that did so last
	FieldSince      = "since"        // when the budget's clock began
	FieldPaused     = "paused"       // milliseconds for which that clock stood still
	FieldPausedAt   = "paused_at"    // it stands still since then
	FieldFirst      = "first"        // first attempt
	FieldLast       = "last"         // last attempt
	FieldNext       = "next"         // when it runs again
	FieldPlace      = "place"        // when its turn is in the merchant's line, in microseconds
	FieldPlaceAhead = "place_ahead"  // the same, of those who go ahead of the line
	FieldWoken      = "woken"        // that place, if it was given by waking the task
	FieldKind       = "kind"
	FieldHTTP       = "http_status"
	FieldTrans      = "trans_code"
	FieldRtn        = "rtn_code"
	FieldMsg        = "rtn_msg"
	FieldReason     = "reason"    // why it is held or dead, for people, in English
	FieldReasonZh   = "reason_zh" // the same in Chinese; older workers wrote both into FieldReason
	FieldResult     = "result"    // ECPay's answer, JSON
)

// deathPrefix is that of the fields that say what a task in the ledger died of: copies
// of FieldKind to FieldReasonZh. The fields themselves are those of the last
// attempt, which may be one of a task that runs again, or one that came late.
const deathPrefix = "d_"

// Fields that only a dead letter has: with them the task can be run again when
// asynq has forgotten it.
const (
	FieldType     = "type"     // asynq's type name
	FieldQueue    = "queue"    // asynq's queue
	FieldPayload  = "payload"  // as it was, whatever the bytes
	FieldHeaders  = "headers"  // JSON
	FieldDied     = "died"     // when
	FieldBy       = "by"       // ByWorker, BySweeper or [ByHand]
	FieldLastErr  = "last_err" // what asynq said, of tasks whose worker said nothing
	FieldFix      = "fix"      // 1 while the payload is a correction that was not run yet
	FieldOriginal = "original" // the payload before it was corrected
	FieldUnsure   = "unsure"   // token of a sweep that is not finished with the letter
	FieldPriorTTL = "prior_ttl"
	FieldUnbegun  = "unbegun" // the death of a task that a person stopped before it was ever begun
	FieldRevived  = "revived" // the death of which somebody began to run the task again
)

// FieldSweeps counts the sweeps in the hash at [ScanKey]; nothing else has that name.
const FieldSweeps = ""

// Fields of the hash at [ReplicationKey].
const (
	FieldReplID  = "replid"  // master_replid of INFO replication
	FieldChanged = "changed" // when another one was met last, 0 for never
)

// Fields of the hash at [ClockKey].
const (
	FieldLooked  = "looked"  // when a worker looked last
	FieldStepped = "stepped" // when the clocks may have been set last, 0 for never
	FieldFence   = "fence"   // of the worker that looked last, in milliseconds
)

// Fields of a task that a person resolved.
const (
	FieldResolvedBy = "resolved_by"
	FieldNote       = "note"
)

// Who put a letter into the ledger.
const (
	ByWorker  = "worker"  // the verdict of an attempt
	BySweeper = "sweeper" // asynq archived it without one
	byHand    = "by hand: "
)

// ByHand is who put a letter into the ledger when a person archived the task.
func ByHand(who string) string { return byHand + who }

// Kinds returns what a dead task may have died of, in order.
func Kinds() []ecpay.Kind { return append(ecpay.Kinds(), ecpay.Stopped) }

// ArchivedByHand returns the person of a [ByHand].
func ArchivedByHand(by string) (who string, ok bool) { return strings.CutPrefix(by, byHand) }

// State is where a task stands by its record.
type State string

// The states.
const (
	Active State = "active"
	Retry  State = "retry"
	Held   State = "held"
	Queued State = "queued" // held, and for nothing but its turn
	Done   State = "done"
	Dead   State = "dead"
)

// End is how an attempt ended.
type End struct {
	Kind       ecpay.Kind
	HTTPStatus int
	TransCode  int
	RtnCode    int64
	RtnMsg     string
	Reason     Text
}

// Record is what is known of a task.
type Record struct {
	State    State
	Attempts int
	Crashes  int
	Holds    int
	// End is that of the last attempt.
	End
	Result      json.RawMessage
	First, Last time.Time
	Next        time.Time
	// InFlight is when a write went out about which nothing is proven; zero when
	// there is none.
	InFlight time.Time

	// Type and what follows is known of dead letters only.
	Type    string
	Queue   string
	Payload []byte // nil when it is not stored
	Headers map[string]string
	Died    time.Time
	// Death is how the attempt ended of which the task died, and Ambiguous while
	// InFlight says that a write is not accounted for; Stopped when a person archived it
	// and every write is. Of a task that is not dead it says no more than End.
	Death   End
	By      string
	LastErr string
	// Unbegun means that a person stopped it before it was ever begun.
	Unbegun bool
	// Corrected means that Payload is a correction that was not run yet.
	Corrected bool
	// Original is the payload before it was corrected.
	Original []byte

	// ResolvedBy and Note are those of a person.
	ResolvedBy string
	Note       string
}

// Stopped reports whether a person made the letter, by archiving the task. Such a one is
// run again by its id only, whatever its kind: it is Ambiguous while a write is not
// accounted for.
func (r Record) Stopped() bool {
	_, ok := ArchivedByHand(r.By)
	return ok
}

// reasonUnanswered is read of a dead letter with a write in flight.
var reasonUnanswered = Text{"sent again since it died, and nobody knows what became of it; look it up at ECPay", "判定失敗後曾再次送出且結果不明，請至綠界查詢"}

// ErrNotFound means that no attempt has been recorded.
var ErrNotFound = errors.New("no record")

// Get reads the record of a task.
func Get(ctx context.Context, rdb redis.UniversalClient, id string) (Record, error) {
	m, err := rdb.HGetAll(ctx, TaskKey(id)).Result()
	if err != nil {
		return Record{}, fmt.Errorf("read record: %w", err)
	}
	if len(m) == 0 {
		return Record{}, ErrNotFound
	}
	return Parse(m), nil
}

// Parse reads the hash at [TaskKey]. What it cannot read is as if it were not there.
func Parse(m map[string]string) Record {
	r := Record{
		State:    State(m[FieldState]),
		Attempts: int(Number(m[FieldAttempts])), Crashes: int(Number(m[FieldCrashes])), Holds: int(Number(m[FieldHolds])),
		End:   end(m, ""),
		First: tasks.Milli(m[FieldFirst]), Last: tasks.Milli(m[FieldLast]), Next: tasks.Milli(m[FieldNext]),
		InFlight: tasks.Milli(m[FieldInFlight]),
	}
	if r.Death = r.End; m[deathPrefix+FieldKind] != "" {
		r.Death = end(m, deathPrefix)
	}
	if res := m[FieldResult]; json.Valid([]byte(res)) {
		r.Result = json.RawMessage(res)
	}
	if _, ok := m[FieldPayload]; ok {
		r.Payload = append([]byte{}, m[FieldPayload]...)
		r.Type, r.Queue, r.By, r.LastErr = m[FieldType], m[FieldQueue], m[FieldBy], m[FieldLastErr]
		r.Died, r.Corrected = tasks.Milli(m[FieldDied]), m[FieldFix] == "1"
		r.Unbegun = r.State == Dead && m[FieldUnbegun] != "" && m[FieldUnbegun] == m[FieldDied]
		if r.Stopped() && r.Death.Kind != ecpay.Ambiguous { // older ones were stored as Unknown
			r.Death.Kind = ecpay.Stopped
		}
		if !r.InFlight.IsZero() && r.Death.Kind != ecpay.Ambiguous {
			// A write went out since, by a run that asynq had begun again.
			r.Death = End{Kind: ecpay.Ambiguous, Reason: reasonUnanswered}
		}
		_ = json.Unmarshal([]byte(m[FieldHeaders]), &r.Headers) // what cannot be read reads as none
		if v, ok := m[FieldOriginal]; ok {
			r.Original = []byte(v)
		}
	}
	r.ResolvedBy, r.Note = m[FieldResolvedBy], m[FieldNote]
	return r
}

func end(m map[string]string, prefix string) End {
	zh, two := m[prefix+FieldReasonZh]
	e := End{
		HTTPStatus: int(Number(m[prefix+FieldHTTP])), TransCode: int(Number(m[prefix+FieldTrans])), RtnCode: Number(m[prefix+FieldRtn]),
		RtnMsg: m[prefix+FieldMsg], Reason: readText(m[prefix+FieldReason], zh, two),
	}
	if k, err := ecpay.ParseKind(m[prefix+FieldKind]); err == nil {
		e.Kind = k
	}
	return e
}
