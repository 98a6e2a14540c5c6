package schedule

import (
	"context"
	_ "embed"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/internal/redisx"
	"github.com/ecpayq/ecpayq/tasks/record"
)

var (
	//go:embed claim.lua
	claimLua string
	//go:embed keep.lua
	keepLua string
	//go:embed finish.lua
	finishLua string

	claim  = redisx.NewScript[stateKeys, claimArgs, claimAnswer](record.ScriptText(claimLua))
	keep   = redisx.NewScript[stateKeys, keepArgs, int64](record.ScriptText(keepLua))
	finish = redisx.NewScript[stateKeys, finishArgs, int64](record.ScriptText(finishLua))
)

type stateKeys struct{ State string } // of the schedule

type claimArgs struct {
	Slot  time.Time `unit:"ms"`
	Token string
	Lease time.Duration `unit:"ms"` // of the claim
	Life  time.Duration `unit:"ms"` // of the state
}

type claimAnswer struct {
	Answer string // one of the constants
	Used   int    // how many were replayed in this slot before
}

type keepArgs struct {
	Token string
	Lease time.Duration `unit:"ms"`
	N     int           // of the replay in its slot
}

type finishArgs struct {
	Token                  string
	Slot                   time.Time `unit:"ms"`
	All                    bool      // was done
	Replayed, Left, Failed int
}

// stateLife is how long the state of a schedule that nobody has any more is kept,
// longer than the longest time between two slots that anybody waits for.
const stateLife = 400 * 24 * time.Hour

func key(e Entry) string { return record.ScheduleKey(e.Name, e.spec()) }

// Answers of a claim.
const (
	claimNew  = "new"
	claimDone = "done"
	claimBusy = "busy"
	claimOK   = "ok"
)

func (s *Scheduler) claim(ctx context.Context, e Entry, slot time.Time, token string) (answer string, used int, err error) {
	v, err := claim.Run(ctx, s.cfg.Redis, stateKeys{key(e)}, claimArgs{slot, token, s.cfg.Lease, stateLife})
	if err != nil {
		return "", 0, fmt.Errorf("claim slot: %w", err)
	}
	return v.Answer, v.Used, nil
}

func (s *Scheduler) keep(ctx context.Context, e Entry, token string, n int) (bool, error) {
	ok, err := keep.Run(ctx, s.cfg.Redis, stateKeys{key(e)}, keepArgs{token, s.cfg.Lease, n})
	if err != nil {
		return false, fmt.Errorf("keep slot: %w", err)
	}
	return ok == 1, nil
}

func (s *Scheduler) finish(ctx context.Context, e Entry, token string, slot time.Time, r Report, all bool) (bool, error) {
	ok, err := finish.Run(ctx, s.cfg.Redis, stateKeys{key(e)}, finishArgs{token, slot, all, r.Replayed, r.Left, r.Failed})
	if err != nil {
		return false, fmt.Errorf("end slot: %w", err)
	}
	return ok == 1, nil
}

// Status is a schedule with what is known of its runs.
type Status struct {
	Name       string       `json:"name"`
	Cron       string       `json:"cron"`
	TimeZone   string       `json:"time_zone"`
	Kinds      []ecpay.Kind `json:"kind,omitempty"`
	Type       string       `json:"type,omitempty"`
	MerchantID string       `json:"merchant_id,omitempty"`
	OlderThan  string       `json:"older_than,omitempty"`
	Limit      int          `json:"limit,omitempty"`
	// Do and Days are those of the [Entry].
	Do     Job       `json:"do,omitempty"`
	Days   int       `json:"days,omitempty"`
	NextAt time.Time `json:"next_at"`
	// Runs, and what follows, is of the runs by its times, not of those by hand. All is
	// empty before the first.
	Runs int `json:"runs"`
	// LastSlot is the time of the last run, LastAt when it ended.
	LastSlot *time.Time `json:"last_slot,omitempty"`
	LastAt   *time.Time `json:"last_at,omitempty"`
	Report
	// Running is the time of the run that goes on now.
	Running *time.Time `json:"running,omitempty"`
	// DueSince is a time that has come and was not run for yet. Soon after it that is
	// ordinary; else no worker that has the schedule is at work.
	DueSince *time.Time `json:"due_since,omitempty"`
}

