// Package record names every key that ecpayq keeps in Redis beside asynq's own,
// and reads what is stored there: the state and result of each task. Workers
// write it (worker/gate), everybody may read it.
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

// LockKey is the lock of a task's subject, held by one attempt at a time.
func LockKey(id string) string { return prefix + tag(id) + ":lock:" + tasks.Subject(id) }

// BarrierKey is what a producer writes to learn that replicas and disks have
// everything of a queue that was written before. Its hash tag is that of asynq's
// keys of the queue.
func BarrierKey(queue string) string { return prefix + "{" + queue + "}:barrier" }

// AsynqTaskKey is the hash in which asynq v0.26 keeps a task.
func AsynqTaskKey(queue, id string) string { return "asynq:{" + queue + "}:t:" + id }

// Fields of the hash at [TaskKey]. Times are Unix milliseconds by Redis' clock.
const (
	FieldState    = "state"     // a State
	FieldToken    = "token"     // the attempt that runs now, empty between attempts
	FieldLeft     = "left"      // the attempt that left last
	FieldAttempts = "attempts"  // attempts that spent budget
	FieldCrashes  = "crashes"   // attempts that never left
	FieldHolds    = "holds"     // holds in a row, by which pauses grow
	FieldStale    = "stale"     // requests refused with TransCode 104 in a row
	FieldInFlight = "in_flight" // a write went out at this time and nothing is proven since
	FieldSentAt   = "sent_at"   // the same time by the sender's clock: two clocks guard the fence
	FieldRepeated = "repeated"  // how often a write was sent again with an earlier one unanswered
	FieldSince    = "since"     // when the budget's clock began
	FieldPaused   = "paused"    // milliseconds for which that clock stood still
	FieldPausedAt = "paused_at" // it stands still since then
	FieldFirst    = "first"     // first attempt
	FieldLast     = "last"      // last attempt
	FieldNext     = "next"      // when it runs again
	FieldKind     = "kind"
	FieldHTTP     = "http_status"
	FieldTrans    = "trans_code"
	FieldRtn      = "rtn_code"
	FieldMsg      = "rtn_msg"
	FieldReason   = "reason" // why it is held or dead, for people
	FieldResult   = "result" // ECPay's answer, JSON
)

// State is where a task stands by its record.
type State string

// The states.
const (
	Active State = "active"
	Retry  State = "retry"
	Held   State = "held"
	Done   State = "done"
	Dead   State = "dead"
)

// Record is what is known of a task.
type Record struct {
	State       State
	Attempts    int
	Crashes     int
	Holds       int
	Kind        ecpay.Kind
	HTTPStatus  int
	TransCode   int
	RtnCode     int64
	RtnMsg      string
	Reason      string
	Result      json.RawMessage
	First, Last time.Time
	Next        time.Time
	// InFlight is when a write went out about which nothing is proven; zero when
	// there is none.
	InFlight time.Time
}

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
	r := Record{
		State:    State(m[FieldState]),
		Attempts: int(number(m[FieldAttempts])), Crashes: int(number(m[FieldCrashes])), Holds: int(number(m[FieldHolds])),
		HTTPStatus: int(number(m[FieldHTTP])), TransCode: int(number(m[FieldTrans])), RtnCode: number(m[FieldRtn]),
		RtnMsg: m[FieldMsg], Reason: m[FieldReason],
		First: milli(m[FieldFirst]), Last: milli(m[FieldLast]), Next: milli(m[FieldNext]), InFlight: milli(m[FieldInFlight]),
	}
	if k, err := ecpay.ParseKind(m[FieldKind]); err == nil {
		r.Kind = k
	}
	if res := m[FieldResult]; json.Valid([]byte(res)) {
		r.Result = json.RawMessage(res)
	}
	return r, nil
}

// number reads what a newer or hostile writer may have left as 0.
func number(s string) int64 {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return 0
	}
	return n
}

func milli(s string) time.Time {
	if n := number(s); n > 0 {
		return time.UnixMilli(n)
	}
	return time.Time{}
}
