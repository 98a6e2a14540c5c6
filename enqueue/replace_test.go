package enqueue

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hibiken/asynq"

	"github.com/ecpayq/ecpayq/internal/asynqx"
	"github.com/ecpayq/ecpayq/internal/redistest"
	"github.com/ecpayq/ecpayq/tasks"
	"github.com/ecpayq/ecpayq/tasks/ledger"
	"github.com/ecpayq/ecpayq/tasks/record"
)

// dies makes a stored void dead: archived by asynq, copied into the ledger and,
// with sweep, removed from asynq.
func dies(t *testing.T, srv *redistest.Server, id string, sweep bool) {
	t.Helper()
	insp := asynq.NewInspectorFromRedisClient(srv.Client())
	store := ledger.New(srv.Client(), time.Hour, time.Now)
	if err := insp.ArchiveTask("invalid", id); err != nil {
		t.Fatal(err)
	}
	if ok, err := store.Deposit(t.Context(), "invalid", id, "test"); err != nil || !ok {
		t.Fatalf("%v, %v", ok, err)
	}
	if !sweep {
		return
	}
	if p, err := store.Drop(t.Context(), "invalid", id); err != nil || p != ledger.Dropped {
		t.Fatalf("%s, %v", p, err)
	}
}

func TestADeadTaskIsADuplicateAlsoWhenAsynqHasForgottenIt(t *testing.T) {
	t.Parallel()
	srv := redistest.New(t)
	c := newClient(t, srv)
	first, err := c.Invalid(t.Context(), void("VG11000002", "typo"))
	if err != nil {
		t.Fatal(err)
	}
	dies(t, srv, first.ID, true)
	got, err := c.Invalid(t.Context(), void("VG11000002", "mended"))
	want := Receipt{ID: first.ID, Type: "b2b:invalid", Queue: "invalid", State: record.StateDead, Duplicate: true, Differs: []string{"Reason"}}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	if n := srv.Client().LLen(t.Context(), "asynq:{invalid}:pending").Val(); n != 0 {
		t.Errorf("%d tasks stored, want none", n)
	}
}

func TestReplaceDeadRunsTheNewPayloadInThePlaceOfADeadTaskOnly(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		dies  func(t *testing.T, srv *redistest.Server, id string)
		at    time.Time
		state string
		stays bool // the earlier task stands
	}{
		"dead":           {func(t *testing.T, s *redistest.Server, id string) { dies(t, s, id, false) }, time.Time{}, "pending", false},
		"dead and swept": {func(t *testing.T, s *redistest.Server, id string) { dies(t, s, id, true) }, time.Time{}, "pending", false},
		"dead, for later": {func(t *testing.T, s *redistest.Server, id string) { dies(t, s, id, false) },
			time.Now().Add(time.Hour), "scheduled", false},
		"archived, no sweep": {func(t *testing.T, s *redistest.Server, id string) {
			if err := asynq.NewInspectorFromRedisClient(s.Client()).ArchiveTask("invalid", id); err != nil {
				t.Fatal(err)
			}
		}, time.Time{}, "pending", false},
		"a remnant without a task": {func(t *testing.T, s *redistest.Server, id string) {
			if err := asynq.NewInspectorFromRedisClient(s.Client()).DeleteTask("invalid", id); err != nil {
				t.Fatal(err)
			}
			s.Client().HSet(t.Context(), asynqx.TaskKey("invalid", id), "result", "late")
		}, time.Time{}, "pending", false},
		"pending": {func(*testing.T, *redistest.Server, string) {}, time.Time{}, "pending", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := redistest.New(t)
			c := newClient(t, srv)
			first, err := c.Invalid(t.Context(), void("VG11000002", "typo"))
			if err != nil {
				t.Fatal(err)
			}
			row.dies(t, srv, first.ID)
			opts := []Option{ReplaceDead()}
			if !row.at.IsZero() {
				opts = append(opts, ProcessAt(row.at))
			}
			got, err := c.Invalid(t.Context(), void("VG11000002", "mended"), opts...)
			if err != nil || got.State != row.state || got.Duplicate != row.stays {
				t.Fatalf("%+v, %v", got, err)
			}
			info, err := asynq.NewInspectorFromRedisClient(srv.Client()).GetTaskInfo("invalid", first.ID)
			if err != nil || info.State.String() != row.state {
				t.Fatalf("%+v, %v", info, err)
			}
			p, err := tasks.Decode(info.Type, info.Headers, info.Payload)
			want := "mended"
			if row.stays {
				want = "typo"
			}
			if err != nil || p.(*tasks.B2BInvalid).Reason != want {
				t.Errorf("runs %s, %v; want %q", info.Payload, err, want)
			}
			again, err := c.Invalid(t.Context(), void("VG11000002", "mended"), ReplaceDead())
			if err != nil || !again.Duplicate || again.Replaced {
				t.Errorf("a second call: %+v, %v; want a duplicate", again, err)
			}
		})
	}
}

func TestReplaceDeadIsAuditedWithWhoAndTheNamesOfTheFieldsThatChange(t *testing.T) {
	t.Parallel()
	srv := redistest.New(t)
	c := newClient(t, srv)
	var want []ledger.AuditEntry
	for _, row := range []struct {
		number, who string
		opts        []Option
	}{
		{"VG11000002", "enqueue", []Option{ReplaceDead()}},
		{"VG11000003", "shop", []Option{ReplaceDead(), By("shop")}},
	} {
		r, err := c.Invalid(t.Context(), void(row.number, "typo"))
		if err != nil {
			t.Fatal(err)
		}
		dies(t, srv, r.ID, true)
		if r, err := c.Invalid(t.Context(), void(row.number, "mended"), row.opts...); err != nil || !r.Replaced {
			t.Fatalf("%+v, %v", r, err)
		}
		want = append([]ledger.AuditEntry{{Who: row.who, What: ledger.ActReplace, ID: r.ID, Fields: []string{"Reason"}}}, want...)
	}
	var got []ledger.AuditEntry
	for e, err := range ledger.New(srv.Client(), time.Hour, time.Now).Audits(t.Context(), time.Time{}) {
		if err != nil || time.Since(e.At).Abs() > time.Minute {
			t.Fatalf("%+v, %v", e, err)
		}
		e.At = time.Time{}
		got = append(got, e)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("audit (-want +got):\n%s", diff)
	}
}

func TestReplaceDeadOfNothingStoresTheTask(t *testing.T) {
	t.Parallel()
	c := newClient(t, redistest.New(t))
	r, err := c.Invalid(t.Context(), void("VG11000002", "r"), ReplaceDead())
	if want := (Receipt{ID: r.ID, Type: "b2b:invalid", Queue: "invalid", State: "pending"}); err != nil || !cmp.Equal(r, want) {
		t.Errorf("%+v, %v", r, err)
	}
}
