package gate

import (
	"context"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ecpayq/ecpayq/tasks/ledger"
	"github.com/ecpayq/ecpayq/tasks/record"
)

// Questions permits requests to ECPay that belong to no task, at the pace of their
// merchant in the fleet.
type Questions struct{ rdb redis.UniversalClient }

// NewQuestions returns Questions that use rdb and never close it.
func NewQuestions(rdb redis.UniversalClient) *Questions { return &Questions{rdb} }

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

// Ask permits the request, or says how long to wait before asking again. It is permitted also
// while the keys are refused: it may be asked to find out whether they still are.
func (q *Questions) Ask(ctx context.Context, r Question) (Turn, error) {
	k := record.KeysOf(r.MerchantID)
	v, err := questionScript.Run(ctx, q.rdb, paceKeys{k.Pace, k.Flight}, questionArgs{r.Token, r.Interval, r.InFlight, r.Life})
	if err != nil {
		return Turn{}, fmt.Errorf("ask for a turn: %w", err)
	}
	return Turn{Wait: v.Wait, Why: v.Why}, nil
}

// Over says that the request was answered, or never will be, and for how long ECPay wants
// no other of this merchant, 0 for nothing of the kind, in its words.
func (q *Questions) Over(ctx context.Context, r Question, banned time.Duration, why string) error {
	k := record.KeysOf(r.MerchantID)
	if _, err := overScript.Run(ctx, q.rdb, paceKeys{k.Pace, k.Flight}, overArgs{r.Token, banned, why}); err != nil {
		return fmt.Errorf("end a turn: %w", err)
	}
	if banned > 0 { // so that it is listed
		return ledger.NoteName(ctx, q.rdb, record.MerchantsKey, r.MerchantID)
	}
	return nil
}
