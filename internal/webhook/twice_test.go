package webhook_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ecpayq/ecpayq/internal/asynqx"
	"github.com/ecpayq/ecpayq/internal/webhook"
	"github.com/ecpayq/ecpayq/tasks/record"
)

// scripts are those of the first n outcomes of one subject, in the queue of an endpoint.
func (b *bench) scripts(n int) (webhook.Endpoint, []webhook.Scripts) {
	b.Helper()
	e := endpointAt(b, "https://shop.example/hook", false)
	for range n {
		b.ends(shop, "A", "done")
	}
	page, err := record.NewReader(b.rdb).Outcomes(b.Context(), record.OutcomeQuery{Positions: map[string]string{}, Merchants: []string{shop}})
	b.must(err)
	b.must(b.rdb.HSet(b.Context(), record.WebhookKeysOf(e.Queue()).Positions, shop, record.FirstOutcome).Err())
	var list []webhook.Scripts
	from := record.FirstOutcome
	for _, o := range page.Outcomes {
		s, err := webhook.ScriptsOf(b.rdb, e.Name, o)
		b.must(err)
		for i := range 2 { // the second finds that it is done
			moved, err := s.Put(b.Context(), shop, from, o.Position)
			if b.must(err); moved != (i == 0) {
				b.Errorf("execution %d of %s moved: %t", i+1, o.Position, moved)
			}
		}
		from = o.Position
		list = append(list, s)
	}
	if q := b.status(e); len(list) != n || q.Pending != n {
		b.Fatalf("%d of %d, and it is %+v", len(list), n, q)
	}
	return e, list
}

// is is what Redis has of an endpoint, but for times.
func (b *bench) is(e webhook.Endpoint) map[string]string {
	b.Helper()
	keys := record.WebhookKeysOf(e.Queue())
	all, err := b.rdb.HGetAll(b.Context(), keys.State).Result()
	b.must(err)
	for _, at := range []string{"failing_since", "last_at", "success_at", "disabled_at", "resume_at"} {
		if all[at] != "" {
			all[at] = "set"
		}
	}
	delete(all, "failures") // one more is counted
	for name, members := range map[string]string{"open": keys.Open, "positions": keys.Positions} {
		if name == "open" {
			all[name] = fmt.Sprint(b.rdb.ZRange(b.Context(), members, 0, -1).Val())
		} else {
			all[name] = fmt.Sprint(b.rdb.HGetAll(b.Context(), members).Val())
		}
	}
	return all
}

func TestBeginExecutedTwiceSaysTheSame(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	e, list := b.scripts(3)
	for _, tt := range []struct {
		name, want string
		of         int
		prepare    func()
	}{
		{"the first may be sent", "", 0, func() {}},
		{"the second waits for it", "order", 1, func() {}},
		{"it wants to be left alone", "pause", 0, func() { b.state(e, "resume_at", time.Now().Add(time.Hour).UnixMilli()) }},
		{"it is disabled", "disabled", 0, func() { b.state(e, "disabled_at", time.Now().UnixMilli()) }},
	} {
		tt.prepare()
		before := b.is(e)
		for range 2 {
			if _, why, err := list[tt.of].Begin(t.Context(), 0); err != nil || why != tt.want {
				t.Errorf("%s: got %q, %v", tt.name, why, err)
			}
			if diff := cmp.Diff(before, b.is(e)); diff != "" {
				t.Errorf("%s: it changed (-before +after):\n%s", tt.name, diff)
			}
		}
	}
	// A place in line is taken twice, which sends later and loses nothing.
	b.must(b.rdb.Del(t.Context(), record.WebhookKeysOf(e.Queue()).State).Err())
	for i := range 4 {
		wait, why, err := list[0].Begin(t.Context(), time.Second)
		if late := time.Duration(i)*time.Second - wait; err != nil || late < 0 || late > time.Second || (why == "pace") != (i == 3) {
			t.Errorf("place %d: got %s, %q, %v", i, wait, why, err)
		}
	}
}

func (b *bench) state(e webhook.Endpoint, field string, v any) {
	b.Helper()
	b.must(b.rdb.HSet(b.Context(), record.WebhookKeysOf(e.Queue()).State, field, v).Err())
}

func TestBeginDropsWhatAsynqHasNoMore(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	e, list := b.scripts(3)
	ids, err := b.rdb.LRange(t.Context(), asynqx.Key(e.Queue(), asynqx.Pending), 0, -1).Result() // the last one first
	b.must(err)
	b.must(b.page().DeleteTask(e.Queue(), ids[2]))
	b.must(b.page().ArchiveTask(e.Queue(), ids[1]))
	for range 2 {
		if _, why, err := list[2].Begin(t.Context(), 0); err != nil || why != "" {
			t.Errorf("got %q, %v", why, err)
		}
	}
	if n := b.rdb.ZCard(t.Context(), record.WebhookKeysOf(e.Queue()).Open).Val(); n != 1 {
		t.Errorf("%d are open", n)
	}
}

