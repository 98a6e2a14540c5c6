package gate_test

import (
	"errors"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/internal/redisx"
	"github.com/ecpayq/ecpayq/tasks/record"
	"github.com/ecpayq/ecpayq/worker/gate"
)

// fill writes outcomes of a merchant as ended.lua does, the last one at a time and the others a
// millisecond before each.
func fill(t *testing.T, rdb *redis.Client, n int, last time.Time) (key string) {
	t.Helper()
	key = record.OutcomeKeysOf(redisx.TopologyOf(rdb), "2000132").Outcomes
	script := redis.NewScript(`
for seq = tonumber(ARGV[1]), tonumber(ARGV[2]) do
  redis.call('XADD', KEYS[1], string.format('%.0f-%.0f', tonumber(ARGV[3]) + seq, seq), 'id', 'b2c.trigger_issue.2000132.O' .. seq,
    'state', 'done', 'kind', 'OK', 'rtn_code', '1', 'rtn_msg', '', 'reason', '', 'reason_zh', '', 'result', '', 'since', '1', 'off', '0')
end`)
	// On a busy machine the client executes what takes longer than three seconds a second time: parts are small.
	for from := 1; from <= n; from += 5_000 {
		err := script.Run(t.Context(), rdb, []string{key}, from, min(n, from+4_999), last.UnixMilli()-int64(n)).Err()
		if !errors.Is(err, redis.Nil) {
			t.Fatal(err)
		}
	}
	if err := rdb.SAdd(t.Context(), record.OutcomeOwnersKey, "2000132").Err(); err != nil {
		t.Fatal(err)
	}
	return key
}

// end has a task end, whose outcome is the seq-th of its merchant.
func end(t *testing.T, g *gate.Gate, keep time.Duration, seq int) {
	t.Helper()
	a, now := attempt(fmt.Sprintf("b2c.trigger_issue.2000132.E%d", seq), strconv.Itoa(seq)), time.Now()
	begin(t, g, a, now)
	leave(t, g, a, gate.Result{State: record.Done, Kind: ecpay.OK, Settled: true, RecordTTL: time.Hour, DoneTTL: time.Hour, OutcomesFor: keep})
}

func TestOutcomesThatAreTooOldGoWithTheNextEndAndTheirReadersAreTold(t *testing.T) {
	t.Parallel()
	g, rdb, _ := newGate(t)
	const old, keep = 450, 168 * time.Hour
	key := fill(t, rdb, old, time.Now().Add(-keep-time.Minute))
	reader := record.NewReader(rdb)
	before, err := reader.Outcomes(t.Context(), record.OutcomeQuery{Limit: 10})
	if err != nil || len(before.Outcomes) != 10 {
		t.Fatalf("got %d outcomes and %v", len(before.Outcomes), err)
	}
	end(t, g, 0, old+1)
	if n := rdb.XLen(t.Context(), key).Val(); n != old+1 {
		t.Errorf("%d outcomes are kept where nobody says how long, want all %d", n, old+1)
	}
	end(t, g, keep, old+2)
	// Redis removes whole nodes of 100 entries: up to 99 that are too old stay with one that is not.
	n := rdb.XLen(t.Context(), key).Val()
	if n < 2 || n > 2+99 {
		t.Errorf("%d outcomes are kept, want the last 2 and at most 99 older ones", n)
	}
	_, err = reader.Outcomes(t.Context(), record.OutcomeQuery{After: before.Next})
	var gap *record.OutcomeGapError
	if !errors.As(err, &gap) || gap.Lost || gap.Seq != 10 || gap.Oldest != old+2-n+1 {
		t.Fatalf("got error %v, want a gap between 10 and the oldest that is kept, %d", err, old+2-n+1)
	}
	page, err := reader.Outcomes(t.Context(), record.OutcomeQuery{After: gap.Next})
	if err != nil || int64(len(page.Outcomes)) != n || page.Outcomes[0].Seq != gap.Oldest || page.Outcomes[n-1].Seq != old+2 {
		t.Errorf("after the gap: got %d outcomes and %v, want the %d that are kept", len(page.Outcomes), err, n)
	}
	// One that is not too old stays, however many come after it.
	end(t, g, keep, old+3)
	first := fmt.Sprintf("b2c.trigger_issue.2000132.E%d", old+1)
	if got := rdb.XRevRangeN(t.Context(), key, "+", "-", 3).Val(); len(got) != 3 || got[2].Values["id"] != first {
		t.Errorf("the last three are %v", got)
	}
}

func TestAMerchantHasAboutAMillionOutcomes(t *testing.T) {
	t.Parallel()
	g, rdb, _ := newGate(t)
	const most = 1_000_000
	key := fill(t, rdb, most+250, time.Now().Add(-time.Minute))
	for seq := most + 251; seq <= most+301; seq++ { // the first in each hundred cuts the stream
		end(t, g, 0, seq)
	}
	if n := rdb.XLen(t.Context(), key).Val(); n < most || n > most+200 {
		t.Errorf("%d outcomes are kept, want about %d", n, most)
	}
	last, err := record.NewReader(rdb).LastOutcomes(t.Context(), []string{"2000132"})
	if err != nil {
		t.Fatal(err)
	}
	if got := last["2000132"]; got == "" {
		t.Errorf("got no last outcome in %v", last)
	}
}