// In returns it with its times in another zone than the schedule's own.
func (s Status) In(zone *time.Location) Status {
	s.NextAt = s.NextAt.In(zone)
	for _, t := range []**time.Time{&s.LastSlot, &s.LastAt, &s.Running, &s.DueSince} {
		if *t != nil {
			there := (*t).In(zone)
			*t = &there
		}
	}
	return s
}

// List reads the state of schedules.
func List(ctx context.Context, rdb redis.UniversalClient, entries []Entry) ([]Status, error) {
	now, err := rdb.Time(ctx).Result()
	if err != nil {
		return nil, fmt.Errorf("read clock: %w", err)
	}
	pipe := rdb.Pipeline()
	states := make([]*redis.MapStringStringCmd, len(entries))
	for i, e := range entries {
		states[i] = pipe.HGetAll(ctx, key(e))
	}
	if err := redisx.Exec(ctx, pipe); err != nil {
		return nil, fmt.Errorf("read schedules: %w", err)
	}
	all := make([]Status, len(entries))
	for i, e := range entries {
		all[i] = status(e, states[i].Val(), now)
	}
	return all, nil
}

// Overdue says of each schedule for how long the first of its times has come that was
// not run for, by Redis' clock; 0 when there is none.
func Overdue(ctx context.Context, rdb redis.UniversalClient, entries []Entry) (map[string]time.Duration, error) {
	now, err := rdb.Time(ctx).Result()
	if err != nil {
		return nil, fmt.Errorf("read clock: %w", err)
	}
	pipe := rdb.Pipeline()
	last := make([]*redis.StringCmd, len(entries))
	for i, e := range entries {
		last[i] = pipe.HGet(ctx, key(e), "last")
	}
	if err := redisx.Exec(ctx, pipe); err != nil {
		return nil, fmt.Errorf("read schedules: %w", err)
	}
	late := make(map[string]time.Duration, len(entries))
	for i, e := range entries {
		late[e.Name] = 0
		if ms, err := last[i].Int64(); err == nil {
			if due := e.Next(time.UnixMilli(ms)); !due.IsZero() {
				late[e.Name] = max(0, now.Sub(due))
			}
		}
	}
	return late, nil
}

func status(e Entry, m map[string]string, now time.Time) Status {
	number := func(field string) int {
		n, _ := strconv.Atoi(m[field]) // what is not there is 0
		return n
	}
	at := func(field string) *time.Time {
		ms := number(field)
		if ms == 0 {
			return nil
		}
		t := time.UnixMilli(int64(ms)).In(e.Zone)
		return &t
	}
	s := Status{
		Name: e.Name, Cron: e.Cron, TimeZone: e.Zone.String(), Kinds: e.Kinds, Type: e.Type, MerchantID: e.MerchantID, Limit: e.Limit,
		Do: e.Do, Days: e.Days,
		NextAt: e.Next(now), Runs: number("runs"),
	}
	if e.OlderThan > 0 {
		s.OlderThan = e.OlderThan.String()
	}
	if s.Runs > 0 {
		s.LastSlot, s.LastAt = at("last"), at("ended")
		s.Report = Report{Replayed: number("replayed"), Left: number("left"), Failed: number("failed")}
	}
	if slot, ok := e.Last(now); ok {
		if last := at("last"); last != nil && slot.After(*last) {
			s.DueSince = &slot
		}
	}
	if ends := at("ends"); ends != nil && ends.After(now) {
		s.Running = at("slot")
	}
	return s
}
