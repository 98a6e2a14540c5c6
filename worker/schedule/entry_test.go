package schedule_test

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/worker/schedule"
)

func entry(t *testing.T, expression string, f schedule.Filter) schedule.Entry {
	t.Helper()
	e, err := schedule.New("night", expression, nil, f)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestASlotIsInTheTimeZoneOfItsSchedule(t *testing.T) {
	t.Parallel()
	tokyo, err := time.LoadLocation("Asia/Tokyo")
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 11, 24, 20, 0, 0, 0, time.UTC) // 04:00 of the 25th in Taipei
	for _, row := range []struct {
		expression string
		zone       *time.Location
		last, next string
	}{
		{"30 3 * * *", nil, "2026-11-25T03:30:00+08:00", "2026-11-26T03:30:00+08:00"},
		{"30 3 * * *", tokyo, "2026-11-25T03:30:00+09:00", "2026-11-26T03:30:00+09:00"},
		{"30 3 * * *", time.UTC, "2026-11-24T03:30:00Z", "2026-11-25T03:30:00Z"},
		{"0 4 * * *", nil, "2026-11-25T04:00:00+08:00", "2026-11-26T04:00:00+08:00"},
		{"*/10 * * * * *", nil, "2026-11-25T04:00:00+08:00", "2026-11-25T04:00:10+08:00"},
		{"@hourly", nil, "2026-11-25T04:00:00+08:00", "2026-11-25T05:00:00+08:00"},
		{"0 9 * * MON-FRI", nil, "2026-11-24T09:00:00+08:00", "2026-11-25T09:00:00+08:00"},
		{"0 0 29 2 *", nil, "2024-02-29T00:00:00+08:00", "2028-02-29T00:00:00+08:00"},
	} {
		e, err := schedule.New("a", row.expression, row.zone, schedule.Filter{})
		if err != nil {
			t.Fatal(err)
		}
		last, ok := e.Last(now)
		if got := last.Format(time.RFC3339); !ok || got != row.last {
			t.Errorf("%s: got last slot %s, %v, want %s", row.expression, got, ok, row.last)
		}
		if got := e.Next(now).Format(time.RFC3339); got != row.next {
			t.Errorf("%s: got next slot %s, want %s", row.expression, got, row.next)
		}
	}
}

func TestTheLastSlotIsFoundWhereverTheTimesLie(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 2))
	for _, expression := range []string{"* * * * *", "*/7 * * * *", "59 23 31 12 *",
		"*/5 * 1 1 * *", "0 0 1 * *", "13 5,17 * * 2", "* * * * * *", "@yearly"} {
		e := entry(t, expression, schedule.Filter{})
		for range 200 {
			now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(rng.Int64N(int64(3 * 365 * 24 * time.Hour))))
			last, ok := e.Last(now)
			// It is a slot, not after now, and none is between it and now.
			if next := e.Next(last); !ok || last.After(now) || !next.After(now) || !e.Next(last.Add(-time.Second)).Equal(last) {
				t.Fatalf("%s at %s: got %s, %v, and after it %s", expression, now, last, ok, next)
			}
		}
	}
}

func TestASchedulesMistakesAreSaid(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name, expression string
		f                schedule.Filter
		want             string
	}{
		{"", "@daily", schedule.Filter{}, "name"},
		{"Night Shift", "@daily", schedule.Filter{}, "name"},
		{"a", "", schedule.Filter{}, "it has 0 fields and must have 5"},
		{"a", "61 * * * *", schedule.Filter{}, `the minute "61" must be of 0 to 59`},
		{"a", "61 * * * * *", schedule.Filter{}, `the second "61" must be of 0 to 59`},
		{"a", "0 9 * * MOX", schedule.Filter{}, `the day of the week "MOX" must be of 0 to 6`},
		{"a", "0 9 1-x * *", schedule.Filter{}, `the day of the month "1-x" must be of 1 to 31`},
		{"a", "* * * *", schedule.Filter{}, "it has 4 fields and must have 5"},
		{"a", "* * * * * * *", schedule.Filter{}, "it has 7 fields and must have 5"},
		{"a", "@often", schedule.Filter{}, "it must be @hourly"},
		{"a", "@every 5m", schedule.Filter{}, "no fixed times"},
		{"a", "TZ=Asia/Tokyo 0 5 * * *", schedule.Filter{}, "time_zone"},
		{"a", "CRON_TZ=", schedule.Filter{}, "time_zone"},
		{"a", "0 0 30 2 *", schedule.Filter{}, "never comes"},
		{"a", "@daily", schedule.Filter{OlderThan: -1}, "negative"},
		{"a", "@daily", schedule.Filter{Limit: -1}, "negative"},
	} {
		if _, err := schedule.New(row.name, row.expression, nil, row.f); err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%q %q: got error %v, want one that says %q", row.name, row.expression, err, row.want)
		}
	}
	if e := entry(t, "@daily", schedule.Filter{}); e.Zone != ecpay.Taipei {
		t.Errorf("got zone %s, want Asia/Taipei", e.Zone)
	}
}
