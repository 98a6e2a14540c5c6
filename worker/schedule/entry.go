// Package schedule replays dead tasks, or compares ECPay's invoices with the record, at set times: once in the fleet for each
// time, whichever worker comes first, and once for all times that were missed
// while no worker ran.
//
// Workers need no leader. A time of a schedule, its slot, is claimed in Redis for a
// while; whoever holds the claim replays, and records the slot as the last one when
// it is through. If that worker dies, the claim ends and another one takes the same
// slot. It finds what was replayed as not dead any more, or as dead anew, which is
// after the slot and so left to the next one.
package schedule

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/robfig/cron/v3"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/worker/deadletter"
)

// Filter says which dead tasks a schedule replays. Its zero value takes all but
// those that a person must decide about.
type Filter struct {
	// Kinds are what they died of; empty for all but Rejected and Ambiguous, which are
	// replayed only where they are named. What a person stopped is replayed by no
	// schedule, see [record.Record.Stopped].
	Kinds []ecpay.Kind
	// Type is a task type like "b2b:invalid"; empty for all.
	Type string
	// MerchantID selects one merchant; empty for all.
	MerchantID string
	// OlderThan is the least time since death, at the time of the schedule.
	OlderThan time.Duration
	// Limit ends a run after that many replays; 0 for no end.
	Limit int
}

func (f Filter) takes(k ecpay.Kind) bool {
	if len(f.Kinds) > 0 {
		return slices.Contains(f.Kinds, k)
	}
	return k != ecpay.Rejected && k != ecpay.Ambiguous && k != ecpay.Stopped
}

// letters selects what died before a time, strictly: deaths that a sweep copies have
// times of whole seconds, and what is replayed at a time must be later than it when it
// dies again.
func (f Filter) letters(before time.Time) deadletter.Filter {
	return deadletter.Filter{Type: f.Type, MerchantID: f.MerchantID, DiedBefore: before.Add(-f.OlderThan - time.Millisecond)}
}

// Job is what a schedule does.
type Job string

// The jobs.
const (
	// Replay is the zero value: it replays dead tasks.
	Replay Job = ""
	// Reconcile compares the invoices of days with the record.
	Reconcile Job = "reconcile"
)

// MaxDays is how many days one run of a [Reconcile] compares.
const MaxDays = 31

// Entry is one schedule.
type Entry struct {
	// Name tells it from the others, and stays when its times change.
	Name string
	// Cron is as it was given.
	Cron string
	// Zone is where the times of Cron are.
	Zone *time.Location
	// Do is what is done. For [Reconcile] the Filter has a MerchantID alone, empty for all, and Days is how many days are
	// compared, the last being the one before the slot's.
	Do   Job
	Days int
	Filter

	times *cron.SpecSchedule
}

