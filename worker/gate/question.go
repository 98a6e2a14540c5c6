package gate

import (
	"context"
	_ "embed"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ecpayq/ecpayq/tasks/ledger"
	"github.com/ecpayq/ecpayq/tasks/record"
)

//go:embed question.lua
var questionLua string

// Questions permits requests to ECPay that belong to no task, at the pace of their
// merchant in the fleet.
type Questions struct {
	rdb       redis.UniversalClient
	ask, over *redis.Script
}

// NewQuestions returns Questions that use rdb and never close it.
func NewQuestions(rdb redis.UniversalClient) *Questions {
	return &Questions{
		rdb: rdb, ask: record.NewScript(paceLua + questionLua),
		over: record.NewScript(paceLua + "request_over(KEYS[1], KEYS[2], ARGV[1], tonumber(ARGV[2]), ARGV[3]) return 1"),
	}
}

// Question is one request.
type Question struct {
	MerchantID string
	// Token is its own; no two are equal.
	Token string
	// Interval, InFlight and Life are those of [Request].
	Interval time.Duration
	InFlight int
	Life     time.Duration
}

// Ask permits the request, or says how long to wait before asking again. Keys that are
// refused do not stand against it: it may be asked to find out whether they still are.
func (q *Questions) Ask(ctx context.Context, r Question) (Turn, error) {
	k := record.KeysOf(r.MerchantID)
	v, err := q.ask.Run(ctx, q.rdb, []string{k.Pace, k.Flight}, r.Token, r.Interval.Microseconds(), r.InFlight, r.Life.Microseconds()).Int64Slice()
	switch {
	case err != nil:
		return Turn{}, fmt.Errorf("ask for a turn: %w", err)
	case len(v) != 2:
		return Turn{}, fmt.Errorf("ask for a turn: %d values in the answer", len(v))
	}
	return turnOf([]int64{v[0], v[1], 0, 0}), nil
}

// Over says that the request was answered, or never will be, and for how long ECPay wants
// no other of this merchant, 0 for nothing of the kind, in its words.
func (q *Questions) Over(ctx context.Context, r Question, banned time.Duration, why string) error {
	k := record.KeysOf(r.MerchantID)
	if err := q.over.Run(ctx, q.rdb, []string{k.Pace, k.Flight}, r.Token, banned.Microseconds(), why).Err(); err != nil {
		return fmt.Errorf("end a turn: %w", err)
	}
	if banned > 0 { // so that it is listed
		return ledger.NoteName(ctx, q.rdb, record.MerchantsKey, r.MerchantID)
	}
	return nil
}