func TestFinishExecutedTwiceSaysTheSame(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		answer  webhook.Answer
		last    bool
		prepare func(b *bench, e webhook.Endpoint)
		// disabled is told once, so that it is logged once.
		disabled string
		givenUp  bool
		next     bool
		open     int64
	}{
		{name: "delivered", answer: webhook.Answer{Result: webhook.Delivered}, next: true, open: 2},
		{name: "failed", answer: webhook.Answer{Result: webhook.Failed}, open: 3},
		{name: "throttled", answer: webhook.Answer{Result: webhook.Throttled, RetryAfter: time.Hour}, open: 3},
		{name: "given up", answer: webhook.Answer{Result: webhook.Refused}, last: true, givenUp: true, next: true, open: 2},
		{name: "gone", answer: webhook.Answer{Result: webhook.Gone}, disabled: webhook.DisabledGone, open: 3},
		{name: "gone at last", answer: webhook.Answer{Result: webhook.Gone}, last: true, disabled: webhook.DisabledGone, open: 3},
		{
			name: "failed for three days", answer: webhook.Answer{Result: webhook.Failed}, last: true, disabled: webhook.DisabledFailing, open: 3,
			prepare: func(b *bench, e webhook.Endpoint) { b.failingSince(e, time.Now().Add(-webhook.Patience-time.Second)) },
		},
		{
			name: "disabled meanwhile", answer: webhook.Answer{Result: webhook.Failed}, last: true, open: 3,
			prepare: func(b *bench, e webhook.Endpoint) { b.state(e, "disabled_at", 1); b.state(e, "disabled_why", "gone") },
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			e, list := b.scripts(3)
			if tt.prepare != nil {
				tt.prepare(b, e)
			}
			var after map[string]string
			for i := range 2 {
				disabled, givenUp, next, err := list[0].Finish(t.Context(), tt.answer, tt.last)
				if want := []string{tt.disabled, ""}[i]; err != nil || disabled != want || givenUp != tt.givenUp || (next != "") != tt.next {
					t.Errorf("execution %d: got %q, %t, %q, %v", i+1, disabled, givenUp, next, err)
				}
				if next != "" && next != fmt.Sprintf("out_%s_2_%d", shop, baseMS+2) {
					t.Errorf("the next is %s", next)
				}
				if n := b.rdb.ZCard(t.Context(), record.WebhookKeysOf(e.Queue()).Open).Val(); n != tt.open {
					t.Errorf("%d are open, want %d", n, tt.open)
				}
				if i == 0 {
					after = b.is(e)
				} else if diff := cmp.Diff(after, b.is(e)); diff != "" {
					t.Errorf("the second changed more (-once +twice):\n%s", diff)
				}
			}
			s := b.status(e)
			if (s.State == webhook.StateDisabled) != (tt.disabled != "" || tt.prepare != nil) || tt.disabled != "" && s.Disabled != tt.disabled {
				t.Errorf("it is %+v", s)
			}
		})
	}
}

func TestFinishWakesNoneThatAPersonDeletedOrArchived(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	e, list := b.scripts(4)
	for i, leave := range []func(queue, id string) error{b.page().DeleteTask, b.page().ArchiveTask} {
		b.must(leave(e.Queue(), fmt.Sprintf("out_%s_%d_%d", shop, i+2, baseMS+int64(i)+2)))
	}
	for range 2 {
		_, _, next, err := list[0].Finish(t.Context(), webhook.Answer{Result: webhook.Delivered}, false)
		if want := fmt.Sprintf("out_%s_4_%d", shop, baseMS+4); err != nil || next != want {
			t.Errorf("got %q, %v, want %s", next, err, want)
		}
		if n := b.rdb.ZCard(t.Context(), record.WebhookKeysOf(e.Queue()).Open).Val(); n != 1 {
			t.Errorf("%d are open", n)
		}
	}
}

func TestSkipExecutedTwiceCountsOnce(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	e, list := b.scripts(1)
	from := fmt.Sprintf("%d-1", baseMS+1)
	for i := range 2 {
		if moved, err := list[0].Skip(t.Context(), shop, from, "9-9", 7); err != nil || moved != (i == 0) {
			t.Errorf("execution %d: got %t, %v", i+1, moved, err)
		}
	}
	if s := b.status(e); s.Missed != 7 {
		t.Errorf("%d are missed", s.Missed)
	}
}