var (
	entryName = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,63}$`)
	parser    = cron.NewParser(cron.SecondOptional | cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow | cron.Descriptor)
)

// New returns a schedule. The expression has the five fields of cron, with one for
// seconds before them if it has six, or is one of @hourly, @daily, @weekly, @monthly
// and @yearly. A nil zone is Asia/Taipei.
func New(name, expression string, zone *time.Location, f Filter) (Entry, error) {
	e := Entry{Name: name, Cron: expression, Zone: zone, Filter: f}
	if zone == nil {
		e.Zone = ecpay.Taipei
	}
	if !entryName.MatchString(name) {
		return e, fmt.Errorf("schedule %q: the name must be 1 to 64 lower-case letters, digits and any of ._-", name)
	}
	fail := func(err error) (Entry, error) { return e, fmt.Errorf("schedule %s: %w", name, err) }
	if strings.Contains(expression, "TZ=") {
		return fail(errors.New("the time zone does not stand in the expression; give time_zone"))
	}
	parsed, err := parser.Parse(expression)
	if err != nil {
		return fail(fmt.Errorf("cron expression %q: %s", expression, cronProblem(expression)))
	}
	var fixed bool
	if e.times, fixed = parsed.(*cron.SpecSchedule); !fixed {
		return fail(fmt.Errorf("cron expression %q: @every has no fixed times, so that workers could not agree on them", expression))
	}
	e.times.Location = e.Zone
	switch {
	case e.Next(time.Now()).IsZero():
		return fail(fmt.Errorf("cron expression %q: it never comes", expression))
	case slices.Contains(f.Kinds, ecpay.Stopped):
		return fail(errors.New("kind Stopped: what a person stopped is replayed by its id only, by no schedule"))
	case f.OlderThan < 0 || f.Limit < 0:
		return fail(errors.New("older_than and limit must not be negative"))
	}
	return e, nil
}

// NewReconcile returns a schedule that compares so many days of a merchant, or of all.
func NewReconcile(name, expression string, zone *time.Location, merchantID string, days int) (Entry, error) {
	e, err := New(name, expression, zone, Filter{MerchantID: merchantID})
	if e.Do, e.Days = Reconcile, days; err == nil && (days < 1 || days > MaxDays) {
		err = fmt.Errorf("schedule %s: days is %d; it must be 1 to %d", name, days, MaxDays)
	}
	return e, err
}

// cronFields are the fields of an expression, and what each may be; the seconds may be left out.
var cronFields = []struct{ name, values string }{
	{"second", "0 to 59"}, {"minute", "0 to 59"}, {"hour", "0 to 23"}, {"day of the month", "1 to 31"},
	{"month", "1 to 12 or JAN to DEC"}, {"day of the week", "0 to 6, 0 being Sunday, or SUN to SAT"},
}

// cronProblem says which field of an expression is wrong, in words that are not cron's: the one that
// is wrong beside stars too.
func cronProblem(expression string) string {
	if strings.HasPrefix(expression, "@") {
		return "it must be @hourly, @daily, @weekly, @monthly or @yearly, or fields like 30 9 * * 1-5"
	}
	fields := strings.Fields(expression)
	given := cronFields[max(0, len(cronFields)-len(fields)):]
	if len(fields) > len(cronFields) || len(fields) < len(cronFields)-1 {
		return fmt.Sprintf("it has %d fields and must have 5, minute, hour, day, month, day of the week, "+
			"or 6 with seconds first; like 30 9 * * 1-5", len(fields))
	}
	for i, f := range given {
		alone := slices.Repeat([]string{"*"}, len(given))
		alone[i] = fields[i]
		if _, err := parser.Parse(strings.Join(alone, " ")); err != nil {
			return fmt.Sprintf("the %s %q must be of %s: one, a range 1-5, a step */5, a list 1,3, or *", f.name, fields[i], f.values)
		}
	}
	return "it is no cron expression"
}

// Next is the first slot after t, zero when there is none within five years.
func (e Entry) Next(t time.Time) time.Time { return e.times.Next(t.In(e.Zone)) }

// Last is the last slot that is not after t.
func (e Entry) Last(t time.Time) (time.Time, bool) {
	due := func(from time.Time) bool {
		n := e.Next(from)
		return !n.IsZero() && !n.After(t)
	}
	// A span before t that has a slot, then halves of it.
	span := time.Minute
	for ; !due(t.Add(-span)); span *= 2 {
		if span > 6*366*24*time.Hour {
			return time.Time{}, false
		}
	}
	low, high := t.Add(-span), t
	for high.Sub(low) > time.Second {
		if middle := low.Add(high.Sub(low) / 2); due(middle) {
			low = middle
		} else {
			high = middle
		}
	}
	return e.Next(low), true
}

// spec tells the times of one schedule from what they were before they were
// changed: a new expression must not look as if it had missed something.
func (e Entry) spec() string {
	sum := sha256.Sum256([]byte(e.Cron + "\x00" + e.Zone.String()))
	return hex.EncodeToString(sum[:6])
}
