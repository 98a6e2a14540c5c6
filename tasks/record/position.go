package record

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/ecpayq/ecpayq/internal/redisx"
)

// position is an entry of a merchant's outcomes: its number, and when it was recorded. A number
// alone would not tell an end from another one that got its number after a failover.
type position struct{ ms, seq int64 }

const maxPosition = 1<<53 - 1

func (p position) String() string {
	return strconv.FormatInt(p.ms, 10) + "-" + strconv.FormatInt(p.seq, 10)
}

// before reports whether p stands before q in a stream.
func (p position) before(q position) bool { return p.ms < q.ms || p.ms == q.ms && p.seq < q.seq }

// FirstOutcome is the position before the first outcome of a merchant.
const FirstOutcome = "0-0"

func parsePositions(texts map[string]string) (positions, error) {
	at := positions{}
	for owner, text := range texts {
		ms, seq, _ := strings.Cut(text, "-")
		p := position{Number(ms), Number(seq)}
		if p.String() != text {
			return nil, fmt.Errorf("%q is no position of an outcome of merchant %q", text, owner)
		}
		if p.seq > 0 {
			at[owner] = p
		}
	}
	return at, nil
}

// OutcomeOwners are the merchants that have outcomes.
func (r *Reader) OutcomeOwners(ctx context.Context) ([]string, error) {
	owners, err := r.rdb.SMembers(ctx, OutcomeOwnersKey).Result()
	if err != nil {
		return nil, fmt.Errorf("list merchants with outcomes: %w", err)
	}
	return owners, nil
}

// LastOutcomes returns the positions of the last outcomes of merchants, [FirstOutcome] for one
// that has none.
func (r *Reader) LastOutcomes(ctx context.Context, merchants []string) (map[string]string, error) {
	pipe := r.rdb.Pipeline()
	cmds := make([]*redis.XMessageSliceCmd, len(merchants))
	for i, m := range merchants {
		cmds[i] = pipe.XRevRangeN(ctx, OwnerOutcomesKey(m), "+", "-", 1)
	}
	if err := redisx.Exec(ctx, pipe); err != nil {
		return nil, fmt.Errorf("read outcomes: %w", err)
	}
	last := map[string]string{}
	for i, m := range merchants {
		last[m] = FirstOutcome
		if found := cmds[i].Val(); len(found) > 0 {
			last[m] = found[0].ID
		}
	}
	return last, nil
}

// LatestOutcomes returns the last n outcomes of a merchant, the last one first.
func (r *Reader) LatestOutcomes(ctx context.Context, merchantID string, n int64) ([]Outcome, error) {
	found, err := r.rdb.XRevRangeN(ctx, OwnerOutcomesKey(merchantID), "+", "-", n).Result()
	if err != nil {
		return nil, fmt.Errorf("read the latest outcomes: %w", err)
	}
	all := make([]Outcome, len(found))
	for i, m := range found {
		all[i] = parseEntry(merchantID, m).Outcome
	}
	return all, nil
}

// OutcomeAt returns the outcome of a merchant at a position, false where there is none.
func (r *Reader) OutcomeAt(ctx context.Context, merchantID, position string) (Outcome, bool, error) {
	found, err := r.rdb.XRange(ctx, OwnerOutcomesKey(merchantID), position, position).Result()
	if err != nil {
		return Outcome{}, false, fmt.Errorf("read an outcome: %w", err)
	}
	if len(found) == 0 {
		return Outcome{}, false, nil
	}
	return parseEntry(merchantID, found[0]).Outcome, true, nil
}

// IsPosition reports whether a text is one that [Outcome.Position] may have.
func IsPosition(text string) bool {
	p, err := parsePositions(map[string]string{"": text})
	return err == nil && len(p) == 1
}
