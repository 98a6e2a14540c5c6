package record

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ecpayq/ecpayq/internal/redisx"
)

// Outcomes that one page has, where nothing is said and at most, and merchants of one read.
const (
	DefaultOutcomes     = 100
	MaxOutcomes         = 1000
	maxOutcomeMerchants = 1000
)

// How long a reader who waits pauses between two looks.
const outcomePause, maxOutcomePause = 50 * time.Millisecond, 500 * time.Millisecond

// OutcomeQuery says which outcomes are wanted.
type OutcomeQuery struct {
	// After is the cursor of the last outcome that was read, empty to begin with the oldest that
	// is kept.
	After string
	// Positions say instead of After where to go on, by merchant, as [Outcome.Position] has it.
	// One without a position is read from its first outcome on. Answers have no cursors then.
	Positions map[string]string
	// Since, where nothing was read yet, leaves out what was recorded before.
	Since time.Time
	// Merchants are those that are wanted, none for all that have outcomes.
	Merchants []string
	// Limit is how many are wanted at once, 0 for [DefaultOutcomes]. [MaxOutcomes] are given at
	// most, and fewer where more are there.
	Limit int
	// Wait is how long to wait where there is none.
	Wait time.Duration
}

// OutcomePage is an answer.
type OutcomePage struct {
	// Outcomes are in order within a merchant, and across merchants by time.
	Outcomes []Outcome `json:"outcomes"`
	// Next is the cursor to go on with. It is never empty unless [OutcomeQuery.Positions] were given.
	Next string `json:"next"`
	// Broken are the merchants whose outcomes cannot be read: another program wrote their key.
	Broken []string `json:"broken,omitempty"`
}

// OutcomeGapError means that a cursor cannot be gone on from without missing something, or
// reading something twice.
type OutcomeGapError struct {
	MerchantID string
	// Lost means that what the cursor has read is not there: Redis lost its last writes, in a
	// failover or a restore, and the numbers after them were given again, or will be. Else
	// outcomes after the cursor are not kept any more.
	Lost bool
	// Seq is the number of the last outcome that the cursor has read of the merchant, 0 for none,
	// and Oldest that of the first that can be read now, 0 while there is none.
	Seq, Oldest int64
	// Next is the cursor to go on with at Oldest. For other merchants it is the one that was given.
	Next string
	// Position is that of the merchant to go on with at Oldest, see [OutcomeQuery.Positions].
	Position string
}

// Error implements error.
func (e *OutcomeGapError) Error() string {
	switch {
	case e.Lost && e.Oldest == 0:
		return fmt.Sprintf("outcome %d of merchant %q, which this cursor has read, is not there any more: Redis lost its last writes; "+
			"no outcome of the merchant is left, go on with the next cursor", e.Seq, e.MerchantID)
	case e.Lost:
		return fmt.Sprintf("outcome %d of merchant %q, which this cursor has read, is not there any more: Redis lost its last writes; "+
			"go on at outcome %d with the next cursor, and pass over what you have by seq and at", e.Seq, e.MerchantID, e.Oldest)
	}
	return fmt.Sprintf("outcomes %d to %d of merchant %q are not kept any more; look up the tasks that you wait for, "+
		"and go on at outcome %d with the next cursor", e.Seq+1, e.Oldest-1, e.MerchantID, e.Oldest)
}

// ZhTW is [OutcomeGapError.Error] in the Chinese of Taiwan.
func (e *OutcomeGapError) ZhTW() string {
	switch {
	case e.Lost && e.Oldest == 0:
		return fmt.Sprintf("特店「%s」的第 %d 筆結果已被此游標讀過，但已不存在：Redis 遺失了最後的寫入；該特店沒有其他結果，請以 next 繼續", e.MerchantID, e.Seq)
	case e.Lost:
		return fmt.Sprintf("特店「%s」的第 %d 筆結果已被此游標讀過，但已不存在：Redis 遺失了最後的寫入；請以 next 從第 %d 筆繼續，並依 seq 與 at 略過已有的結果",
			e.MerchantID, e.Seq, e.Oldest)
	}
	return fmt.Sprintf("特店「%s」的第 %d 至 %d 筆結果已不再保存；請查詢仍在等待的任務，並以 next 從第 %d 筆繼續", e.MerchantID, e.Seq+1, e.Oldest-1, e.Oldest)
}

// OutcomeQueryError is a mistake in an [OutcomeQuery] other than in its cursor.
type OutcomeQueryError struct{ Problem string }

// Error implements error.
func (e *OutcomeQueryError) Error() string { return e.Problem }

