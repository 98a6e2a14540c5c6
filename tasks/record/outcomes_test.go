package record_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ecpayq/ecpayq/internal/redistest"
	"github.com/ecpayq/ecpayq/internal/redisx"
	"github.com/ecpayq/ecpayq/tasks/record"
)

const shop = "2000132"

func outcomesKey(rdb redis.UniversalClient, owner string) string {
	return record.OutcomeKeysOf(redisx.TopologyOf(rdb), owner).Outcomes
}

// appendOutcomes writes entries as ended.lua does, one for each number, a millisecond apart from 1000+seq on.
func appendOutcomes(t *testing.T, rdb *redis.Client, owner string, from, to, shift int) {
	t.Helper()
	for seq := from; seq <= to; seq++ {
		ms, since := 1000+seq+shift, 1
		if seq == from {
			since += shift
		}
		if seq == 1 {
			since = ms
		}
		id := fmt.Sprintf("b2c.trigger_issue.%s.T%d", owner, seq)
		args := &redis.XAddArgs{
			Stream: outcomesKey(rdb, owner), ID: fmt.Sprintf("%d-%d", ms, seq),
			Values: []any{"id", id, "state", "done", "kind", "OK", "rtn_code", "1", "rtn_msg", "", "reason", "", "reason_zh", "",
				"result", "", "since", since, "off", "0"},
		}
		if err := rdb.XAdd(t.Context(), args).Err(); err != nil {
			t.Fatal(err)
		}
	}
	if err := rdb.SAdd(t.Context(), record.OutcomeOwnersKey, owner).Err(); err != nil {
		t.Fatal(err)
	}
}

func seqs(list []record.Outcome) (s []int64) {
	for _, o := range list {
		s = append(s, o.Seq)
	}
	return s
}

func TestOutcomesAreReadInPagesAndFromEachCursor(t *testing.T) {
	t.Parallel()
	rdb := redistest.New(t, redistest.Options{AppendFsync: "no"}).Client()
	r := record.NewReader(rdb)
	empty, err := r.Outcomes(t.Context(), record.OutcomeQuery{})
	if err != nil || len(empty.Outcomes) != 0 || empty.Next == "" {
		t.Fatalf("of nothing: %+v, %v", empty, err)
	}
	appendOutcomes(t, rdb, shop, 1, 7, 0)
	appendOutcomes(t, rdb, "3002599", 1, 2, 0)
	got := map[string][]int64{}
	q := record.OutcomeQuery{After: empty.Next, Limit: 2}
	for pages := 0; ; pages++ {
		page, err := r.Outcomes(t.Context(), q)
		if err != nil || len(page.Outcomes) > q.Limit {
			t.Fatalf("%d outcomes, %v", len(page.Outcomes), err)
		}
		if len(page.Outcomes) == 0 {
			break
		}
		for _, o := range page.Outcomes {
			got[o.MerchantID] = append(got[o.MerchantID], o.Seq)
		}
		q.After = page.Outcomes[len(page.Outcomes)-1].Cursor
	}
	if !slices.Equal(got[shop], []int64{1, 2, 3, 4, 5, 6, 7}) || !slices.Equal(got["3002599"], []int64{1, 2}) {
		t.Errorf("%v", got)
	}
	one, err := r.Outcomes(t.Context(), record.OutcomeQuery{Merchants: []string{"3002599"}})
	if err != nil || !slices.Equal(seqs(one.Outcomes), []int64{1, 2}) {
		t.Errorf("%v, %v", one, err)
	}
}

func TestAReaderWaitsForAnOutcome(t *testing.T) {
	t.Parallel()
	rdb := redistest.New(t, redistest.Options{AppendFsync: "no"}).Client()
	r := record.NewReader(rdb)
	if page, err := r.Outcomes(t.Context(), record.OutcomeQuery{Wait: 60 * time.Millisecond}); err != nil || len(page.Outcomes) != 0 {
		t.Errorf("%v, %v", page, err)
	}
	came := make(chan record.OutcomePage)
	go func() {
		page, _ := r.Outcomes(t.Context(), record.OutcomeQuery{Wait: time.Minute})
		came <- page
	}()
	appendOutcomes(t, rdb, shop, 1, 1, 0)
	if page := <-came; len(page.Outcomes) != 1 {
		t.Errorf("%+v", page)
	}
}

