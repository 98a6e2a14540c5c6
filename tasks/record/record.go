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
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/tasks"
)

// Kinds returns what a dead task may have died of, in order.
func Kinds() []ecpay.Kind { return append(ecpay.Kinds(), ecpay.Stopped) }

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
	// Stopping: a cancel has stopped it, and did not get to its end so far. It is in the ledger,
	// and is dead unless the cancel goes on.
	Stopping State = "stopping"
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
	Invoice     *tasks.Invoice // that was issued for the task, nil until it is known
	First, Last time.Time
	Next        time.Time
	// InFlight is when a write went out about which nothing is proven; zero when
	// there is none.
	InFlight time.Time

	// The fields from Type to Original are known of dead letters only.
	Type    string
	Queue   string
	Payload []byte // nil when it is not stored
	Headers map[string]string
	Died    time.Time
	// Death is how the attempt ended of which the task died. Its Kind is Ambiguous while a write
	// is not accounted for, see InFlight, and else Stopped when a person archived the task. Of a
	// task that is not dead it says no more than End.
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
	r.Invoice = parseInvoice(m[FieldInvoice])
	if res := m[FieldResult]; json.Valid([]byte(res)) {
		r.Result = json.RawMessage(res)
	}
	if _, ok := m[FieldPayload]; ok {
		r.Payload = append([]byte{}, m[FieldPayload]...)
		r.Type, r.Queue, r.By, r.LastErr = m[FieldType], m[FieldQueue], m[FieldBy], m[FieldLastErr]
		r.Died, r.Corrected = tasks.Milli(m[FieldDied]), m[FieldFix] == "1"
		r.Unbegun = (r.State == Dead || r.State == Stopping) && m[FieldUnbegun] != "" && m[FieldUnbegun] == m[FieldDied]
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