// Outcomes returns the outcomes after a cursor. It returns [ErrCursor], a [*OutcomeQueryError] or
// an [*OutcomeGapError] for what has to be asked otherwise.
//
// A reader who waits looks again after a pause that grows to half a second. It keeps no
// connection meanwhile, and works the same on a cluster, where the streams are on different
// servers.
func (r *Reader) Outcomes(ctx context.Context, q OutcomeQuery) (OutcomePage, error) {
	f, err := r.feed(q)
	if err != nil {
		return OutcomePage{}, err
	}
	deadline := time.NewTimer(q.Wait)
	defer deadline.Stop()
	for pause := outcomePause; ; pause = min(2*pause, maxOutcomePause) {
		page, err := f.page(ctx)
		if err != nil || len(page.Outcomes) > 0 || q.Wait <= 0 {
			return page, err
		}
		select {
		case <-ctx.Done():
			return OutcomePage{}, fmt.Errorf("wait for outcomes: %w", context.Cause(ctx))
		case <-deadline.C:
			return page, nil
		case <-time.After(pause):
		}
	}
}

// feed is one read of outcomes.
type feed struct {
	rdb       redis.UniversalClient
	of        redisx.Topology
	at        positions
	begins    bool // at the oldest that is kept, or was recorded since
	since     time.Time
	positions bool // instead of cursors
	named     []string
	limit     int
	broken    []string
}

func (r *Reader) feed(q OutcomeQuery) (*feed, error) {
	f := &feed{rdb: r.rdb, of: redisx.TopologyOf(r.rdb), at: positions{}, begins: q.After == "" && q.Positions == nil, since: q.Since,
		positions: q.Positions != nil, limit: q.Limit}
	if q.Limit == 0 {
		f.limit = DefaultOutcomes
	}
	f.limit = min(f.limit, MaxOutcomes)
	switch {
	case q.Limit < 0:
		return nil, &OutcomeQueryError{fmt.Sprintf("limit is %d; it must be from 1 to %d, or 0 for %d", q.Limit, MaxOutcomes, DefaultOutcomes)}
	case q.Wait < 0:
		return nil, &OutcomeQueryError{"wait must not be negative; 0s is not to wait"}
	}
	for _, m := range q.Merchants {
		if m == "" || strings.ContainsAny(m, "{}") {
			return nil, &OutcomeQueryError{"a merchant's id must be neither empty nor have braces"}
		}
	}
	f.named = slices.Compact(slices.Sorted(slices.Values(q.Merchants)))
	var err error
	switch {
	case f.positions:
		f.at, err = parsePositions(q.Positions)
	case !f.begins:
		f.at, err = parseCursor(q.After)
	}
	return f, err
}

// owners are those that are read: those that are named, or all. One who has a position has, or
// had, outcomes.
func (f *feed) owners(ctx context.Context) ([]string, error) {
	owners := f.named
	if len(owners) == 0 {
		all, err := f.rdb.SMembers(ctx, OutcomeOwnersKey).Result()
		if err != nil {
			return nil, fmt.Errorf("list merchants with outcomes: %w", err)
		}
		owners = slices.Compact(slices.Sorted(slices.Values(slices.AppendSeq(all, maps.Keys(f.at)))))
	}
	if len(owners) > maxOutcomeMerchants {
		return nil, &OutcomeQueryError{fmt.Sprintf("there are outcomes of %d merchants, %d can be read at once: name the merchants",
			len(owners), maxOutcomeMerchants)}
	}
	// Who was read longest ago comes first, so that many outcomes of one do not keep the others.
	slices.SortStableFunc(owners, func(a, b string) int { return int(f.at[a].ms - f.at[b].ms) })
	return owners, nil
}

// page reads once.
func (f *feed) page(ctx context.Context) (OutcomePage, error) {
	owners, err := f.owners(ctx)
	if err != nil {
		return OutcomePage{}, err
	}
	reached := maps.Clone(f.at)
	begin := f.begins
	var all []entry
	for open := owners; len(open) > 0 && len(all) < f.limit; {
		share := (f.limit - len(all) + len(open) - 1) / len(open)
		batches, err := f.read(ctx, open, reached, share, begin)
		if err != nil {
			return OutcomePage{}, err
		}
		begin = false
		var more []string
		for i, owner := range open {
			got := batches[i][:min(len(batches[i]), f.limit-len(all))]
			if len(got) > 0 {
				reached[owner] = got[len(got)-1].at
				all = append(all, got...)
			}
			if len(got) == share {
				more = append(more, owner)
			}
		}
		open = more
	}
	return f.answer(all)
}