func TestAGapIsNeverSilent(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		change func(t *testing.T, rdb *redis.Client, key string)
		lost   bool
		oldest int64
		then   []int64 // read by the next cursor
		fine   bool
	}{
		"nothing happened": {func(*testing.T, *redis.Client, string) {}, false, 0, nil, true},
		"more came": {func(t *testing.T, rdb *redis.Client, _ string) {
			appendOutcomes(t, rdb, shop, 6, 8, 0)
		}, false, 0, []int64{6, 7, 8}, true},
		"what was read is over": {func(t *testing.T, rdb *redis.Client, key string) {
			appendOutcomes(t, rdb, shop, 6, 8, 0)
			trim(t, rdb, key, 3)
		}, false, 0, []int64{6, 7, 8}, true},
		"what was not read also": {func(t *testing.T, rdb *redis.Client, key string) {
			appendOutcomes(t, rdb, shop, 6, 8, 0)
			trim(t, rdb, key, 2)
		}, false, 7, []int64{7, 8}, false},
		"the last writes are lost": {func(t *testing.T, rdb *redis.Client, key string) {
			if err := rdb.XDel(t.Context(), key, "1004-4", "1005-5").Err(); err != nil {
				t.Fatal(err)
			}
		}, true, 1, []int64{1, 2, 3}, false},
		"they are lost, and their numbers given again": {func(t *testing.T, rdb *redis.Client, key string) {
			if err := rdb.XDel(t.Context(), key, "1004-4", "1005-5").Err(); err != nil {
				t.Fatal(err)
			}
			appendOutcomes(t, rdb, shop, 4, 9, 100)
		}, true, 1, []int64{1, 2, 3, 4, 5, 6, 7, 8, 9}, false},
		"all is lost": {func(t *testing.T, rdb *redis.Client, key string) { rdb.Del(t.Context(), key) }, true, 0, nil, false},
		"one is taken out": {func(t *testing.T, rdb *redis.Client, key string) {
			appendOutcomes(t, rdb, shop, 6, 8, 0)
			if err := rdb.XDel(t.Context(), key, "1006-6").Err(); err != nil {
				t.Fatal(err)
			}
		}, false, 7, []int64{7, 8}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rdb := redistest.New(t, redistest.Options{AppendFsync: "no"}).Client()
			r := record.NewReader(rdb)
			appendOutcomes(t, rdb, shop, 1, 5, 0)
			page, err := r.Outcomes(t.Context(), record.OutcomeQuery{})
			if err != nil || len(page.Outcomes) != 5 {
				t.Fatalf("%v, %v", page, err)
			}
			row.change(t, rdb, outcomesKey(rdb, shop))
			next := page.Next
			page, err = r.Outcomes(t.Context(), record.OutcomeQuery{After: next})
			if !row.fine {
				var gap *record.OutcomeGapError
				if !errors.As(err, &gap) || gap.Lost != row.lost || gap.Oldest != row.oldest || gap.Seq != 5 || gap.MerchantID != shop {
					t.Fatalf("%+v, %v", page, err)
				}
				page, err = r.Outcomes(t.Context(), record.OutcomeQuery{After: gap.Next})
			}
			if err != nil || !slices.Equal(seqs(page.Outcomes), row.then) {
				t.Errorf("%v, %v, want %v", seqs(page.Outcomes), err, row.then)
			}
		})
	}
}

// trim keeps the last ones.
func trim(t *testing.T, rdb *redis.Client, key string, keep int64) {
	t.Helper()
	if err := rdb.XTrimMaxLen(t.Context(), key, keep).Err(); err != nil {
		t.Fatal(err)
	}
}

func TestWhatIsAskedWronglyIsSaid(t *testing.T) {
	t.Parallel()
	r := record.NewReader(redis.NewClient(&redis.Options{Addr: "127.0.0.1:1", MaxRetries: -1}))
	for _, cursor := range []string{"x", "AQ==", "Ag", "AQA", "AQH", strings.Repeat("A", 40<<10), "AQEyAQ", "\x00"} {
		if _, err := r.Outcomes(t.Context(), record.OutcomeQuery{After: cursor}); !errors.Is(err, record.ErrCursor) {
			t.Errorf("cursor %.10q: %v", cursor, err)
		}
	}
	for _, q := range []record.OutcomeQuery{{Limit: -1}, {Wait: -1}, {Merchants: []string{""}}, {Merchants: []string{"{x}"}}} {
		var wrong *record.OutcomeQueryError
		if _, err := r.Outcomes(t.Context(), q); !errors.As(err, &wrong) {
			t.Errorf("%+v: %v", q, err)
		}
	}
}
