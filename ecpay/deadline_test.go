package ecpay

import (
	"testing"
	"time"
)

// The two months of each period, and the day after which its invoices cannot be voided.
var periods = []struct {
	first, last, void string
	term              int
}{
	{"2026-01-01", "2026-02-28", "2026-03-13", 1},
	{"2026-03-01", "2026-04-30", "2026-05-13", 2},
	{"2026-05-01", "2026-06-30", "2026-07-13", 3},
	{"2026-07-01", "2026-08-31", "2026-09-13", 4},
	{"2026-09-01", "2026-10-31", "2026-11-13", 5},
	{"2026-11-01", "2026-12-31", "2027-01-13", 6},
	{"2028-01-01", "2028-02-29", "2028-03-13", 1}, // a leap year
}

func TestEveryDayHasItsDeadlines(t *testing.T) {
	t.Parallel()
	days := 0
	for _, p := range periods {
		last := taipeiTime(t, p.last+" 00:00:00")
		for day := taipeiTime(t, p.first+" 00:00:00"); !day.After(last); day = day.AddDate(0, 0, 1) {
			days++
			// Both sides of midnight in Taipei, and of midnight in UTC, which is 08:00 there.
			for _, clock := range []time.Duration{0, 8*time.Hour - time.Nanosecond, 8 * time.Hour, 24*time.Hour - time.Nanosecond} {
				issued := day.Add(clock).UTC()
				checkTime(t, "VoidDeadline", issued, VoidDeadline(issued), p.void+" 23:59:59")
				checkTime(t, "UploadDue in B2C", issued, UploadDue(B2C, issued), Date(day.Add(2*24*time.Hour))+" 23:59:59")
				checkTime(t, "UploadDue in B2B", issued, UploadDue(B2B, issued), Date(day.Add(7*24*time.Hour))+" 23:59:59")
				year, term := InvoiceTermOf(issued)
				if want := map[int]string{2026: "115", 2028: "117"}[day.Year()]; year != want || term != p.term {
					t.Errorf("InvoiceTermOf(%s) = %s, %d, want %s, %d", issued, year, term, want, p.term)
				}
			}
		}
	}
	if days != 365+60 {
		t.Errorf("%d days were looked at, want a year and two months", days)
	}
}

func TestDeadlinesOfSomeDays(t *testing.T) {
	t.Parallel()
	for issued, want := range map[string]struct{ void, b2c, b2b string }{ // by UTC
		"2026-02-28 15:59:59": {"2026-03-13 23:59:59", "2026-03-02 23:59:59", "2026-03-07 23:59:59"}, // 23:59:59 in Taipei
		"2026-02-28 16:00:00": {"2026-05-13 23:59:59", "2026-03-03 23:59:59", "2026-03-08 23:59:59"}, // already March there
		"2026-12-31 15:59:59": {"2027-01-13 23:59:59", "2027-01-02 23:59:59", "2027-01-07 23:59:59"},
		"2026-12-31 16:00:00": {"2027-03-13 23:59:59", "2027-01-03 23:59:59", "2027-01-08 23:59:59"},
		"2028-02-27 04:00:00": {"2028-03-13 23:59:59", "2028-02-29 23:59:59", "2028-03-05 23:59:59"},
	} {
		at, err := time.Parse(time.DateTime, issued)
		if err != nil {
			t.Fatal(err)
		}
		checkTime(t, "VoidDeadline", at, VoidDeadline(at), want.void)
		checkTime(t, "UploadDue in B2C", at, UploadDue(B2C, at), want.b2c)
		checkTime(t, "UploadDue in B2B", at, UploadDue(B2B, at), want.b2b)
	}
}

func taipeiTime(t *testing.T, s string) time.Time {
	t.Helper()
	at, err := time.ParseInLocation(time.DateTime, s, Taipei)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func checkTime(t *testing.T, what string, issued, got time.Time, want string) {
	t.Helper()
	if !got.Equal(taipeiTime(t, want)) {
		t.Errorf("%s of what was issued at %s: got %s, want %s in Taipei", what, issued, got, want)
	}
}