// answer puts outcomes in order and adds their cursors.
func (f *feed) answer(all []entry) (OutcomePage, error) {
	slices.SortStableFunc(all, func(a, b entry) int {
		if a.MerchantID == b.MerchantID {
			return int(a.Seq - b.Seq)
		}
		return int(a.at.ms - b.at.ms)
	})
	page := OutcomePage{Outcomes: make([]Outcome, len(all)), Broken: f.broken}
	if f.positions {
		for i, e := range all {
			page.Outcomes[i] = e.Outcome
		}
		return page, nil
	}
	at := maps.Clone(f.at)
	next, err := at.cursor()
	for i, e := range all {
		if err != nil {
			break
		}
		at[e.MerchantID] = e.at
		next, err = at.cursor()
		page.Outcomes[i], page.Outcomes[i].Cursor = e.Outcome, next
	}
	page.Next = next
	return page, err
}

// read returns up to n entries of each owner after what was reached. With begin, those without a
// position get the one before their oldest.
func (f *feed) read(ctx context.Context, owners []string, reached positions, n int, begin bool) ([][]entry, error) {
	pipe := f.rdb.Pipeline()
	cmds := make([]*redis.XMessageSliceCmd, len(owners))
	for i, owner := range owners {
		from := "-"
		if p := reached[owner]; p.seq > 0 {
			from = p.String()
		} else if begin && !f.since.IsZero() {
			from = strconv.FormatInt(f.since.UnixMilli(), 10)
		}
		cmds[i] = pipe.XRangeN(ctx, OutcomeKeysOf(f.of, owner).Outcomes, from, "+", int64(n)+1)
	}
	if err := redisx.Exec(ctx, pipe); err != nil {
		return nil, fmt.Errorf("read outcomes: %w", err)
	}
	batches := make([][]entry, len(owners))
	for i, owner := range owners {
		if redisx.IsWrongType(cmds[i].Err()) {
			if !slices.Contains(f.broken, owner) {
				f.broken = append(f.broken, owner)
			}
			continue
		}
		var err error
		if batches[i], err = f.follow(ctx, owner, reached, cmds[i].Val(), n, begin); err != nil {
			return nil, err
		}
	}
	return batches, nil
}

// follow returns the entries that follow what was reached, each the one before it, and an error
// where the first does not.
func (f *feed) follow(ctx context.Context, owner string, reached positions, msgs []redis.XMessage, n int, begin bool) ([]entry, error) {
	list := make([]entry, len(msgs))
	for i, m := range msgs {
		list[i] = parseEntry(owner, m)
	}
	at := reached[owner]
	switch {
	case begin && len(list) > 0:
		at = list[0].after
		reached[owner], f.at[owner] = at, at
	case len(list) > 0 && list[0].at == at:
		list = list[1:]
	case at.seq > 0 && (len(list) == 0 || list[0].after != at):
		return nil, f.gap(ctx, owner, at)
	}
	for i := range list[:min(len(list), n)] {
		if list[i].after == at {
			at = list[i].at
			continue
		}
		if i == 0 {
			return nil, f.gapAt(owner, reached[owner], list[0])
		}
		return list[:i], nil
	}
	return list[:min(len(list), n)], nil
}

// gap says why the entry that was read last is neither there nor followed.
func (f *feed) gap(ctx context.Context, owner string, at position) error {
	first, err := f.rdb.XRangeN(ctx, OutcomeKeysOf(f.of, owner).Outcomes, "-", "+", 1).Result()
	if err != nil {
		return fmt.Errorf("read outcomes: %w", err)
	}
	if len(first) == 0 {
		return f.gapOf(&OutcomeGapError{MerchantID: owner, Lost: true, Seq: at.seq}, position{})
	}
	return f.gapAt(owner, at, parseEntry(owner, first[0]))
}

// gapAt is the gap before an entry, which is the first that can be read now.
func (f *feed) gapAt(owner string, at position, first entry) error {
	lost := !at.before(first.at) || first.Seq <= at.seq+1
	return f.gapOf(&OutcomeGapError{MerchantID: owner, Lost: lost, Seq: at.seq, Oldest: first.Seq}, first.after)
}

func (f *feed) gapOf(e *OutcomeGapError, from position) error {
	e.Position = from.String()
	if f.positions {
		return e
	}
	at := maps.Clone(f.at)
	at[e.MerchantID] = from
	var err error
	if e.Next, err = at.cursor(); err != nil {
		return errors.Join(e, err)
	}
	return e
}
